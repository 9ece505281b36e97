# SPDX-License-Identifier: Apache-2.0
"""The end of the demo: the clocks that its finding would start for the lab, with the explanation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from pytest_django import Settings

from obligations.conftest import house
from proofhouse.demo import cli as demo
from proofhouse.demo.cast import CAST
from proofhouse.demo.clocks import LAW_DAY, SOURCE, SUPPOSED, incident_clocks, lines
from proofhouse.demo.stage import Stage
from proofhouse.demo.steps import Play
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.control import answer
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.house import House
from server.makers import make_person

__all__ = ["house"]

RUNNING = {
    "us-il-sb315-incident": "2027-01-08T20:00:00.000000Z",
    "us-ny-raise-incident": "2027-01-08T20:00:00.000000Z",
    "us-ca-sb53-incident": "2027-01-21T07:59:59.000000Z",
}


class SmallStage(Stage):
    """The lab's house alone, in this process; what is asked of it goes through its own control socket's door."""

    def do(self, name: str, actor: str, act: str, /, **arguments: Any) -> Any:
        assert name == "lab", "no other house learns of it"
        return _value({"do": act, "actor": actor, "with": json.loads(json.dumps(arguments))})

    def ask(self, name: str, actor: str, question: str, /, **arguments: Any) -> Any:
        return _value({"ask": question, "actor": actor, "with": arguments})

    def until(self, ready: Callable[[], Any], what: str, patience_s: float = 0) -> Any:
        collect_receipts()
        found = ready()
        assert found, what
        return found


def _value(request: dict[str, Any]) -> Any:
    reply = json.loads(json.dumps(answer(request)))
    assert reply["ok"], reply
    return reply["value"]


@pytest.fixture
def clocks(house: House, tmp_path: Path) -> list[dict[str, Any]]:
    """What the last step returns, as it stands in `demo.json`."""
    for person in CAST["lab"].people:
        made = make_person(*(Role(role) for role in person.roles))
        Person.objects.filter(pk=made.pk).update(email=person.email, name=person.name)
    said: list[str] = []
    play = Play(SmallStage(tmp_path, tmp_path), "policy/fuzzer", {"case": "0123456789"}, said.append)
    told: list[dict[str, Any]] = json.loads(json.dumps(incident_clocks(play)))
    return told


def test_the_finding_starts_three_dated_clocks_for_the_lab_strictest_first(
    clocks: list[dict[str, Any]],
) -> None:
    dated = [clock for clock in clocks if clock["due"]]
    assert {clock["obligation"]: clock["due"] for clock in dated} == RUNNING
    assert [clock["due"] for clock in dated] == sorted(clock["due"] for clock in dated)
    assert {clock["model"] for clock in clocks} == {"policy/fuzzer"}


def test_each_dated_clock_carries_the_facts_used_and_why(clocks: list[dict[str, Any]]) -> None:
    for clock in clocks:
        assert clock["words"] in {"appears to apply", "cannot tell"}
        assert clock["grade"]
        assert clock["explanation"]
        if clock["due"]:
            facts = {one["fact"]: one for one in clock["facts"]}
            assert facts["model.training_ops"]["value"] == 2.1e26
            assert facts["model.training_ops"]["from"] == SOURCE
            assert facts["event.deceptive_subversion"]["value"] is True
            assert all(tree["truth"] == "true" for tree in clock["explanation"])
            assert clock["steps"]
            assert clock["anchor"] in {"reasonable_belief", "discovered"}
            assert clock["recipients"][0]["local"]
        else:
            assert clock["awaiting"] or clock["missing"], "a clock without a date says what it waits for"


def test_the_last_lines_say_due_recipient_zone_and_because(clocks: list[dict[str, Any]]) -> None:
    text = "\n".join(lines(clocks))
    for part in (
        "with policy/fuzzer",
        SUPPOSED,
        f"law time is set to {LAW_DAY}",
        "2027-01-08 20:00 UTC: Report a critical safety incident within 72 hours",
        "Illinois Attorney General (2027-01-08T14:00)",
        "because",
        "model.training_ops = 2.1e+26",
        "72 hours from reasonable_belief",
        "cannot tell before it is answered",
        "not legal advice",
        "grade primary_read",
    ):
        assert part in text, part


def test_the_demo_ends_with_them_also_when_every_step_was_done_before(
    clocks: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    directory = tmp_path / "house"
    directory.mkdir()
    done = {str(number): {"seconds": 1, "facts": {"proved": "x"}} for number in range(1, 10)}
    done["9"]["facts"]["incident_clocks"] = clocks
    memory = {"model": "policy/fuzzer", "bundle": "b", "real": True}
    (directory / demo.STATE).write_text(json.dumps({"memory": memory, "done": done}))
    monkeypatch.setattr(
        demo, "steps", SimpleNamespace(DEFAULT_MODEL="policy/fuzzer", open_doors=lambda _: None)
    )
    report = tmp_path / "demo.json"
    ended = CliRunner().invoke(demo.cli, ["--house", str(directory), "--json", str(report)])
    assert ended.exit_code == 0, ended.output
    assert ended.output.rstrip().endswith("\n".join(lines(clocks)))
    assert json.loads(report.read_text())["steps"][8]["facts"]["incident_clocks"] == clocks
