# SPDX-License-Identifier: Apache-2.0
"""A house renews its own key; each other house is written to under what it is known to believe."""

from __future__ import annotations

import pytest
from django.test import Client

from proofhouse.attest import PublicKey
from proofhouse.letters import Introduction, Introductions, open_letter, parse_letter
from proofhouse.server.accounts.gate import NotAllowed
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.engine.own_keys import make_next_key, newest_key, own_keys, sealing_key
from proofhouse.server.engine.post import receive
from proofhouse.server.engine.services import abandon_letter, introduction, renew_key, tell_checkpoint
from proofhouse.server.engine.work import round_of_work
from server.makers import Correspondent, make_person
from server.peer_house import listening

pytestmark = pytest.mark.django_db


def renew(reason: str = "A year has passed.") -> LedgerEntry:
    return renew_key(actor=make_person(Role.STEWARD), reason=reason)


def told_key(letter: Letter) -> str:
    return PublicKey.from_record(letter.body["key"]).key_id


def key_of(data: bytes) -> str:
    return parse_letter(bytes(data)).key_id


def written_to(house: Correspondent) -> str:
    """The key under which this house writes to another."""
    round_of_work()
    row = tell_checkpoint(actor=make_person(Role.STEWARD), peer=house.name)
    return key_of(row.envelope)


def test_a_house_is_written_to_under_the_new_key_once_it_has_acknowledged_it(lab: Correspondent) -> None:
    first = newest_key().key_id
    with listening(lab):
        entry = renew()
        letter = Letter.objects.get(type="introduction")
        new = told_key(letter)
        assert entry.record["key"] == new != first
        assert key_of(letter.envelope) == first
        assert letter.waits_for == entry
        assert key_of(receive(lab.letter().data)) == first, "it may not know the new one yet"
        assert sealing_key(lab.peer).key_id == first
        round_of_work()
        letter.refresh_from_db()
        assert letter.acknowledged_at is not None
        assert written_to(lab) == new
        assert key_of(receive(lab.letter().data)) == new


def test_the_other_house_believes_the_chain_from_one_introduction_by_hand(lab: Correspondent) -> None:
    by_hand = introduction(actor=make_person(Role.STEWARD))
    purposes = ["checkpoint", "introduction"]
    known = Introductions([Introduction.from_record({**by_hand, "purposes": purposes})])
    with listening(lab) as door:
        for _ in range(2):
            renew()
            round_of_work()
            told = open_letter(door.taken[-1].data, known, "lab", now=door.taken[-1].sent_at)
            assert told.type == "introduction"
            fields = {name: told.body[name] for name in ("house", "key", "since", "until")}
            known = known.plus(Introduction.from_record({**fields, "purposes": purposes}))
        last = tell_checkpoint(actor=make_person(Role.STEWARD), peer="lab")
        assert open_letter(bytes(last.envelope), known, "lab", now=last.written_at).body
    assert len(own_keys()) == 3
    assert key_of(last.envelope) == newest_key().key_id


def test_who_comes_later_is_handed_the_newest_key_and_written_to_under_it(lab: Correspondent) -> None:
    renew()
    later = Correspondent.introduced("vendor")
    handed = introduction(actor=make_person(Role.STEWARD))
    assert PublicKey.from_record(handed["key"]).key_id == newest_key().key_id
    assert sealing_key(later.peer).key_id == newest_key().key_id
    assert sealing_key(lab.peer).key_id == own_keys()[0].key_id


def test_a_renewal_waits_for_the_one_before_and_may_be_given_up(lab: Correspondent) -> None:
    steward = make_person(Role.STEWARD)
    renew()
    with pytest.raises(ActError, match="lab has not acknowledged"):
        renew()
    round_of_work()
    letter = Letter.objects.get(type="introduction")
    abandon_letter(actor=steward, letter=letter.digest, reason="They do not take renewals.")
    assert sealing_key(lab.peer).key_id == own_keys()[0].key_id
    renew("Again.")
    assert sealing_key(lab.peer).key_id == own_keys()[0].key_id, "what it believes has not changed"


def test_a_key_that_no_entry_names_is_not_in_use(lab: Correspondent) -> None:
    made = make_next_key()
    assert made.key_id not in {key.key_id for key in own_keys()}
    assert sealing_key(lab.peer).key_id != made.key_id


def test_a_reason_is_needed_and_only_the_steward_renews(lab: Correspondent) -> None:
    with pytest.raises(ActError):
        renew(" ")
    with pytest.raises(NotAllowed):
        renew_key(actor=make_person(Role.OPERATOR), reason="Because.")
    client = Client()
    client.force_login(make_person(Role.STEWARD))
    assert client.post("/correspondence/keys/", {"do": "renew", "reason": ""}).status_code == 422
    assert client.post("/correspondence/keys/", {"do": "renew", "reason": "A year."}).status_code == 302
    assert LedgerEntry.objects.get(kind="key.renew").record["reason"] == "A year."
    again = client.post("/correspondence/keys/", {"do": "renew", "reason": "A year."})
    assert again.status_code == 422
    assert "lab has not acknowledged the last renewal yet" in again.content.decode()
