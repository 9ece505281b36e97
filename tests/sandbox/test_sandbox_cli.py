# SPDX-License-Identifier: Apache-2.0
"""``proofhouse sandbox`` can be trusted by scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from proofhouse.sandbox import _profile, _selftest
from proofhouse.sandbox.cli import cli

pytestmark = pytest.mark.sandbox


def test_the_self_test_says_what_held() -> None:
    result = CliRunner().invoke(cli, ["self-test"])
    assert result.exit_code == 0
    assert "held    interfaces: lo" in result.output
    assert "FAILED" not in result.output


def test_the_self_test_prints_one_json_object() -> None:
    result = CliRunner().invoke(cli, ["self-test", "--json", "--profile", "build"])
    record = json.loads(result.output)
    assert record["ok"] is True
    assert record["profile"] == "build"
    assert {check["ok"] for check in record["checks"]} == {True}
    assert record["enforcement"]["host_uid"] != 0


def test_a_failed_check_exits_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_selftest, "_FROM_PROBE", (*_selftest._FROM_PROBE, "a check that never comes"))
    result = CliRunner().invoke(cli, ["self-test"])
    assert result.exit_code == 1
    assert "FAILED  a check that never comes: did not report" in result.output


def test_no_bubblewrap_exits_three(monkeypatch: pytest.MonkeyPatch) -> None:
    _profile.bubblewrap.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    for command in (["self-test"], ["run", "--", "true"]):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code == 3
        assert "apt install bubblewrap" in result.output


def test_run_passes_output_and_status_on(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("from the host\n")
    result = CliRunner().invoke(
        cli, ["run", "--put", f"{given}:in/file", "--", "sh", "-c", "cat in/file; exit 5"]
    )
    assert result.exit_code == 5
    assert result.output == "from the host\n"


def test_run_sees_no_host_file_that_was_not_given(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.write_text("x")
    assert CliRunner().invoke(cli, ["run", "--", "cat", str(hidden)]).exit_code == 1


def test_run_says_how_a_command_was_ended() -> None:
    late = CliRunner().invoke(cli, ["run", "--wall-s", "0.2", "--", "sleep", "5"])
    assert late.exit_code == 137
    assert "killed after 0.2 s" in late.output
    hog = CliRunner().invoke(
        cli, ["run", "--memory-mb", "64", "--json", "--", "python3", "-c", "bytearray(1 << 29)"]
    )
    assert json.loads(hog.output)["out_of_memory"] is True


@pytest.mark.parametrize(
    "wrong", [["run"], ["run", "--put", "nothing", "--", "true"], ["run", "--wall-s", "-1", "--", "true"]]
)
def test_wrong_use_exits_two(wrong: list[str]) -> None:
    assert CliRunner().invoke(cli, wrong).exit_code == 2
