# SPDX-License-Identifier: Apache-2.0
"""One filing as its recipient gets it: JSON and PDF from the same redacted record."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from proofhouse.server.house import this_house
from proofhouse.server.obligations.models import Filing
from proofhouse.server.obligations.own_law import law_book
from proofhouse.server.obligations.printing import render
from proofhouse.server.obligations.rules import MOMENTS, NARRATIVE, NOT_ADVICE, redacted


def both_zones(instant: str | None, zone: str) -> str | None:
    """An instant in UTC and where the recipient sits."""
    if instant is None:
        return None
    at = datetime.fromisoformat(instant)
    return f"{at:%Y-%m-%d %H:%M} UTC ({at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z})"


def as_record(filing: Filing) -> dict[str, Any]:
    """What the recipient may read; passages that were left out show their reasons."""
    shown = redacted(filing.record, filing.redactions)
    return {"note": NOT_ADVICE, "state": filing.state, **shown, "redactions": filing.redactions}


def as_json(filing: Filing) -> bytes:
    """The record as JSON."""
    return json.dumps(as_record(filing), indent=1, ensure_ascii=False).encode() + b"\n"


def as_pdf(filing: Filing) -> bytes:
    """The record as PDF."""
    record, vocabulary = as_record(filing), law_book().vocabulary
    duty, recipient = record["duty"], record["recipient"]
    zone = recipient["zone"]
    facts = [[vocabulary.question(f"trigger.{name}"), value] for name, value in record["kinds"].items()]
    facts += [[vocabulary.question(f"event.{name}"), value] for name, value in record["event"].items()]
    moments = [[ask, both_zones(record["moments"][name], zone)] for name, ask in MOMENTS.items()]
    moments += [[vocabulary.question(f"times.{name}"), value] for name, value in record["times"].items()]
    told = {
        "title": f"{duty['title']}",
        "house": this_house().title,
        "state": record["state"],
        "head": [
            ["To", recipient["name"]],
            ["From", this_house().title],
            ["Matter", f"{record['title']} (record version {record['version']})"],
            *([["Model", record["model"]]] if record.get("model") else []),
            ["Under", f"{duty['instrument_name']}; {duty['citation']}"],
            ["Due", both_zones(record["due"], zone)],
            ["Counted from", record["anchor"].replace("_", " ") or None],
            *([["Amends", record["amends"]]] if record["amends"] else []),
            *([["Law of the day", record["law_day"]]] if record["law_day"] else []),
        ],
        "moments": moments,
        "content": duty["content"] or ["The data names no required content; read the text cited above."],
        "narrative": [[ask, record["narrative"][name] or None] for name, ask in NARRATIVE.items()],
        "facts": facts,
        "redactions": record["redactions"],
        "foot": f"{NOT_ADVICE} This duty {duty['words']}; grade {duty['grade']}; horizon {record['horizon']}.",
    }
    return render("filing", told)
