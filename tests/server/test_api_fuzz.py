# SPDX-License-Identifier: Apache-2.0
"""The API against its own description: whatever is sent, it answers as it says it does, and never fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings as django_settings
from django.middleware.csrf import _get_new_csrf_string
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from proofhouse.server.accounts.permissions import Role
from proofhouse.server.house import House
from proofhouse.server.wsgi import application
from server.makers import make_world
from server.test_api_access import OWN, Places, signed_in

pytestmark = pytest.mark.django_db

SAMPLE = 8
"""One operation of so many is tried in `make test`, all of them in `make test-all`."""

SESSION_COOKIE_NAME = django_settings.SESSION_COOKIE_NAME
CSRF_COOKIE_NAME = django_settings.CSRF_COOKIE_NAME
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]

schema = openapi.from_wsgi("/api/v1/openapi.json", application)
OPERATIONS = [each.ok() for each in schema.get_all_operations()]

Visit = Callable[[Case], None]


def go_over(operations: list[APIOperation], visit: Visit, examples: int) -> None:
    """Send made-up requests to each operation."""
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def each(case: Case) -> None:
            visit(case)

        each()


@pytest.fixture
def visit(house: House) -> Visit:
    """Somebody with every role and a session, who asks for what is made up, and for what is there."""
    places = Places(make_world())
    there = {
        name: str(getattr(named, "number", None) or getattr(named, "pk", named))
        for name, named in (places.named | vars(places.named["own"]) | {"letter": "8" * 64}).items()
    }
    token = _get_new_csrf_string()
    cookies = {CSRF_COOKIE_NAME: token}
    people = [
        {**cookies, SESSION_COOKIE_NAME: signed_in(*roles).cookies[SESSION_COOKIE_NAME].value}
        for roles in (OWN, set(Role) - OWN)
    ]

    def visit(case: Case) -> None:
        for person in people:
            case.call_and_validate(cookies=person, headers={"X-CSRFToken": token}, checks=CHECKS)
            case.path_parameters = {name: there[name] for name in case.path_parameters}

    return visit


def test_who_has_signed_in_gets_what_the_description_says(visit: Visit) -> None:
    go_over(OPERATIONS[::SAMPLE], visit, 1)


def test_who_has_not_signed_in_gets_401_whatever_is_sent(house: House) -> None:
    def visit(case: Case) -> None:
        assert case.call_and_validate(checks=CHECKS).status_code in (401, 404, 415, 422)

    go_over(OPERATIONS[::SAMPLE], visit, 1)


@pytest.mark.slow
def test_who_has_signed_in_gets_what_the_description_says_widely(visit: Visit) -> None:
    go_over(OPERATIONS, visit, 30)
