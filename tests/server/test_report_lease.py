# SPDX-License-Identifier: Apache-2.0
"""A report may name the lease under which its flaw was found; the house takes no other than the finder's own."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client

from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.intake_services import submit_document, submit_report
from proofhouse.server.cases.lease_rules import Method, covers
from proofhouse.server.cases.lease_services import end_lease, take_lease
from proofhouse.server.cases.models import Refusal, Report, ScanLease
from proofhouse.server.cases.rules import Means
from proofhouse.server.cases.submission import SubmissionRefused, submission
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.house import House
from server.makers import make_person, make_token

pytestmark = pytest.mark.django_db

SAID = {"title": "It reads too far", "product": "libexample", "description": "Words."}
NOBODYS = "0190a000-0000-7000-8000-000000000000"


def leased(actor: Person, product: str = "libexample", starts_in_days: int = 0) -> ScanLease:
    starts_at = now() + timedelta(days=starts_in_days)
    return take_lease(
        actor=actor, product=product, method="fuzzing", mandate="research", starts_at=wire(starts_at),
        ends_at=wire(starts_at + timedelta(days=7)), mandated_by="Ada", mandated_on="2026-11-20",
        mandate_terms="Its parsers, on our own machines.",
    )  # fmt: skip


def code(actor: Person, lease: object, **changed: str) -> str:
    with pytest.raises(SubmissionRefused) as refused:
        submit_report(actor=actor, lease=str(lease), **{**SAID, **changed})
    assert not Report.objects.exists()
    return refused.value.code


def test_a_report_under_a_lease_keeps_it_and_those_who_may_see_both_are_shown_it(house: House) -> None:
    finder = make_person(Role.OPERATOR)
    lease = leased(finder)
    told = submit_report(actor=finder, lease=str(lease.id), **{**SAID, "product": " LibExample"})
    assert submit_report(actor=finder, lease=str(lease.id), **{**SAID, "product": " LibExample"}) == told
    report = Report.objects.get()
    assert report.lease == lease
    coordinator, holder = Client(), Client()
    coordinator.force_login(make_person(Role.COORDINATOR))
    holder.force_login(finder)
    assert f"/cases/leases/{lease.id}/" in coordinator.get(f"/cases/reports/{report.id}/").content.decode()
    assert SAID["title"] in coordinator.get(f"/cases/leases/{lease.id}/").content.decode()
    page = holder.get(f"/cases/leases/{lease.id}/").content.decode()
    assert "Reported under it" in page
    assert SAID["title"] not in page, "reports are read by coordinators"


def test_over_rest_the_reports_of_a_lease_are_found_by_it(house: House) -> None:
    finder = make_person(Role.OPERATOR)
    lease = leased(finder)
    submit_report(actor=finder, lease=str(lease.id), **SAID)
    submit_report(actor=finder, **{**SAID, "title": "Another"})
    secret, _ = make_token(make_person(Role.COORDINATOR), "api:read")
    answer = (
        Client()
        .get(f"/api/v1/reports?lease={lease.id}", headers={"Authorization": f"Bearer {secret}"})
        .json()
    )
    assert [(row["title"], row["lease"]) for row in answer["items"]] == [(SAID["title"], str(lease.id))]


def test_a_lease_that_is_not_the_finders_or_not_there_is_refused(house: House) -> None:
    lease = leased(make_person(Role.OPERATOR))
    stranger, coordinator = make_person(Role.OPERATOR), make_person(Role.COORDINATOR, Role.OPERATOR)
    assert code(stranger, lease.id) == code(stranger, NOBODYS) == "lease_unknown"
    assert code(coordinator, lease.id) == "not_the_holder"
    assert code(stranger, "any") == "record_refused"


def test_a_lease_that_is_over_not_begun_or_for_another_product_is_refused(house: House) -> None:
    finder = make_person(Role.OPERATOR)
    assert code(finder, leased(finder, starts_in_days=2).id) == "lease_over"
    lease = leased(finder)
    assert code(finder, lease.id, product="another") == "lease_elsewhere"
    end_lease(actor=finder, lease=str(lease.id))
    assert code(finder, lease.id) == "lease_over"


def test_a_flaw_that_was_found_otherwise_than_the_lease_says_is_refused(house: House) -> None:
    finder = make_person(Role.OPERATOR)
    lease = leased(finder)
    with pytest.raises(SubmissionRefused) as refused:
        submit_report(actor=finder, lease=str(lease.id), provenance={"means": "ai-system"}, **SAID)
    assert refused.value.code == "lease_otherwise"
    submit_report(actor=finder, lease=str(lease.id), provenance={"means": "fuzzer"}, **SAID)
    assert Report.objects.get().lease == lease


def test_no_method_covers_another_and_what_is_not_said_contradicts_none() -> None:
    known = set(Means) - {Means.OTHER}
    covered = [{means for means in known if covers(method, means)} for method in set(Method) - {Method.OTHER}]
    assert all(len(each) == 1 for each in covered)
    assert set().union(*covered) == known
    assert all(covers(method, Means.OTHER) for method in Method)
    assert all(covers(Method.OTHER, means) for means in Means)


def test_a_document_is_taken_whole_under_one_lease_or_not_at_all(house: House) -> None:
    finder = make_person(Role.OPERATOR)
    lease = leased(finder)
    log = {"version": "2.1.0", "runs": [{"tool": {}, "results": [{"message": {"text": "Freed"}}]}]}
    content = base64.b64encode(json.dumps(log).encode()).decode()
    with pytest.raises(SubmissionRefused):
        submit_document(actor=finder, format="sarif", content=content, product="another", lease=str(lease.id))
    submit_document(actor=finder, format="sarif", content=content, product="libexample", lease=str(lease.id))
    assert [each.lease_id for each in Report.objects.all()] == [lease.id]


def test_over_rest_the_refusal_is_a_problem_with_its_code_and_is_counted(house: House) -> None:
    finder = make_person(Role.OPERATOR)
    secret, _ = make_token(finder, "cases:report:submit")
    body = {**SAID, "lease": str(leased(finder, "another").id)}
    answer = Client().post(
        "/api/v1/submissions",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "key-1"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "lease_elsewhere")
    assert Refusal.objects.get().code == "lease_elsewhere"


def test_without_a_lease_a_report_has_the_digest_that_it_always_had() -> None:
    plain, under = submission(**SAID), submission(**SAID, lease=NOBODYS)
    assert plain.content_sha256 != under.content_sha256
    assert plain.content_sha256 == submission(**SAID, lease="").content_sha256
