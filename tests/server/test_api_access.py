# SPDX-License-Identifier: Apache-2.0
"""Every operation of the API, who may read and who may ask; an operation that is not listed fails."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db.models import Q
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.urls.resolvers import RoutePattern

from proofhouse.attest import Signer
from proofhouse.server.accounts import ruling
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Permission, Role
from proofhouse.server.accounts.ruling import Effect, Rule, rules_of
from proofhouse.server.api import PREFIX, description
from proofhouse.server.engine.acts import ACTS
from proofhouse.server.engine.models import LedgerEntry, Letter, Thread
from proofhouse.server.exams.models import ExamStatement, Seal
from proofhouse.server.house import House
from proofhouse.server.reviews.models import Determination
from proofhouse.server.web.views import home
from server.makers import World, confirm, make_person, make_world
from server.test_access_matrix import walk

pytestmark = pytest.mark.django_db

EVERYBODY = frozenset(Role)
NOBODY: frozenset[Role] = frozenset()
COORDINATORS = frozenset({Role.COORDINATOR})
CASES = frozenset({Role.COORDINATOR, Role.MAINTAINER})
SCANNERS = frozenset({Role.COORDINATOR, Role.DEVELOPER, Role.MAINTAINER, Role.OPERATOR, Role.REVIEWER})
REVIEW = frozenset({Role.AUTHORITY, Role.DEVELOPER, Role.REVIEWER})
OFFICE = frozenset({Role.AUTHORITY, Role.REVIEWER})
OWN = frozenset({Role.COMPLIANCE, Role.DEVELOPER, Role.OPERATOR})

B64 = base64.b64encode(b"content").decode()
SHA = "a" * 64
KEY = {"algorithm": "ed25519", "public": B64}


@dataclass(frozen=True)
class Act:
    """An act that may be asked for.

    Attributes:
        to: A real address in the test world.
        by: The roles that may; others get 403 before anything is looked at.
        body: What it is asked with.
    """

    to: str
    by: frozenset[Role]
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Read:
    """Rows, or one row, that may be read.

    Attributes:
        to: A real address in the test world.
        by: The roles that find rows, or get the row; others find none, or get 404.
    """

    to: str
    by: frozenset[Role] = field(default=EVERYBODY)


READS: dict[str, Read] = {
    "acknowledgements": Read(
        "acknowledgements", frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR})
    ),
    "attachments": Read("attachments", COORDINATORS),
    "advisories": Read("advisories", COORDINATORS),
    "advisories/{advisory}": Read("advisories/{advisory.number}", COORDINATORS),
    "agreements": Read("agreements", REVIEW),
    "cases": Read("cases", CASES),
    "cases/{case}": Read("cases/{case.id}", CASES),
    "clocks": Read("clocks", OWN),
    "clocks/{clock}": Read("clocks/{own.clock.id}", OWN),
    "deadlines": Read("deadlines"),
    "determinations": Read("determinations", REVIEW | {Role.COMPLIANCE}),
    "determinations/{determination}": Read("determinations/{determination}", REVIEW | {Role.COMPLIANCE}),
    "evidence": Read("evidence", OWN),
    "evidence-links": Read("evidence-links", OWN),
    "exports": Read("exports", frozenset({Role.COORDINATOR, Role.INSPECTOR, Role.REVIEWER})),
    "facts": Read("facts", OWN),
    "filings": Read("filings", OWN),
    "filings/{filing}": Read("filings/{own.filing.id}", OWN),
    "incidents": Read("incidents", OWN),
    "incidents/{incident}": Read("incidents/{own.incident.id}", OWN),
    "inquiries": Read("inquiries", REVIEW | {Role.COMPLIANCE}),
    "inquiries/{inquiry}": Read("inquiries/{inquiry.id}", REVIEW | {Role.COMPLIANCE}),
    "leases": Read("leases", COORDINATORS),
    "leases/{lease}": Read("leases/{lease.id}", COORDINATORS),
    "leases/{lease}/company": Read("leases/{lease.id}/company", COORDINATORS),
    "ledger-entries": Read("ledger-entries"),
    "ledger-entries/{entry}": Read("ledger-entries/{entry}"),
    "letters": Read("letters"),
    "letters/{letter}": Read("letters/" + "8" * 64),
    "matches": Read("matches", COORDINATORS),
    "notifications": Read("notifications", frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR})),
    "notifications/{notification}": Read(
        "notifications/{notification.id}", frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR})
    ),
    "patches": Read("patches", CASES),
    "peers": Read("peers"),
    "readings": Read("readings", COORDINATORS),
    "product-rules": Read("product-rules", SCANNERS),
    "register": Read("register"),
    "releases": Read("releases", COORDINATORS),
    "releases/{release}": Read("releases/{release.id}", COORDINATORS),
    "reports": Read("reports", COORDINATORS),
    "reports/{report}": Read("reports/{report}", COORDINATORS),
    "sboms": Read("sboms", COORDINATORS),
    "search": Read("search?text=example"),
    "seals": Read("seals", OFFICE),
    "seals/{seal}": Read("seals/{seal}", OFFICE),
    "standing": Read("standing"),
    "statements": Read("statements", OFFICE),
    "statements/{statement}": Read("statements/{statement}", OFFICE),
    "threads": Read("threads"),
    "validation-runs": Read("validation-runs", COORDINATORS),
    "windows": Read("windows", REVIEW),
}

_PRODUCT = {"name": "libexample", "version": "1.0"}
_INCIDENT: dict[str, Any] = {"moments": {}, "facts": {}}

ACTS_ASKED: dict[str, Act] = {
    "advisories": Act(
        "advisories",
        COORDINATORS,
        {
            "case": "{case.id}",
            "summary": "A flaw.",
            "vulnerabilities": [{"identifier": "CVE-2026-0001", "title": "A flaw", "description": "It reads."}],
            "package": {
                "vendor": "V", "name": "libexample", "purl": "pkg:generic/libexample", "ecosystem": "Debian:12",
                "fixed": "2.0", "fix_details": "Update.",
            },
            "finders": [],
        },
    ),
    "agents": Act("agents", frozenset({Role.OPERATOR}), {"name": "clinic-agent-2", "public_key": KEY}),
    "cases": Act("cases", COORDINATORS, {"title": "A flaw", "product": "libexample", "envelope": B64}),
    "cases/{case}/acknowledgement": Act("cases/{case.id}/acknowledgement", frozenset({Role.MAINTAINER})),
    "cases/{case}/embargo-end": Act("cases/{case.id}/embargo-end", COORDINATORS),
    "cases/{case}/fix": Act("cases/{case.id}/fix", COORDINATORS),
    "cases/{case}/patches": Act(
        "cases/{case.id}/patches",
        frozenset({Role.MAINTAINER}),
        {"name": "fix.patch", "content": B64, "fixed_version": "2.0"},
    ),
    "cases/{case}/signature": Act("cases/{case.id}/signature", frozenset({Role.MAINTAINER})),
    "cases/{case}/vendor-notice": Act(
        "cases/{case.id}/vendor-notice",
        COORDINATORS,
        {"vendor": "lab", "product": _PRODUCT, "embargo_until": "2027-01-05T15:00:00-05:00"},
    ),
    "clocks/{clock}/filings": Act("clocks/{own.clock.id}/filings", OWN, {"recipient": "An office"}),
    "clocks/{clock}/override": Act("clocks/{own.clock.id}/override", OWN, {"due": None, "reason": "Because"}),
    "determinations": Act("determinations", frozenset({Role.AUTHORITY}), {"statement": SHA, "basis": "review"}),
    "evidence": Act("evidence", OWN, {"title": "A card", "content": B64, "file_name": "card.txt"}),
    "evidence/{evidence}/links": Act(
        "evidence/{own.evidence.id}/links", OWN, {"obligation": "{own.clock.obligation}", "covers": "all of it"}
    ),
    "export-requests": Act(
        "export-requests",
        frozenset({Role.INSPECTOR}),
        {"house": "lab", "origin": "proofhouse.example/lab/custody", "cases": ["review:1"]},
    ),
    "exports": Act("exports", frozenset({Role.COORDINATOR, Role.REVIEWER})),
    "facts": Act("facts", OWN, {"name": "org.nexus", "value": ["US-CA"], "source": "The register"}),
    "feeds": Act("feeds", OWN, {"token": "t" * 43}),
    "filings/{filing}/acknowledged": Act(
        "filings/{own.filing.id}/acknowledged", frozenset({Role.COMPLIANCE}), {"reference": "1"}
    ),
    "filings/{filing}/filed": Act("filings/{own.filing.id}/filed", frozenset({Role.COMPLIANCE}), {"reference": "1"}),
    "incidents": Act("incidents", OWN, {"title": "An event", **_INCIDENT}),
    "incidents/{incident}/amendments": Act(
        "incidents/{own.incident.id}/amendments", OWN, {**_INCIDENT, "reason": "Learnt more"}
    ),
    "hosted-desks": Act("hosted-desks", frozenset({Role.STEWARD}), {"organisation": "meridian"}),
    "inquiries": Act(
        "inquiries",
        frozenset({Role.DEVELOPER}),
        {
            "office": "lab",
            "model_name": "Example-2",
            "model_sha256": SHA,
            "planned_partner_release": "2027-03-01",
            "capabilities": "Finds flaws.",
        },
    ),
    "inquiries/{inquiry}/acceptance": Act(
        "inquiries/{inquiry.id}/acceptance", frozenset({Role.DEVELOPER}), {"signatory": "Counsel"}
    ),
    "inquiries/{inquiry}/access-offer": Act(
        "inquiries/{inquiry.id}/access-offer", frozenset({Role.DEVELOPER}), {"days": 14}
    ),
    "inquiries/{inquiry}/agreements": Act(
        "inquiries/{inquiry.id}/agreements", frozenset({Role.REVIEWER}), {"terms": {"access_days": 14}}
    ),
    "inquiries/{inquiry}/window": Act("inquiries/{inquiry.id}/window", frozenset({Role.REVIEWER}), {"days": 14}),
    "inquiries/{inquiry}/window/closing": Act(
        "inquiries/{inquiry.id}/window/closing", frozenset({Role.REVIEWER})
    ),
    "jobs/{job}/cancellation": Act("jobs/{job.id}/cancellation", frozenset({Role.STEWARD})),
    "jobs/{job}/requeue": Act("jobs/{job.id}/requeue", frozenset({Role.STEWARD})),
    "leases": Act(
        "leases",
        SCANNERS,
        {
            "product": "libexample", "method": "fuzzing", "mandate": "owner", "starts_at": "2027-01-05T15:00:00Z",
            "ends_at": "2027-01-06T15:00:00Z", "mandated_by": "Ada", "mandated_on": "2027-01-01",
            "mandate_terms": "All of it.",
        },
    ),
    "leases/{lease}/end": Act("leases/{lease.id}/end", SCANNERS),
    "leases/{lease}/questions": Act("leases/{lease.id}/questions", SCANNERS, {"fingerprint": SHA}),
    "benches": Act("benches", COORDINATORS, {"product": "libexample", "recipe": "example", "trusted": []}),
    "product-rules": Act(
        "product-rules",
        frozenset({Role.COORDINATOR, Role.MAINTAINER}),
        {"product": "libexample", "owner": "The project", "methods": ["fuzzing"], "security_model": ""},
    ),
    "letters/{letter}/abandonment": Act(
        "letters/" + "8" * 64 + "/abandonment", frozenset({Role.STEWARD}), {"reason": "They closed."}
    ),
    "letters/{letter}/requeue": Act(
        "letters/" + "8" * 64 + "/requeue", frozenset({Role.STEWARD}), {"reason": "They mended it."}
    ),
    "matches": Act("matches", COORDINATORS, {"advisory": "{advisory.number}"}),
    "peers": Act(
        "peers",
        frozenset({Role.STEWARD}),
        {
            "introduction": {
                "house": "vendor", "title": "Vendor", "address": "http://localhost:8110", "key": KEY, "demo": True,
                "since": "2026-11-01T00:00:00Z", "until": None,
            },
            "purposes": ["report"],
        },
    ),
    "peers/{peer}/checkpoints": Act("peers/lab/checkpoints", frozenset({Role.STEWARD})),
    "peers/{peer}/ended-keys": Act(
        "peers/lab/ended-keys", frozenset({Role.STEWARD}), {"key_id": "a" * 64, "reason": "Lost."}
    ),
    "releases": Act("releases", COORDINATORS, {"advisory": "{advisory.number}"}),
    "renewed-keys": Act("renewed-keys", frozenset({Role.STEWARD}), {"reason": "A year has passed."}),
    "reports": Act(
        "reports",
        frozenset({Role.DEVELOPER, Role.OPERATOR}),
        {
            "clearinghouse": "lab", "identifier": "CVE-2026-0002", "title": "A flaw", "product": _PRODUCT,
            "description": "It reads freed memory.", "claimed_crash": "heap-use-after-free",
            "provenance": {"means": "fuzzer"}, "recipe": {"name": "recipe.toml", "content": B64},
            "proofs": [{"name": "proof.xml", "content": B64}],
        },
    ),
    "reports/{report}/case": Act("reports/{report}/case", COORDINATORS),
    "reports/{report}/readings": Act(
        "reports/{report}/readings",
        COORDINATORS,
        {"finding": "read-real", "standard": "source-read", "grounds": "Line 12."},
    ),
    "reports/{report}/repetition": Act(
        "reports/{report}/repetition", COORDINATORS, {"first": "{report}", "reason": "One lock."}
    ),
    "reports/{report}/repetition-end": Act(
        "reports/{report}/repetition-end", COORDINATORS, {"reason": "Two locks."}
    ),
    "submissions": Act(
        "submissions",
        EVERYBODY,
        {"title": "A flaw", "product": "libexample", "description": "It reads freed memory."},
    ),
    "submissions/documents": Act("submissions/documents", EVERYBODY, {"format": "sarif", "content": B64}),
    "repositories": Act("repositories", COORDINATORS),
    "sboms": Act("sboms", frozenset({Role.OPERATOR}), {"clearinghouse": "lab", "name": "gateway", "content": B64}),
    "seals": Act(
        "seals",
        frozenset({Role.AUTHORITY}),
        {
            "case": "review:2",
            "commitments": {"plan_sha256": SHA, "rule_sha256": SHA, "bank_root_sha256": SHA, "items": 3},
        },
    ),
    "seals/{seal}/opening": Act("seals/{seal}/opening", frozenset({Role.AUTHORITY}), {"opening": {"key": "k"}}),
    "statements": Act(
        "statements", frozenset({Role.REVIEWER}), {"seal": "{seal}", "case": "review:1", "envelope": B64}
    ),
    "vendors": Act("vendors", COORDINATORS, {"vendor": "lab", "keys": [{"keyid": "1"}]}),
}  # fmt: skip

PUBLIC = {"openapi.json", "", "{rest}"}
"""The description of the interface, and addresses that are none, say the same to everybody."""

_ACCESS = "who may see what is set by people of the house, never by a program with a token"
_PEOPLE = "people and their keys are looked after by people, never by a program with a token"
_SO_FAR = "asked for in the portal or on the control socket so far"
NOT_OVER_THE_API = {
    "accounts.add_organisation": _PEOPLE,
    "accounts.break_glass": "on the machine of the house only",
    "accounts.end_sessions": _PEOPLE,
    "accounts.grant_role": _PEOPLE,
    "accounts.invite": _PEOPLE,
    "accounts.make_token": _PEOPLE,
    "accounts.revoke_role": _PEOPLE,
    "accounts.revoke_token": _PEOPLE,
    "accounts.stop_person": _PEOPLE,
    "accounts.withdraw_invitation": _PEOPLE,
    "cases.collect_mail": _SO_FAR,
    "cases.validate": _SO_FAR,
    "obligations.add_model": _SO_FAR,
    "obligations.consent_bridge": _SO_FAR,
    "obligations.read_digest": _SO_FAR,
    "obligations.set_aside": _SO_FAR,
    "obligations.take_fact": _SO_FAR,
    "obligations.withdraw_bridge": _SO_FAR,
    "releases.make_enrolment": "its code is shown once, to the operator who asks for it",
    "correspondence.open_letter": "people of a hosted organisation work in the portal",
    "correspondence.write_letter": "people of a hosted organisation work in the portal",
    "engine.export_letters": "it writes a file on the operator's own machine",
    "engine.import_letters": "it reads a file on the operator's own machine",
    "accounts.grant_access": _ACCESS,
    "accounts.lift_recusal": _ACCESS,
    "accounts.mark_case": _ACCESS,
    "accounts.recuse": _ACCESS,
    "accounts.withdraw_grant": _ACCESS,
    "oversight.write_combined_bundle": "it writes a file on the operator's own machine",
}


class Places:
    """The test world, and ids of it that `World` does not name."""

    def __init__(self, world: World) -> None:
        self.named = vars(world) | {
            "report": world.case.reports.get().id,
            "entry": LedgerEntry.objects.exclude(case__startswith="obligations:").earliest("id").id,
            "seal": Seal.objects.get().id,
            "statement": ExamStatement.objects.get().sha256,
            "determination": Determination.objects.get().id,
        }

    def fill(self, value: Any) -> Any:
        """A value in which `{…}` stands for something of the world."""
        if isinstance(value, str):
            return value.format(**self.named)
        if isinstance(value, dict):
            return {key: self.fill(inner) for key, inner in value.items()}
        return [self.fill(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture
def places(house: House) -> Places:
    Signer.generate("release", "office", demo=True).save(house.keys)
    return Places(make_world())


def signed_in(*roles: Role) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_person(*roles))
    confirm(client)
    return client


def asked(client: Client, places: Places, name: str, key: str = "key-1") -> Any:
    act = ACTS_ASKED[name]
    return client.post(
        PREFIX + places.fill(act.to),
        places.fill(act.body) if act.body is not None else None,
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def operations() -> set[tuple[str, str]]:
    return {
        (method, path.removeprefix(PREFIX))
        for path, methods in description()["paths"].items()
        for method in methods
    }


def addresses(patterns: list[Any]) -> set[str]:
    return {
        re.sub(r"<[a-z]+:([a-z]+)>", r"{\1}", route.removeprefix("api/v1/"))
        for route in walk(patterns)
        if route.startswith("api/v1/")
    }


def test_every_operation_is_listed_and_every_listed_operation_exists() -> None:
    assert operations() == {("get", name) for name in READS} | {("post", name) for name in ACTS_ASKED}


def test_every_address_below_the_prefix_is_an_operation_or_says_the_same_to_everybody() -> None:
    assert addresses(get_resolver().url_patterns) == {name for _, name in operations()} | PUBLIC


def test_every_act_may_be_asked_for_or_is_left_out_for_a_reason() -> None:
    offered = {
        operation["x-act"]
        for methods in description()["paths"].values()
        for operation in methods.values()
        if "x-act" in operation
    }
    assert set(ACTS) - offered == set(NOT_OVER_THE_API)


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_has_not_signed_in_gets_401_and_how_to_sign_in(places: Places, method: str) -> None:
    for name in READS if method == "get" else ACTS_ASKED:
        if method == "get":
            answer = Client().get(PREFIX + places.fill(READS[name].to))
        else:
            answer = asked(Client(), places, name)
        assert answer.status_code == 401, name
        assert answer["WWW-Authenticate"].startswith("Bearer ")
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "not_signed_in"


def read_otherwise(places: Places, role: Role) -> set[str]:
    """The reads that give a role something else than the table says."""
    client, found = signed_in(role), set()
    for name, read in READS.items():
        answer = client.get(PREFIX + places.fill(read.to))
        if "items" in (said := answer.json()):
            as_listed = (answer.status_code, bool(said["items"])) == (200, role in read.by)
        else:
            as_listed = answer.status_code == (200 if role in read.by else 404)
        if not as_listed:
            found.add(name)
    return found


@pytest.mark.parametrize("role", Role)
def test_each_role_reads_what_the_table_says_and_a_miss_is_a_plain_404(places: Places, role: Role) -> None:
    assert read_otherwise(places, role) == set()


def asked_otherwise(places: Places, role: Role) -> set[str]:
    """The acts that a role may ask for, or may not, otherwise than the table says."""
    client, found = signed_in(role), set()
    for number, (name, act) in enumerate(ACTS_ASKED.items()):
        answer = asked(client, places, name, f"key-{number}")
        assert answer.status_code < 500, (name, answer.content)
        assert answer.status_code not in (400, 401, 415), (name, answer.content)
        if answer.status_code == 422:
            assert answer.json()["code"] != "fields_refused", (name, answer.content)
        if (answer.status_code != 403) is not (role in act.by):
            found.add(name)
    return found


@pytest.mark.parametrize("role", Role)
def test_each_role_may_ask_what_the_table_says(places: Places, role: Role) -> None:
    assert asked_otherwise(places, role) == set()


# --- mutants: an interface that is wrong in one place is found --------------------------------------------------------


def test_a_planted_operation_is_found() -> None:
    planted = URLPattern(RoutePattern("api/v1/models/release"), home)
    assert addresses([*get_resolver().url_patterns, planted]) - addresses(get_resolver().url_patterns) == {
        "models/release"
    }


def test_a_gate_that_opens_one_model_for_all_is_found(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [Rule("broken", Effect.ADMIT, lambda _: Q())]
    monkeypatch.setattr(ruling, "rules_of", lambda model: broken if model is Seal else rules_of(model))
    assert read_otherwise(places, Role.OPERATOR) == {"seals", "seals/{seal}"}


def test_a_permission_given_to_one_role_too_many_is_found(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ROLE_PERMISSIONS[Role.INSPECTOR] | {Permission.REVIEWS_INQUIRY_SEND}
    monkeypatch.setitem(ROLE_PERMISSIONS, Role.INSPECTOR, more)
    assert "inquiries" in asked_otherwise(places, Role.INSPECTOR)


def test_a_hidden_record_and_one_that_never_was_give_the_same_bytes(places: Places) -> None:
    for name, read in READS.items():
        if "{" not in name or read.by == EVERYBODY:
            continue
        client = signed_in(*(EVERYBODY - read.by))
        hidden = places.fill(read.to)
        absent = f"{hidden.split('/')[0]}/{'0' * 64 if len(hidden.split('/')[1]) == 64 else ABSENT}"
        there, not_there = client.get(PREFIX + hidden), client.get(PREFIX + absent)
        assert (there.status_code, not_there.status_code) == (404, 404), name
        assert there.content == not_there.content, name


ABSENT = "0190a000-0000-7000-8000-000000000000"


def test_somebody_without_a_role_reads_the_register_and_nothing_else(places: Places) -> None:
    client = signed_in()
    found = {
        name
        for name, read in READS.items()
        if "{" not in name and client.get(PREFIX + places.fill(read.to)).json().get("items")
    }
    assert found == {"register"}
    assert client.get(PREFIX + "standing").json() == {
        "entries": 0, "pending": 0, "queued": 0, "dead": 0, "letters": 0,
        "jobs_queued": 0, "jobs_running": 0, "jobs_poisoned": 0, "workers": 0,
    }  # fmt: skip


def test_an_act_without_the_sessions_csrf_token_is_refused(places: Places) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person(*Role))
    before = (LedgerEntry.objects.count(), Letter.objects.count(), Thread.objects.count())
    for name in ACTS_ASKED:
        answer = asked(client, places, name)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused"), name
    assert (LedgerEntry.objects.count(), Letter.objects.count(), Thread.objects.count()) == before


def test_an_inactive_person_is_nobody(places: Places) -> None:
    person = make_person(*Role)
    client = Client()
    client.force_login(person)
    assert client.get(PREFIX + "cases").status_code == 200
    person.is_active = False
    person.save()
    assert client.get(PREFIX + "cases").status_code == 401
