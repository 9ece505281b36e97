# SPDX-License-Identifier: Apache-2.0
"""Scan leases: who scans learns how many others do, an owner is heard, and "is this known?" tells one digit."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from proofhouse.server.accounts.gate import NotFound
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases import lease_services
from proofhouse.server.cases.intake_services import submit_report
from proofhouse.server.cases.lease_rules import Mandate, Method, OwnerRules, Scope, against, counts, overlap
from proofhouse.server.cases.lease_services import ask_blind, company, end_lease, state_rules, take_lease
from proofhouse.server.cases.models import BlindCheck, KnownPrint, Report, ScanLease
from proofhouse.server.cases.prints import fingerprint, fingerprints, keyed
from proofhouse.server.cases.submission import SubmissionRefused
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import SetClock, now, using, wire
from proofhouse.server.engine.deadlines import sweep
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import House
from server.makers import make_person

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def leased(actor: Person, product: str = "libexample", days: int = 7, **changed: Any) -> ScanLease:
    said = {
        "product": product,
        "method": "fuzzing",
        "mandate": "research",
        "starts_at": wire(now()),
        "ends_at": wire(now() + timedelta(days=days)),
        "mandated_by": "Ada, head of research",
        "mandated_on": "2026-11-20",
        "mandate_terms": "Fuzz its parsers on our own machines.",
    }
    return take_lease(actor=actor, **{**said, **changed})


# --- overlaps ---------------------------------------------------------------------------------------------------------


def test_others_are_counted_and_never_named(house: House) -> None:
    first, second, third = (make_person(Role.OPERATOR) for _ in range(3))
    mine = leased(first, subsystem="src/parser")
    leased(second, " LibExample ", mandate="owner")
    leased(third, subsystem="src/printer")
    leased(third, "another")
    assert company(mine) == (1, 1)
    client = Client()
    client.force_login(first)
    page = client.get(f"/cases/leases/{mine.id}/").content.decode()
    assert "1 active, 1 of them before you" in page
    seen = page + client.get("/cases/leases/").content.decode()
    for other in (second, third):
        assert other.name not in seen
        assert other.email not in seen
    told = json.dumps(list(LedgerEntry.objects.values_list("record", flat=True)))
    assert not any(person.email in told or person.name in told for person in (first, second, third))


def test_a_lease_of_somebody_else_is_not_there(house: House) -> None:
    mine = leased(make_person(Role.OPERATOR))
    other = make_person(Role.OPERATOR)
    client = Client()
    client.force_login(other)
    assert client.get(f"/cases/leases/{mine.id}/").status_code == 404
    with pytest.raises(NotFound):
        end_lease(actor=other, lease=str(mine.id))
    with pytest.raises(ActError):
        end_lease(actor=make_person(Role.COORDINATOR), lease=str(mine.id))


def scope(**changed: Any) -> Scope:
    everything = {"product": "x", "commits": ("", ""), "subsystem": ""}
    a_day = {"starts_at": NOON, "ends_at": NOON + timedelta(days=1)}
    return Scope(**{**everything, **a_day, **changed})


parts = st.sampled_from(["", "src", "src/parser", "src/parser/a.c", "src/print", "SRC/"])
commits = st.sampled_from([("", ""), ("a", "a"), ("b", "b"), ("a", "z")])
scopes = st.builds(
    scope,
    product=st.sampled_from(["x", "y"]),
    subsystem=parts,
    commits=commits,
    starts_at=st.integers(0, 3).map(lambda days: NOON + timedelta(days=days)),
    ends_at=st.integers(1, 4).map(lambda days: NOON + timedelta(days=days)),
)


@given(scopes, scopes)
def test_overlapping_is_mutual(one: Scope, other: Scope) -> None:
    assert overlap(one, other) is overlap(other, one)


@pytest.mark.parametrize(
    ("changed", "meets"),
    [
        ({}, True),
        ({"product": "y"}, False),
        ({"subsystem": "src"}, True),
        ({"commits": ("a", "a")}, True),
        ({"starts_at": NOON + timedelta(days=1), "ends_at": NOON + timedelta(days=2)}, False),
    ],
)
def test_what_cannot_be_told_apart_overlaps(changed: dict[str, Any], meets: bool) -> None:
    assert overlap(scope(), scope(**changed)) is meets


def test_parts_and_single_commits_that_differ_do_not_meet() -> None:
    assert not overlap(scope(subsystem="src/parser"), scope(subsystem="src/print"))
    assert overlap(scope(subsystem="src"), scope(subsystem="src/print/a.c"))
    assert not overlap(scope(commits=("a", "a")), scope(commits=("b", "b")))
    assert overlap(scope(commits=("a", "a")), scope(commits=("a", "z")))


def test_the_stronger_mandate_comes_first_and_among_equals_the_earlier() -> None:
    research = (scope(), Mandate.RESEARCH, NOON)
    owner = (scope(), Mandate.OWNER, NOON + timedelta(hours=1))
    later = (scope(), Mandate.RESEARCH, NOON + timedelta(hours=1))
    assert counts(research, [owner, later]) == (2, 1)
    assert counts(owner, [research, later]) == (2, 0)
    assert counts(later, [research, owner]) == (2, 2)


# --- time and an owner's word -----------------------------------------------------------------------------------------


def test_a_lease_runs_out_by_itself_and_is_no_company_any_more(house: House) -> None:
    clock = SetClock(now())
    with using(clock):
        mine, other = leased(make_person(Role.OPERATOR)), leased(make_person(Role.OPERATOR), days=1)
        assert company(mine) == (1, 0)
        clock.move(timedelta(days=1, minutes=1))
        assert sweep() == 1
        other.refresh_from_db()
        assert other.state == "expired"
        assert company(mine) == (0, 0)
        end_lease(actor=mine.holder, lease=str(mine.id))
        clock.move(timedelta(days=30))
        assert sweep() == 0, "a lease that was ended does not run out as well"


def test_an_owner_is_heard(house: House) -> None:
    owner = make_person(Role.MAINTAINER)
    state_rules(
        actor=owner, product="LibExample", owner="The project", methods=["by-hand"], security_model="It trusts files.",
        longest_days=3,
    )  # fmt: skip
    finder = make_person(Role.OPERATOR)
    with pytest.raises(ActError, match="at most 3 days"):
        leased(finder, method="by-hand")
    with pytest.raises(ActError, match="asks for by-hand only"):
        leased(finder, days=2)
    assert leased(finder, days=2, method="by-hand").state == "active"
    state_rules(actor=owner, product="libexample", owner="The project", methods=[], security_model="")
    assert leased(finder).state == "active", "the newest word counts"


@pytest.mark.parametrize(
    ("days", "later", "why"),
    [(0, 0, "ends after"), (31, 0, "at most 30 days"), (1, 91, "at most 90 days"), (-5, 0, "ends after")],
)
def test_a_lease_has_a_bounded_time(days: int, later: int, why: str) -> None:
    starts_at = NOON + timedelta(days=later)
    asked = scope(starts_at=starts_at, ends_at=starts_at + timedelta(days=days))
    assert why in against(asked, Method.FUZZING, OwnerRules(), NOON)


@pytest.mark.parametrize("left_out", ["product", "mandated_by", "mandate_terms"])
def test_nobody_scans_without_saying_what_and_on_whose_word(house: House, left_out: str) -> None:
    with pytest.raises(SubmissionRefused, match=left_out):
        leased(make_person(Role.OPERATOR), **{left_out: " "})


def test_a_lease_is_taken_asked_with_and_ended_in_the_portal(house: House) -> None:
    client = Client()
    client.force_login(make_person(Role.OPERATOR))
    form = {
        "product": "libexample", "method": "fuzzing", "mandate": "owner", "starts_at": f"{now():%Y-%m-%dT%H:%M}",
        "ends_at": f"{now() + timedelta(days=1):%Y-%m-%dT%H:%M}", "mandated_by": "Ada", "mandated_on": "2026-11-20",
        "mandate_terms": "All of it.",
    }  # fmt: skip
    assert client.post("/cases/leases/take/", {**form, "mandated_by": ""}).status_code == 422
    taken = client.post("/cases/leases/take/", form)
    assert taken.status_code == 302
    asked = client.post(taken["Location"], {"fingerprint": fingerprint("CWE-416", "f")})
    assert "It is not known here." in asked.content.decode()
    assert client.post(taken["Location"], {"fingerprint": "x"}).status_code == 422
    assert client.post(taken["Location"], {}).status_code == 302
    assert ScanLease.objects.get().state == "ended"


# --- is this known? ---------------------------------------------------------------------------------------------------

KNOWN = ("heap-use-after-free", "src/parser.c:12")


def reported(product: str = "libexample") -> Report:
    told = submit_report(
        actor=make_person(Role.DEVELOPER),
        title="A flaw",
        product=product,
        description="It reads.",
        claimed_crash=KNOWN[0],
        location=KNOWN[1],
    )
    return Report.objects.get(id=told["report"])


def test_a_holder_learns_whether_a_flaw_of_the_product_is_known(house: House) -> None:
    reported()
    holder = make_person(Role.OPERATOR)
    lease = str(leased(holder).id)
    ask = [
        fingerprint(*KNOWN),
        fingerprint("HEAP-use-after-free", "parser.c"),
        fingerprint("CWE-787", "parser.c"),
    ]
    assert [ask_blind(actor=holder, lease=lease, fingerprint=each)["known"] for each in ask] == [1, 1, 0]
    elsewhere = str(leased(holder, "another").id)
    assert ask_blind(actor=holder, lease=elsewhere, fingerprint=ask[0]) == {"known": 0}
    assert BlindCheck.objects.count() == 4, "each question is on record"
    kept = set(KnownPrint.objects.values_list("print", flat=True)) | set(
        BlindCheck.objects.values_list("print", flat=True)
    )
    assert not kept & set(ask), "what is kept can be tried out by nobody without the key"


def test_who_holds_no_running_lease_learns_nothing(house: House) -> None:
    holder, other = make_person(Role.OPERATOR), make_person(Role.OPERATOR)
    lease, later = leased(holder), leased(holder, starts_at=wire(now() + timedelta(days=1)))
    asked = fingerprint(*KNOWN)
    with pytest.raises(NotFound):
        ask_blind(actor=other, lease=str(lease.id), fingerprint=asked)
    with pytest.raises(ActError):
        ask_blind(actor=make_person(Role.COORDINATOR), lease=str(lease.id), fingerprint=asked)
    with pytest.raises(ActError):
        ask_blind(actor=holder, lease=str(later.id), fingerprint=asked)
    end_lease(actor=holder, lease=str(lease.id))
    with pytest.raises(ActError):
        ask_blind(actor=holder, lease=str(lease.id), fingerprint=asked)
    assert not BlindCheck.objects.exists()


def test_nobody_tries_out_all_classes_at_all_places(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_services, "CHECKS_AN_HOUR", 3)
    holder = make_person(Role.OPERATOR)
    clock = SetClock(now())
    with using(clock):
        leases = [str(leased(holder).id) for _ in range(2)]
        for number in range(3):
            ask_blind(actor=holder, lease=leases[number % 2], fingerprint=fingerprint("a", str(number)))
        for lease in leases:
            with pytest.raises(ActError, match="an hour"):
                ask_blind(actor=holder, lease=lease, fingerprint=fingerprint("a", "b"))
        clock.move(timedelta(hours=1, seconds=1))
        assert ask_blind(actor=holder, lease=leases[0], fingerprint=fingerprint("a", "b")) == {"known": 0}


def test_a_report_that_came_to_nothing_makes_nothing_known(house: House) -> None:
    report = reported()
    holder = make_person(Role.OPERATOR)
    lease = str(leased(holder).id)
    lease_services.forget_prints(report)
    assert ask_blind(actor=holder, lease=lease, fingerprint=fingerprint(*KNOWN)) == {"known": 0}


def test_fingerprints_are_those_of_the_specification() -> None:
    assert fingerprint("heap-use-after-free", "xmlSchematronFormatReport") == (
        "07f469195a9ab682ce3afae444c3407a80642d05a7fc13437f572a21cca91309"
    )
    assert fingerprint(" CWE-416", "SRC/a.c:12:3") == fingerprint("cwe-416", "src/a.c")
    assert len(fingerprints(["A", "B"], "src/a.c:1 rule", ["f", ""])) == 6
    assert keyed(b"k", "x", "1") != keyed(b"k", "y", "1") != keyed(b"l", "y", "1")


# --- it leaks nothing -------------------------------------------------------------------------------------------------


@pytest.fixture
def asker(house: House, monkeypatch: pytest.MonkeyPatch) -> Asker:
    monkeypatch.setattr(lease_services, "CHECKS_AN_HOUR", 1_000_000)
    holder = make_person(Role.OPERATOR)
    return Asker(holder, str(leased(holder).id))


class Asker:
    """Somebody who asks over the API, and measures."""

    def __init__(self, holder: Person, lease: str) -> None:
        self.client = Client()
        self.client.force_login(holder)
        self.address = f"/api/v1/leases/{lease}/questions"
        self.asked = 0

    def ask(self, print_: str) -> tuple[dict[str, str], bytes, float]:
        """Headers, bytes and seconds of one answer."""
        self.asked += 1
        began = time.perf_counter()
        answer = self.client.post(
            self.address,
            {"fingerprint": print_},
            content_type="application/json",
            headers={"Idempotency-Key": f"question-{self.asked:08}"},
        )
        took_s = time.perf_counter() - began
        assert answer.status_code == 200, answer.content
        return dict(answer.headers), answer.content, took_s


def known_and_not(count: int) -> tuple[list[str], list[str]]:
    """Fingerprints of which half are known, all of them different."""
    report = reported()
    known = [fingerprint("class", f"known {number}") for number in range(count)]
    KnownPrint.objects.bulk_create(
        KnownPrint(print=keyed(lease_services.blind_key(), "libexample", each), report=report)
        for each in known
    )
    return known, [fingerprint("class", f"unknown {number}") for number in range(count)]


def test_known_and_unknown_have_the_same_headers_the_same_length_and_the_same_work(asker: Asker) -> None:
    known, unknown = known_and_not(5)
    asker.ask(known[0])
    seen = []
    for each in [*known[1:], *unknown[1:]]:
        with CaptureQueriesContext(connection) as asked:
            headers, content, _ = asker.ask(each)
        kinds = tuple(query["sql"].split('"')[0] for query in asked.captured_queries)
        seen.append((tuple(sorted(headers.items())), content.replace(b'"known":1', b'"known":0'), kinds))
    assert len(set(seen)) == 1, "one digit differs, and no statement"


def cliffs_delta(one: Sequence[float], other: Sequence[float]) -> float:
    """How often a value of one is above one of the other, less how often it is below (Cliff 1993)."""
    placed = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    above = below = seen_one = seen_other = 0
    for _, which in placed:
        if which:
            seen_other += 1
            below += seen_one
        else:
            seen_one += 1
            above += seen_other
    return (above - below) / (len(one) * len(other))


def test_cliffs_delta_is_what_its_name_says() -> None:
    assert cliffs_delta([2.0, 3.0], [0.0, 1.0]) == 1
    assert cliffs_delta([0.0, 1.0], [2.0, 3.0]) == -1
    assert abs(cliffs_delta([1.0, 4.0], [2.0, 3.0])) == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_interleaved_questions_tell_nothing_by_their_time(asker: Asker) -> None:
    count = 5000
    known, unknown = known_and_not(count)
    pairs = [(True, each) for each in known] + [(False, each) for each in unknown]
    random.Random(20261128).shuffle(pairs)
    for number in range(100):
        asker.ask(fingerprint("warm", str(number)))
    times: dict[bool, list[float]] = {True: [], False: []}
    shapes = set()
    for is_known, each in pairs:
        headers, content, took_s = asker.ask(each)
        assert (b'"known":1' in content) is is_known
        shapes.add((tuple(sorted(headers.items())), content.replace(b'"known":1', b'"known":0')))
        times[is_known].append(took_s)
    delta = cliffs_delta(times[True], times[False])
    print(f"2 x {count} questions, Cliff's delta {delta:+.4f}")  # noqa: T201 - asked for by -s
    assert len(shapes) == 1
    assert abs(delta) < 0.05
