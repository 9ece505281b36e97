# SPDX-License-Identifier: Apache-2.0
"""semgrep: patterns of our own over C and C++. LGPL-2.1, by process only, and only its matcher.

The matcher (`semgrep-core`) and its libraries are put into the box from an installed wheel; the Python part around it,
which would ask a registry for rules and report use, is never started.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from proofhouse.sandbox import Box
from proofhouse.scan._engine import EngineMissing, Method, Remark, Seen, Terms, plain
from proofhouse.scan._source import OUTPUT_BYTES, SOURCE, loudest_first, open_source, read, remark
from proofhouse.scan._target import Target

INSTALLED = "PROOFHOUSE_SEMGREP"
"""Environment variable that names the environment or directory in which semgrep's wheel is installed."""
RULES = Path(__file__).with_name("rules.json")
LANGUAGES = {".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp"}
MAX_FILES = 4000
FILES_A_RUN = 200
MAX_RESULTS = 20_000
PLACE = "/work/semgrep"
ANCHOR = f"{PLACE}/nobody.pem"


class Semgrep:
    """Static analysis by patterns."""

    name = "semgrep"
    method = Method.STATIC_ANALYSIS
    means = "scanner"
    limits = "proves nothing; eight patterns of our own, one file at a time"
    last_resort = False

    def version(self) -> str:
        """See `Engine.version`."""
        place = _installed()
        found = sorted(place.parent.parent.glob("semgrep-*.dist-info"))
        return plain(
            f"semgrep {found[0].name.split('-')[1].removesuffix('.dist')}" if found else "semgrep", 40
        )

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """See `Engine.search`."""
        place = _installed()
        terms.tell("semgrep: reads the source")
        found: list[Remark] = []
        with open_source(target, terms) as box:
            box.put_tree(_packed(place), PLACE)
            box.put(f"{PLACE}/rules.json", RULES.read_bytes())
            box.put(ANCHOR, _anchor())
            files = _files(box)
            for start in range(0, len(files), FILES_A_RUN):
                found += _matched(box, files[start : start + FILES_A_RUN], terms)
        yield from loudest_first(found)


def _installed() -> Path:
    """The wheel's directory of programs."""
    named = os.environ.get(INSTALLED)
    if named:
        roots = [Path(named), *Path(named).glob("lib/python3*/site-packages")]
    else:
        spec = importlib.util.find_spec("semgrep")
        roots = [Path(spec.origin).parent.parent] if spec is not None and spec.origin else []
    for root in roots:
        if (root / "semgrep" / "bin" / "semgrep-core").is_file():
            return root / "semgrep" / "bin"
    raise EngineMissing(
        "semgrep is not installed (Debian has no package): put its wheel from PyPI into an environment of its own "
        f"and name that in {INSTALLED}"
    )


def _packed(place: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("semgrep-core", "libs"):
            if (place / name).exists():
                archive.add(place / name, name)
    return buffer.getvalue()


def _files(box: Box) -> list[str]:
    """Names of C and C++ files of the source; a name that is not plain is passed over."""
    listed = box.exec(["find", ".", "-type", "f", "-print0"], cwd=SOURCE, output_bytes=OUTPUT_BYTES)
    names = (name.decode("utf-8", "replace") for name in listed.stdout.split(b"\0"))
    kept = [
        name
        for name in names
        if Path(name).suffix in LANGUAGES and name.isprintable() and "\ufffd" not in name
    ]
    return sorted(kept)[:MAX_FILES]


def _matched(box: Box, files: list[str], terms: Terms) -> list[Remark]:
    listed = [["CodeTarget", _file(name)] for name in files]
    box.put(f"{PLACE}/targets.json", json.dumps(["Targets", listed]).encode())
    options = (
        "-json_nodots",
        "-j",
        "1",
        "-timeout",
        "10",
        "-max_memory",
        "1500",
        "-max_match_per_file",
        "100",
    )
    argv = [
        f"{PLACE}/semgrep-core",
        "-rules",
        f"{PLACE}/rules.json",
        "-targets",
        f"{PLACE}/targets.json",
        *options,
    ]
    done = read(box, argv, terms, {"SSL_CERT_FILE": ANCHOR})
    if done.exit_code != 0:
        said = plain(done.stderr.decode("utf-8", "replace"), 200)
        raise EngineMissing(f"semgrep-core ended with {done.exit_code}: {said}")
    return remarks(done.stdout)


def _anchor() -> bytes:
    """A certificate whose key nobody has: the matcher will not start without one to trust, though it asks nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    began = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _file(name: str) -> dict[str, object]:
    """A file as the matcher wants to be told of it; `ppath` is its path as seen from the source's root."""
    language = LANGUAGES[Path(name).suffix]
    return {"path": {"fpath": name, "ppath": name[1:]}, "analyzer": language, "products": ["sast"]}


def remarks(said: bytes) -> list[Remark]:
    """What the matcher found; an answer that is cut or not its own says nothing."""
    try:
        results = json.loads(said)["results"][:MAX_RESULTS]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    found = []
    for each in results:
        try:
            extra = each["extra"]
            made = remark(
                str(each["path"]), each["start"]["line"], each["check_id"], extra["metadata"]["cwe"], extra["severity"],
                extra["message"],
            )  # fmt: skip
        except (KeyError, TypeError):
            continue
        if made is not None:
            found.append(made)
    return found
