# SPDX-License-Identifier: Apache-2.0
"""Every address of a house, who reaches it, and how; an address that is not listed fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.db.models import Q
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path

from proofhouse.server.accounts import ruling
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.ruling import Effect, Rule, rules_of
from proofhouse.server.cases.models import Case
from proofhouse.server.house import House
from proofhouse.server.reviews.rules import SERVING_WARNING
from proofhouse.server.web.views import home
from server.makers import World, make_person, make_world

pytestmark = pytest.mark.django_db

EVERYBODY = frozenset(Role)


@dataclass(frozen=True)
class Route:
    """What an address gives.

    Attributes:
        to: A real address of the route in the test world.
        public: Why somebody who has not signed in gets an answer; empty where they are sent to sign in.
        readers: The signed-in roles that get 200; all others get 404.
        methods: The only methods that it answers; others get 405.
    """

    to: str
    public: str = ""
    readers: frozenset[Role] = EVERYBODY
    methods: frozenset[str] = frozenset()
    empty_handed: int = 200
    """What a public address answers to a GET of somebody who has nothing that it asks for."""


_POST = frozenset({"POST"})
_READ = frozenset({"GET", "HEAD"})
_FORM = frozenset({"GET", "HEAD", "POST"})
_HOSTED: frozenset[Role] = frozenset()
"""No role of this house opens the desk of an organisation without one; tests/server/test_hosted_desk.py walks it."""
_STEWARD = frozenset({Role.STEWARD})
_SCANNERS = frozenset({Role.COORDINATOR, Role.DEVELOPER, Role.MAINTAINER, Role.OPERATOR, Role.REVIEWER})
_KEEPERS = frozenset({Role.INSPECTOR, Role.STEWARD})
_OWN = frozenset({Role.COMPLIANCE, Role.DEVELOPER, Role.OPERATOR})

ROUTES: dict[str, Route] = {
    "": Route("/"),
    "search/": Route("/search/"),
    "access/": Route("/access/", readers=_KEEPERS),
    "access/<str:case>/": Route("/access/{case.entry.case}/", readers=_KEEPERS),
    "style-guide/": Route("/style-guide/"),
    "sign-in/": Route("/sign-in/", public="there is no other door", methods=_FORM),
    "sign-in/passkey/": Route("/sign-in/passkey/", public="the passkey's answer is checked", methods=_FORM),
    "sign-in/second-step/": Route(
        "/sign-in/second-step/",
        public="only after a right password; else back to the door",
        methods=_FORM,
        empty_handed=302,
    ),
    "sign-in/elsewhere/": Route(
        "/sign-in/elsewhere/", public="leads to the provider, where the house has one", methods=_POST
    ),
    "sign-in/elsewhere/back/": Route(
        "/sign-in/elsewhere/back/",
        public="the provider's answer is checked, where the house has one",
        methods=_READ,
        empty_handed=404,
    ),
    "sign-out/": Route("/sign-out/", methods=_POST),
    "invitations/<str:secret>/": Route(
        "/invitations/{accounts.invited}/", public="the secret in the link is the key", methods=_FORM
    ),
    "confirm/passkey/": Route("/confirm/passkey/", methods=_FORM),
    "confirm/code/": Route("/confirm/code/", methods=_FORM),
    "confirm/click/": Route("/confirm/click/", methods=_FORM),
    "account/": Route("/account/"),
    "account/passkeys/add/": Route("/account/passkeys/add/", methods=_FORM),
    "account/passkeys/<int:pk>/remove/": Route("/account/passkeys/1/remove/", methods=_FORM),
    "account/code/add/": Route("/account/code/add/", methods=_FORM),
    "account/code/remove/": Route("/account/code/remove/", methods=_FORM),
    "account/recovery-codes/": Route("/account/recovery-codes/", methods=_READ),
    "account/recovery-codes/new/": Route("/account/recovery-codes/new/", methods=_FORM),
    "account/password/": Route("/account/password/", methods=_FORM),
    "account/sessions/<int:session>/end/": Route("/account/sessions/1/end/", methods=_POST),
    "tokens/": Route("/tokens/", methods=_FORM),
    "tokens/<uuid:token>/revoke/": Route("/tokens/{accounts.token.id}/revoke/", methods=_POST),
    "people/": Route("/people/", readers=_STEWARD),
    "people/invite/": Route("/people/invite/", methods=_FORM),
    "people/invitations/<uuid:invitation>/withdraw/": Route(
        "/people/invitations/{accounts.invitation.id}/withdraw/", methods=_POST
    ),
    "people/organisations/add/": Route("/people/organisations/add/", methods=_FORM),
    "people/<uuid:person>/": Route("/people/{accounts.person.id}/", readers=_STEWARD),
    "people/<uuid:person>/roles/give/": Route("/people/{accounts.person.id}/roles/give/", methods=_POST),
    "people/<uuid:person>/roles/take/": Route("/people/{accounts.person.id}/roles/take/", methods=_POST),
    "people/<uuid:person>/sessions/end/": Route("/people/{accounts.person.id}/sessions/end/", methods=_POST),
    "people/<uuid:person>/stop/": Route("/people/{accounts.person.id}/stop/", methods=_POST),
    "emergencies/": Route("/emergencies/", readers=frozenset({Role.INSPECTOR, Role.STEWARD})),
    "emergencies/<str:secret>/enter/": Route(
        "/emergencies/{accounts.broken}/enter/", public="the secret in the link is the key", methods=_FORM
    ),
    "reviews/": Route("/reviews/"),
    "reviews/register/": Route("/reviews/register/"),
    "reviews/<uuid:inquiry>/": Route(
        "/reviews/{inquiry.id}/",
        readers=frozenset({Role.AUTHORITY, Role.COMPLIANCE, Role.DEVELOPER, Role.REVIEWER}),
    ),
    "cases/": Route("/cases/"),
    "cases/intake/": Route("/cases/intake/", readers=frozenset({Role.COORDINATOR})),
    "cases/reports/<uuid:report>/": Route(
        "/cases/reports/{attachment.report_id}/", readers=frozenset({Role.COORDINATOR})
    ),
    "cases/reports/<uuid:report>/files/<int:file>/": Route(
        "/cases/reports/{attachment.report_id}/files/{attachment.id}/", readers=frozenset({Role.COORDINATOR})
    ),
    "cases/reports/<uuid:report>/apart/": Route(
        "/cases/reports/{attachment.report_id}/apart/", readers=frozenset({Role.COORDINATOR})
    ),
    "cases/reports/<uuid:report>/same/": Route(
        "/cases/reports/{attachment.report_id}/same/", readers=frozenset({Role.COORDINATOR})
    ),
    "cases/leases/": Route("/cases/leases/"),
    "cases/leases/take/": Route("/cases/leases/take/", readers=_SCANNERS),
    "cases/leases/rules/": Route(
        "/cases/leases/rules/", readers=frozenset({Role.COORDINATOR, Role.MAINTAINER})
    ),
    "cases/leases/<uuid:lease>/": Route("/cases/leases/{lease.id}/", readers=frozenset({Role.COORDINATOR})),
    "report/": Route("/report/", public="anybody may report a flaw", methods=_FORM),
    "report/<uuid:report>/<str:slip>/": Route(
        "/report/{attachment.report_id}/nothing/",
        public="the secret in the slip is the key",
        methods=_READ,
        empty_handed=404,
    ),
    "vince/comm/api/vulreport/": Route(
        "/vince/comm/api/vulreport/", public="a machine's token is checked", methods=_POST
    ),
    "cases/<uuid:case>/": Route("/cases/{case.id}/", readers=frozenset({Role.COORDINATOR, Role.MAINTAINER})),
    "advisories/": Route("/advisories/"),
    "advisories/<str:number>/": Route(
        "/advisories/{advisory.number}/", readers=frozenset({Role.COORDINATOR})
    ),
    "members/": Route("/members/"),
    "members/<uuid:notification>/": Route(
        "/members/{notification.id}/",
        readers=frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR}),
    ),
    "releases/": Route("/releases/"),
    "releases/<str:item>/": Route("/releases/{release.item}/", readers=frozenset({Role.COORDINATOR})),
    "obligations/": Route("/obligations/", readers=_OWN),
    "obligations/profile/": Route("/obligations/profile/", methods=_FORM),
    "obligations/profile/models/": Route("/obligations/profile/models/", methods=_POST),
    "obligations/bridge/": Route("/obligations/bridge/", readers=_OWN),
    "obligations/bridge/consent/": Route("/obligations/bridge/consent/", methods=_POST),
    "obligations/bridge/<str:letter>/": Route("/obligations/bridge/" + "8" * 64 + "/", methods=_POST),
    "obligations/digests/": Route("/obligations/digests/", readers=_OWN),
    "obligations/digests/<str:week>/": Route("/obligations/digests/2026-W48/", methods=_FORM),
    "obligations/digests/<str:week>/digest.<str:form>": Route(
        "/obligations/digests/2026-W48/digest.json", readers=_OWN
    ),
    "obligations/duties/<str:obligation>/": Route(
        "/obligations/duties/{own.clock.obligation}/", readers=_OWN
    ),
    "obligations/calendar/": Route("/obligations/calendar/", readers=_OWN),
    "obligations/changes/": Route("/obligations/changes/", readers=_OWN),
    "obligations/governance/": Route("/obligations/governance/", readers=_OWN),
    "obligations/governance/board.pdf": Route("/obligations/governance/board.pdf", readers=_OWN),
    "obligations/governance/<str:what>/": Route("/obligations/governance/findings/", readers=_OWN),
    "obligations/evidence/": Route("/obligations/evidence/", methods=_FORM),
    "obligations/evidence/link/": Route("/obligations/evidence/link/", methods=_POST),
    "obligations/evidence/<uuid:evidence>/": Route("/obligations/evidence/{own.evidence.id}/", readers=_OWN),
    "obligations/exports/<str:name>": Route("/obligations/exports/obligations.csv", readers=_OWN),
    "obligations/feed/": Route("/obligations/feed/", methods=_FORM),
    "obligations/feeds/<str:token>.ics": Route(
        "/obligations/feeds/{own.token}.ics", public="the token is the key", methods=_READ
    ),
    "obligations/incidents/": Route("/obligations/incidents/", readers=_OWN),
    "obligations/incidents/new/": Route("/obligations/incidents/new/", methods=_FORM),
    "obligations/incidents/<uuid:incident>/": Route(
        "/obligations/incidents/{own.incident.id}/", readers=_OWN
    ),
    "obligations/incidents/<uuid:incident>/amend/": Route(
        "/obligations/incidents/{own.incident.id}/amend/", methods=_FORM
    ),
    "obligations/clocks/<uuid:clock>/": Route("/obligations/clocks/{own.clock.id}/", readers=_OWN),
    "obligations/clocks/<uuid:clock>/override/": Route(
        "/obligations/clocks/{own.clock.id}/override/", methods=_POST
    ),
    "obligations/clocks/<uuid:clock>/filing/": Route(
        "/obligations/clocks/{own.clock.id}/filing/", methods=_POST
    ),
    "obligations/filings/<uuid:filing>/": Route("/obligations/filings/{own.filing.id}/", readers=_OWN),
    "obligations/filings/<uuid:filing>/filing.<str:form>": Route(
        "/obligations/filings/{own.filing.id}/filing.json", readers=_OWN
    ),
    "obligations/filings/<uuid:filing>/step/": Route(
        "/obligations/filings/{own.filing.id}/step/", methods=_POST
    ),
    "oversight/ledger/": Route("/oversight/ledger/"),
    "work/": Route("/work/"),
    "work/<uuid:job>/cancel/": Route("/work/{job.id}/cancel/", methods=_POST),
    "work/<uuid:job>/requeue/": Route("/work/{job.id}/requeue/", methods=_POST),
    "correspondence/": Route("/correspondence/"),
    "correspondence/keys/": Route("/correspondence/keys/", methods=_FORM),
    "correspondence/threads/<uuid:thread>/": Route("/correspondence/threads/{inquiry.thread_id}/"),
    "correspondence/letters/<str:letter>/": Route(f"/correspondence/letters/{'8' * 64}/", methods=_FORM),
    "desk/": Route("/desk/", readers=_HOSTED, methods=_READ),
    "desk/threads/<uuid:thread>/": Route(
        "/desk/threads/{inquiry.thread_id}/", readers=_HOSTED, methods=_READ
    ),
    "desk/threads/<uuid:thread>/<slug:kind>/": Route(
        "/desk/threads/{inquiry.thread_id}/case-message/", readers=_HOSTED, methods=_FORM
    ),
    "desk/letters/<str:letter>/": Route(f"/desk/letters/{'8' * 64}/", readers=_HOSTED, methods=_FORM),
    "desk/letters/<str:letter>/<str:name>": Route(
        f"/desk/letters/{'8' * 64}/proof.xml", readers=_HOSTED, methods=_READ
    ),
    "desk/new/<slug:organisation>/<slug:kind>/": Route(
        "/desk/new/meridian/inquiry/", readers=_HOSTED, methods=_FORM
    ),
    "letters/": Route("/letters/", public="the letter's own seal is checked", methods=_POST),
    "enrolments/": Route(
        "/enrolments/", public="the single-use code and a signature by the key are checked", methods=_POST
    ),
    "acknowledgements/": Route(
        "/acknowledgements/", public="the enrolled agent's signature is checked", methods=_POST
    ),
    "repositories/<path:file>": Route(
        "/repositories/director/root.json", public="agents verify every byte themselves", methods=_READ
    ),
    ".well-known/<path:file>": Route(
        "/.well-known/csaf/provider-metadata.json", public="published, TLP:CLEAR", methods=_READ
    ),
}

LISTS = {
    "/reviews/": frozenset({Role.AUTHORITY, Role.COMPLIANCE, Role.DEVELOPER, Role.REVIEWER}),
    "/cases/": frozenset({Role.COORDINATOR, Role.MAINTAINER}),
    "/advisories/": frozenset({Role.COORDINATOR}),
    "/members/": frozenset({Role.COMPLIANCE, Role.COORDINATOR, Role.OPERATOR}),
    "/releases/": frozenset({Role.COORDINATOR}),
    "/work/": frozenset({Role.STEWARD}),
}
"""Lists are pages for everybody who has signed in; these roles find rows on them."""


def walk(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    """Every route below some patterns, as Django matches it."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def is_page(route: str) -> bool:
    """Whether the route is decided about here; operations of the API stand in `test_api_access`."""
    return not route.startswith("api/v1/")


