# SPDX-License-Identifier: Apache-2.0
"""Answers as plain records: the JSON that the CLI prints and the desk stores.

Every envelope carries the disclaimer, the horizon of the data and the two times of the question; every
assessment carries its grade.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from proofhouse.law.assessment import WORDS, Assessment
from proofhouse.law.book import LawBook
from proofhouse.law.deadlines import Due
from proofhouse.law.difference import Change, Viewpoint
from proofhouse.law.facts import Moment, Profile, Vocabulary
from proofhouse.law.linting import Finding
from proofhouse.law.predicates import Truth


def moment_text(moment: Moment | None) -> str | None:
    """Return an instant as RFC 3339 UTC with microseconds, a day as it is."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.isoformat() if moment is not None else None


def due_record(due: Due, assessment: Assessment, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return one date with its derivation, in UTC and where each recipient sits."""
    record: dict[str, Any] = {
        "state": due.state.value,
        "meaning": due.meaning.value,
        "operator": due.operator,
        "what": due.what or None,
        "at": moment_text(due.at),
        "day": moment_text(due.day),
        "zone": due.zone,
        "anchor": due.anchor or None,
        "anchor_at": moment_text(due.anchor_at),
        "awaiting": [{"time": name, "ask": vocabulary.times[name]} for name in due.awaiting],
        "steps": list(due.steps),
        "locator": due.locator or None,
    }
    if due.at is not None:
        record["at_recipients"] = [
            {
                "name": recipient.name,
                "zone": recipient.zone.key,
                "local": due.at.astimezone(recipient.zone).isoformat(),
            }
            for recipient in assessment.obligation.recipients
        ]
    if due.condition is not Truth.TRUE:
        record["condition"] = due.condition.value
        record["condition_asks"] = [
            {"fact": name, "ask": vocabulary.question(name)} for name in due.condition_asks
        ]
    return record


def assessment_record(
    book: LawBook, assessment: Assessment, sources: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return an assessment with everything that a page or an export needs.

    Args:
        book: for the questions and the watch list.
        assessment: the assessment.
        sources: where the organisation says each fact comes from.
    """
    obligation, instrument, vocabulary = assessment.obligation, assessment.instrument, book.vocabulary
    source = instrument.sources[obligation.source]
    penalty = obligation.penalty
    facts = dict(item for tree in assessment.explanations for item in tree.decisive_facts())
    return {
        "obligation": obligation.id,
        "title": obligation.title,
        "family": obligation.family,
        "instrument": instrument.id,
        "instrument_name": instrument.name,
        "jurisdiction": instrument.jurisdiction,
        "version": assessment.version.dated.isoformat(),
        "result": assessment.result.value,
        "words": WORDS[assessment.result],
        "applicability": assessment.applicability.value,
        "standing": assessment.standing.value,
        "binding": obligation.binding,
        "duty": obligation.duty,
        "trigger": obligation.trigger,
        "effective_from": moment_text(obligation.effective_from.value) if obligation.effective_from else None,
        "effective_to": moment_text(obligation.effective_to.value) if obligation.effective_to else None,
        "due": moment_text(assessment.due.at) if assessment.due else None,
        "dues": [due_record(due, assessment, vocabulary) for due in assessment.dues],
        "anchor_precedes_law": assessment.anchor_precedes_law,
        "recipients": [
            {"name": recipient.name, "zone": recipient.zone.key} for recipient in obligation.recipients
        ],
        "content": list(obligation.content),
        "exemptions": list(obligation.exemptions),
        "confidentiality": obligation.confidentiality or None,
        "interplay": obligation.interplay or None,
        "review_link": obligation.review_link or None,
        "penalty": {
            "amounts": [dict(amount) for amount in penalty.amounts],
            "remedy": penalty.remedy or None,
            "enforcer": penalty.enforcer or None,
            "reaches": penalty.reaches or None,
            "private_action": penalty.private_action.value,
            "cure_days": penalty.cure_days.value if penalty.cure_days else None,
        }
        if penalty
        else None,
        "enforcement": {
            "enforcers": list(instrument.enforcers),
            "private_action": instrument.private_action.value,
            "who_may_sue": instrument.who_may_sue or None,
        },
        "civil_rights": instrument.civil_rights,
        "federal_equivalence": {
            "scope": instrument.equivalence.scope,
            "route": instrument.equivalence.route or None,
            "designated": [dict(one) for one in instrument.equivalence.designated],
        },
        "watch": [
            {"id": item.id, "what": item.what, "status": item.status} for item in book.watching(instrument.id)
        ],
        "evidence_types": list(obligation.evidence_types),
        "missing": [{"fact": name, "ask": vocabulary.question(name)} for name in assessment.missing],
        "facts": [
            {"fact": name, "value": value, "from": (sources or {}).get(name)} for name, value in facts.items()
        ],
        "explanation": [tree.to_record() for tree in assessment.explanations],
        "citation": obligation.citation,
        "source": {"url": source.url, "retrieved_on": source.retrieved_on.isoformat()},
        "grade": obligation.grade.value,
        "confidence": obligation.confidence,
        "notes": obligation.notes or None,
    }


def envelope(book: LawBook, view: Viewpoint, **content: Any) -> dict[str, Any]:
    """Return an answer inside the statements that must go with it."""
    edition = book.edition
    return {
        "as_of": view.as_of.isoformat(),
        "known_at": view.known_at.isoformat() if view.known_at else None,
        "edition": edition.compiled_on.isoformat(),
        "horizon": {
            "statute_texts": edition.horizon_statutes.isoformat(),
            "secondary": edition.horizon_secondary.isoformat(),
        },
        "disclaimer": edition.disclaimer,
        **content,
    }


def check_record(
    book: LawBook, profile: Profile, view: Viewpoint, assessments: Iterable[Assessment]
) -> dict[str, Any]:
    """Return the answer to "what applies to us"."""
    rows = [assessment_record(book, one, profile.sources) for one in assessments]
    return envelope(book, view, assessments=rows)


def incident_record(
    book: LawBook, profile: Profile, title: str, view: Viewpoint, clocks: Iterable[Assessment]
) -> dict[str, Any]:
    """Return the clocks of an incident, strictest first."""
    rows = [assessment_record(book, one, profile.sources) for one in clocks]
    return envelope(book, view, incident=title or None, clocks=rows)


def difference_record(
    book: LawBook, before: Viewpoint, after: Viewpoint, changes: Iterable[Change]
) -> dict[str, Any]:
    """Return what changed between two viewpoints."""
    rows = [
        {
            "obligation": change.obligation,
            "instrument": change.instrument,
            "title": change.title,
            "grade": change.grade.value,
            "kinds": [kind.value for kind in change.kinds],
            "standing": [
                state.value if state else None for state in (change.standing_before, change.standing_after)
            ],
            "result": [
                result.value if result else None for result in (change.result_before, change.result_after)
            ],
            "words": [
                WORDS[result] if result else None for result in (change.result_before, change.result_after)
            ],
            "fields": [
                {"path": field.path, "before": field.before, "after": field.after} for field in change.fields
            ],
        }
        for change in changes
    ]
    origin = {
        "as_of": before.as_of.isoformat(),
        "known_at": before.known_at.isoformat() if before.known_at else None,
    }
    return envelope(book, after, since=origin, changes=rows)


def lint_record(book: LawBook, today: date, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the findings of the linter."""
    rows = [
        {"severity": one.severity.value, "rule": one.rule, "place": one.place, "message": one.message}
        for one in findings
    ]
    counts = {
        "instruments": len(book.instruments),
        "obligations": len(book.obligation_ids),
        "golden_cases": len(book.cases),
        "gaps": len(book.gaps),
    }
    return {"today": today.isoformat(), "counts": counts, "findings": rows}


def value_text(value: Any) -> str:
    """Return a fact as people write it: yes and no, places with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def local_text(due: Due) -> str:
    """Return a date for people: the instant where the recipient sits."""
    if due.at is None:
        return "-"
    return due.at.astimezone(ZoneInfo(due.zone)).strftime("%a %d %b %Y %H:%M %Z")
