# SPDX-License-Identifier: Apache-2.0
"""What the letters desk shows, already through the gate."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from proofhouse.letters import Introduction
from proofhouse.server.accounts.gate import parties, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.correspondence.services import ANSWERS, NEEDS, may_write
from proofhouse.server.engine.models import Letter, Peer, Thread

STUCK = (Letter.State.DEAD, Letter.State.ABANDONED)


@parties
def cases_of_their_threads(person: Person) -> QuerySet[Any, Any] | None:
    """A hosted organisation is party to the cases that its threads are about: to its own report, never to another's."""
    theirs = sorted(standing_of(person).hosted)
    return Thread.objects.filter(peer__organisation__in=theirs).values("case") if theirs else None


def letters_in(person: Person, *states: Letter.State) -> QuerySet[Letter]:
    """Letters in some states that a person may see, oldest first."""
    return visible(person, Letter).filter(state__in=states).select_related("thread__peer").defer("envelope")


def threads_at_desk(person: Person) -> QuerySet[Thread]:
    """The correspondence of the organisations that the person works for at a desk here."""
    mine = visible(person, Thread).filter(peer__organisation__in=person.organisations)
    return mine.select_related("peer__organisation").order_by("-opened_at")


def letters_at_desk(person: Person, thread: Thread) -> QuerySet[Letter]:
    """The letters of such a thread that the person may see, in the order in which they were written."""
    return visible(person, Letter).filter(thread=thread, head__gt="").order_by("written_at", "sequence")


def unopened(letter: Letter) -> bool:
    """Whether a letter to the organisation waits for somebody to open it."""
    return letter.direction == Letter.Direction.SENT and letter.acknowledged_at is None


def openers(person: Person) -> list[tuple[str, str, str]]:
    """Letters with which the person may open a thread: organisation, its title, letter type."""
    return [
        (organisation.name, organisation.title, letter_type)
        for organisation in person.organisations
        for letter_type in sorted(set(NEEDS) - ANSWERS)
        if may_write(person, organisation.name, letter_type)
    ]


def answers(person: Person, thread: Thread) -> list[str]:
    """Letter types with which the person may go on with a thread, given what was opened in it."""
    organisation = thread.peer.organisation_id
    opened = set(
        thread.letters.filter(direction=Letter.Direction.SENT)
        .exclude(acknowledged_at=None)
        .values_list("type", flat=True)
    )
    fitting = {"agreement": ("agreement-acceptance", "access-offer"), "case-message": ("case-message",)}
    offered = sorted({answer for seen in opened for answer in fitting.get(seen, ())})
    return [name for name in offered if organisation and may_write(person, organisation, name)]


def keys_of(peer: Peer) -> list[Introduction]:
    """The keys by which a house is known here, oldest first."""
    return [Introduction.from_record(each) for each in peer.introductions]


def grouped(key_id: str) -> str:
    """A fingerprint in groups of four, to be read out over a telephone."""
    return " ".join(key_id[place : place + 4] for place in range(0, len(key_id), 4))
