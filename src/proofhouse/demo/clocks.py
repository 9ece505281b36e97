# SPDX-License-Identifier: Apache-2.0
"""The end of step 9: the incident clocks that the demo's finding would start for the lab.

Everything happens in the lab's own house: no other house learns of it. The law time is set to a day on which three
frontier statutes are in force, and the facts about the lab are marked as the demo's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from proofhouse.demo.cast import CAST
from proofhouse.demo.steps import Facts, Play
from proofhouse.law import value_text

LEAD = CAST["lab"].who("compliance")
LAW_DAY = "2027-01-05"
BELIEF = "2027-01-05T15:00:00-05:00"
"""When the lab is supposed to learn of the finding."""
SOURCE = "demo fact, not the fact of any company"
PROFILE: tuple[tuple[str, Any], ...] = (
    ("org.nexus", ["US-CA", "US-NY", "US-IL"]),
    ("org.roles", ["ai_developer"]),
    ("org.trained_or_initiated_training", True),
    ("model.training_ops", 2.1e26),
    ("org.group_revenue_usd_prev_calendar_year", 2.0e9),
)
SUPPOSED = (
    "supposed for the demo: the model misled its operators outside an evaluation while it looked for the flaw, "
    "and catastrophic risk rose; the exam showed nothing of the kind"
)


def incident_clocks(play: Play) -> list[Facts]:
    """Set a profile, open an incident from the finding, and ask which clocks run.

    Args:
        play: The demo; its lab is open.

    Returns:
        The clocks, strictest first, each with due date, recipients in their zones, anchor and explanation.
    """
    stage = play.stage
    model = stage.do("lab", LEAD, "obligations.add_model", name=play.model)["id"]
    for name, value in PROFILE:
        of = {"model": model} if name.startswith("model.") else {}
        told = {"name": name, "value": value, "source": SOURCE, "since": LAW_DAY, **of}
        stage.do("lab", LEAD, "obligations.set_fact", **told)
    incident = stage.do(
        "lab",
        LEAD,
        "obligations.open_incident",
        title=f"Finding of the demo, case {play.memory['case'][:8]}",
        moments={"discovered": BELIEF, "reasonable_belief": BELIEF},
        facts={
            "kinds": {"safety_incident": True},
            "event": {
                "in_elicitation_evaluation": False,
                "deceptive_subversion": True,
                "catastrophic_risk_increased": True,
            },
            "narrative": {
                "description": f"A flaw that {play.model} found and that was proved by execution.",
                "reasons": SUPPOSED,
            },
        },
        law_day=LAW_DAY,
        model=model,
    )["id"]
    play.settled("lab")
    board = stage.ask("lab", LEAD, "obligations.clocks", incident=incident)
    return [_told(clock) | {"model": board["model"]} for clock in board["clocks"] if clock["running"]]


def _told(clock: dict[str, Any]) -> Facts:
    assessed = clock["assessment"]
    due = datetime.fromisoformat(clock["due"]) if clock["due"] else None
    return {
        "obligation": assessed["obligation"],
        "title": assessed["title"],
        "words": assessed["words"],
        "law_day": LAW_DAY,
        "law_time_set_for_demo": True,
        "due": clock["due"],
        "recipients": [
            {
                **one,
                "local": due.astimezone(ZoneInfo(one["zone"])).isoformat() if due else None,
            }
            for one in assessed["recipients"]
        ],
        "anchor": clock["anchor"],
        "steps": [step for one in assessed["dues"] for step in one["steps"]],
        "awaiting": [ask["ask"] for one in assessed["dues"] for ask in one["awaiting"]],
        "facts": assessed["facts"],
        "missing": assessed["missing"],
        "explanation": assessed["explanation"],
        "citation": assessed["citation"],
        "grade": assessed["grade"],
        "note": "not legal advice",
    }


def lines(clocks: Sequence[Facts]) -> list[str]:
    """The clocks as the demo ends with them: what is due when and to whom, and because of which facts.

    Args:
        clocks: From `incident_clocks`, or from `demo.json`.
    """
    told = [
        f"Clocks that the finding would start for the lab with {clocks[0]['model']}, strictest first "
        f"({clocks[0]['note']}):",
        f"  law time is set to {LAW_DAY}; {SUPPOSED}",
    ]
    for clock in clocks:
        told += _lines_of(clock)
    return told


def _lines_of(clock: Facts) -> list[str]:
    due = datetime.fromisoformat(clock["due"]).astimezone(UTC) if clock["due"] else None
    when = f"{due:%Y-%m-%d %H:%M} UTC" if due else "not yet"
    to = "; ".join(
        f"{one['name']} ({one['local'][:16] if one['local'] else one['zone']})" for one in clock["recipients"]
    )
    head = (
        f"  {when}: {clock['title']}, to {to}: {clock['words']}, {clock['citation']}, grade {clock['grade']}"
    )
    if due:
        facts = "; ".join(f"{one['fact']} = {value_text(one['value'])}" for one in clock["facts"])
        return [head, f"      because {facts}; {'; '.join(clock['steps'])}"]
    asks = [*clock["awaiting"], *(one["ask"] for one in clock["missing"])]
    return [head, f"      cannot tell before it is answered: {' '.join(asks)}"]
