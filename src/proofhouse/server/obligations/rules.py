# SPDX-License-Identifier: Apache-2.0
"""The desk's rules, pure: which moments an incident keeps apart, what a filing may become, what an export may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

NOT_ADVICE = "Not legal advice. The official text controls."
"""Stands on every page and in every export."""

MOMENTS: Mapping[str, str] = {
    "occurred": "When did it occur?",
    "discovered": "When was it discovered?",
    "reasonable_belief": "When did you learn facts sufficient for a reasonable belief?",
    "determined": "When did you determine that it occurred?",
    "involvement_aware": "When did you become aware that the model was involved? (suspicion suffices)",
    "resolved": "When was it resolved?",
}
"""Six moments of one incident that laws tell apart; none stands in for another."""

NARRATIVE: Mapping[str, str] = {
    "description": "Describe in plain words what happened.",
    "reasons": "Why may it be reportable?",
    "environment": "In whose environment did it happen, and where?",
    "safeguards": "In what state were the safeguards?",
}
"""What people write; everything else in a record is a fact or a moment."""


class FilingState(StrEnum):
    """How far a filing has come; each state is reached by one act."""

    DRAFTED = "drafted"
    FILED = "filed"
    ACKNOWLEDGED = "acknowledged"


FILING_STEPS: Mapping[FilingState, frozenset[FilingState]] = {
    FilingState.DRAFTED: frozenset({FilingState.FILED}),
    FilingState.FILED: frozenset({FilingState.ACKNOWLEDGED}),
    FilingState.ACKNOWLEDGED: frozenset(),
}
"""From each state, where it may go; what was filed is amended by another filing, never changed."""


class RecordRefused(Exception):
    """A record that cannot be taken; the message says what to correct."""

    code = "record_refused"


def read_moment(name: str, value: Any) -> datetime | None:
    """Read an instant with its offset; empty is not known.

    Raises:
        RecordRefused: It is no RFC 3339 instant, or lacks its offset.
    """
    if value in (None, ""):
        return None
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise RecordRefused(f"{name}: {value!r} is no instant such as 2027-01-05T15:00:00-05:00") from None
    if instant.tzinfo is None:
        raise RecordRefused(f"{name}: {value!r} lacks its offset from UTC")
    return instant.astimezone(UTC)


def check_moments(moments: Mapping[str, datetime | None], latest: datetime) -> None:
    """Refuse moments that cannot be.

    Args:
        moments: The six, by name.
        latest: Nothing on record may lie after it.

    Raises:
        RecordRefused: A moment lies in the future, or the incident was discovered or resolved before it occurred.
    """
    for name, instant in moments.items():
        if instant is not None and instant > latest:
            raise RecordRefused(f"{name}: {instant.isoformat()} has not come yet")
    occurred = moments.get("occurred")
    for name in ("discovered", "resolved"):
        instant = moments.get(name)
        if occurred is not None and instant is not None and instant < occurred:
            raise RecordRefused(f"{name}: lies before the incident occurred")


def end_of(day: date) -> datetime:
    """The last instant of a day anywhere on earth (UTC-12)."""
    return datetime.combine(day, time.max, UTC) + timedelta(hours=12)


def law_incident(title: str, moments: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The incident as the law library reads it; `occurred` starts no clock and is left out.

    Args:
        title: Its name.
        moments: The six, RFC 3339 or None.
        facts: `kinds`, `event` and further `times`.
    """
    times = {name: value for name, value in moments.items() if name != "occurred" and value is not None}
    return {
        "title": title,
        "kinds": dict(facts.get("kinds", {})),
        "event": dict(facts.get("event", {})),
        "times": {**facts.get("times", {}), **times},
    }


def redacted(record: Mapping[str, Any], redactions: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The record as a recipient sees it; each passage left out shows its reason.

    Raises:
        RecordRefused: A redaction names no passage of the record, or gives no reason.
    """
    narrative = dict(record["narrative"])
    for redaction in redactions:
        name, reason = redaction.get("field", ""), redaction.get("reason", "").strip()
        if name not in narrative:
            raise RecordRefused(f"{name!r} is no passage that can be redacted: {', '.join(narrative)}")
        if not reason:
            raise RecordRefused(f"{name}: a redaction needs its reason")
        narrative[name] = f"[redacted: {reason}]"
    return {**record, "narrative": narrative}


def spreadsheet_safe(value: object) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    text = str(value)
    return (
        f"'{text}"
        if text.lstrip().startswith(("=", "+", "-", "@")) or text[:1] in {"\t", "\r", "\n"}
        else text
    )


def flat(value: object) -> str:
    """One fact for people."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
