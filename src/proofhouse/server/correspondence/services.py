# SPDX-License-Identifier: Apache-2.0
"""The acts at a desk for organisations without a house: opening one, opening its letters, answering."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from typing import Any

from proofhouse.server.accounts.gate import NotAllowed, NotFound, access
from proofhouse.server.accounts.models import Organisation, Person
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Permission, Role
from proofhouse.server.engine.acts import ACTS, ActError, F, act, one_transaction
from proofhouse.server.engine.hosting import host, open_at_desk, write_at_desk
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import Letter, Peer, Thread
from proofhouse.server.engine.post import Enclosure
from proofhouse.server.engine.record import record

NEEDS: dict[str, Permission] = {
    "access-offer": Permission.REVIEWS_AGREEMENT_ANSWER,
    "agreement-acceptance": Permission.REVIEWS_AGREEMENT_ANSWER,
    "case-message": Permission.CASES_CASE_ANSWER,
    "inquiry": Permission.REVIEWS_INQUIRY_SEND,
    "report": Permission.CASES_REPORT_SEND,
    "sbom": Permission.MEMBERS_SBOM_SEND,
}
"""What is written at the desk, and the permission that a role of the writer carries in the organisation."""

ANSWERS = frozenset({"access-offer", "agreement-acceptance", "case-message"})
"""These go on with a thread; the others open one."""


def roles_in(person: Person, organisation: str) -> frozenset[Role]:
    """The roles that a person holds in an organisation without a house."""
    held = person.memberships.filter(organisation=organisation, organisation__own=False)
    return frozenset(Role(role) for role in held.values_list("role", flat=True))


def may_write(person: Person, organisation: str, letter_type: str) -> bool:
    """Whether a person may write letters of a type for an organisation. Default deny."""
    return (
        person.is_active
        and letter_type in NEEDS
        and any(NEEDS[letter_type] in ROLE_PERMISSIONS[role] for role in roles_in(person, organisation))
    )


def hosted_act(function: F) -> F:
    """Make a function an act at the desk: like `act`, but membership of the organisation takes the permission's place.

    The people of this house may not speak for an organisation that it hosts; so the function itself asks `may_write` or
    `_own_thread` first.
    """
    name = f"correspondence.{function.__name__}"

    @functools.wraps(function)
    def run(**arguments: Any) -> Any:
        with one_transaction(name):
            return function(**arguments)

    ACTS[name] = run
    return run  # type: ignore[return-value]  # same signature


@act(Permission.HOUSE_PEER_INTRODUCE)
def host_organisation(*, actor: Person, organisation: str) -> Peer:
    """Open a desk for an organisation without a house, so that every desk here can write to it.

    Args:
        actor: The steward.
        organisation: Name of the organisation.

    Raises:
        ActError: It runs this house, or a house of that name was introduced already.
    """
    row = Organisation.objects.filter(name=organisation, own=False).first()
    if row is None:
        raise ActError(f"no organisation without a house is called {organisation}", "unknown_organisation")
    known = Peer.objects.filter(name=organisation).first()
    if known is not None and known.organisation_id != organisation:
        raise ActError(f"a house called {organisation} was introduced already", "known_house")
    peer = known or host(row, sorted(NEEDS))
    if known is None:
        key = peer.introductions[0]["key"]
        record("peer.host", f"peer:{peer.name}", {"key": key, "by": actor.email})
    return peer


@hosted_act
def open_letter(*, actor: Person, letter: str) -> Letter:
    """Open a letter to the actor's organisation; that acknowledges it.

    Raises:
        NotFound: There is no such letter for the actor.
    """
    row = access(actor, Letter, digest=letter)
    _own_thread(actor, row.thread)
    open_at_desk(row, actor)
    row.refresh_from_db()
    return row


@hosted_act
def write_letter(
    *,
    actor: Person,
    organisation: str,
    letter_type: str,
    body: dict[str, Any],
    thread: str = "",
    in_reply_to: str = "",
    files: list[dict[str, str]] | None = None,
) -> Letter:
    """Write a letter for the actor's organisation; the desk concerned takes it as it takes any other.

    Args:
        actor: Who writes; named in the letter.
        organisation: Name of the organisation.
        letter_type: One of `NEEDS`.
        body: What it says, as the type's schema has it.
        thread: The thread that it goes on with; empty for a new one.
        in_reply_to: Digest of the letter that it answers, or empty.
        files: What it encloses: `name`, `media_type`, `content` (base64).

    Raises:
        NotAllowed: The actor may not write this for the organisation.
        NotFound: The thread or the letter is none of the organisation's.
        LetterRefused: The body does not fit; the message names the field.
    """
    if not may_write(actor, organisation, letter_type):
        raise NotAllowed(f"{actor.email} may not write letters of type {letter_type} for {organisation}")
    peer = Peer.objects.filter(organisation=organisation).first()
    if peer is None:
        raise ActError(f"{organisation} has no desk here yet; ask the steward of this house", "no_desk")
    if (letter_type in ANSWERS) is not bool(thread):
        raise ActError(f"a letter of type {letter_type} needs {'a' if not thread else 'no'} thread", "thread")
    answered = None
    if thread:
        known = access(actor, Thread, id=thread, peer=peer)
        if in_reply_to:
            answered = access(actor, Letter, digest=in_reply_to, thread=known)
    enclosures = [
        Enclosure(file["name"], file["media_type"], base64.b64decode(file["content"], validate=True))
        for file in files or ()
    ]
    return write_at_desk(
        peer,
        actor,
        thread or str(uuid7()),
        letter_type,
        body,
        enclosures=enclosures,
        in_reply_to=answered,
    )


def _own_thread(actor: Person, thread: Thread) -> None:
    organisation = thread.peer.organisation_id
    if organisation is None or not roles_in(actor, organisation):
        raise NotFound("no letter like that")


HOSTED_ACTS: dict[str, Callable[..., Any]] = {
    f"correspondence.{each.__name__}": each for each in (open_letter, write_letter)
}
"""The acts that membership of a hosted organisation opens."""
