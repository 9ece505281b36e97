# SPDX-License-Identifier: Apache-2.0
"""Exports of the list: CSV, JSON, PDF, and OSCAL 1.2 as dictionaries of our own (an export, not our data model)."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

from proofhouse.law import Result
from proofhouse.server.accounts.models import Person
from proofhouse.server.house import this_house
from proofhouse.server.obligations.answers import LISTS, View, answer, foot, for_whom, in_list, why
from proofhouse.server.obligations.models import AiModel
from proofhouse.server.obligations.printing import render
from proofhouse.server.obligations.queries import current_facts, valid_links
from proofhouse.server.obligations.rules import spreadsheet_safe

OSCAL_VERSION = "1.2.1"
_NAMESPACE = "https://proofhouse.example/ns/oscal"
_COLUMNS = (
    "obligation", "title", "words", "jurisdiction", "instrument_name", "citation", "due", "effective_from",
    "grade", "confidence",
)  # fmt: skip


def as_json(actor: Person, view: View, model: AiModel | None = None) -> bytes:
    """Everything, with the explanation trees and the evidence that is linked."""
    record = answer(actor, view, model)
    record["evidence"] = [
        {
            "obligation": link.obligation,
            "title": link.evidence.title,
            "sha256": link.evidence.sha256,
            "covers": link.covers,
            "valid_until": link.evidence.valid_until.isoformat() if link.evidence.valid_until else None,
        }
        for link in valid_links(actor, view.as_of)
    ]
    return json.dumps(record, indent=1, ensure_ascii=False).encode() + b"\n"


def as_csv(actor: Person, view: View, model: AiModel | None = None) -> bytes:
    """One line a duty; no cell starts a formula."""
    record = answer(actor, view, model)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*_COLUMNS, "models", "why", "as_of", "known_at", "horizon", "note"])
    for row in record["assessments"]:
        cells = [row[name] or "" for name in _COLUMNS]
        of = record["model"] or for_whom(row)
        horizon = record["horizon"]["statute_texts"]
        tail = [of, why(row), record["as_of"], record["known_at"] or "", horizon, record["note"]]
        writer.writerow([spreadsheet_safe(cell) for cell in (*cells, *tail)])
    return text.getvalue().encode()


def as_pdf(actor: Person, view: View, model: AiModel | None = None) -> bytes:
    """The board pack; what does not appear to apply is only counted."""
    record = answer(actor, view, model)
    groups = [
        {
            "title": title if name != "not" else f"{title} (in the JSON export with reasons)",
            "rows": [
                [
                    row["title"],
                    row["citation"],
                    (row["due"] or "–")[:16].replace("T", " "),
                    f"{row['grade']}, {row['confidence']}",
                    "; ".join(filter(None, [for_whom(row), why(row) if name != "no_law" else row["words"]])),
                ]
                for row in in_list(record["assessments"], results)
            ],
        }
        for name, title, results in LISTS
    ]
    told = {
        "title": "What appears to apply, and why",
        "house": this_house().title + (f", {model.name}" if model else ""),
        "as_of": record["as_of"] + (f", as known on {record['known_at']}" if record["known_at"] else ""),
        "foot": foot(),
        "groups": groups,
    }
    return render("duties", told)


def _uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join((_NAMESPACE, this_house().name, *parts))))


def _token(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def _metadata(title: str, record: dict[str, Any]) -> dict[str, Any]:
    at = datetime.combine(date.fromisoformat(record["as_of"]), time(), UTC)
    return {
        "title": title,
        "last-modified": at.isoformat(),
        "version": record["edition"],
        "oscal-version": OSCAL_VERSION,
        "remarks": f"{foot()} As of {record['as_of']}.",
    }


def _props(row: dict[str, Any]) -> list[dict[str, str]]:
    values = {
        "grade": row["grade"],
        "confidence": row["confidence"],
        "result": row["words"],
        "standing": row["standing"],
        "due": row["due"],
    }
    return [{"name": name, "ns": _NAMESPACE, "value": value} for name, value in values.items() if value]


def oscal_catalog(actor: Person, view: View, model: AiModel | None = None) -> dict[str, Any]:
    """The duties as an OSCAL catalog: one group for each instrument, one control for each duty."""
    record = answer(actor, view, model)
    groups: dict[str, dict[str, Any]] = {}
    for row in record["assessments"]:
        group = groups.setdefault(
            row["instrument"],
            {"id": _token(row["instrument"]), "title": row["instrument_name"], "controls": []},
        )
        control = _token(row["obligation"])
        group["controls"].append(
            {
                "id": control,
                "title": row["title"],
                "props": _props(row),
                "links": [{"href": row["source"]["url"], "rel": "reference", "text": row["citation"]}],
                "parts": [{"id": f"{control}_smt", "name": "statement", "prose": row["duty"]}],
            }
        )
    return {
        "catalog": {
            "uuid": _uuid("catalog", record["edition"], record["as_of"]),
            "metadata": _metadata("AI duties as data", record),
            "groups": list(groups.values()),
        }
    }


def oscal_results(actor: Person, view: View, model: AiModel | None = None) -> dict[str, Any]:
    """What appears to apply, with linked evidence, as OSCAL assessment results: observations, never findings."""
    record = answer(actor, view, model)
    links: dict[str, list[dict[str, str]]] = {}
    for link in valid_links(actor, view.as_of):
        told = {
            "href": f"urn:sha256:{link.evidence.sha256}",
            "description": f"{link.evidence.title}: {link.covers}",
        }
        links.setdefault(link.obligation, []).append(told)
    rows = in_list(record["assessments"], frozenset({Result.APPLIES, Result.UNKNOWN}))
    at = datetime.combine(view.as_of, time(), UTC).isoformat()
    observations = []
    for row in rows:
        observation = {
            "uuid": _uuid("observation", row["obligation"], record["as_of"]),
            "title": row["title"],
            "description": ". ".join(
                filter(None, [f"{row['words']}: {row['citation']}", for_whom(row), why(row)])
            ),
            "props": [
                *_props(row),
                {"name": "control-id", "ns": _NAMESPACE, "value": _token(row["obligation"])},
            ],
            "methods": ["EXAMINE"],
            "collected": at,
        }
        if row["obligation"] in links:
            observation["relevant-evidence"] = links[row["obligation"]]
        observations.append(observation)
    chosen = [{"control-id": _token(row["obligation"])} for row in rows]
    result: dict[str, Any] = {
        "uuid": _uuid("result", record["as_of"]),
        "title": "What appears to apply",
        "description": foot(),
        "start": at,
        "reviewed-controls": {
            "control-selections": [{"include-controls": chosen} if chosen else {"include-all": {}}]
        },
    }
    if observations:
        result["observations"] = observations
    return {
        "assessment-results": {
            "uuid": _uuid("assessment-results", record["edition"], record["as_of"]),
            "metadata": _metadata("What appears to apply", record),
            "import-ap": {"href": "#", "remarks": "There is no assessment plan; the law data is the plan."},
            "results": [result],
        }
    }


def as_oscal_catalog(actor: Person, view: View, model: AiModel | None = None) -> bytes:
    """See `oscal_catalog`."""
    return json.dumps(oscal_catalog(actor, view, model), indent=1, ensure_ascii=False).encode() + b"\n"


def as_oscal_results(actor: Person, view: View, model: AiModel | None = None) -> bytes:
    """See `oscal_results`."""
    return json.dumps(oscal_results(actor, view, model), indent=1, ensure_ascii=False).encode() + b"\n"


def as_facts(actor: Person, view: View, model: AiModel | None = None) -> bytes:
    """The profile as a facts file, for `proofhouse law check` and `proofhouse law diff` in a shell."""
    told: dict[str, Any] = {"org": {}, "model": {}, "system": {}, "times": {}, "sources": {}}
    for name, fact in current_facts(actor, model).items():
        root, _, rest = name.partition(".")
        if fact.value is not None:
            told[root][rest] = fact.value
            if root != "times":
                told["sources"][name] = fact.source
    head = (
        f"# {this_house().title}{f', {model.name}' if model else ''}: facts for `proofhouse law check --facts`.",
        f"# As answered now, to be asked for the law of {view.as_of}. {foot()}",
    )
    body = yaml.safe_dump({root: facts for root, facts in told.items() if facts}, allow_unicode=True)
    return "\n".join((*head, body)).encode()


EXPORTS = {
    "obligations.csv": (as_csv, "text/csv; charset=utf-8"),
    "obligations.json": (as_json, "application/json"),
    "obligations.pdf": (as_pdf, "application/pdf"),
    "oscal-catalog.json": (as_oscal_catalog, "application/json"),
    "oscal-assessment-results.json": (as_oscal_results, "application/json"),
    "facts.yaml": (as_facts, "application/yaml"),
}
"""Every export by its file name."""
