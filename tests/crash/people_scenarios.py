# SPDX-License-Identifier: Apache-2.0
"""Who works in a house: organisations, people, roles, sessions, tokens, emergencies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from crash.scenarios import act, move_clock, of_act, of_other, person
from crash.stage import Stage
from proofhouse.server.accounts.minting import Kind, mint
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.clock import now


def _reviewer() -> str:
    return str(person(Role.REVIEWER).id)


def signed_in(role: Role) -> Person:
    """Somebody who is signed in at two places."""
    who = person(role)
    for key in ("a" * 32, "b" * 32):
        Session.objects.create(session_key=key, session_data="", expire_date=now() + timedelta(days=1))
        UserSession.objects.create(user=who, session_key=key, ip="127.0.0.1", user_agent="a browser")
    return who


ORGANISATION = {"name": "clinic", "title": "A clinic", "contact": "desk@clinic.example"}


@of_act("accounts.add_organisation", Role.STEWARD)
def _add_organisation(stage: Stage) -> dict[str, Any]:
    return ORGANISATION


def _invitation() -> dict[str, Any]:
    return {
        "secret": mint(Kind.INVITATION).text,
        "email": "new@office.example",
        "name": "New Person",
        "roles": [Role.REVIEWER.value],
    }


@of_act("accounts.invite", Role.STEWARD)
def _invite(stage: Stage) -> dict[str, Any]:
    act("accounts.invite", Role.STEWARD, **_invitation())  # which the second settles
    return _invitation()


@of_act("accounts.withdraw_invitation", Role.STEWARD)
def _withdraw_invitation(stage: Stage) -> dict[str, Any]:
    return {"invitation": str(act("accounts.invite", Role.STEWARD, **_invitation()).id)}


@of_act("accounts.grant_role", Role.STEWARD)
def _grant_role(stage: Stage) -> dict[str, Any]:
    return {"person": _reviewer(), "role": Role.AUTHORITY.value}


@of_act("accounts.revoke_role", Role.STEWARD)
def _revoke_role(stage: Stage) -> dict[str, Any]:
    return {"person": _reviewer(), "role": Role.REVIEWER.value}


@of_act("accounts.stop_person", Role.STEWARD)
def _stop_person(stage: Stage) -> dict[str, Any]:
    return {"person": str(signed_in(Role.REVIEWER).id)}


@of_act("accounts.end_sessions", Role.STEWARD)
def _end_sessions(stage: Stage) -> dict[str, Any]:
    return {"person": str(signed_in(Role.REVIEWER).id)}


def _token() -> dict[str, Any]:
    return {"secret": mint(Kind.TOKEN).text, "name": "A machine", "scopes": ["api:read"], "days": 30}


@of_act("accounts.make_token", Role.REVIEWER)
def _make_token(stage: Stage) -> dict[str, Any]:
    return _token()


@of_act("accounts.revoke_token", Role.REVIEWER)
def _revoke_token(stage: Stage) -> dict[str, Any]:
    return {"token": str(act("accounts.make_token", Role.REVIEWER, **_token()).id)}


def _emergency() -> dict[str, Any]:
    return {
        "person": "reviewer@office.example",
        "role": Role.STEWARD.value,
        "reason": "The office burns.",
        "minutes": 30,
        "secret": mint(Kind.EMERGENCY).text,
    }


@of_act("accounts.break_glass", Role.STEWARD)
def _break_glass(stage: Stage) -> dict[str, Any]:
    return _emergency()


@of_other("deadline break-glass.end", move_clock)
def _emergency_ends(stage: Stage) -> Any:
    return act("accounts.break_glass", Role.STEWARD, **_emergency()).ends_at + timedelta(minutes=1)


@of_act("releases.make_enrolment", Role.OPERATOR)
def _make_enrolment(stage: Stage) -> dict[str, Any]:
    return {"agent": "member-agent", "secret": mint(Kind.ENROLMENT).text}
