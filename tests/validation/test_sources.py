# SPDX-License-Identifier: Apache-2.0
"""Where a program may come from besides Debian: tarball, git bundle, image; and what hostile ones come to."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from proofhouse.validation import BuildFailed, RecipeError, ValidationResult, load_recipe, validate
from validation.programs import PROOFS, THREE_BUGS, diff, document, fix, toml

ONE = {"overflow": PROOFS["overflow"]}


def recipe(directory: Path, source: dict[str, Any], **changes: Any) -> Path:
    (directory / "mend.patch").write_text(diff(THREE_BUGS, fix(THREE_BUGS, "overflow")))
    (directory / "overflow.in").write_bytes(ONE["overflow"][0])
    (directory / "control.in").write_bytes(b"oab\n")
    path = directory / "recipe.toml"
    path.write_text(toml(document({"mend": ["overflow"]}, ONE, source=source, **changes)))
    return path


def run(path: Path) -> ValidationResult:
    return validate(load_recipe(path), cache_dir=path.parent / "cache")


def pinned(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def tarball(path: Path, members: dict[str, bytes], *links: tuple[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return path


@pytest.mark.sandbox
def test_a_tarball_is_unpacked_in_the_box(tmp_path: Path) -> None:
    made = tarball(tmp_path / "program-1.0.tar.gz", {"program-1.0/program.c": THREE_BUGS.encode()})
    result = run(recipe(tmp_path, {"kind": "tarball", **pinned(made)}))
    assert result.ok
    assert result.source.kind == "tarball"
    assert not result.real


@pytest.mark.sandbox
def test_a_commit_of_a_git_bundle_is_checked_out_without_its_history(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()

    def git(*argv: str) -> str:
        told = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", *told, *argv], cwd=work, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet")
    (work / "program.c").write_text(THREE_BUGS)
    git("add", "program.c")
    git("commit", "--quiet", "-m", "as it was")
    commit = git("rev-parse", "HEAD")
    (work / "program.c").write_text(fix(THREE_BUGS, "overflow"))
    git("commit", "--quiet", "-a", "-m", "mended")
    git("bundle", "create", "--quiet", str(tmp_path / "program.bundle"), "main")
    source = {"kind": "git-bundle", **pinned(tmp_path / "program.bundle"), "commit": commit}
    result = run(recipe(tmp_path, source))
    assert result.ok
    assert result.source.version == commit


@pytest.mark.sandbox
def test_an_unpacked_image_needs_no_build_and_keeps_its_links(tmp_path: Path) -> None:
    image = tmp_path / "image"
    (image / "usr" / "bin").mkdir(parents=True)
    (image / "bin").symlink_to("usr/bin")
    (image / "program.c").write_text(THREE_BUGS)
    program = image / "usr" / "bin" / "program"
    flags = ["-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address"]
    subprocess.run(["clang", *flags, "-o", str(program), str(image / "program.c")], check=True)
    path = recipe(
        tmp_path,
        {"kind": "rootfs", "path": "image"},
        build={"outputs": ["usr", "bin"], "timeout_s": 60},
        run={"argv": ["bin/program"], "stdin": "line", "timeout_s": 10},
    )
    result = run(path)
    assert result.proofs[0].verdict == "reproduced"
    assert result.patches[0].refusal == "cosmetic"  # a patch of text mends no program that is already built


def test_an_image_whose_link_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "etc").symlink_to("../../etc")
    path = recipe(tmp_path, {"kind": "rootfs", "path": "image"}, build={"outputs": ["etc"]})
    with pytest.raises(RecipeError, match="leads out of the image"):
        run(path)


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    made = tarball(tmp_path / "a.tar.gz", {"a/program.c": b"int main;\n"})
    path = recipe(tmp_path, {"kind": "tarball", **pinned(made)})
    tarball(made, {"a/program.c": b"int other;\n"})
    with pytest.raises(RecipeError, match="the recipe pins"):
        run(path)


@pytest.mark.sandbox
def test_a_tarball_that_is_none_or_leads_out_of_its_tree_does_no_harm(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"\x1f\x8b not a tarball")
    with pytest.raises(BuildFailed, match="tar --extract"):
        run(recipe(tmp_path, {"kind": "tarball", **pinned(broken)}))
    hostile = tarball(
        tmp_path / "hostile.tar.gz",
        {"p/program.c": THREE_BUGS.encode(), "p/../../../work/patches/0.patch": b"--- nothing\n"},
        ("p/passwd", "/etc/passwd"),
    )
    with pytest.raises(BuildFailed, match="Member name contains"):
        run(recipe(tmp_path, {"kind": "tarball", **pinned(hostile)}))


@pytest.mark.slow
@pytest.mark.sandbox
def test_a_bomb_of_four_gigabytes_fills_its_box_and_nothing_else(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tar.gz"
    member = tarfile.TarInfo("p/zeros")
    member.size = 4 << 30
    with gzip.open(bomb, "wb", compresslevel=1) as stream:
        stream.write(member.tobuf(format=tarfile.PAX_FORMAT))
        for _ in range(member.size >> 24):
            stream.write(bytes(1 << 24))
    with pytest.raises(BuildFailed, match="tar --extract"):
        run(recipe(tmp_path, {"kind": "tarball", **pinned(bomb)}))
