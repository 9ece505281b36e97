# SPDX-License-Identifier: Apache-2.0
"""The command line: answers, exit codes, and the words that must and must not be there."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proofhouse.law import LawBook
from proofhouse.law.cli import cli

FACTS = """
org:
  nexus: [US-CA, US-NY, US-IL]
  roles: [ai_developer]
  trained_or_initiated_training: true
  group_revenue_usd_prev_calendar_year: 2.0e+9
model:
  training_ops: 2.1e+26
sources:
  model.training_ops: model card v3
"""
INCIDENT = """
title: Weights left the evaluation box
kinds: [safety_incident]
event:
  deceptive_subversion: true
  in_elicitation_evaluation: false
  catastrophic_risk_increased: true
times:
  discovered: 2027-01-05T12:00:00-05:00
  reasonable_belief: 2027-01-05T15:00:00-05:00
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "facts.yaml").write_text(FACTS)
    (tmp_path / "incident.yaml").write_text(INCIDENT)
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    named = [str(folder / text) if text.endswith(".yaml") else text for text in arguments]
    return CliRunner().invoke(cli, named)


CHECK = ("check", "--facts", "facts.yaml", "--as-of", "2027-01-05")
CLOCKS = ("incident", "--facts", "facts.yaml", "--incident", "incident.yaml", "--as-of", "2027-01-06")
DIFF = ("diff", "--from", "2026-11-23", "--to", "2027-01-05")


