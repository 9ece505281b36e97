# SPDX-License-Identifier: Apache-2.0
"""The label needs nobody's consent: the same evidence gives the same label, whoever took part (design rule 2)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofhouse.attest import canonical
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.house import House
from proofhouse.server.reviews.models import Determination, RegisterEntry, Window
from proofhouse.server.reviews.rules import InquiryState
from proofhouse.server.reviews.services import determine
from server.makers import Correspondent, make_entry, make_inquiry, make_person, make_seal, make_statement

pytestmark = pytest.mark.django_db

STATEMENT = "9" * 64
CASE = "review:0190a000-0000-7000-8000-000000000001"
OTHER_MODEL = "c" * 64

HISTORIES = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(list(InquiryState)),
        st.booleans(),  # a window was opened
        st.sampled_from(["a" * 64, OTHER_MODEL]),  # the model that the developer asked about
        st.sampled_from([CASE, "review:another"]),
    ),
)


class _Undo(Exception):
    """Ends an example without leaving rows."""


def fields_of(made: Determination) -> bytes:
    """Everything that a determination says, but for its basis, ids and instants, and who had asked."""
    record = {
        name: value
        for name, value in made.entry.record.items()
        if name not in {"at", "basis", "by", "kind", "house"}
    }
    said = {
        "model": made.model_name,
        "model_sha256": made.model_sha256,
        "label": made.label,
        "statement": made.statement_id,
        "kind": made.entry.kind,
        "record": record,
        "registered": RegisterEntry.objects.filter(determination=made).exists(),
    }
    return canonical(said)


def determined(
    peer: Any, history: tuple[InquiryState, bool, str, str] | None, verdict: str, basis: str
) -> tuple[bytes, int]:
    """What comes out after a history, and how many notices were written."""
    found: list[tuple[bytes, int]] = []
    try:
        with transaction.atomic():
            if history is not None:
                state, window, model_sha256, case = history
                inquiry = make_inquiry(peer, state, case=case, model_sha256=model_sha256)
                if window:
                    Window.objects.create(
                        inquiry=inquiry,
                        opens_at=inquiry.inquired_at,
                        closes_at=inquiry.inquired_at,
                        entry=make_entry("window.open", case),
                    )
            make_statement(make_seal(CASE), verdict, sha256=STATEMENT)
            made = determine(actor=make_person(Role.AUTHORITY), statement=STATEMENT, basis=basis)
            found.append((fields_of(made), Letter.objects.filter(type="notice").count()))
            raise _Undo
    except _Undo:
        return found[0]


@given(
    history=HISTORIES,
    verdict=st.sampled_from(["exceeds", "below", "inconclusive"]),
    basis=st.sampled_from(["review", "public-access"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_of_taking_part_gives_the_same_label_and_record(
    lab: Correspondent, history: tuple[InquiryState, bool, str, str] | None, verdict: str, basis: str
) -> None:
    with_history, notices = determined(lab.peer, history, verdict, basis)
    without, none = determined(lab.peer, None, verdict, "public-access")
    assert with_history == without
    assert none == 0
    asked = history is not None and history[2] == "a" * 64 and history[3] == CASE
    assert notices == int(asked), "the notice goes to the developer who asked about this very model"


@pytest.mark.parametrize("asked_about", ["a" * 64, OTHER_MODEL])
def test_only_the_developer_who_asked_about_this_model_is_named_with_it(
    house: House, lab: Correspondent, asked_about: str
) -> None:
    inquiry = make_inquiry(lab.peer, InquiryState.ACCESS_OPEN, model_sha256=asked_about)
    statement = make_statement(make_seal(inquiry.case))
    made = determine(actor=make_person(Role.AUTHORITY), statement=statement.sha256, basis="public-access")
    assert made.developer == (lab.peer.title if asked_about == statement.subject_sha256 else "")


def test_a_determination_is_pending_in_the_ledger_and_its_notice_waits(
    house: House, lab: Correspondent
) -> None:
    inquiry = make_inquiry(lab.peer, InquiryState.CLOSED)
    statement = make_statement(make_seal(inquiry.case))
    made = determine(actor=make_person(Role.AUTHORITY), statement=statement.sha256, basis="review")
    entry = LedgerEntry.objects.get(kind="determination.make")
    assert made.entry == entry
    assert not entry.in_force
    assert Letter.objects.get().waits_for == entry
    assert Letter.objects.get().body["label"] == "covered-frontier-model"
