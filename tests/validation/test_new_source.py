# SPDX-License-Identifier: Apache-2.0
"""A fix may be given as the whole source; and a diff is judged by what it does, however it is written."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from proofhouse.validation import PatchVerdict, RecipeError, Refusal, ValidationResult, load_recipe, validate
from proofhouse.validation._diff import read_diff
from proofhouse.validation._effect import plain_difference
from validation.programs import PROOFS, THREE_BUGS, diff, document, fix, toml

MENDED = fix(THREE_BUGS, "overflow")
CHECK = "".join(f"check {number}\n" for number in range(9))


def lay_out(directory: Path, patches: list[dict[str, Any]]) -> Path:
    (directory / "program" / "tests").mkdir(parents=True)
    (directory / "program" / "program.c").write_text(THREE_BUGS)
    (directory / "program" / "tests" / "check.txt").write_text(CHECK)
    (directory / "overflow.in").write_bytes(PROOFS["overflow"][0])
    (directory / "control.in").write_bytes(b"oab\n")
    content = document({}, {"overflow": PROOFS["overflow"]}, patch=patches)
    path = directory / "recipe.toml"
    path.write_text(toml(content))
    return path


def run(path: Path) -> dict[str, Any]:
    result: ValidationResult = validate(load_recipe(path), cache_dir=path.parent / "cache")
    return {patch.name: patch for patch in result.patches}


def tarball(path: Path, files: dict[str, str], *links: tuple[str, str]) -> dict[str, Any]:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"p-1/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        for name, target in links:
            link = tarfile.TarInfo(f"p-1/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return {"kind": "tarball", "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def bundle(path: Path, work: Path, files: dict[str, str]) -> dict[str, Any]:
    def git(*argv: str) -> str:
        told = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *told, *argv], cwd=work, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "mended")
    git("bundle", "create", "--quiet", str(path), "main")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"kind": "git-bundle", "file": path.name, "sha256": digest, "commit": git("rev-parse", "HEAD")}


@pytest.mark.sandbox
def test_a_fix_given_as_a_source_is_held_to_the_rules_of_a_diff(tmp_path: Path) -> None:
    whole = {"program.c": MENDED, "tests/check.txt": CHECK}
    (tmp_path / "work").mkdir()
    (tmp_path / "tree" / "tests").mkdir(parents=True)
    (tmp_path / "tree" / "program.c").write_text(MENDED + "int more;\n" * 2001)
    (tmp_path / "tree" / "tests" / "check.txt").write_text(CHECK)
    sources = {
        "tarball": tarball(tmp_path / "p-2.tar.gz", whole),
        "bundle": bundle(tmp_path / "p.bundle", tmp_path / "work", whole),
        "tree": {"kind": "directory", "path": "tree"},
        "same": {"kind": "directory", "path": "program"},
        "testless": tarball(tmp_path / "testless.tar.gz", {"program.c": MENDED}),
        "linked": tarball(tmp_path / "linked.tar.gz", whole, ("more.h", "/etc/passwd")),
        "escaping": tarball(tmp_path / "escaping.tar.gz", {**whole, "../../../work/source/x": "x"}),
        "masking": tarball(
            tmp_path / "masking.tar.gz",
            {**whole, "program.c": MENDED.replace("int main", "void __asan_on_error(void) {}\nint main")},
        ),
    }
    patches = [{"name": name, "source": source} for name, source in sources.items()]
    found = run(lay_out(tmp_path, patches))
    assert {name: (patch.verdict, patch.refusal) for name, patch in found.items()} == {
        "tarball": (PatchVerdict.PROVED, None),
        "bundle": (PatchVerdict.PROVED, None),
        "tree": (PatchVerdict.NOT_PROVED, Refusal.UNBOUNDED),
        "same": (PatchVerdict.NOT_PROVED, Refusal.COSMETIC),
        "testless": (PatchVerdict.NOT_PROVED, Refusal.TEST_REMOVED),
        "linked": (PatchVerdict.NOT_PROVED, Refusal.UNBOUNDED),
        "escaping": (PatchVerdict.NOT_PROVED, Refusal.DOES_NOT_APPLY),
        "masking": (PatchVerdict.NOT_PROVED, Refusal.MASKING),
    }
    assert found["tarball"].sha256 == sources["tarball"]["sha256"]
    assert found["tarball"].location == "p-2.tar.gz"


@pytest.mark.sandbox
def test_a_diff_written_so_that_a_reader_sees_something_else_is_judged_by_what_it_does(
    tmp_path: Path,
) -> None:
    mend = diff(THREE_BUGS, MENDED)
    fewer = diff(CHECK, CHECK.replace("check 3\n", ""), "tests/check.txt")
    written = {
        "indented": mend + "".join(f"  {line}\n" for line in fewer.splitlines()),
        "named-otherwise": mend + fewer.replace("+++ b/tests/check.txt", "+++ b/notes/of/another/file.txt"),
        "moved": mend
        + "diff --git a/tests/check.txt b/unused.txt\nsimilarity index 100%\n"
        + "rename from tests/check.txt\nrename to unused.txt\n",
        "honest": mend,
    }
    for name, text in written.items():
        (tmp_path / f"{name}.patch").write_text(text)
    patches = [{"name": name, "file": f"{name}.patch"} for name in written]
    found = run(lay_out(tmp_path, patches))
    assert {name: patch.refusal for name, patch in found.items()} == {
        "indented": Refusal.TEST_REMOVED,
        "named-otherwise": Refusal.TEST_REMOVED,
        "moved": Refusal.TEST_REMOVED,
        "honest": None,
    }


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"source": {"kind": "rootfs", "path": "program"}}, "patch[0].source.kind"),
        ({"source": {"kind": "directory", "path": "program"}, "strip": 1}, "patch[0].strip"),
        ({"source": {"kind": "directory", "path": "program"}, "file": "overflow.in"}, "patch[0].file"),
        ({"source": {"kind": "directory", "path": "../program"}}, "patch[0].source.path"),
    ],
)
def test_a_source_that_is_no_fix_is_refused_by_its_field(
    tmp_path: Path, table: dict[str, Any], field: str
) -> None:
    path = lay_out(tmp_path, [{"name": "fix", **table}])
    with pytest.raises(RecipeError) as refused:
        load_recipe(path)
    assert refused.value.field == field


def printed(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


EPOCH = "1970-01-01 00:00:00.000000000 +0000"
TODAY = "2026-11-28 20:00:00.000000000 +0000"


def test_a_difference_names_each_file_once_and_says_what_is_new_and_gone() -> None:
    content, unreadable = plain_difference(
        printed(
            "diff -r source/a b",
            f"--- source/old name\t{TODAY}",
            f"+++ other/old name\t{EPOCH}",
            "@@ -1,2 +0,0 @@",
            "-a",
            "---- b",
            "diff -r source/c c",
            f'--- "source/\\303\\251.c"\t{EPOCH}',
            f'+++ "other/\\303\\251.c"\t{TODAY}',
            "@@ -0,0 +1 @@",
            "+c",
            "\\ No newline at end of file",
        ),
        whole=True,
    )
    assert unreadable == ""
    gone, new = read_diff(content)
    assert (gone.path, gone.deleted, gone.removed) == ("old name", True, [(1, b"a"), (2, b"--- b")])
    assert (new.path, new.deleted, new.added) == ("é.c", False, [(0, b"c")])


@pytest.mark.parametrize(
    "lines",
    [
        ["Symbolic links source/a and other/a differ"],
        ["Binary files source/a and other/a differ"],
        [f'--- "source/a\\nb"\t{EPOCH}', f'+++ "other/a\\nb"\t{TODAY}', "@@ -0,0 +1 @@", "+x"],
        [
            f"--- source/a\t{EPOCH}",
            f"+++ other/a\t{TODAY}",
            "@@ -0,0 +1 @@",
            "+x",
            "File source/b is a fifo while file other/b is a regular file",
        ],
    ],
)
def test_what_no_diff_can_show_is_said(lines: list[str]) -> None:
    content, unreadable = plain_difference(printed(*lines), whole=True)
    assert content == b""
    assert unreadable.startswith("changes ")
    assert plain_difference(b"", whole=False)[1]
