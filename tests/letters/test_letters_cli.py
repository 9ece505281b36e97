# SPDX-License-Identifier: Apache-2.0
"""Claims about `proofhouse letters`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from letters.correspondents import NOW, Correspondents
from proofhouse.letters import LETTER_TYPES
from proofhouse.letters.cli import cli

AT = NOW.isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.fixture
def folder(houses: Correspondents, tmp_path: Path) -> Path:
    (tmp_path / "letter.json").write_bytes(houses.letter("report").data)
    (tmp_path / "introductions.json").write_bytes(houses.introductions.to_json())
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def verify(folder: Path, *more: str) -> Result:
    return run(
        "verify", folder / "letter.json", "--introductions", folder / "introductions.json", "--at", AT, *more
    )


def test_a_sound_letter_is_verified(folder: Path, houses: Correspondents) -> None:
    result = verify(folder)
    assert result.exit_code == 0
    assert f"VERIFIED: signed by lab, key {houses.lab.key_id}" in result.output
    assert json.loads(verify(folder, "--json").output)["body"]["identifiers"] == ["CVE-2025-49794"]


def test_a_letter_for_another_house_answers_no(folder: Path) -> None:
    result = verify(folder, "--recipient", "vendor")
    assert result.exit_code == 1
    assert "REFUSED (wrong-recipient)" in result.output
    assert json.loads(verify(folder, "--recipient", "vendor", "--json").output)["code"] == "wrong-recipient"


def test_a_changed_letter_answers_no(folder: Path) -> None:
    path = folder / "letter.json"
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"A', 1))
    assert verify(folder).exit_code == 1


def test_show_says_that_nothing_was_verified(folder: Path) -> None:
    result = run("show", folder / "letter.json")
    assert result.exit_code == 0
    assert result.output.startswith("NOT VERIFIED")
    assert json.loads(run("show", folder / "letter.json", "--json").output)["type"] == "report"


def test_wrong_use_and_unreadable_files_have_their_exit_codes(folder: Path) -> None:
    assert verify(folder, "--at", "yesterday").exit_code == 2
    assert run("show", folder / "nothing.json").exit_code == 2
    (folder / "other.json").write_text("{}")
    assert run("show", folder / "other.json").exit_code == 3
    (folder / "introductions.json").write_text("{}")
    assert verify(folder).exit_code == 3


def test_types_lists_each_type_with_its_schema() -> None:
    listed = json.loads(run("types", "--json").output)
    assert [each["predicate_type"] for each in listed] == list(LETTER_TYPES)
    assert "window-closed v1" in run("types").output