def record(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_check_says_what_appears_to_apply_with_grade_and_horizon(folder: Path) -> None:
    result = run(folder, *CHECK)
    assert result.exit_code == 0
    assert "Appears to apply: 30" in result.output
    assert "primary_read, confidence high" in result.output
    assert "Texts to 2026-08-21" in result.output
    assert "Not legal advice" in result.output


def test_check_as_json_carries_the_trace_and_where_facts_come_from(folder: Path) -> None:
    answer = record(run(folder, *CHECK, "--json"))
    by_id = {one["obligation"]: one for one in answer["assessments"]}
    framework = by_id["us-ny-raise-framework"]
    assert framework["words"] == "appears to apply"
    assert framework["explanation"][0]["truth"] == "true"
    assert {"fact": "model.training_ops", "value": 2.1e26, "from": "model card v3"} in framework["facts"]
    assert framework["grade"] == "primary_read"
    assert framework["federal_equivalence"]["scope"] == "incident_duty"
    assert "watch-hr9925" in {one["id"] for one in framework["watch"]}
    assert answer["horizon"] == {"statute_texts": "2026-08-21", "secondary": "2026-10-05"}


def test_an_unanswered_fact_becomes_a_question(folder: Path) -> None:
    (folder / "facts.yaml").write_text(FACTS.replace("  group_revenue_usd_prev_calendar_year: 2.0e+9\n", ""))
    answer = record(run(folder, *CHECK, "--json"))
    by_id = {one["obligation"]: one for one in answer["assessments"]}
    missing = by_id["us-ca-sb53-framework"]["missing"]
    assert [one["fact"] for one in missing] == ["org.group_revenue_usd_prev_calendar_year"]
    assert missing[0]["ask"].endswith("(USD)?")
    assert "gross revenues" in run(folder, *CHECK).output


def test_incident_prints_clocks_strictest_first_in_utc_and_local_time(folder: Path) -> None:
    answer = record(run(folder, *CLOCKS, "--json"))
    dated = [one for one in answer["clocks"] if one["due"]]
    assert [one["obligation"] for one in dated] == [
        "us-il-sb315-incident",
        "us-ny-raise-incident",
        "us-ca-sb53-incident",
    ]
    assert dated[0]["due"] == "2027-01-08T20:00:00.000000Z"
    assert dated[0]["dues"][0]["at_recipients"][0]["local"] == "2027-01-08T14:00:00-06:00"
    assert dated[1]["dues"][0]["awaiting"][0]["time"] == "determined"
    text = run(folder, *CLOCKS, "--why").output
    assert "due Fri 08 Jan 2027 14:00 CST to Illinois Emergency Management Agency" in text
    assert "[yes] definition critical_safety_incident" in text
    assert "(model.training_ops = 2.1e+26, from model card v3)" in text
    assert "(org.nexus = US-CA, US-NY, US-IL, US)" in text
    assert "(event.in_elicitation_evaluation = no)" in text
    assert "in force since 2027-01-01" in text


def test_without_a_day_the_law_of_today_is_asked(folder: Path) -> None:
    today = datetime.now(UTC).date()
    questions = [("check", "--facts", "facts.yaml")]
    questions += [(*CLOCKS[:5],), ("diff", "--from", "2026-11-23")]
    answers = [record(run(folder, *question, "--json"))["as_of"] for question in questions]
    assert {date.fromisoformat(answer) - today for answer in answers} <= {timedelta(0), timedelta(1)}


def test_a_part_that_hangs_on_an_unanswered_fact_asks_for_it(folder: Path) -> None:
    text = run(folder, *CHECK).output
    assert "? Do you give the whistleblower notice in writing once a year" in text


def test_diff_says_what_starts_and_what_the_text_changed(folder: Path) -> None:
    answer = record(run(folder, *DIFF, "--facts", "facts.yaml", "--json"))
    started = {one["obligation"]: one for one in answer["changes"]}
    assert started["us-ny-raise-incident"]["result"] == ["not_yet_effective", "applies"]
    assert started["us-ny-raise-incident"]["words"] == ["not yet effective", "appears to apply"]
    assert started["us-ny-raise-incident"]["grade"] == "primary_read"
    assert "us-co-sb189-adverse" not in started
    text = run(folder, *DIFF, "--facts", "facts.yaml").output
    assert "answer: not yet effective -> appears to apply" in text
    assert "[us-ny-raise-incident]: standing; grade primary_read" in text
    assert not re.search(r"-> applies\b", text)
    texts = record(run(folder, "diff", "--from", "2026-01-15", "--to", "2026-04-01", "--json"))
    raise_ = next(one for one in texts["changes"] if one["obligation"] == "us-ny-raise-incident")
    fields = {one["path"]: (one["before"], one["after"]) for one in raise_["fields"]}
    assert fields["penalty/amounts/0/value"] == (10_000_000, 1_000_000)
    assert "compute_cost" in fields["test"][0]


def test_diff_in_knowledge_time_says_what_was_learnt(folder: Path) -> None:
    known = ("--known-from", "2026-11-23", "--known-to", "2026-11-24", "--json")
    answer = record(run(folder, "diff", "--from", "2026-11-24", "--to", "2026-11-24", *known))
    assert {one["obligation"]: one["kinds"] for one in answer["changes"]} == {
        "us-co-sb205-developer-care": ["added"],
        "us-co-sb205-ag-disclosure": ["added"],
        "us-co-sb205-deployer-care": ["added"],
    }


def test_lint_passes_on_the_data_of_its_day(folder: Path) -> None:
    answer = record(run(folder, "lint", "--today", "2026-11-24", "--release", "--json"))
    assert answer["findings"] == []
    assert answer["counts"]["obligations"] == 98
    late = run(folder, "lint", "--today", "2026-12-20", "--release")
    assert late.exit_code == 1
    assert "re-check is overdue" in late.output
    assert run(folder, "lint", "--today", "2026-12-20").exit_code == 0


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("org: {roles: [ai_devloper]}", "org.roles"),
        ("org: [", "not readable"),
        ("org: {nexus: [Kansas]}", "ISO 3166-2"),
        ("org: {nexus: [US-XX]}", "no place that is known"),
        ("org: {nexus: [US-CA-LAX]}", "no place that is known"),
        ("org: {nexus: [ZZ]}", "no place that is known"),
        ("org: {nexus: [US, EU]}", "name the states"),
    ],
)
def test_wrong_facts_are_wrong_use_and_name_the_field(folder: Path, facts: str, reason: str) -> None:
    (folder / "facts.yaml").write_text(facts)
    result = run(folder, *CHECK)
    assert result.exit_code == 2
    assert reason in result.output


def test_a_day_that_is_none_is_wrong_use(folder: Path) -> None:
    result = run(folder, "check", "--facts", "facts.yaml", "--as-of", "2027-02-30")
    assert result.exit_code == 2
    assert "not a day" in result.output


def test_unusable_law_data_is_could_not(folder: Path) -> None:
    result = run(folder, *CHECK, "--law", str(folder))
    assert result.exit_code == 3
    assert "edition.yaml" in result.output


def test_no_answer_promises_compliance(folder: Path, book: LawBook) -> None:
    outputs = [
        run(folder, *verb, *more).output for verb in (CHECK, CLOCKS, DIFF) for more in ((), ("--json",))
    ]
    outputs += [
        run(folder, *CHECK, "--all", "--why").output,
        run(folder, "lint", "--today", "2026-11-24").output,
    ]
    outputs += [run(folder, verb, "--help").output for verb in ("check", "incident", "diff", "lint")]
    for text in outputs:
        assert not re.search(r"\bcompliant\b", text, re.IGNORECASE)
    assert all(book.edition.disclaimer in text for text in outputs[:6])


def test_each_help_teaches_its_exit_codes(folder: Path) -> None:
    for verb in ("check", "incident", "diff", "lint"):
        assert "Exit code 0" in run(folder, verb, "--help").output
    assert "training_ops: 2.1e+26" in run(folder, "--help").output
