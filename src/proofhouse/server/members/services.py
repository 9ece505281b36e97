# SPDX-License-Identifier: Apache-2.0
"""Members' parts lists, matching an advisory against them, and telling only those whom it touches."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from proofhouse.formats import read_osv, read_sbom
from proofhouse.matching import Answer, SbomMatch, affected_in_osv, match_sbom
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import get_blob, put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import Peer, Thread
from proofhouse.server.engine.post import Enclosure, Received, on_letter, send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.members.models import Match, Notification, Sbom

DUE = timedelta(days=14)
"""BOD 26-04, exposed and not known to be exploited, one of automatable and total impact: 14 days."""


@act(Permission.MEMBERS_SBOM_SEND)
def send_sbom(*, actor: Person, clearinghouse: str, name: str, content: str) -> Thread:
    """Give a clearinghouse a parts list, so that it tells us what touches us.

    Args:
        actor: An operator of this member.
        clearinghouse: Name of its house.
        name: Which system the list describes.
        content: CycloneDX JSON, base64.

    Raises:
        FormatError: It is no SBOM that is read here.
    """
    text = base64.b64decode(content, validate=True)
    read_sbom(text)
    digest = put_blob(text)
    thread = start_thread(clearinghouse, subject=f"Parts list: {name}", case=f"sbom:{uuid7()}")
    record("sbom.send", thread.case, {"sha256": digest, "name": name, "by": actor.email})
    send(
        "sbom",
        thread,
        {"name": name, "format": "cyclonedx", "file": "sbom.cdx.json"},
        enclosures=[Enclosure("sbom.cdx.json", "application/vnd.cyclonedx+json", text)],
    )
    return thread


@on_letter("sbom")
def receive_sbom(letter: Received) -> None:
    """A member gives its parts list."""
    text = letter.enclosures[letter.body["file"]]
    parts = read_sbom(text)
    digest = put_blob(text)
    case = f"sbom:{letter.thread.id}"
    letter.thread.case = case
    letter.thread.save(update_fields=["case"])
    entry = record("sbom.receive", case, {"sha256": digest, "member": letter.thread.peer.name})
    Sbom.objects.create(
        member=letter.thread.peer,
        name=letter.body["name"],
        sha256=digest,
        components=len(parts.components),
        entry=entry,
        received_at=now(),
    )


@act(Permission.MEMBERS_SBOM_MATCH)
def match_advisory(*, actor: Person, advisory: str) -> dict[str, Any]:
    """Match an advisory in force against every parts list, and notify each member that it touches.

    A member with an affected component is told once, with what could not be decided beside it. A member with nothing
    affected hears nothing; an unknown alone is kept for a person to look at and shown to the coordinator.

    Args:
        actor: A coordinator.
        advisory: Its public number.

    Raises:
        ActError: The advisory has no receipt yet, or was matched before.
    """
    row = access(actor, Advisory, number=advisory)
    if not row.entry.in_force:
        raise ActError("the advisory has no receipt yet", "not_in_force")
    if Match.objects.filter(advisory=advisory).exists():
        raise ActError("this advisory was matched already", "matched_already")
    package = row.said["package"]
    affected = affected_in_osv(read_osv(get_blob(row.osv_sha256)))
    told: dict[str, int] = {}
    unknown: dict[str, int] = {}
    for member in Peer.objects.filter(sboms__isnull=False).distinct():
        kept = [
            match
            for sbom in member.sboms.all()
            for match in _keep_matches(advisory, sbom, match_sbom(read_sbom(get_blob(sbom.sha256)), affected))
        ]
        sure = [match for match in kept if match.answer == Match.Answer.YES]
        doubtful = [match for match in kept if match.answer == Match.Answer.UNKNOWN]
        told[member.name], unknown[member.name] = len(sure), len(doubtful)
        if sure:
            _notify(row, member, sure, doubtful, package["fixed"])
    return {"affected": told, "unknown": unknown}


def _keep_matches(advisory: str, sbom: Sbom, answers: SbomMatch) -> list[Match]:
    return [
        Match.objects.create(
            sbom=sbom,
            advisory=advisory,
            component=found.component.name,
            version=found.component.version or "",
            answer=found.match.answer.value,
            reason=found.match.explanation[:400],
        )
        for found in answers.matches
        if found.match.answer is not Answer.NO
    ]


def _notify(
    advisory: Advisory, member: Peer, sure: list[Match], doubtful: list[Match], fixed: str
) -> Notification:
    identity = uuid7()
    due_at = now() + DUE
    thread = start_thread(member.name, subject=advisory.title, case=f"notification:{identity}")
    action = f"Install the patch that your agent stages, or update to {fixed}; then restart what uses it."
    where = [f"{match.component} {match.version} in {match.sbom.name}" for match in sure]
    where += [
        f"{match.component} {match.version} in {match.sbom.name} (cannot be decided, please look: {match.reason})"
        for match in doubtful
    ]
    entry = record(
        "member.notify",
        thread.case,
        {"advisory": advisory.number, "member": member.name, "components": len(sure)},
    )
    send(
        "notification",
        thread,
        {
            "notification": str(identity),
            "advisory": advisory.number,
            "identifiers": advisory.case.identifiers,
            "what": advisory.said["summary"],
            "where": [
                {
                    "component": {"name": match.component}
                    | ({"version": match.version} if match.version else {}),
                    "sbom_sha256": match.sbom.sha256,
                    "asset": match.sbom.name,
                }
                for match in sure
            ],
            "match": "yes",
            "reason": sure[0].reason,
            "do": action,
            "due": due_at.date().isoformat(),
            "due_rule": "BOD 26-04: exposed, not in KEV, one of automatable and total impact: 14 days",
            "tlp": "TLP:GREEN",
        },
    )
    return Notification.objects.create(
        id=identity,
        peer=member,
        advisory=advisory.number,
        title=advisory.title,
        components=where,
        action=action,
        due_at=due_at,
        entry=entry,
        notified_at=now(),
    )


@on_letter("notification")
def receive_notification(letter: Received) -> None:
    """The clearinghouse tells us what touches us."""
    body = letter.body
    case = f"notification:{body['notification']}"
    letter.thread.case = case
    letter.thread.save(update_fields=["case"])
    entry = record("notification.receive", case, {"advisory": body["advisory"], "letter": letter.row.digest})
    Notification.objects.create(
        id=body["notification"],
        peer=letter.thread.peer,
        advisory=body["advisory"],
        title=letter.thread.subject,
        components=[_place(place) for place in body["where"]],
        action=body["do"],
        due_at=f"{body['due']}T23:59:59+00:00",
        entry=entry,
        notified_at=now(),
    )


def _place(place: dict[str, Any]) -> str:
    component = place["component"]
    return f"{component['name']} {component.get('version', '')} in {place.get('asset', 'your system')}"
