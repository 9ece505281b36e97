// SPDX-License-Identifier: Apache-2.0
// Compiles proofhouse.scss into the directory given (the portal's static files unless told otherwise) and lays
// beside it the fonts and icons that the stylesheet names, with the licences they come under.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../src/proofhouse/server/web/static/web");
const uswds = join(here, "node_modules/@uswds/uswds");

const { css } = compile(join(here, "proofhouse.scss"), {
  style: "compressed",
  loadPaths: [join(uswds, "packages")],
  quietDeps: true,
});
// Every browser that the portal supports reads WOFF2; the older formats would only weigh.
const lean = css.replace(/,\s*url\([^)]+\.(?:woff|ttf)\)\s*format\([^)]+\)/g, "");

for (const directory of ["fonts", "img", "LICENSES"]) rmSync(join(out, directory), { recursive: true, force: true });
mkdirSync(join(out, "LICENSES"), { recursive: true });
writeFileSync(
  join(out, "proofhouse.css"),
  `/*! Proofhouse, Apache-2.0; USWDS 3.14.0, fonts and icons: see LICENSES */\n${lean.replace(/^\uFEFF|\/\*!.*?\*\//gs, "").trim()}\n`,
);
const named = new Set([...lean.matchAll(/url\("?((?:fonts|img)\/[^)"?#]+)/g)].map((found) => found[1]));
for (const file of named) cpSync(join(uswds, "dist", file), join(out, file));
cpSync(join(uswds, "LICENSE.md"), join(out, "LICENSES/USWDS.md"));
cpSync(join(here, "OFL-1.1.txt"), join(out, "LICENSES/OFL-1.1.txt"));
cpSync(join(here, "../LICENSE"), join(out, "LICENSES/Apache-2.0.txt"));
console.log(`${lean.length} characters of CSS, ${named.size} fonts and icons`);
