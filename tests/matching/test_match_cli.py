# SPDX-License-Identifier: Apache-2.0
"""``proofhouse match`` from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from formats.libxml2_case import CONTENT
from matching.sboms import EXAMPLES, text
from proofhouse.formats import write_osv
from proofhouse.matching.cli import cli


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, make in EXAMPLES.items():
        (tmp_path / name).write_bytes(text(make()))
    (tmp_path / "advisory.json").write_bytes(write_osv(CONTENT))
    return tmp_path


@pytest.mark.parametrize(("name", "code"), [("clinic", 1), ("utility", 0), ("gateway", 3)])
def test_the_exit_code_says_the_answer(folder: Path, name: str, code: int) -> None:
    ran = CliRunner().invoke(cli, [str(folder / f"{name}.cdx.json"), str(folder / "advisory.json")])
    assert ran.exit_code == code, ran.output
    assert "x_PH-2026-000001: Components affected:" in ran.output


def test_affected_and_unknown_components_are_explained(folder: Path) -> None:
    ran = CliRunner().invoke(cli, [str(folder / "clinic.cdx.json"), str(folder / "advisory.json")])
    assert "yes      libxml2 2.9.14+dfsg-1.3~deb12u1 is affected" in ran.output
    assert "unknown  libxml2 custom-build may be affected: its version cannot be compared." in ran.output


def test_json_holds_the_same(folder: Path) -> None:
    ran = CliRunner().invoke(cli, [str(folder / "clinic.cdx.json"), str(folder / "advisory.json"), "--json"])
    found = json.loads(ran.output)
    assert (ran.exit_code, found["answer"]) == (1, "yes")
    assert found["counts"] == {"yes": 1, "no": 11, "unknown": 1}
    assert [row["reason"] for row in found["components"]] == ["listed", "unusable-version"]


def test_a_file_that_cannot_be_read_is_named_and_ends_with_3(folder: Path) -> None:
    (folder / "broken.json").write_text("{")
    good, bad = str(folder / "clinic.cdx.json"), str(folder / "broken.json")
    for arguments in ([bad, str(folder / "advisory.json")], [good, bad]):
        ran = CliRunner().invoke(cli, arguments)
        assert ran.exit_code == 3
        assert "broken.json: not JSON" in ran.output


def test_wrong_use_ends_with_2(folder: Path) -> None:
    assert CliRunner().invoke(cli, [str(folder / "absent.json")]).exit_code == 2
