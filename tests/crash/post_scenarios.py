# SPDX-License-Identifier: Apache-2.0
"""Keys that are believed, letters that are stuck or carried, and the desk for organisations without a house."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crash.case_scenarios import IDENTIFIERS, report
from crash.own_scenarios import recorded
from crash.people_scenarios import ORGANISATION
from crash.scenarios import act, example, letter, of_act, of_letter, of_other, person
from crash.stage import Stage
from proofhouse.attest import Signer
from proofhouse.letters import parse_letter
from proofhouse.letters.batch import Batch, read_batch, write_batch
from proofhouse.server.accounts.models import Membership
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import ACTS
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.models import Letter, Peer
from proofhouse.server.house import this_house
from proofhouse.server.reviews.models import Inquiry
from server.makers import TERMS, make_person

# --- keys and checkpoints ---------------------------------------------------------------------------------------------


@of_act("engine.end_introduction", Role.STEWARD)
def _end_introduction(stage: Stage) -> dict[str, Any]:
    return {"peer": "lab", "key_id": stage.signers["lab"].public.key_id, "reason": "They lost it."}


@of_act("engine.renew_key", Role.STEWARD)
def _renew_key(stage: Stage) -> dict[str, Any]:
    return {"reason": "A year has passed."}


@of_letter("introduction")
def _introduction(stage: Stage) -> bytes:
    body = example(
        "introduction",
        house="lab",
        key=Signer.generate("letters", "lab", demo=True).public.to_record(),
        purposes=["inquiry", "notice"],
        since=wire(now()),
        until=None,
    )
    return letter(stage, "lab", "introduction", body)


@of_act("engine.tell_checkpoint", Role.STEWARD)
def _tell_checkpoint(stage: Stage) -> dict[str, Any]:
    recorded(stage)
    return {"peer": "lab"}


# --- letters that are stuck, and letters that are carried -------------------------------------------------------------


def waiting(stage: Stage) -> str:
    """A letter for a house behind an air gap, which nobody has carried yet; its digest."""
    Peer.objects.filter(name="lab").update(transport=Peer.Transport.FILE)
    recorded(stage)
    return act("engine.tell_checkpoint", Role.STEWARD, peer="lab").digest  # type: ignore[no-any-return]


@of_act("engine.abandon_letter", Role.STEWARD)
def _abandon(stage: Stage) -> dict[str, Any]:
    return {"letter": waiting(stage), "reason": "The lab has closed."}


@of_act("engine.requeue_letter", Role.STEWARD)
def _requeue(stage: Stage) -> dict[str, Any]:
    given_up = waiting(stage)
    act("engine.abandon_letter", Role.STEWARD, letter=given_up, reason="The lab has closed.")
    Peer.objects.filter(name="lab").update(transport=Peer.Transport.HTTPS)
    return {"letter": given_up, "reason": "It has opened again."}


def _courier() -> Path:
    """A directory that a courier takes along; it is watched, and not one of those in which nothing may be left over."""
    place: Path = this_house().directory / "run" / "courier"
    place.mkdir(exist_ok=True)
    return place


def _export_letters(_: Any) -> None:
    file = _courier() / "to-lab.letters"
    ACTS["engine.export_letters"](actor=person(Role.STEWARD), peer="lab", file=str(file))
    assert len(read_batch(file).letters) == 1
    assert [each.name for each in _courier().iterdir()] == [file.name]


@of_other("engine.export_letters", _export_letters)
def _exported(stage: Stage) -> None:
    waiting(stage)


def _import_letters(carried: Path) -> None:
    answer = _courier() / "answer.letters"
    told = ACTS["engine.import_letters"](actor=person(Role.STEWARD), file=str(carried), answer=str(answer))
    assert not told["refused"]
    assert [each.spec.name for each in read_batch(answer).letters] == ["acknowledgement"] * 2
    assert [each.name for each in _courier().iterdir()] == [answer.name]


@of_other("engine.import_letters", _import_letters, whole=False)
def _imported(stage: Stage) -> Path:
    file = stage.directory / "from-lab.letters"
    carried = tuple(parse_letter(report(stage, identifier)) for identifier in IDENTIFIERS)
    write_batch(file, Batch("lab", "office", wire(now()), carried))
    return file


# --- an organisation without a house ----------------------------------------------------------------------------------

_DEVELOPER = "clinic-developer"


@of_act("correspondence.host_organisation", Role.STEWARD)
def _host(stage: Stage) -> dict[str, Any]:
    act("accounts.add_organisation", Role.STEWARD, **ORGANISATION)
    return {"organisation": "clinic"}


def hosted(stage: Stage) -> None:
    """An organisation with a desk here, and somebody who writes at it."""
    act("accounts.add_organisation", Role.STEWARD, **ORGANISATION)
    act("correspondence.host_organisation", Role.STEWARD, organisation="clinic")
    someone = make_person()
    someone.email = f"{_DEVELOPER}@office.example"
    someone.save()
    Membership.objects.create(person=someone, organisation_id="clinic", role=Role.DEVELOPER)


_INQUIRY = {"organisation": "clinic", "letter_type": "inquiry", "body": example("inquiry")}


@of_act("correspondence.write_letter", _DEVELOPER)
def _write(stage: Stage) -> dict[str, Any]:
    hosted(stage)
    return _INQUIRY


@of_act("correspondence.open_letter", _DEVELOPER)
def _open(stage: Stage) -> dict[str, Any]:
    hosted(stage)
    act("correspondence.write_letter", _DEVELOPER, **_INQUIRY)
    act("reviews.propose_agreement", Role.REVIEWER, inquiry=str(Inquiry.objects.get().id), terms=TERMS)
    return {"letter": Letter.objects.get(type="agreement").digest}
