# SPDX-License-Identifier: Apache-2.0
"""Acts of the desk. The ledger holds digests only: what is known and what happened stays in this house.

Nothing here sends a letter. What a reviewer's letter may set off is worked out by the house that receives it.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from proofhouse.attest import canonical, sha256_hex
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import record
from proofhouse.server.obligations import queries
from proofhouse.server.obligations.bridge import Candidate, candidate
from proofhouse.server.obligations.models import (
    AiModel,
    BridgedEvent,
    CalendarFeed,
    ClockRun,
    Evidence,
    EvidenceLink,
    Filing,
    Incident,
    IncidentVersion,
    ProfileFact,
)
from proofhouse.server.obligations.own_law import belongs_to_a_model, check_fact, law_book, read_incident
from proofhouse.server.obligations.rules import (
    FILING_STEPS,
    MOMENTS,
    NARRATIVE,
    FilingState,
    RecordRefused,
    check_moments,
    end_of,
    read_moment,
    redacted,
)
from proofhouse.server.obligations.running import compute_clocks, recompute, refresh_dates

EVIDENCE_CEILING_BYTES = 10 << 20


def _day(name: str, value: str | date | None) -> date | None:
    if value in (None, ""):
        return None
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise ActError(f"{name}: {value!r} is no day such as 2027-01-05", "record_refused") from None


def _text(name: str, value: object, length: int) -> str:
    text = str(value).strip()
    if not text or len(text) > length:
        raise ActError(f"{name}: write between 1 and {length} characters", "record_refused")
    return text


def _digest(content: dict[str, Any]) -> str:
    return sha256_hex(canonical(_exact(content)))


def _exact(value: Any) -> Any:
    """A record with counts of operations that canonical JSON refuses (2^53 to 10^21) written out as text."""
    if isinstance(value, dict):
        return {name: _exact(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return repr(value) if isinstance(value, float) and 2**53 <= abs(value) < 1e21 else value


def record_own(kind: str, matter: str, content: dict[str, Any], actor: Person) -> LedgerEntry:
    """The ledger learns that something was recorded, by whom, and its digest."""
    return record(kind, f"obligations:{matter}"[:64], {"content_sha256": _digest(content), "by": actor.email})


@act(Permission.OBLIGATIONS_FACT_SET)
def add_model(*, actor: Person, name: str) -> AiModel:
    """Name a model of this organisation, so that facts, incidents and answers can be told apart by model.

    Args:
        actor: Somebody of the own side.
        name: The name under which the model is reviewed.

    Raises:
        ActError: There is a model of that name.
    """
    queries.require_desk(actor)
    name = _text("name", name, 120)
    if AiModel.objects.filter(name=name).exists():
        raise ActError(f"there is a model called {name!r} already", "known_model")
    entry = record_own("model.add", "profile", {"name": name}, actor)
    model = AiModel.objects.create(name=name, entry=entry, added_by=actor.email, added_at=now())
    recompute()
    return model


@act(Permission.OBLIGATIONS_FACT_SET)
def set_fact(
    *,
    actor: Person,
    name: str,
    value: Any,
    source: str,
    since: str | date | None = None,
    evidence: str | None = None,
    model: str | None = None,
) -> ProfileFact:
    """Answer one question about this organisation or one of its models; earlier answers are kept.

    Args:
        actor: Somebody of the own side.
        name: A fact or a date of the law data's vocabulary, `org.nexus` or `times.last_review`.
        value: The answer; None says that it is not known any more.
        source: Where the answer comes from, in own words.
        since: Day from which it holds; today by default.
        evidence: Id of the evidence that bears it out.
        model: Id of the model that it is about; None for the organisation, and for every model that has no own answer.

    Raises:
        ActError: The law data asks no such question, the answer has the wrong type, or the question is about the
            organisation and a model was given.
    """
    queries.require_desk(actor)
    of = access(actor, AiModel, id=model) if model else None
    shown = access(actor, Evidence, id=evidence) if evidence else None
    return keep_fact(
        actor, name, value, source=source, day=_day("since", since) or now().date(), evidence=shown, model=of
    )


def keep_fact(
    actor: Person,
    name: str,
    value: Any,
    *,
    source: str,
    day: date,
    evidence: Evidence | None = None,
    model: AiModel | None = None,
) -> ProfileFact:
    """The inside of `set_fact`, for acts that set one beside other records."""
    check_fact(name, value)
    if model is not None and not belongs_to_a_model(name):
        raise ActError(f"{name} is asked of the organisation, not of one model", "fact_of_the_organisation")
    content = {
        "name": name,
        "value": value,
        "source": _text("source", source, 300),
        "since": day.isoformat(),
        "evidence_sha256": evidence.sha256 if evidence else None,
        **({"model": model.name} if model else {}),
    }
    fact = ProfileFact.objects.create(
        model=model,
        name=name,
        value=value,
        source=content["source"],
        evidence=evidence,
        since=day,
        entry=record_own("fact.set", "profile", content, actor),
        set_by=actor.email,
        set_at=now(),
    )
    recompute()
    return fact


@act(Permission.OBLIGATIONS_EVIDENCE_ADD)
def add_evidence(
    *, actor: Person, title: str, content: str, file_name: str, valid_until: str | date | None = None
) -> Evidence:
    """Store a document once; it may then be linked to many duties and facts.

    Args:
        actor: Somebody of the own side.
        title: What it is.
        content: Its bytes in base64, at most 10 MiB.
        file_name: Under which name it is downloaded.
        valid_until: Its last day, where it has one.
    """
    queries.require_desk(actor)
    try:
        bytes_ = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise ActError("content: give the bytes in base64", "record_refused") from None
    if not bytes_ or len(bytes_) > EVIDENCE_CEILING_BYTES:
        raise ActError("content: between 1 byte and 10 MiB", "record_refused")
    digest, day = put_blob(bytes_), _day("valid_until", valid_until)
    title = _text("title", title, 200)
    told = {"sha256": digest, "title": title, "valid_until": day.isoformat() if day else None}
    return Evidence.objects.create(
        sha256=digest,
        title=title,
        file_name=_text("file_name", file_name, 120),
        valid_until=day,
        entry=record_own("evidence.add", "evidence", told, actor),
        added_by=actor.email,
        added_at=now(),
    )


@act(Permission.OBLIGATIONS_EVIDENCE_ADD)
def link_evidence(*, actor: Person, evidence: str, obligation: str, covers: str) -> EvidenceLink:
    """Say that a piece of evidence bears out a duty, and which part of it.

    Args:
        actor: Somebody of the own side.
        evidence: Its id.
        obligation: Id of the duty in the law data.
        covers: Which part it covers; what it leaves open is said there, too.
    """
    queries.require_desk(actor)
    row = access(actor, Evidence, id=evidence)
    if obligation not in law_book().obligation_ids:
        raise ActError(f"the law data has no duty {obligation!r}", "unknown_duty")
    if row.links.filter(obligation=obligation).exists():
        raise ActError("this evidence is linked to this duty already", "linked_before")
    covers = _text("covers", covers, 300)
    told = {"evidence_sha256": row.sha256, "obligation": obligation, "covers": covers}
    return EvidenceLink.objects.create(
        evidence=row,
        obligation=obligation,
        covers=covers,
        entry=record_own("evidence.link", "evidence", told, actor),
        linked_at=now(),
    )


def _read_moments(moments: dict[str, Any], law_day: date | None) -> dict[str, datetime | None]:
    unknown = set(moments) - set(MOMENTS)
    if unknown:
        raise RecordRefused(f"{', '.join(sorted(unknown))}: the moments are {', '.join(MOMENTS)}")
    read = {name: read_moment(name, moments.get(name)) for name in MOMENTS}
    check_moments(read, max(now(), end_of(law_day)) if law_day else now())
    return read


def _read_facts(title: str, facts: dict[str, Any], moments: dict[str, datetime | None]) -> dict[str, Any]:
    unknown = set(facts) - {"kinds", "event", "times", "narrative"}
    if unknown:
        raise RecordRefused(f"{', '.join(sorted(unknown))}: an incident holds kinds, event, times, narrative")
    narrative = facts.get("narrative", {})
    if not isinstance(narrative, dict) or set(narrative) - set(NARRATIVE):
        raise RecordRefused(f"narrative: the passages are {', '.join(NARRATIVE)}")
    read_incident(title, moments, facts)
    return {
        "kinds": dict(facts.get("kinds", {})),
        "event": dict(facts.get("event", {})),
        "times": dict(facts.get("times", {})),
        "narrative": {name: str(narrative.get(name, "")).strip() for name in NARRATIVE},
    }


def incident_content(incident: Incident) -> dict[str, Any]:
    """The one record from which clocks and filings are made."""
    return {
        "incident": str(incident.id),
        "version": incident.version,
        "title": incident.title,
        "model": incident.model.name if incident.model else None,
        "law_day": incident.law_day.isoformat() if incident.law_day else None,
        "moments": {
            name: wire(instant) if instant else None
            for name in MOMENTS
            for instant in [getattr(incident, name)]
        },
        **incident.facts,
    }


def _keep_version(incident: Incident, kind: str, reason: str, actor: Person) -> None:
    content = incident_content(incident)
    IncidentVersion.objects.create(
        incident=incident,
        number=incident.version,
        record=content,
        reason=reason,
        entry=record_own(kind, f"incident:{incident.id}", content, actor),
        made_by=actor.email,
        made_at=now(),
    )


@act(Permission.OBLIGATIONS_INCIDENT_RECORD)
def open_incident(
    *,
    actor: Person,
    title: str,
    moments: dict[str, Any],
    facts: dict[str, Any],
    law_day: str | date | None = None,
    model: str | None = None,
    event: str | None = None,
) -> Incident:
    """Record an event once; every clock that it starts, or may start, is computed from this record.

    Args:
        actor: Somebody of the own side.
        title: Its name in this house.
        moments: Six moments kept apart, RFC 3339 with offset; one that is absent is not known.
        facts: `kinds` (which triggers it is), `event` (facts), `times` (further anchors), `narrative` (texts).
        law_day: The day whose law is asked; today by default. Set it to see what a coming law would ask.
        model: Id of the model that it happened with; clocks are then computed from that model's facts.
        event: SHA-256 of the review's letter that it comes from; see `bridge`.

    Raises:
        RecordRefused: A moment lies in the future, lacks its offset, or goes before the event itself.
        ActError: A fact is unknown to the law data or has the wrong type.
    """
    queries.require_desk(actor)
    day, title = _day("law_day", law_day), _text("title", title, 200)
    of = access(actor, AiModel, id=model) if model else None
    came = candidate(actor, event) if event else None
    read = _read_moments(moments, day)
    incident = Incident(
        id=uuid7(), title=title, model=of, facts=_read_facts(title, facts, read), law_day=day, **read,
        opened_by=actor.email, opened_at=now(),
    )  # fmt: skip
    incident.save(force_insert=True)
    _keep_version(incident, "incident.open", "opened", actor)
    if came is not None:
        decide(actor, came, incident=incident)
    _set_clocks(incident)
    return incident


def decide(actor: Person, came: Candidate, **outcome: Any) -> BridgedEvent:
    """Keep what was made of an event of a review, within the act that made it."""
    told = {"letter_sha256": came.letter, "kind": came.kind} | {
        name: str(getattr(value, "id", value)) for name, value in outcome.items()
    }
    return BridgedEvent.objects.create(
        letter_sha256=came.letter,
        kind=came.kind,
        model_name=came.model_name,
        entry=record_own("event.decide", "bridge", told, actor),
        decided_by=actor.email,
        decided_at=now(),
        **outcome,
    )


def _set_clocks(incident: Incident) -> None:
    compute_clocks(incident)
    refresh_dates()


@act(Permission.OBLIGATIONS_INCIDENT_RECORD)
def amend_incident(
    *, actor: Person, incident: str, moments: dict[str, Any], facts: dict[str, Any], reason: str
) -> Incident:
    """Record what is known now; the version before is kept, and every clock is computed anew.

    Args:
        actor: Somebody of the own side.
        incident: Its id.
        moments: All six as known now; see `open_incident`.
        facts: All facts as known now.
        reason: What was learnt.
    """
    queries.require_desk(actor)
    row = access(actor, Incident, id=incident)
    read = _read_moments(moments, row.law_day)
    row.facts = _read_facts(row.title, facts, read)
    for name, instant in read.items():
        setattr(row, name, instant)
    row.version += 1
    row.save()
    _keep_version(row, "incident.amend", _text("reason", reason, 300), actor)
    _set_clocks(row)
    return row


@act(Permission.OBLIGATIONS_CLOCK_OVERRIDE)
def override_clock(*, actor: Person, clock: str, due: str | datetime | None, reason: str) -> ClockRun:
    """Put another date in the place of a computed one, or none; it counts once a second person says the same.

    The computed date stays on the board beside it. A new proposal does away with what stood before.

    Args:
        actor: The first person, or another who confirms the same date and reason.
        clock: Id of the clock.
        due: The date; None says that the clock does not run.
        reason: Why; both people say the same.
    """
    queries.require_desk(actor)
    row = access(actor, ClockRun, id=clock)
    instant, reason = read_moment("due", due), _text("reason", reason, 300)
    same = (row.override_due, row.override_reason) == (instant, reason) and row.override_second is None
    if row.override_first is not None and same:
        if row.override_first == actor:
            raise ActError("a second person must say the same; you are the first", "same_person")
        row.override_second = actor
    else:
        row.override_first, row.override_second = actor, None
        row.override_due, row.override_reason = instant, reason
    told = {
        "clock": str(row.id),
        "due": wire(instant) if instant else None,
        "reason": reason,
        "in_force": row.override_second is not None,
    }
    row.override_entry = record_own("clock.override", f"incident:{row.incident_id}", told, actor)
    row.save()
    refresh_dates()
    return row


@act(Permission.OBLIGATIONS_FILING_DRAFT)
def draft_filing(
    *,
    actor: Person,
    clock: str,
    recipient: str,
    redactions: Sequence[dict[str, str]] = (),
    amendment_of: str | None = None,
) -> Filing:
    """Render the incident's record for one recipient; the record that it was made from is kept whole beside it.

    Args:
        actor: Somebody of the own side.
        clock: Id of the clock that asks for the report.
        recipient: One of the recipients that the duty names.
        redactions: Passages to leave out, each `{"field": …, "reason": …}`.
        amendment_of: Id of the filing that this one amends.

    Raises:
        ActError: The duty names no such recipient.
        RecordRefused: A redaction without a passage or a reason.
    """
    queries.require_desk(actor)
    row = access(actor, ClockRun, id=clock)
    assessed = row.assessment
    names = [one["name"] for one in assessed["recipients"]]
    if recipient not in names:
        raise ActError(f"this duty names other recipients: {', '.join(names)}", "unknown_recipient")
    before = access(actor, Filing, id=amendment_of) if amendment_of else None
    if before is not None and (before.incident_id, before.obligation, before.recipient) != (
        row.incident_id, row.obligation, recipient,
    ):  # fmt: skip
        raise ActError("an amendment goes to the same recipient in the same matter", "other_matter")
    due = row.override_due if row.overridden else row.due
    content = {
        **incident_content(row.incident),
        "duty": {
            key: assessed[key]
            for key in ("obligation", "title", "instrument_name", "citation", "grade", "words", "content")
        },
        "recipient": next(one for one in assessed["recipients"] if one["name"] == recipient),
        "anchor": row.anchor,
        "due": wire(due) if due else None,
        "horizon": law_book().edition.horizon_statutes.isoformat(),
        "amends": str(before.id) if before else None,
    }
    chosen = [{"field": one.get("field", ""), "reason": one.get("reason", "").strip()} for one in redactions]
    redacted(content, chosen)
    return Filing.objects.create(
        incident=row.incident,
        obligation=row.obligation,
        recipient=recipient,
        record=content,
        record_sha256=_digest(content),
        redactions=chosen,
        amendment_of=before,
        entry=record_own("filing.draft", f"incident:{row.incident_id}", content, actor),
        drafted_by=actor.email,
        drafted_at=now(),
    )


def _step(row: Filing, to: FilingState, reference: str, kind: str, actor: Person) -> Filing:
    if to not in FILING_STEPS[FilingState(row.state)]:
        raise ActError(f"a filing that is {row.state} cannot become {to.value}", "wrong_state")
    row.state, row.reference = to, reference.strip()[:200] or row.reference
    told = {"filing": str(row.id), "record_sha256": row.record_sha256, "state": to.value}
    record_own(kind, f"incident:{row.incident_id}", told, actor)
    return row


@act(Permission.OBLIGATIONS_FILING_FILE)
def mark_filed(*, actor: Person, filing: str, reference: str = "") -> Filing:
    """Say that a filing went out; this program sends none itself.

    Args:
        actor: A compliance lead.
        filing: Its id.
        reference: Under which number the recipient keeps it.
    """
    queries.require_desk(actor)
    row = _step(access(actor, Filing, id=filing), FilingState.FILED, reference, "filing.file", actor)
    row.filed_at = now()
    row.save()
    return row


@act(Permission.OBLIGATIONS_FILING_FILE)
def acknowledge_filing(*, actor: Person, filing: str, reference: str = "") -> Filing:
    """Say that the recipient acknowledged it; see `mark_filed`."""
    queries.require_desk(actor)
    row = _step(
        access(actor, Filing, id=filing), FilingState.ACKNOWLEDGED, reference, "filing.acknowledge", actor
    )
    row.acknowledged_at = now()
    row.save()
    return row


@act(Permission.OBLIGATIONS_FEED_MAKE)
def make_feed(*, actor: Person, token: str, titles: bool = False) -> CalendarFeed:
    """Open a private calendar address for oneself; the one before ends.

    Args:
        actor: Its owner.
        token: 32 random bytes in URL-safe base64, from `new_token`; only its hash is kept.
        titles: Whether the feed names duties and incidents; feeds leak, so by default it does not.
    """
    queries.require_desk(actor)
    if len(token) < 43:
        raise ActError("token: take one from new_token", "record_refused")
    digest = sha256_hex(token.encode())
    if CalendarFeed.objects.filter(token_sha256=digest).exists():
        raise ActError("token: this one was used before; take one from new_token", "record_refused")
    CalendarFeed.objects.filter(person=actor, revoked_at=None).update(revoked_at=now())
    told = {"token_sha256": digest, "titles": titles}
    return CalendarFeed.objects.create(
        person=actor,
        token_sha256=digest,
        titles=titles,
        entry=record_own("feed.make", "feeds", told, actor),
        made_at=now(),
    )


def new_token() -> str:
    """A token for a private address."""
    return secrets.token_urlsafe(32)
