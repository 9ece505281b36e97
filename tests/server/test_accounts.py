# SPDX-License-Identifier: Apache-2.0
"""People come by invitation, sign in with what cannot be guessed, and what they may do follows their roles at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.urls import reverse

from proofhouse.server.accounts import services
from proofhouse.server.accounts.gate import NotFound, access, may_do
from proofhouse.server.accounts.minting import Kind, digest_of, link_of, mint
from proofhouse.server.accounts.models import BreakGlass, Invitation, Membership, Person, own_organisation
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine import clock, deadlines
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import SetClock, now
from proofhouse.server.engine.models import Deadline, LedgerEntry
from proofhouse.server.house import House
from server.makers import confirm, make_invitation, make_organisation, make_person

pytestmark = pytest.mark.django_db

PASSWORD = "a horse that counts to nine"
LATER = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def real(house: House, settings: Any) -> House:
    """The same house, no demonstration, with a hash that does not cost a second."""
    made = replace(house, demo=False)
    settings.HOUSE = made
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return made


def code_of(key: str) -> str:
    """What an authenticator app shows now."""
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(key, counters[len(counters) // 2]))


def key_on(page: str) -> str:
    """The key that a page shows beside its picture."""
    found = re.search(r"Key: <code>([A-Z2-7]+)</code>", page)
    assert found
    return found.group(1)


def take_up(client: Client, secret: str, **fields: str) -> Any:
    """Take up an invitation with a password and a code."""
    address = reverse("accounts:invitation", args=[secret])
    key = key_on(client.get(address).content.decode())
    sent = {"how": "code", "password": PASSWORD, "again": PASSWORD, "code": code_of(key), **fields}
    return client.post(address, sent)


# --- invitations ------------------------------------------------------------------------------------------------------


def test_an_invitation_goes_by_mail_and_the_house_keeps_its_digest_only(
    real: House, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    secret = mint(Kind.INVITATION)
    with django_capture_on_commit_callbacks(execute=True):
        made = services.invite(
            actor=make_person(Role.STEWARD), secret=secret.text, email="New@Office.example", name="Nia New",
            roles=["reviewer"],
        )  # fmt: skip
    link = link_of(real.address, secret.text, Kind.INVITATION)
    assert link == real.address + reverse("accounts:invitation", args=[secret.text])
    assert [message.to for message in mail.outbox] == [["new@office.example"]]
    assert link in mail.outbox[0].body
    kept = Invitation.objects.filter(id=made.id).values().get()
    assert secret.text not in str(kept)
    entry = LedgerEntry.objects.get(kind="person.invite")
    assert "new@office.example" not in str(entry.record), "the ledger names people by id"
    assert not Person.objects.filter(email="new@office.example").exists(), (
        "nobody is entered before they come"
    )


def test_an_invitation_is_taken_up_once_and_gives_exactly_its_roles(real: House) -> None:
    secret, row = make_invitation("nia@office.example", Role.REVIEWER)
    client = Client()
    assert take_up(client, secret)["Location"] == reverse("mfa_view_recovery_codes")
    person = Person.objects.get(email="nia@office.example")
    assert (person.id, person.roles) == (row.person_id, {Role.REVIEWER})
    assert client.get("/reviews/").status_code == 200
    codes = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    assert len(re.findall(r"<code>\d{8}</code>", codes)) == 10
    assert LedgerEntry.objects.get(kind="person.join").record["means"] == "password and code"
    again = Client().get(reverse("accounts:invitation", args=[secret]))
    assert again.status_code == 404
    assert "This link is over" in again.content.decode()


@pytest.mark.parametrize("way", ["ended", "withdrawn", "made up"])
def test_a_link_that_is_over_opens_nothing(real: House, way: str) -> None:
    secret, row = make_invitation()
    if way == "ended":
        Invitation.objects.update(expires_at=now() - timedelta(seconds=1))
    elif way == "withdrawn":
        services.withdraw_invitation(actor=make_person(Role.STEWARD), invitation=str(row.id))
    else:
        secret = mint(Kind.INVITATION).text
    address = reverse("accounts:invitation", args=[secret])
    assert Client().get(address).status_code == 404
    assert Client().post(address, {"how": "code"}).status_code == 404
    assert not Person.objects.filter(email=row.email).exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "short", "again": "short"}, "too short"),
        ({"again": "another sentence altogether"}, "not the same"),
        ({"code": "000"}, "Incorrect code"),
    ],
)
def test_a_weak_password_or_a_wrong_code_enrols_nobody(
    real: House, fields: dict[str, str], said: str
) -> None:
    secret, row = make_invitation()
    refused = take_up(Client(), secret, **fields)
    assert refused.status_code == 422
    assert said in refused.content.decode()
    assert row.open
    assert not Person.objects.filter(email=row.email).exists()


def test_a_new_invitation_does_away_with_the_one_before(real: House) -> None:
    secret, row = make_invitation("nia@office.example")
    services.invite(
        actor=make_person(Role.STEWARD), secret=mint(Kind.INVITATION).text, email=row.email, name="Nia",
        roles=["reviewer"],
    )  # fmt: skip
    assert Client().get(reverse("accounts:invitation", args=[secret])).status_code == 404


def test_a_way_back_in_replaces_what_was_lost_and_ends_what_was_open(real: House) -> None:
    first, _ = make_invitation("nia@office.example", Role.REVIEWER)
    old = Client()
    take_up(old, first)
    person = Person.objects.get(email="nia@office.example")
    before = list(Authenticator.objects.filter(user=person).values_list("pk", flat=True))
    services.stop_person(actor=make_person(Role.STEWARD), person=str(person.id))
    back = mint(Kind.INVITATION)
    services.invite(
        actor=make_person(Role.STEWARD), secret=back.text, email="NIA@office.example", name="x", roles=[]
    )
    new = Client()
    take_up(new, back.text)
    assert new.get("/reviews/").status_code == 200
    assert old.get("/reviews/").status_code == 302
    assert not Authenticator.objects.filter(pk__in=before).exists()
    assert Person.objects.get(email="nia@office.example").roles == {Role.REVIEWER}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"secret": "phi_short"}, "bad_secret"),
        ({"secret": mint(Kind.TOKEN).text}, "bad_secret"),
        ({"email": "nobody"}, "bad_email"),
        ({"name": "  "}, "bad_name"),
        ({"roles": ["king"]}, "bad_role"),
        ({"roles": []}, "bad_role"),
        ({"organisation": "nowhere"}, "unknown_organisation"),
    ],
)
def test_what_is_wrong_with_an_invitation_is_named_and_nothing_kept(
    real: House, wrong: dict[str, Any], code: str
) -> None:
    told = {
        "secret": mint(Kind.INVITATION).text, "email": "a@b.example", "name": "A", "roles": ["reviewer"],
        **wrong,
    }  # fmt: skip
    with pytest.raises(ActError) as refused:
        services.invite(actor=make_person(Role.STEWARD), **told)
    assert refused.value.code == code
    assert not Invitation.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_a_guest_joins_the_hosted_organisation_and_not_the_house(real: House) -> None:
    clinic = make_organisation("clinic")
    secret, row = make_invitation("guest@clinic.example", Role.OPERATOR, organisation=clinic)
    take_up(Client(), secret)
    guest = Person.objects.get(email=row.email)
    assert guest.roles == frozenset()
    assert list(guest.organisations) == [clinic]


# --- signing in -------------------------------------------------------------------------------------------------------


def member(role: Role = Role.REVIEWER) -> tuple[Person, str]:
    """Somebody with a password, an authenticator app and recovery codes."""
    person, key = make_person(role), "JBSWY3DPEHPK3PXP" * 2
    person.set_password(PASSWORD)
    person.save()
    TOTP.activate(person, key)
    RecoveryCodes.activate(person)
    return person, key


def with_password(client: Client, person: Person, password: str = PASSWORD) -> Any:
    return client.post("/sign-in/", {"login": person.email, "password": password})


def test_a_password_then_a_code_let_in_and_a_code_counts_once(real: House) -> None:
    person, key = member()
    for client, status in ((Client(), 302), (Client(), 200)):
        assert with_password(client, person)["Location"] == "/sign-in/second-step/"
        assert client.post("/sign-in/second-step/", {"code": code_of(key)}).status_code == status
        assert client.get("/reviews/").status_code == (200 if status == 302 else 302)


def test_a_recovery_code_stands_in_once(real: House) -> None:
    person, _ = member()
    row = Authenticator.objects.get(user=person, type="recovery_codes")
    code = row.wrap().get_unused_codes()[0]
    for status in (302, 200):
        client = Client()
        with_password(client, person)
        assert client.post("/sign-in/second-step/", {"code": code}).status_code == status


def test_secrets_of_apps_and_codes_lie_sealed_in_the_database(real: House) -> None:
    person, key = member()
    kept = str(list(Authenticator.objects.filter(user=person).values_list("data", flat=True)))
    assert key not in kept
    assert Authenticator.objects.get(user=person, type="totp").wrap().validate_code(code_of(key))


def test_guessing_a_password_is_stopped_even_for_the_right_one(real: House) -> None:
    person, _ = member()
    for _ in range(5):
        assert with_password(Client(), person, "wrong").status_code == 200
    stopped = with_password(Client(), person)
    assert "Too many attempts" in stopped.content.decode()


def test_who_was_stopped_is_told_so_only_with_the_right_password(real: House) -> None:
    person, _ = member()
    services.stop_person(actor=make_person(Role.STEWARD), person=str(person.id))
    client = Client()
    assert "do not belong together" in with_password(client, person, "wrong").content.decode()
    with_password(client, person)
    assert "can no longer sign in" in client.get("/sign-in/").content.decode()
    assert client.get("/reviews/").status_code == 302


def test_signing_in_leads_back_but_never_out_of_the_house(real: House) -> None:
    person, key = member()
    client = Client()
    client.post("/sign-in/", {"login": person.email, "password": PASSWORD, "next": "https://evil.example/"})
    assert client.post("/sign-in/second-step/", {"code": code_of(key)})["Location"] == "/"


def test_the_last_proof_cannot_be_removed(real: House) -> None:
    person, _ = member()
    client = Client()
    client.force_login(person)
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "mfa", "at": datetime.now(UTC).timestamp(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = session["_auth_user_id"]
    session.save()
    page = client.post("/account/code/remove/")
    assert "the last that you have" in page.content.decode()
    assert Authenticator.objects.filter(user=person, type="totp").exists()


# --- confirming -------------------------------------------------------------------------------------------------------


def signed_in(*roles: Role) -> tuple[Client, Person]:
    client, person = Client(), make_person(*roles)
    client.force_login(person)
    return client, person


def test_an_act_that_opens_a_door_asks_first_and_then_is_done(house: House) -> None:
    client, _ = signed_in(Role.STEWARD)
    other = make_person(Role.REVIEWER)
    address = reverse("accounts:grant", args=[other.id])
    asked = client.post(address, {"role": "inspector", "organisation": own_organisation().name})
    assert asked["Location"].startswith("/confirm/click/?next=")
    assert other.roles == {Role.REVIEWER}, "nothing is done yet"
    client.post(asked["Location"])
    assert other.roles == {Role.REVIEWER, Role.INSPECTOR}, "what was asked for is done"


def test_a_confirmation_counts_for_five_minutes(house: House) -> None:
    client, _ = signed_in(Role.STEWARD)
    other = make_person(Role.REVIEWER)
    confirm(client)
    session = client.session
    session["account_authentication_methods"][0]["at"] -= 301
    session.save()
    asked = client.post(reverse("accounts:stop", args=[other.id]))
    assert asked["Location"].startswith("/confirm/")
    assert Person.objects.get(id=other.id).is_active


def test_a_click_confirms_nothing_in_a_real_house(real: House) -> None:
    client, person = signed_in(Role.STEWARD)
    other = make_person(Role.REVIEWER)
    confirm(client)
    assert client.get("/confirm/click/").status_code == 404
    client.post(reverse("accounts:stop", args=[other.id]))
    assert Person.objects.get(id=other.id).is_active
    assert person.is_active


# --- roles, sessions, stopping ----------------------------------------------------------------------------------------


def test_roles_are_given_and_taken_on_the_record(house: House) -> None:
    steward, other = make_person(Role.STEWARD), make_person(Role.REVIEWER)
    services.grant_role(actor=steward, person=str(other.id), role="inspector")
    assert other.roles == {Role.REVIEWER, Role.INSPECTOR}
    with pytest.raises(ActError) as twice:
        services.grant_role(actor=steward, person=str(other.id), role="inspector")
    assert twice.value.code == "has_role"
    services.revoke_role(actor=steward, person=str(other.id), role="reviewer")
    assert other.roles == {Role.INSPECTOR}
    with pytest.raises(ActError) as missing:
        services.revoke_role(actor=steward, person=str(other.id), role="reviewer")
    assert missing.value.code == "no_role"
    assert sorted(LedgerEntry.objects.values_list("kind", flat=True)) == [
        "membership.grant",
        "membership.revoke",
    ]


def test_a_house_is_never_left_without_a_steward(house: House) -> None:
    steward = make_person(Role.STEWARD)
    for attempt in (
        lambda: services.revoke_role(actor=steward, person=str(steward.id), role="steward"),
        lambda: services.stop_person(actor=steward, person=str(steward.id)),
    ):
        with pytest.raises(ActError) as refused:
            attempt()
        assert refused.value.code == "last_steward"
    second = make_person(Role.STEWARD)
    services.stop_person(actor=second, person=str(steward.id))
    assert not Person.objects.get(id=steward.id).is_active


def enter_by_click(person: Person) -> Client:
    client = Client()
    client.post("/sign-in/", {"person": person.email})
    return client


def test_stopping_somebody_ends_every_session_at_once(house: House) -> None:
    person = make_person(Role.REVIEWER)
    clients = [enter_by_click(person) for _ in range(2)]
    assert {client.get("/reviews/").status_code for client in clients} == {200}
    services.stop_person(actor=make_person(Role.STEWARD), person=str(person.id))
    assert {client.get("/reviews/").status_code for client in clients} == {302}
    assert not UserSession.objects.filter(user=person).exists()
    assert LedgerEntry.objects.get(kind="person.stop").record["sessions"] == 2


def test_one_ends_ones_own_sessions_one_by_one_and_nobody_elses(house: House) -> None:
    person, other = make_person(Role.REVIEWER), make_person(Role.REVIEWER)
    here, there, elsewhere = enter_by_click(person), enter_by_click(person), enter_by_click(other)
    shown = UserSession.objects.get(session_key=there.session.session_key)
    foreign = UserSession.objects.get(session_key=elsewhere.session.session_key)
    assert here.post(reverse("accounts:end-session", args=[foreign.pk])).status_code == 404
    assert here.post(reverse("accounts:end-session", args=[shown.pk])).status_code == 302
    assert there.get("/reviews/").status_code == 302
    assert here.get("/reviews/").status_code == 200
    assert elsewhere.get("/reviews/").status_code == 200


def test_a_steward_ends_the_sessions_of_somebody(house: House) -> None:
    person = make_person(Role.REVIEWER)
    client = enter_by_click(person)
    services.end_sessions(actor=make_person(Role.STEWARD), person=str(person.id))
    assert client.get("/reviews/").status_code == 302
    assert LedgerEntry.objects.get(kind="session.revoke").record["sessions"] == 1


def test_only_a_steward_reaches_the_stewards_steps(house: House) -> None:
    other, (_, row) = make_person(Role.REVIEWER), make_invitation()
    client, _ = signed_in(*(frozenset(Role) - {Role.STEWARD}))
    confirm(client)
    for address in (
        reverse("accounts:grant", args=[other.id]),
        reverse("accounts:revoke", args=[other.id]),
        reverse("accounts:stop", args=[other.id]),
        reverse("accounts:end-sessions", args=[other.id]),
        reverse("accounts:withdraw", args=[row.id]),
        reverse("accounts:invite"),
        reverse("accounts:add-organisation"),
    ):
        assert client.post(address, {"role": "steward"}).status_code == 404, address
    assert other.roles == {Role.REVIEWER}


def test_organisations_are_hosted_under_names_of_their_own(house: House) -> None:
    steward = make_person(Role.STEWARD)
    made = services.add_organisation(
        actor=steward, name="clinic", title="Valley Clinic", contact="it@clinic.example"
    )
    assert (made.own, made.contact) == (False, "it@clinic.example")
    for name, code in (("clinic", "name_taken"), ("a b", "bad_name"), ("office", "name_taken")):
        with pytest.raises(ActError) as refused:
            services.add_organisation(actor=steward, name=name, title="X")
        assert refused.value.code == code


# --- emergencies ------------------------------------------------------------------------------------------------------


def break_glass(who: Person, /, **fields: Any) -> BreakGlass:
    told = {
        "person": who.email,
        "role": "authority",
        "reason": "All keys are lost.",
        "minutes": 30,
        **fields,
    }
    made: BreakGlass = services.break_glass(actor=make_person(Role.STEWARD), **told)
    return made


def test_a_role_lent_in_an_emergency_ends_by_itself_and_on_the_record(house: House) -> None:
    time = SetClock(LATER)
    with clock.using(time):
        person = make_person(Role.REVIEWER)
        made = break_glass(person)
        assert may_do(person, Permission.AUTHORITY_DETERMINATION_MAKE)
        time.move(timedelta(minutes=30))
        assert not may_do(person, Permission.AUTHORITY_DETERMINATION_MAKE), "before any sweep"
        assert deadlines.sweep() == 1
        made.refresh_from_db()
        assert made.ended_at == time.instant
        assert Deadline.objects.get().state == Deadline.State.FIRED
        time.move(timedelta(hours=-1))
        assert not may_do(person, Permission.AUTHORITY_DETERMINATION_MAKE), "a clock set back reopens nothing"
    assert list(LedgerEntry.objects.values_list("kind", flat=True)) == ["break-glass.use", "break-glass.end"]
    assert LedgerEntry.objects.first().record["reason"] == "All keys are lost."  # type: ignore[union-attr]


def test_stewards_and_inspectors_are_told_and_see_it_for_good(
    house: House, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    inspector, person = make_person(Role.INSPECTOR), make_person(Role.REVIEWER)
    with django_capture_on_commit_callbacks(execute=True):
        break_glass(person)
    assert inspector.email in [address for message in mail.outbox for address in message.to]
    client = Client()
    client.force_login(inspector)
    assert "All keys are lost." in client.get("/emergencies/").content.decode()


def test_the_link_of_an_emergency_opens_one_session_that_ends_with_it(house: House) -> None:
    secret = mint(Kind.EMERGENCY)
    time = SetClock(now())
    with clock.using(time):
        person = make_person(Role.REVIEWER)
        break_glass(person, secret=secret.text)
        address = reverse("accounts:emergency", args=[secret.text])
        client = Client()
        assert "All keys are lost." in client.get(address).content.decode()
        assert client.post(address)["Location"] == "/"
        assert client.get("/reviews/").status_code == 200
        assert client.session.get_expiry_age() <= 1800
        assert Client().post(address).status_code == 404, "once"
        time.move(timedelta(minutes=31))
        deadlines.sweep()
        assert client.get("/reviews/").status_code == 302


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"person": "nobody@x.example"}, "unknown_person"),
        ({"minutes": 481}, "bad_minutes"),
        ({"minutes": 0}, "bad_minutes"),
        ({"reason": " "}, "bad_reason"),
        ({"role": "king"}, "bad_role"),
        ({"secret": "phb_x"}, "bad_secret"),
    ],
)
def test_an_emergency_without_reason_or_end_is_refused(
    house: House, wrong: dict[str, Any], code: str
) -> None:
    with pytest.raises(ActError) as refused:
        break_glass(make_person(Role.REVIEWER), **wrong)
    assert refused.value.code == code
    assert not BreakGlass.objects.exists()


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_a_secret_is_of_its_kind_only_and_long() -> None:
    for kind in Kind:
        made = mint(kind)
        assert len(made.text) == len(kind) + 43
        assert made.text not in repr(made)
        assert digest_of(made.text, kind) == made.sha256
        for other in set(Kind) - {kind}:
            assert digest_of(made.text, other) is None
    assert digest_of("", Kind.TOKEN) is None
    assert digest_of("ph_" + "é" * 43, Kind.TOKEN) is None


def test_a_membership_that_is_gone_is_gone_for_the_gate_too(house: House) -> None:
    person = make_person(Role.STEWARD)
    Membership.objects.filter(person=person).delete()
    with pytest.raises(NotFound):
        access(person, Person, id=person.id)
