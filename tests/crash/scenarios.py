# SPDX-License-Identifier: Apache-2.0
"""The registry of what is crashed: one scenario, at least, for each act, letter, deadline and duty of a house."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crash.stage import Scenario, Stage
from proofhouse.letters import LETTER_TYPES, Enclosure
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import clock, post
from proofhouse.server.engine.acts import ACTS, do_once, plain
from proofhouse.server.engine.clock import SetClock
from proofhouse.server.engine.models import Letter, Peer, Thread
from server.makers import Correspondent

SCENARIOS: dict[str, Scenario] = {}
"""By name: `desk.verb` of an act, `letter TYPE` or `letter TYPE/act`, `deadline KIND`, `duty NAME`, `job NAME`, or the
name under which other work runs."""

Prepare = Callable[[Stage], Any]


def _register(scenario: Scenario) -> None:
    if scenario.name in SCENARIOS:
        raise ValueError(f"{scenario.name} is crashed already")
    SCENARIOS[scenario.name] = scenario


def of_act(
    name: str, role: Role | str, variant: str = "", *, fresh: bool = False
) -> Callable[[Prepare], Prepare]:
    """Register what an act needs; it is done under an idempotency key, as the control socket and the API do it.

    Args:
        name: Public name of the act.
        role: Who in the office does it, or the name of somebody else whom the preparation has made.
        variant: Tells two scenarios of one act apart.
        fresh: Whether the house has no log yet.
    """

    def register(prepare: Prepare) -> Prepare:
        def do(arguments: Mapping[str, Any]) -> object:
            actor = Person.objects.get(email=f"{role}@office.example")
            return do_once(name, f"crash/{name}", {"actor": actor, **arguments}, plain)

        _register(Scenario(f"{name}{variant}", prepare, do, fresh=fresh))
        return prepare

    return register


def of_letter(name: str) -> Callable[[Callable[[Stage], bytes]], Callable[[Stage], bytes]]:
    """Register a letter that arrives; its sender hands it in again until it is acknowledged."""

    def register(prepare: Callable[[Stage], bytes]) -> Callable[[Stage], bytes]:
        _register(Scenario(f"letter {name}", prepare, post.receive))
        return prepare

    return register


def of_other(
    name: str, do: Callable[[Any], object], *, counts: bool = False, whole: bool = True
) -> Callable[[Prepare], Prepare]:
    """Register any other work of a house; see `Scenario` for `counts` and `whole`."""

    def register(prepare: Prepare) -> Prepare:
        _register(Scenario(name, prepare, do, counts, whole))
        return prepare

    return register


# --- what preparations are made of ------------------------------------------------------------------------------------


def person(role: Role | str) -> Person:
    """Whoever has this role in the office, or the name that the preparation gave."""
    return Person.objects.get(email=f"{role}@office.example")


def move_clock(to: datetime) -> None:
    """The time comes; nobody does anything but wait."""
    clock._clock = SetClock(to)


def act(name: str, role: Role | str, /, **arguments: Any) -> Any:
    """Do an act as part of a preparation, and let the house come to rest."""
    return act_as(person(role), name, **arguments)


def act_as(actor: Person, name: str, /, **arguments: Any) -> Any:
    """The same, as somebody whom the preparation has made."""
    done = ACTS[name](actor=actor, **arguments)
    Stage.rest()
    return done


def other(stage: Stage, name: str) -> Correspondent:
    """Another house, to write letters as."""
    return Correspondent(name, stage.signers[name], Peer.objects.get(name=name))


def example(letter_type: str, **changed: Any) -> dict[str, Any]:
    """The example body of a letter type, with some fields changed."""
    spec = next(each for each in LETTER_TYPES.values() if each.name == letter_type)
    return {**spec.example, **changed}


def letter(
    stage: Stage,
    sender: str,
    letter_type: str,
    body: Mapping[str, Any],
    *,
    thread: Thread | UUID | None = None,
    enclosures: Sequence[Enclosure] = (),
    in_reply_to: str | None = None,
) -> bytes:
    """A letter to the office, the next of its sender in the thread."""
    identity = thread.id if isinstance(thread, Thread) else thread
    sequence = 1 + Letter.objects.filter(thread_id=identity, direction=Letter.Direction.RECEIVED).count()
    return (
        other(stage, sender)
        .letter(
            letter_type,
            body,
            thread=identity,
            sequence=sequence if identity else 1,
            enclosures=enclosures,
            in_reply_to=in_reply_to,
        )
        .data
    )


def receive(data: bytes) -> Thread:
    """Take a letter as part of a preparation; returns its thread."""
    post.receive(data)
    Stage.rest()
    return Letter.objects.filter(direction=Letter.Direction.RECEIVED).latest("thread_id", "sequence").thread