def unlisted(patterns: list[Any]) -> set[str]:
    """Routes that nobody decided about."""
    return set(filter(is_page, walk(patterns))) - set(ROUTES)


@pytest.fixture
def world(house: House) -> World:
    """A house with something on every page, and something public in each public directory."""
    for file in (
        "repositories/public/director/root.json",
        "provider/.well-known/csaf/provider-metadata.json",
    ):
        (house.directory / file).parent.mkdir(parents=True)
        (house.directory / file).write_text("{}")
    (house.directory / "provider" / "private").write_text("secret")
    (house.repositories / "private.json").write_text("secret")
    return make_world()


def at(route: str, world: World) -> str:
    return ROUTES[route].to.format(**vars(world))


def signed_in(*roles: Role) -> Client:
    client = Client()
    client.force_login(make_person(*roles))
    return client


def test_every_route_is_listed_and_every_listed_route_exists() -> None:
    assert set(filter(is_page, walk(get_resolver().url_patterns))) == set(ROUTES)


def test_a_planted_route_is_found() -> None:
    planted = path("models/release/", home)
    assert unlisted([*get_resolver().url_patterns, planted]) == {"models/release/"}


@pytest.mark.parametrize("route", ROUTES)
def test_who_has_not_signed_in_is_sent_to_sign_in_unless_the_route_is_public(
    world: World, route: str
) -> None:
    answer = Client().get(at(route, world))
    if not ROUTES[route].public:
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in/?next=")
        assert not answer.content
    elif "GET" in ROUTES[route].methods:
        assert answer.status_code == ROUTES[route].empty_handed
    else:
        assert answer.status_code == 405


