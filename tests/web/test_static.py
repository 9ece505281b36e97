# SPDX-License-Identifier: Apache-2.0
"""The committed stylesheet: small, complete, licensed, and what its sources build."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import proofhouse.server.web

STATIC = Path(proofhouse.server.web.__file__).parent / "static" / "web"
ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "frontend"


def test_the_static_files_stay_small() -> None:
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) <= 700_000
    assert len(gzip.compress((STATIC / "proofhouse.css").read_bytes(), 9)) <= 35_000


def test_the_stylesheet_names_only_files_that_are_there() -> None:
    css = (STATIC / "proofhouse.css").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"url\(\"?([^)\"]+)", css) if not name.startswith("data:")}
    assert named
    for name in named:
        assert (STATIC / name).is_file(), name
    shipped = {
        str(file.relative_to(STATIC)) for kind in ("fonts", "img") for file in (STATIC / kind).rglob("*.*")
    }
    assert shipped == named


def test_the_licences_lie_beside_what_they_cover() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in (STATIC / "LICENSES").iterdir()}
    assert texts.keys() == {"Apache-2.0.txt", "OFL-1.1.txt", "USWDS.md"}
    assert "SIL OPEN FONT LICENSE" in texts["OFL-1.1.txt"].upper()
    assert "Public Sans" in texts["USWDS.md"]


def test_the_lock_pins_by_digest_and_names_no_host() -> None:
    lock = json.loads((FRONTEND / "package-lock.json").read_text(encoding="utf-8"))
    for name, package in lock["packages"].items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, name
    versions = json.loads((FRONTEND / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in versions.values())


@pytest.mark.slow
def test_the_sources_build_the_committed_bytes(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm is not installed, so the stylesheet cannot be built again")
    frontend, built = tmp_path / "frontend", tmp_path / "built"
    shutil.copytree(FRONTEND, frontend, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(ROOT / "LICENSE", tmp_path / "LICENSE")
    fetched = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=frontend,
        capture_output=True,
        timeout=250,
    )
    if fetched.returncode:
        pytest.skip(f"npm ci could not fetch the packages: {fetched.stderr.decode()[-300:]}")
    subprocess.run([node, "build.mjs", str(built)], cwd=frontend, check=True, capture_output=True, timeout=60)
    made = {file.relative_to(built): file.read_bytes() for file in built.rglob("*") if file.is_file()}
    kept = {file.relative_to(STATIC): file.read_bytes() for file in STATIC.rglob("*") if file.is_file()}
    kept.pop(Path("mark.svg"))
    assert made.keys() == kept.keys()
    assert [str(name) for name in made if made[name] != kept[name]] == []
