# SPDX-License-Identifier: Apache-2.0
"""Prepared statements answer as the queries that they were made from do, at the instant at which they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import CharField, QuerySet, UUIDField
from django.test.utils import CaptureQueriesContext

from proofhouse.server.accounts.files import GateOpening, Grant, running_grants
from proofhouse.server.accounts.gate import shown, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.ruling import rules_of
from proofhouse.server.accounts.standing import Standing, one_look
from proofhouse.server.cases.models import Case
from proofhouse.server.engine.clock import SetClock, now, using
from proofhouse.server.engine.prepared import Blank, Moment, Statement
from server.makers import Correspondent, make_case, make_file, make_grant, make_person

pytestmark = pytest.mark.django_db


def test_a_statement_answers_as_its_query_does(vendor: Correspondent) -> None:
    one, other = make_person(Role.OPERATOR), make_person(Role.OPERATOR)
    make_grant(one, make_case(vendor.peer).entry.case)
    columns = ("id", "person_id", "until", "case", "withdrawn_at")
    statement = Statement(Grant.objects.filter(person=Blank("who", UUIDField())).values_list(*columns))
    assert [tuple(row) for row in statement.ask(who=one.pk)] == list(Grant.objects.values_list(*columns))
    assert statement.ask(who=other.pk) == []


def test_a_moment_is_when_the_query_runs(vendor: Correspondent) -> None:
    person = make_person(Role.OPERATOR)
    make_grant(person, make_case(vendor.peer).entry.case)
    query = Grant.objects.filter(running_grants(Moment())).values_list("pk")
    statement = Statement(query)
    assert len(query.all()) == len(statement.ask()) == 1
    with using(SetClock(Grant.objects.get().until + timedelta(seconds=1))):
        assert len(query.all()) == len(statement.ask()) == 0


def test_the_gate_keeps_text_and_nothing_that_it_read(vendor: Correspondent) -> None:
    coordinator = make_person(Role.COORDINATOR)
    case = make_case(vendor.peer)
    file = make_file(case.entry.case, Mark.RED)
    assert list(visible(coordinator, Case)) == []
    grant = make_grant(coordinator, case.entry.case)
    assert list(visible(coordinator, Case)) == [case]
    with using(SetClock(grant.until + timedelta(seconds=1))):
        assert list(visible(coordinator, Case)) == []
    file.mark = Mark.AMBER
    file.save()
    Grant.objects.filter(pk=grant.pk).update(withdrawn_at=now())
    assert list(visible(coordinator, Case)) == [case]
    coordinator.memberships.all().delete()
    assert list(visible(coordinator, Case)) == []


@dataclass(frozen=True)
class Named:
    """The cases of one title, each by key and title."""

    def of(self, rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        """In that shape."""
        return rows.filter(title=Blank("title", CharField())).values("title", "id").order_by("-id")


def test_what_is_shown_in_a_shape_is_what_is_visible_and_is_noted_alike(vendor: Correspondent) -> None:
    coordinator, outsider = make_person(Role.COORDINATOR), make_person(Role.OPERATOR)
    case, shut = make_case(vendor.peer), make_case(vendor.peer)
    make_file(shut.entry.case, Mark.RED)
    found = visible(coordinator, Case).filter(title=case.title).values("title", "id").order_by("-id")
    assert shown(coordinator, Case, Named(), title=case.title) == list(found) != []
    assert shown(coordinator, Case, Named(), title="another") == []
    assert shown(outsider, Case, Named(), title=case.title) == []
    make_grant(coordinator, shut.entry.case)
    assert GateOpening.objects.count() == 0
    assert {row["id"] for row in shown(coordinator, Case, Named(), title=shut.title)} >= {shut.id}
    assert [(each.row, each.mark) for each in GateOpening.objects.all()] == [(str(shut.id), Mark.RED)]
    coordinator.memberships.all().delete()
    assert [row["id"] for row in shown(coordinator, Case, Named(), title=case.title)] == [shut.id]


def test_a_shape_without_rows_asks_nothing(vendor: Correspondent) -> None:
    assert vendor
    with CaptureQueriesContext(connection) as queries:
        assert Statement(Case.objects.none().values("id")).ask() == []
    assert len(queries) == 0


def test_rules_depend_on_the_standing_alone_and_ask_the_database_nothing() -> None:
    someone = Person()
    everything = Standing(frozenset(Role), frozenset({"clinic"}), True, True, frozenset(Mark))
    guest = Standing(frozenset(), frozenset({"clinic"}), True, True, frozenset(Mark))
    asked = 0
    with CaptureQueriesContext(connection) as queries:
        for standing in (everything, guest):
            with one_look({someone.pk: standing}):
                for model in apps.get_models():
                    for rule in rules_of(model):
                        rule.query(someone)
                        asked += 1
    assert asked > 50
    assert [query["sql"] for query in queries.captured_queries] == []
