# SPDX-License-Identifier: Apache-2.0
"""How anything is done in a house: an act.

An act is one function in a desk's `services.py`. It has a named actor who holds the permission, and it is one
transaction: its records, its ledger entries and its letters commit together or not at all (design rules 3 and 4).

    @act(Permission.REVIEWS_WINDOW_OPEN)
    def open_window(*, actor: Person, inquiry: str, days: int) -> Window:
        ...
        record("window.open", case, {...})   # ledger entry, pending until its receipt verifies
        send("window-opened", to="lab", ...) # leaves the house only after that receipt

A letter that arrives is answered by a handler, which is an act of the house itself (`@on_letter`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.db import connection, models, transaction

from proofhouse.server.accounts.permissions import Permission

if TYPE_CHECKING:
    from proofhouse.server.engine.models import LedgerEntry, Letter

F = TypeVar("F", bound=Callable[..., Any])


class ActError(Exception):
    """An act that cannot be done; the message says why, `code` is for programs."""

    code = "act_refused"

    def __init__(self, message: str, code: str = "act_refused") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Running:
    """The act under way in this thread."""

    name: str
    entries: list[LedgerEntry] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


_running: ContextVar[Running | None] = ContextVar("running_act", default=None)
_after_commit: list[Callable[[], None]] = []

ACTS: dict[str, Callable[..., Any]] = {}
"""Every act by its public name, `desk.verb`."""

PERMISSIONS: dict[str, Permission] = {}
"""What each act takes, by its public name."""

QUESTIONS: dict[str, Callable[..., Any]] = {}
"""Every question that may be asked on the control socket, `desk.noun`."""


def running() -> Running:
    """The act under way.

    Raises:
        RuntimeError: Called outside an act: nothing is recorded or sent without one.
    """
    current = _running.get()
    if current is None:
        raise RuntimeError("records and letters are made by acts only")
    return current


def under_way() -> bool:
    """Whether an act is under way in this thread."""
    return _running.get() is not None


def after_commit(wake: Callable[[], None]) -> None:
    """Have `wake` called after each act has committed."""
    _after_commit.append(wake)


_TURN = 0x70726F6F66
"""Key of the advisory lock by which PostgreSQL lets acts commit one after another ("proof")."""


def take_turn() -> None:
    """Wait for the other acts of this house; the turn lasts until the transaction ends.

    An act reads a state and then changes it: the next sequence number of a thread, whether a key was used, whether a
    window is open. SQLite gives the write lock to each transaction as it begins. PostgreSQL does not, so that two acts
    could read the same state; there they queue for one lock. Acts are short, and readers never wait.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


@contextmanager
def one_transaction(name: str) -> Iterator[Running]:
    """Run a block as one act: everything in it commits together, and time never goes back from one to the next."""
    from proofhouse.server.engine import mark

    if _running.get() is not None:
        raise RuntimeError(f"{name}: an act does not call another act")
    current = Running(name)
    token = _running.set(current)
    try:
        with transaction.atomic():
            take_turn()
            mark.take_up()
            yield current
            mark.persist()
            for wake in _after_commit:
                transaction.on_commit(wake)
    finally:
        _running.reset(token)


def public_name(function: Callable[..., Any]) -> str:
    """The name under which an act or a question is asked for, `desk.verb`."""
    return f"{function.__module__.split('.')[-2]}.{function.__name__}"


def act(permission: Permission) -> Callable[[F], F]:
    """Make a function an act: keyword-only, `actor` checked for the permission, one transaction.

    Raises:
        TypeError: At import, when the function takes positional arguments or no `actor`.
    """

    def wrap(function: F) -> F:
        parameters = inspect.signature(function).parameters
        if "actor" not in parameters or any(p.kind is not p.KEYWORD_ONLY for p in parameters.values()):
            raise TypeError(f"{function.__qualname__}: an act takes keyword-only arguments and an actor")
        name = public_name(function)

        @functools.wraps(function)
        def run(**arguments: Any) -> Any:
            from proofhouse.server.accounts.freshness import require_fresh
            from proofhouse.server.accounts.gate import require

            require(arguments["actor"], permission)
            require_fresh(permission)
            with one_transaction(name):
                return function(**arguments)

        ACTS[name] = run
        PERMISSIONS[name] = permission
        return run  # type: ignore[return-value]  # same signature, checked above

    return wrap


def do_once(
    name: str, key: str, arguments: Mapping[str, Any], plain: Callable[[Any], Any], *, asked: str = ""
) -> Any:
    """Do an act under an idempotency key: the same key gives the first answer again and does nothing.

    Args:
        name: Public name of the act.
        key: Chosen by whoever asks, who alone may use it again; remembered in the act's own transaction.
        arguments: The act's arguments.
        plain: Turns the act's value into what JSON can hold.
        asked: SHA-256 of the request, where the same key must come with the same request.

    Raises:
        ActError: The actor used this key for something else.
    """
    from proofhouse.server.engine.models import DoneAct

    own_key = f"{arguments['actor'].pk}/{key}"
    with transaction.atomic():
        take_turn()
        done = DoneAct.objects.filter(key=own_key).first()
        if done is None:
            value = plain(ACTS[name](**arguments))
            done = DoneAct.objects.create(key=own_key, act=name, asked_sha256=asked, value=value)
        if done.act != name or done.asked_sha256 != asked:
            raise ActError("this key was used for something else; take a new one", "idempotency_key_reused")
        return done.value


def plain(value: Any) -> Any:
    """What an act gives, as JSON can hold it: of a record its id and state."""
    if isinstance(value, models.Model):
        state = getattr(value, "state", None)
        return {"id": str(value.pk)} | ({"state": str(state)} if state is not None else {})
    return str(value) if isinstance(value, UUID) else value


def question(function: F) -> F:
    """Register a reading function of a desk's `queries.py`: keyword-only `actor`, JSON values out."""
    QUESTIONS[public_name(function)] = function
    return function