def otherwise(world: World, route: str) -> set[Role]:
    """The roles that get something else than the table says."""
    return {
        role
        for role in Role
        if signed_in(role).get(at(route, world)).status_code
        != (200 if role in ROUTES[route].readers else 404)
    }


@pytest.mark.parametrize("route", [route for route in ROUTES if not ROUTES[route].methods])
def test_each_role_gets_the_page_or_a_plain_404(world: World, route: str) -> None:
    assert otherwise(world, route) == set()


@pytest.mark.parametrize("broken", ["opens for all", "opens for none"])
def test_a_gate_that_is_broken_for_one_model_is_found(
    world: World, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [Rule("broken", Effect.ADMIT, lambda _: Q())] if broken == "opens for all" else []
    monkeypatch.setattr(ruling, "rules_of", lambda model: rules if model is Case else rules_of(model))
    found = otherwise(world, "cases/<uuid:case>/")
    readers = ROUTES["cases/<uuid:case>/"].readers
    assert found == (set(Role) - readers if broken == "opens for all" else readers)


@pytest.mark.parametrize("route", [route for route in ROUTES if ROUTES[route].readers != EVERYBODY])
def test_a_hidden_record_and_one_that_never_was_give_the_same_bytes(world: World, route: str) -> None:
    hidden = at(route, world)
    parts = hidden.strip("/").split("/")
    absent = f"/{parts[0]}/{'0190a000-0000-7000-8000-000000000000' if 'uuid' in route else 'nothing'}/"
    client = signed_in(*(EVERYBODY - ROUTES[route].readers))
    there, not_there = client.get(hidden), client.get(absent)
    assert (there.status_code, not_there.status_code) == (404, 404)
    assert there.content == not_there.content
    assert signed_in().get(hidden).status_code == 404, "without a role"


@pytest.mark.parametrize("route", [route for route in ROUTES if ROUTES[route].methods])
def test_a_route_answers_only_its_methods(world: World, route: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        answer = signed_in(*Role).generic(method, at(route, world), b"")
        assert (answer.status_code == 405) is (method not in ROUTES[route].methods), method


@pytest.mark.parametrize(("address", "readers"), LISTS.items())
def test_a_list_shows_rows_to_its_readers_only(world: World, address: str, readers: frozenset[Role]) -> None:
    links = {
        "/reviews/": str(world.inquiry.id),
        "/cases/": str(world.case.id),
        "/advisories/": world.advisory.number,
        "/members/": str(world.notification.id),
        "/releases/": f"/releases/{world.release.item}/",
        "/work/": f"/work/{world.job.id}/cancel/",
    }
    for role in Role:
        shown = links[address] in signed_in(role).get(address).content.decode()
        assert shown is (role in readers), role


def test_no_page_but_the_doors_takes_a_post_without_its_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person(*Role))
    for route, decided in ROUTES.items():
        if route not in ("letters/", "acknowledgements/", "enrolments/", "vince/comm/api/vulreport/"):
            assert client.post(at(route, world)).status_code in (403, 405), route
        else:
            assert decided.methods == _POST


def test_an_inactive_persons_session_ends(world: World) -> None:
    person = make_person(*Role)
    client = Client()
    client.force_login(person)
    assert client.get("/reviews/").status_code == 200
    person.is_active = False
    person.save()
    assert client.get("/reviews/").status_code == 302


def test_public_directories_serve_nothing_beside_themselves(world: World) -> None:
    client = Client()
    for file in (
        "/repositories/../private.json",
        "/repositories/%2e%2e/private.json",
        "/repositories/%2e%2e/%2e%2e/house.toml",
        "/repositories//etc/passwd",
        "/repositories/director/",
        "/.well-known/../private",
        "/.well-known/%2e%2e/private",
        "/.well-known/csaf/",
        "/.well-known/%2e%2e/%2e%2e/house.toml",
    ):
        answer = client.get(file)
        assert answer.status_code in (400, 404), file
        assert b"secret" not in answer.content


def test_a_real_house_offers_no_sign_in_by_click(house: House, settings: Any) -> None:
    from dataclasses import replace

    person = make_person(Role.AUTHORITY)
    assert person.name in Client().get("/sign-in/").content.decode()
    settings.HOUSE = replace(house, demo=False)
    assert person.name not in Client().get("/sign-in/").content.decode()
    client = Client()
    refused = client.post("/sign-in/", {"person": person.email, "login": person.email, "password": "x"})
    assert refused.status_code == 200
    assert "do not belong together" in refused.content.decode()
    assert client.get("/reviews/").status_code == 302


def test_a_password_lets_only_its_person_in(house: House, settings: Any) -> None:
    from dataclasses import replace

    settings.HOUSE = replace(house, demo=False)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    person = make_person(Role.AUTHORITY)
    person.set_password("correct horse")
    person.save()
    client = Client()
    assert client.post("/sign-in/", {"login": person.email, "password": "wrong"}).status_code == 200
    assert client.get("/").status_code == 302
    right = client.post("/sign-in/", {"login": person.email, "password": "correct horse"})
    assert right["Location"] == "/sign-in/", "a password alone is not enough"
    assert client.get("/").status_code == 302
    TOTP.activate(person, "A" * 32)
    right = client.post("/sign-in/", {"login": person.email, "password": "correct horse"})
    assert right["Location"] == "/sign-in/second-step/"
    assert client.get("/").status_code == 302


def test_pages_come_with_a_policy_that_runs_no_script_of_others(world: World) -> None:
    answer = signed_in(Role.REVIEWER).get("/")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert "<script" not in answer.content.decode()


def test_what_others_wrote_is_shown_as_text(house: House) -> None:
    world = make_world()
    world.case.title = "<script>alert(1)</script>"
    world.case.save()
    shown = signed_in(Role.COORDINATOR).get(f"/cases/{world.case.id}/").content.decode()
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def test_the_reviewers_side_is_warned_in_the_same_words_whoever_is_reviewed(world: World) -> None:
    address = f"/reviews/{world.inquiry.id}/"
    for role in (Role.AUTHORITY, Role.REVIEWER):
        assert SERVING_WARNING in signed_in(role).get(address).content.decode()
    assert SERVING_WARNING not in signed_in(Role.DEVELOPER).get(address).content.decode()
