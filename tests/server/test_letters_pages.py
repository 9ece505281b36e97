# SPDX-License-Identifier: Apache-2.0
"""The letters desk in the portal: what is stuck is seen and settled, keys are compared, introduced and ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from proofhouse.attest import Signer
from proofhouse.letters import OutsideIntroduction, UnknownKey, WrongPurpose
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.correspondence.queries import grouped
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.models import LedgerEntry, Letter, Peer
from proofhouse.server.engine.post import receive
from proofhouse.server.engine.services import end_introduction, introduce, tell_checkpoint
from proofhouse.server.engine.work import round_of_work
from server.makers import Correspondent, make_person
from server.peer_house import listening

pytestmark = pytest.mark.django_db


def signed_in(*roles: Role) -> Client:
    client = Client()
    client.force_login(make_person(*roles))
    return client


def introduction_of(name: str, key: Signer, **changes: Any) -> dict[str, Any]:
    return {
        "house": name, "title": name.title(), "address": "http://127.0.0.1:9", "key": key.public.to_record(),
        "demo": True, "since": wire(now()), "until": None, **changes,
    }  # fmt: skip


@pytest.fixture
def dead(lab: Correspondent) -> Letter:
    """A checkpoint that the lab did not take."""
    steward = make_person(Role.STEWARD)
    introduce(
        actor=steward,
        introduction=introduction_of("other", Signer.generate("letters", "other", demo=True)),
        purposes=["notice"],
    )
    round_of_work()
    with listening(lab) as door:
        door.answer = lambda letter: (422, b"no")
        tell_checkpoint(actor=steward, peer="lab")
        round_of_work()
    return Letter.objects.get(state="dead")


def test_a_dead_letter_stands_on_the_page_and_a_steward_tries_it_again(
    dead: Letter, lab: Correspondent
) -> None:
    page = signed_in(Role.REVIEWER).get("/correspondence/").content.decode()
    assert dead.digest in page
    assert "422" in page
    address = f"/correspondence/letters/{dead.digest}/"
    assert "Try again" not in signed_in(Role.REVIEWER).get(address).content.decode()
    assert signed_in(Role.REVIEWER).post(address, {"do": "requeue", "reason": "x"}).status_code == 404
    steward = signed_in(Role.STEWARD)
    assert "Try again" in steward.get(address).content.decode()
    assert steward.post(address, {"do": "requeue", "reason": ""}).status_code == 422
    assert steward.post(address, {"do": "requeue", "reason": "They mended it."}).status_code == 302
    with listening(lab):
        round_of_work()
    dead.refresh_from_db()
    assert dead.state == "acknowledged"
    assert steward.post(address, {"do": "abandon", "reason": "Never mind."}).status_code == 422
    assert steward.post(address, {"do": "burn", "reason": "Never mind."}).status_code == 404


def test_giving_up_a_letter_is_offered_and_kept_with_its_reason(dead: Letter) -> None:
    steward = signed_in(Role.STEWARD)
    address = f"/correspondence/letters/{dead.digest}/"
    assert steward.post(address, {"do": "abandon", "reason": "The lab has closed."}).status_code == 302
    assert "abandoned: The lab has closed." in steward.get(address).content.decode()
    assert LedgerEntry.objects.get(kind="letter.abandon").record["reason"] == "The lab has closed."


def test_a_page_with_letters_on_their_way_asks_again_until_they_have_arrived(
    lab: Correspondent, dead: Letter
) -> None:
    steward = signed_in(Role.STEWARD)
    assert "hx-get" not in steward.get("/correspondence/").content.decode()
    Letter.objects.update(state="queued", retry_at=None)
    assert "hx-get" in steward.get("/correspondence/").content.decode()
    with listening(lab):
        round_of_work()
    assert "hx-get" not in steward.get("/correspondence/?live").content.decode()


def test_a_house_is_introduced_only_after_its_fingerprint_was_compared(house: Any, db: None) -> None:
    key = Signer.generate("letters", "vendor", demo=True)
    handed = json.dumps(introduction_of("vendor", key))
    steward = signed_in(Role.STEWARD)
    page = steward.post("/correspondence/keys/", {"do": "look", "introduction": handed}).content.decode()
    assert grouped(key.key_id) in page
    told = {"do": "introduce", "introduction": handed, "purposes": ["case-message"], "transport": "file"}
    refused = steward.post("/correspondence/keys/", told)
    assert refused.status_code == 422
    assert "Compare the fingerprint first" in refused.content.decode()
    assert not Peer.objects.exists()
    assert steward.post("/correspondence/keys/", {**told, "compared": "on"}).status_code == 302
    peer = Peer.objects.get()
    assert (peer.name, peer.transport) == ("vendor", "file")
    assert peer.introductions[0]["purposes"] == ["acknowledgement", "case-message"]
    assert LedgerEntry.objects.get(kind="peer.introduce").record["key"] == key.key_id
    for junk in (
        "",
        "{}",
        "[]",
        "no",
        json.dumps({**json.loads(handed), "key": {"algorithm": "x", "public": ""}}),
    ):
        answer = steward.post("/correspondence/keys/", {"do": "look", "introduction": junk})
        assert answer.status_code == 422, junk
    assert signed_in(Role.REVIEWER).get("/correspondence/keys/").status_code == 404


def test_an_ended_key_seals_nothing_new(lab: Correspondent) -> None:
    early = lab.letter()
    steward = signed_in(Role.STEWARD)
    told = {"do": "end", "key": f"lab/{lab.signer.key_id}", "reason": "Its card was lost."}
    assert steward.post("/correspondence/keys/", {**told, "reason": ""}).status_code == 422
    assert steward.post("/correspondence/keys/", told).status_code == 302
    for letter in (early, lab.letter()):
        with pytest.raises(OutsideIntroduction):
            receive(letter.data)
    assert LedgerEntry.objects.get(kind="peer.end").record["reason"] == "Its card was lost."


def test_a_next_key_comes_sealed_by_the_one_before_and_is_believed_for_no_more(house: Any, db: None) -> None:
    lab = Correspondent.introduced("lab", frozenset({"introduction", "checkpoint"}))
    new = Signer.generate("letters", "lab", demo=True)
    body = {
        "house": "lab", "title": "Lab", "key": new.public.to_record(), "purposes": ["checkpoint", "notice"],
        "since": wire(now()), "until": None,
    }  # fmt: skip
    early = lab.letter(signer=new)
    with pytest.raises(UnknownKey):
        receive(early.data)
    receive(lab.letter("introduction", body).data)
    receive(lab.letter(signer=new).data)
    with pytest.raises(WrongPurpose):
        receive(lab.letter("notice", signer=new).data)
    end_introduction(actor=make_person(Role.STEWARD), peer="lab", key_id=lab.signer.key_id, reason="Rotated.")
    with pytest.raises(OutsideIntroduction):
        receive(lab.letter().data)


def test_a_second_key_introduced_by_hand_stands_beside_the_first(lab: Correspondent) -> None:
    new = Signer.generate("letters", "lab", demo=True)
    steward = make_person(Role.STEWARD)
    introduce(actor=steward, introduction=introduction_of("lab", new), purposes=["checkpoint"])
    receive(lab.letter().data)
    receive(lab.letter(signer=new).data)
    assert len(Peer.objects.get(name="lab").introductions) == 2
    introduce(actor=steward, introduction=introduction_of("lab", new), purposes=["notice"])
    assert len(Peer.objects.get(name="lab").introductions) == 2
    with pytest.raises(WrongPurpose):
        receive(lab.letter(signer=new).data)
