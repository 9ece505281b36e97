# SPDX-License-Identifier: Apache-2.0
"""What running showed is kept whole, and people say that a report repeats another, or does not, and take it back."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from proofhouse.attest import sign_statement, statement
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.intake_services import submit_report
from proofhouse.server.cases.merge_services import merge_report, split_report
from proofhouse.server.cases.models import Case, Report
from proofhouse.server.cases.reading_services import open_read_case, read_report
from proofhouse.server.cases.rules import BY_RUNNING, ReportState, set_apart
from proofhouse.server.cases.services import accept_validation
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import House
from proofhouse.validation import EXTENSION, PREDICATE_TYPE
from server.makers import make_person

pytestmark = pytest.mark.django_db
SAID: dict[str, Any] = {
    "title": "A length is believed",
    "product": "tally",
    "description": "It reads too far.",
}
READING = {"finding": "read-real", "standard": "demonstrated", "grounds": "I saw it."}


def sent(proof: bytes | None, actor: Person | None = None, **changed: Any) -> Report:
    files = [{"name": "proof.rec", "content": base64.b64encode(proof).decode()}] if proof else []
    told = submit_report(actor=actor or make_person(Role.OPERATOR), files=files, **{**SAID, **changed})
    return Report.objects.get(id=told["report"])


def signed(
    verdicts: dict[str, str], bugs: dict[tuple[str, ...], list[str]], reason: str = "", patches: str = ""
) -> bytes:
    """A statement about proofs by their identifiers, and bugs with the patches that mend each."""
    result = {
        "real": False,
        "proofs": [
            {
                "identifiers": [name],
                "verdict": verdict,
                "reason": reason,
                "crash": None,
                "runs": 3,
                "crashes": 3,
            }
            for name, verdict in verdicts.items()
        ],
        "patches": [
            {"name": name, "sha256": f"{place:064x}", "verdict": "proved"}
            for place, name in enumerate(patches)
        ],
        "groups": [{"identifiers": list(names), "patches": fixes} for names, fixes in bugs.items()],
    }
    subject = [{"name": "tally", "digest": {"sha256": "e" * 64}}]
    made = sign_statement(statement(subject, PREDICATE_TYPE, {EXTENSION: result}), [signer("validation")])
    return made.to_json()


def accepted(envelope: bytes) -> Case | None:
    return accept_validation(
        actor=make_person(Role.COORDINATOR),
        title="A length is believed",
        product="tally",
        envelope=base64.b64encode(envelope).decode(),
    )


# --- what running showed ----------------------------------------------------------------------------------------------


def test_a_report_out_of_its_products_model_says_so_with_the_reason_and_has_no_case(house: House) -> None:
    report = sent(b"\x09", identifier="TEST-1")
    why = "settings: who runs it writes the settings"
    assert accepted(signed({"TEST-1": "out-of-model"}, {("TEST-1",): []}, why)) is None
    report.refresh_from_db()
    assert (report.state, report.case) == ("out-of-model", None)
    client = Client()
    client.force_login(make_person(Role.COORDINATOR))
    shown = client.get(f"/cases/reports/{report.id}/").content.decode()
    assert why in shown


def test_each_bug_of_one_statement_becomes_a_case_with_its_own_patch(house: House) -> None:
    reports = [sent(bytes([number]), identifier=f"TEST-{number}") for number in (1, 2, 3)]
    verdicts = dict.fromkeys(("TEST-1", "TEST-2"), "reproduced") | {"TEST-3": "not-reproduced"}
    case = accepted(signed(verdicts, {("TEST-1",): ["a"], ("TEST-2",): ["b"], ("TEST-3",): []}, patches="ab"))
    for report in reports:
        report.refresh_from_db()
    first, second, third = reports
    assert case is not None
    assert first.case == case
    assert second.case not in (None, case)
    assert (third.state, third.case) == ("not-reproduced", None), "what did not run is no case"
    assert [[patch.name for patch in each.patches.all()] for each in Case.objects.order_by("id")] == [
        ["a"],
        ["b"],
    ]


# --- what people say --------------------------------------------------------------------------------------------------


def test_a_repetition_of_bytes_is_taken_apart_and_said_again(house: House) -> None:
    first, again = sent(b"\x09"), sent(b"\x09", title="Another")
    coordinator = make_person(Role.COORDINATOR)
    assert again.duplicate_of == first
    apart = split_report(actor=coordinator, report=str(again.id), reason="Another field.")
    assert (apart.state, apart.duplicate_of) == ("queued", None)
    with pytest.raises(ActError):
        split_report(actor=coordinator, report=str(again.id), reason="Another field.")
    merged = merge_report(actor=coordinator, report=str(again.id), first=str(first.id), reason="No.")
    assert (merged.state, merged.duplicate_of) == ("duplicate", first)
    kinds = [
        entry.record["kind"] for entry in LedgerEntry.objects.filter(case=again.entry.case).order_by("id")
    ]
    assert kinds == ["report.receive", "report.split", "report.merge"]


def test_what_was_run_or_read_stands_again_after_a_mistaken_merge(house: House) -> None:
    first, run, read = sent(b"\x09"), sent(b"\x08", identifier="TEST-1"), sent(None, title="A door")
    coordinator, other = make_person(Role.COORDINATOR), make_person(Role.COORDINATOR)
    accepted(signed({"TEST-1": "flaky"}, {("TEST-1",): []}, "crashed in 2 of 3 runs"))
    for reader in (coordinator, other):
        read_report(actor=reader, report=str(read.id), **READING)
    for report, state in ((run, "flaky"), (read, "read-real")):
        merge_report(actor=coordinator, report=str(report.id), first=str(first.id), reason="Alike.")
        assert split_report(actor=other, report=str(report.id), reason="Not alike.").state == state


def test_who_is_merged_shares_the_case_and_who_is_split_leaves_it(house: House) -> None:
    first, second = sent(None), sent(None, title="A window")
    one, other = make_person(Role.COORDINATOR), make_person(Role.COORDINATOR)
    for reader in (one, other):
        read_report(actor=reader, report=str(first.id), **READING)
    case = open_read_case(actor=one, report=str(first.id))
    assert (
        merge_report(actor=one, report=str(second.id), first=str(first.id), reason="One lock.").case == case
    )
    assert split_report(actor=one, report=str(second.id), reason="Two locks.").case is None
    with pytest.raises(ActError):
        merge_report(
            actor=one, report=str(first.id), first=str(second.id), reason="One lock."
        )  # it has a case


def test_repetitions_make_no_chain_and_nobody_judges_their_own(house: House) -> None:
    coordinator = make_person(Role.COORDINATOR)
    first, again, third = sent(b"\x09"), sent(b"\x09", title="Another"), sent(b"\x08")
    own = sent(b"\x07", coordinator)
    for report, target in ((third, again), (first, third), (first, first), (again, third), (own, first)):
        with pytest.raises(ActError):
            merge_report(actor=coordinator, report=str(report.id), first=str(target.id), reason="Alike.")
    with pytest.raises(SubmissionRefused):
        split_report(actor=coordinator, report=str(again.id), reason=" ")
    assert Report.objects.get(pk=again.pk).duplicate_of == first


def test_the_pages_take_a_report_apart_and_say_it_again(house: House) -> None:
    first, again = sent(b"\x09"), sent(b"\x09", title="Another")
    client = Client()
    client.force_login(make_person(Role.COORDINATOR))
    page = f"/cases/reports/{again.id}/"
    assert f"{page}apart/" in client.get(page).content.decode()
    assert client.post(f"{page}apart/", {"reason": ""}).status_code == 200
    assert client.post(f"{page}apart/", {"reason": "Another field."})["Location"] == page
    assert f"{page}same/" in client.get(page).content.decode()
    assert client.post(f"{page}same/", {"first": str(again.id), "reason": "x"}).status_code == 200, (
        "not itself"
    )
    assert client.post(f"{page}same/", {"first": str(first.id), "reason": "One field."})["Location"] == page
    assert client.post(f"{page}same/", {"first": str(first.id), "reason": "Twice."}).status_code == 422
    again.refresh_from_db()
    assert again.duplicate_of == first


@given(
    st.lists(st.sampled_from(sorted(BY_RUNNING))),
    st.sampled_from([None, ReportState.READ_REAL]),
    st.booleans(),
)
def test_what_stands_apart_is_never_a_repetition(
    verdicts: list[ReportState], settled: ReportState | None, shows: bool
) -> None:
    assert set_apart(verdicts, settled, shows=shows) is not ReportState.DUPLICATE
