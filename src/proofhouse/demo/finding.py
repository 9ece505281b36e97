# SPDX-License-Identifier: Apache-2.0
"""What is reported in the demo: a real flaw of libxml2, or our example program where no source archive is in reach."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from proofhouse.demo.stage import CouldNot
from proofhouse.validation import (
    DirectorySource,
    FileRef,
    NewSource,
    Recipe,
    RecipeFile,
    Source,
    SourceUnavailable,
    ToolMissing,
    fetch_source,
    load_recipe,
)

_PACKAGE = Path(__file__).resolve().parent
ROOT = _PACKAGE if (_PACKAGE / "recipes").is_dir() else _PACKAGE.parents[2]
"""Where `recipes/` and `examples/` lie: in the installed package, or in the checkout."""

REAL = ROOT / "recipes" / "libxml2-2025-49794.toml"
EXAMPLE = ROOT / "recipes" / "example.toml"


@dataclass(frozen=True)
class Finding:
    """Everything that the demo's people know about the flaw they handle."""

    recipe: Path
    real: bool
    why: str
    title: str
    summary: str
    product: dict[str, str]
    package: dict[str, str]
    vulnerabilities: list[dict[str, str]]
    finders: list[dict[str, str]]
    reports: list[dict[str, Any]]
    patch_name: str
    patch: bytes

    @classmethod
    def again(cls, recipe: Path, cache: Path) -> Self:
        """The same finding in a later step; its source lies in the cache by now."""
        return cls.of(recipe, cache, "")

    @classmethod
    def of(cls, recipe_file: Path, cache: Path, why: str) -> Self:
        """Read a finding: facts from `FACTS`, files from the recipe and its source.

        Raises:
            SourceUnavailable: The source is neither in the cache nor in reach.
        """
        facts = json.loads((recipe_file.with_suffix("") / "finding.json").read_text(encoding="utf-8"))
        recipe = load_recipe(recipe_file)
        source = fetch_source(recipe, cache)
        place = recipe.patches[0].location
        if isinstance(place, NewSource):
            raise ValueError(f"{recipe_file.name}: the line shows a patch that is a diff")
        content = _content(place, recipe, source)
        reports = [
            {
                **told,
                "product": facts["product"],
                "recipe": {"name": "recipe.toml", "content": _b64(recipe_file.read_bytes())},
                "proofs": [
                    {"name": PurePosixPath(ref.path).name, "content": _b64(_content(ref, recipe, source))}
                    for ref in proof.inputs.values()
                ],
            }
            for told, proof in zip(facts["reports"], recipe.proofs, strict=True)
        ]
        return cls(
            recipe=recipe_file,
            real=source.real,
            why=why,
            title=facts["title"],
            summary=facts["summary"],
            product=facts["product"],
            package=facts["package"],
            vulnerabilities=facts["vulnerabilities"],
            finders=facts["finders"],
            reports=reports,
            patch_name=PurePosixPath(place.path).name,
            patch=content,
        )

    def sbom(self, member: str) -> bytes:
        """The parts list of a member."""
        folder = ROOT / "examples" / "sboms" if self.real else self.recipe.with_suffix("")
        return (folder / f"{member}.cdx.json").read_bytes()


def real_finding(cache: Path) -> Finding:
    """The flaw of libxml2.

    Raises:
        CouldNot: No source archive is in reach.
    """
    try:
        return Finding.of(REAL, cache, "")
    except (SourceUnavailable, ToolMissing) as unreachable:
        raise CouldNot(str(unreachable)) from None


def example_finding(cache: Path, why: str) -> Finding:
    """The planted flaw of our example program."""
    return Finding.of(EXAMPLE, cache, why)


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _content(ref: FileRef, recipe: Recipe, source: Source) -> bytes:
    if isinstance(ref, RecipeFile):
        return ref.content
    if isinstance(recipe.source, DirectorySource):
        return (recipe.root / recipe.source.path / ref.path).read_bytes()
    packaging = next(file.content for file in source.files if ".debian.tar." in file.name)
    with tarfile.open(fileobj=io.BytesIO(packaging)) as archive:
        if ref.path.parts[0] == "debian":
            return _member(archive, str(ref.path))
        for name in archive.getnames():
            if name.startswith("debian/patches/"):
                added = _added_file(
                    _member(archive, name) if archive.getmember(name).isfile() else b"", str(ref.path)
                )
                if added is not None:
                    return added
    raise CouldNot(f"{ref.path} is in no patch of {source.name} {source.version}")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise CouldNot(f"{name} is no file of the source package")
    return file.read()


def _added_file(diff: bytes, path: str) -> bytes | None:
    """The bytes of a file that a unified diff adds whole, or None where it adds no such file."""
    lines = diff.split(b"\n")
    header = f"+++ b/{path}".encode()
    for number, line in enumerate(lines):
        if line.split(b"\t")[0] == header and lines[number - 1].startswith(b"--- /dev/null"):
            body: list[bytes] = []
            end = b"\n"
            for added in lines[number + 2 :]:
                if added.startswith(b"\\"):
                    end = b""
                elif not added.startswith(b"+"):
                    break
                else:
                    body.append(added[1:])
            return b"\n".join(body) + end
    return None
