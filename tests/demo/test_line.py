# SPDX-License-Identifier: Apache-2.0
"""The whole line, played as people play it: with tools missing, interrupted, continued, and to the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proofhouse.demo.cast import CAST
from proofhouse.demo.clocks import lines
from proofhouse.ledger.bundle import verify_bundle
from proofhouse.server.house import load_house

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(1200)]

NAMES = [
    "Open the houses",
    "Review",
    "Exam",
    "Determination",
    "Report and validation",
    "Case and advisory",
    "Match",
    "Release and agent",
    "Verify",
]


def play(house: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run `proofhouse demo`; its report lies beside the house afterwards."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "proofhouse.cli", "demo", "--house", str(house)),
            *("--json", str(house.with_suffix(".json")), *arguments),
        ],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=1000,
    )


def told(house: Path) -> Any:
    return json.loads(house.with_suffix(".json").read_text())


def path_without(directory: Path, *missing: str) -> str:
    """A PATH on which everything is found but some programs."""
    directory.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in sorted(Path(folder).glob("*")):
            link = directory / program.name
            if not any(program.name.startswith(name) for name in missing) and not link.is_symlink():
                link.symlink_to(program)
    return str(directory)


def one_message(done: Any) -> str:
    """The error of a run that could not go on: one message, no traceback."""
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error: ") == 1
    message: str = done.stderr.partition("Error: ")[2]
    return message


def test_nine_steps_are_proved_also_after_tools_were_missing(tmp_path: Path) -> None:
    house = tmp_path / "house"

    without_bwrap = play(house, environment={"PATH": path_without(tmp_path / "no-bwrap", "bwrap")})
    assert "bubblewrap" in one_message(without_bwrap)
    assert [step["n"] for step in told(house)["steps"]] == [1, 2]
    assert told(house)["ok"] is False

    bare = {
        "PATH": path_without(tmp_path / "no-cc", "cc", "gcc", "clang", "c89", "c99", "x86_64-linux-gnu-gcc"),
        "XDG_CACHE_HOME": str(tmp_path / "empty-cache"),
    }
    without_compiler = play(house, environment=bare)
    message = one_message(without_compiler)
    assert "compiler" in message or "clang" in message
    assert "apt install" in message

    for name in CAST:
        assert load_house(house / name).name == name

    done = play(house)
    assert done.returncode == 0, done.stderr
    assert "1/9 Open the houses: done before" in done.stderr
    check_report(house)
    check_clocks(house, done.stderr)
    check_bundle(house)

    again = play(house)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("done before") == 9
    assert play(house, "--fresh").returncode == 3


def test_without_a_source_archive_the_line_ends_too_and_says_that_step_5_was_not_real(tmp_path: Path) -> None:
    house = tmp_path / "house"
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = play(
        house, "--cache", str(tmp_path / "cache"), environment=closed | {"no_proxy": "localhost,127.0.0.1"}
    )
    assert done.returncode == 0, done.stderr
    assert "example program, not a real CVE" in done.stderr
    check_report(house)
    check_clocks(house, done.stderr)
    assert told(house)["real"] is False


def check_report(house: Path) -> None:
    """The report has the shape that `docs` promise and says what each step proved."""
    report = told(house)
    assert set(report) == {"ok", "real", "seconds", "steps"}
    assert report["ok"] is True
    assert report["seconds"] > 0
    assert [(step["n"], step["name"]) for step in report["steps"]] == list(enumerate(NAMES, 1))
    for step in report["steps"]:
        assert set(step) == {"n", "name", "ok", "seconds", "facts"}
        assert step["ok"] is True
        assert step["facts"]["proved"]
    facts = [step["facts"] for step in report["steps"]]
    assert facts[0]["houses"] == list(CAST)
    assert facts[1]["items_sealed"] >= 12
    assert facts[2]["items"] >= 12
    assert facts[2]["gate"]["reference"]["pass"] == facts[2]["items"]
    assert facts[2]["gate"]["null"]["fail"] == facts[2]["items"]
    assert 0 < facts[2]["outcomes"]["pass"] < facts[2]["items"]
    assert facts[2]["verdict"] in ("exceeds", "below", "inconclusive")
    assert len(facts[3]["determinations"]) == 2
    assert len(facts[3]["notice_at_lab"]) == 1, "the lab hears of its own model only"
    assert facts[4]["real"] is report["real"]
    assert bool(facts[4]["why_not_real"]) is not report["real"]
    assert len(facts[4]["identifiers"]) == 2
    assert facts[6]["notified"] == {"clinic": 1, "utility": 0}
    assert "unknown" in {match["answer"] for match in facts[6]["matches"]}
    assert facts[7]["acknowledgements"][0]["stage"] == "staged"
    assert facts[8]["lines"]


def check_clocks(house: Path, printed: str) -> None:
    """The demo ends with the clocks of its finding for the lab, each with the facts used and why."""
    clocks = told(house)["steps"][8]["facts"]["incident_clocks"]
    dated = [clock for clock in clocks if clock["due"]]
    assert [clock["obligation"] for clock in dated] == [
        "us-il-sb315-incident", "us-ny-raise-incident", "us-ca-sb53-incident",
    ]  # fmt: skip
    assert dated[0]["due"] == "2027-01-08T20:00:00.000000Z"
    for clock in dated:
        assert clock["words"] == "appears to apply"
        assert clock["explanation"]
        assert {"model.training_ops", "event.deceptive_subversion"} <= {one["fact"] for one in clock["facts"]}
        assert clock["steps"]
    assert printed.rstrip().endswith("\n".join(lines(clocks)))
    assert "because" in lines(clocks)[3]


def check_bundle(house: Path) -> None:
    """The inspector's bundle verifies, and no longer when one file in it was touched."""
    bundle = house / "bundle.zip"
    assert all(line.ok for line in verify_bundle(bundle))
    touched = house.parent / "touched.zip"
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(touched, "w") as copy:
        victim = next(name for name in source.namelist() if name.startswith("letters/"))
        for entry in source.infolist():
            content = source.read(entry)
            copy.writestr(entry, content[:-1] + b" " if entry.filename == victim else content)
    done = subprocess.run(
        [sys.executable, "-m", "proofhouse.cli", "verify", str(touched)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert victim in done.stdout


def test_a_model_string_that_cannot_be_used_is_one_message_and_harms_nothing(tmp_path: Path) -> None:
    house = tmp_path / "house"
    message = one_message(play(house, "--model", "nonsense"))
    assert "'nonsense' cannot be used" in message
    assert told(house)["ok"] is False
    assert "nonsense" in one_message(play(house, "--model", "nonsense")), (
        "the same command says the same again"
    )
