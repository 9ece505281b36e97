# SPDX-License-Identifier: Apache-2.0
"""An act: one actor, one permission, one transaction."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import RFC_4122, uuid4

import pytest

from proofhouse.letters import LETTER_TYPES
from proofhouse.server import engine
from proofhouse.server.accounts.gate import NotAllowed, NotFound, may_do
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Permission, Role
from proofhouse.server.correspondence.services import HOSTED_ACTS
from proofhouse.server.engine import acts, control, post
from proofhouse.server.engine.acts import ACTS, QUESTIONS, ActError, act, do_once
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import DoneAct, LedgerEntry, Letter, Thread
from proofhouse.server.engine.post import send, start_thread
from proofhouse.server.engine.record import record
from server.makers import Correspondent, make_holder, make_person, make_thread

pytestmark = pytest.mark.django_db

CHECKPOINT = next(spec.example for spec in LETTER_TYPES.values() if spec.name == "checkpoint")
POINTS = ("before", "thread", "entry", "letter", "after")
SERVER = Path(engine.__file__).parents[1]


class Stopped(Exception):
    """The act was told to fail here."""


@pytest.fixture
def write(desk: None) -> Callable[..., Thread]:
    """An act that leaves one record, one entry and one letter, and stops where it is told to."""

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def write_to_lab(*, actor: Person, stop: str = "") -> Thread:
        def reached(point: str) -> None:
            if point == stop:
                raise Stopped(point)

        reached("before")
        thread = start_thread("lab", subject="A matter", case="review:1")
        reached("thread")
        record("inquiry.send", thread.case, {"by": actor.email})
        reached("entry")
        send("checkpoint", thread, CHECKPOINT)
        reached("letter")
        reached("after")
        return thread

    return write_to_lab


def stored() -> tuple[int, int, int]:
    """How many records, entries and letters there are."""
    return Thread.objects.count(), LedgerEntry.objects.count(), Letter.objects.count()


def test_an_act_commits_its_record_its_entry_and_its_letter_together(
    lab: Correspondent, write: Callable[..., Thread]
) -> None:
    thread = write(actor=make_person(Role.STEWARD))
    entry, letter = LedgerEntry.objects.get(), Letter.objects.get()
    assert stored() == (1, 1, 1)
    assert letter.thread == thread
    assert letter.waits_for == entry
    assert letter.state == Letter.State.QUEUED
    assert not entry.in_force
    assert entry.record["house"] == "office"


@pytest.mark.parametrize("point", POINTS)
def test_an_act_that_raises_leaves_nothing(
    lab: Correspondent, write: Callable[..., Thread], point: str
) -> None:
    with pytest.raises(Stopped):
        write(actor=make_person(Role.STEWARD), stop=point)
    assert stored() == (0, 0, 0)
    write(actor=make_person(Role.STEWARD))
    assert stored() == (1, 1, 1), "the failed act must not stay under way"


def test_a_letter_waits_for_every_entry_of_its_act_also_for_one_recorded_after_it(
    lab: Correspondent, desk: None
) -> None:
    @act(Permission.HOUSE_PEER_INTRODUCE)
    def write_first(*, actor: Person) -> None:
        thread = start_thread("lab", subject="A matter", case="review:1")
        send("checkpoint", thread, CHECKPOINT)
        record("inquiry.send", thread.case, {"by": actor.email})

    write_first(actor=make_person(Role.STEWARD))
    assert Letter.objects.get().waits_for == LedgerEntry.objects.get()


def test_without_the_permission_nothing_is_stored(lab: Correspondent, write: Callable[..., Thread]) -> None:
    for role in set(Role) - {Role.STEWARD}:
        with pytest.raises(NotAllowed, match="house:peer:introduce"):
            write(actor=make_person(role))
    with pytest.raises(NotAllowed):
        write(actor=make_person(Role.STEWARD, active=False))
    assert stored() == (0, 0, 0)


def test_records_and_letters_outside_an_act_are_refused(lab: Correspondent) -> None:
    thread = make_thread(lab.peer)
    with pytest.raises(RuntimeError, match="acts only"):
        record("inquiry.send", "review:1", {})
    with pytest.raises(RuntimeError, match="acts only"):
        send("checkpoint", thread, CHECKPOINT)
    with pytest.raises(RuntimeError, match="acts only"):
        start_thread("lab", subject="A matter", case="")
    assert stored() == (1, 0, 0)


def test_an_act_does_not_call_another_act(
    lab: Correspondent, write: Callable[..., Thread], desk: None
) -> None:
    @act(Permission.HOUSE_PEER_INTRODUCE)
    def write_twice(*, actor: Person) -> None:
        write(actor=actor)

    with pytest.raises(RuntimeError, match="does not call another act"):
        write_twice(actor=make_person(Role.STEWARD))
    assert stored() == (0, 0, 0)


def test_a_house_that_nobody_introduced_gets_no_thread(house: object, write: Callable[..., Thread]) -> None:
    with pytest.raises(ActError, match="no house called lab") as refused:
        write(actor=make_person(Role.STEWARD))
    assert refused.value.code == "unknown_house"
    assert stored() == (0, 0, 0)


def test_an_unregistered_ledger_kind_is_refused(lab: Correspondent, desk: None) -> None:
    @act(Permission.HOUSE_PEER_INTRODUCE)
    def improvise(*, actor: Person) -> None:
        record("model.forbid", "review:1", {})

    with pytest.raises(ValueError, match=r"model\.forbid is not a registered ledger kind"):
        improvise(actor=make_person(Role.STEWARD))


# --- what every act of every desk has ---------------------------------------------------------------------------------


def declared_acts() -> dict[str, Permission]:
    """Every `@act(Permission.X)` in the source, by its public name."""
    found = {}
    for file in sorted(SERVER.glob("*/*services.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            for decorator in getattr(node, "decorator_list", []):
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in ("act", "errand"):
                    name = ast.unparse(decorator.args[0]).removeprefix("Permission.")
                    found[f"{file.parent.name}.{getattr(node, 'name', '')}"] = Permission[name]
    return found


DECLARED = declared_acts()


def test_all_declared_acts_are_known_and_no_others() -> None:
    assert set(ACTS) == set(DECLARED) | set(HOSTED_ACTS), "at a desk, membership takes the permission's place"
    assert len(ACTS) > 20


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_every_act_names_its_actor_and_takes_no_positional_argument(name: str) -> None:
    parameters = inspect.signature(ACTS[name]).parameters
    assert "actor" in parameters
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_every_act_refuses_whoever_lacks_its_permission(name: str, house: object) -> None:
    required = DECLARED[name]
    lacking = [role for role, held in ROLE_PERMISSIONS.items() if required not in held]
    arguments = dict.fromkeys(set(inspect.signature(ACTS[name]).parameters) - {"actor"}, "anything")
    with pytest.raises(NotAllowed, match=required.value):
        ACTS[name](actor=make_person(*lacking), **arguments)


def test_every_permission_is_asked_for_by_an_act_and_held_by_a_role() -> None:
    assert set(DECLARED.values()) == set(Permission)
    assert set().union(*ROLE_PERMISSIONS.values()) == set(Permission)


def test_permissions_are_alphabetical_and_named_desk_record_act() -> None:
    names = [permission.name for permission in Permission]
    assert names == sorted(names)
    for permission in Permission:
        assert permission.value.replace(":", "_").upper() == permission.name
        assert permission.value.count(":") == 2


def test_every_role_is_decided_about() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)


@pytest.mark.parametrize("permission", Permission)
def test_default_deny_a_role_may_do_only_what_is_listed(permission: Permission) -> None:
    for role in Role:
        assert may_do(make_person(role), permission) is (permission in ROLE_PERMISSIONS[role])
    assert not may_do(make_person(), permission)
    assert may_do(make_holder(permission), permission)


def test_an_act_with_positional_arguments_or_without_an_actor_is_refused_at_import(desk: None) -> None:
    with pytest.raises(TypeError, match="keyword-only"):

        @act(Permission.HOUSE_PEER_INTRODUCE)
        def loose(actor: Person) -> None: ...

    with pytest.raises(TypeError, match="an actor"):

        @act(Permission.HOUSE_PEER_INTRODUCE)
        def nobody(*, case: str) -> None: ...


def test_ids_stand_in_the_order_in_which_they_were_made() -> None:
    made = [uuid7() for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}


# --- idempotency ------------------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_first_answer_and_does_nothing_again(
    lab: Correspondent, write: Callable[..., Thread]
) -> None:
    request = {
        "do": "server.write_to_lab",
        "actor": make_person(Role.STEWARD).email,
        "key": "first",
    }
    once = control.answer(request)
    assert once == {"ok": True, "value": {"id": str(Thread.objects.get().id)}}
    assert control.answer(request) == once
    assert stored() == (1, 1, 1)
    assert control.answer(request | {"key": "second"}) != once
    assert stored() == (2, 2, 2)


def test_an_act_that_was_refused_may_be_asked_for_again_under_its_key(
    lab: Correspondent, write: Callable[..., Thread]
) -> None:
    arguments = {"actor": make_person(Role.STEWARD)}
    with pytest.raises(Stopped):
        do_once("server.write_to_lab", "key", arguments | {"stop": "letter"}, str)
    assert not DoneAct.objects.exists()
    do_once("server.write_to_lab", "key", arguments, str)
    assert stored() == (1, 1, 1)


def test_an_answer_that_cannot_be_kept_undoes_the_act(
    lab: Correspondent, write: Callable[..., Thread]
) -> None:
    def refuse(_: Any) -> Any:
        raise TypeError("not plain")

    with pytest.raises(TypeError):
        do_once("server.write_to_lab", "key", {"actor": make_person(Role.STEWARD)}, refuse)
    assert stored() == (0, 0, 0)


# --- the control socket's answers -------------------------------------------------------------------------------------


def test_the_control_socket_knows_only_acts_questions_and_active_people(house: object) -> None:
    gone = make_person(Role.STEWARD, active=False)
    here = make_person(Role.STEWARD)
    assert control.answer({"do": "os.system", "actor": here.email})["code"] == "unknown"
    assert control.answer({"ask": "reviews.inquire", "actor": here.email})["code"] == "unknown"
    assert control.answer({"do": "engine.introduce", "actor": gone.email})["code"] == "unknown_actor"
    assert control.answer({"do": "engine.introduce"})["code"] == "unknown_actor"


def test_a_refusal_on_the_control_socket_has_a_code_and_stores_nothing(
    lab: Correspondent, write: Callable[..., Thread]
) -> None:
    reply = control.answer({"do": "server.write_to_lab", "actor": make_person(Role.REVIEWER).email})
    assert (reply["ok"], reply["code"]) == (False, "not_allowed")
    assert stored() == (0, 0, 0)


def test_every_question_tells_somebody_without_any_role_nothing(house: object) -> None:
    stranger = make_person()
    for name, question in set(QUESTIONS.items()) - {
        ("engine.introduction", QUESTIONS["engine.introduction"])
    }:
        parameters = set(inspect.signature(question).parameters) - {"actor"}
        told: Any = None
        with contextlib.suppress(NotAllowed, NotFound):
            told = question(actor=stranger, **dict.fromkeys(parameters, str(uuid4())))
        assert not (any(told.values()) if isinstance(told, dict) else told), name


def test_waking_the_desk_work_waits_for_the_commit(
    lab: Correspondent,
    write: Callable[..., Thread],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    woken: list[int] = []
    acts.after_commit(lambda: woken.append(1))
    with django_capture_on_commit_callbacks() as callbacks:
        write(actor=make_person(Role.STEWARD))
        assert woken == []
    for callback in callbacks:
        callback()
    assert woken == [1]


def test_a_letter_type_and_a_ledger_kind_have_one_answer_each(desk: None) -> None:
    taken = next(iter(post._HANDLERS))
    with pytest.raises(ValueError, match="handler already"):
        post.on_letter(taken)(lambda letter: None)
