# SPDX-License-Identifier: Apache-2.0
"""Search and bulk upsert: the same on SQLite and PostgreSQL (`make test-pg`)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.bulk import bulk_upsert
from proofhouse.server.engine.models import SearchText
from proofhouse.server.engine.search import fold, hits, keep_all, search
from server.makers import Correspondent, make_advisory, make_case, make_inquiry, make_person
from server.test_access_matrix import signed_in

pytestmark = pytest.mark.django_db


def titles(text: str, *roles: Role) -> list[str]:
    return [hit.title for hit in hits(make_person(*(roles or (Role.COORDINATOR,))), text)]


def named(lab: Correspondent, title: str) -> Any:
    case = make_case(lab.peer)
    case.title = title
    case.save()
    return case


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("Überlauf im Schemaprüfer", "uberlauf SCHEMAPRUFER"),
        ("Heap overflow in CVE-2026-0077", "cve-2026-0077"),
        ("Heap overflow in libtiff", "heap libt"),
        ("整数オーバーフロー", "整数"),
        ("버퍼 오버플로", "버퍼"),
    ],
)
def test_a_case_is_found_by_its_words(lab: Correspondent, title: str, asked: str) -> None:
    named(lab, title)
    named(lab, "Another thing")
    assert titles(asked) == [title]


def test_every_word_must_be_there(lab: Correspondent) -> None:
    named(lab, "Heap overflow")
    assert titles("heap underflow") == []


def test_what_changes_or_goes_is_found_as_it_is_now(lab: Correspondent) -> None:
    case = named(lab, "Before")
    case.title = "Afterwards"
    case.save()
    assert (titles("before"), titles("afterwards")) == ([], ["Afterwards"])


def test_what_is_rolled_back_is_not_found(lab: Correspondent) -> None:
    def fail() -> None:
        with transaction.atomic():
            named(lab, "Vanished")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert titles("vanished") == []


def test_hits_and_counts_are_those_that_the_person_may_see(lab: Correspondent) -> None:
    case = named(lab, "Quicksand")
    advisory = make_advisory(case)
    advisory.title = "Quicksand"
    advisory.save()
    make_inquiry(lab.peer, model_name="Quicksand-1")
    found = {
        role: {hit["kind"] for hit in search(actor=make_person(role), text="quicksand")["hits"]}
        for role in Role
    }
    assert found[Role.COORDINATOR] == {"case", "advisory"}
    assert found[Role.MAINTAINER] == {"case"}
    assert found[Role.REVIEWER] == {"inquiry"}
    assert found[Role.STEWARD] == set()
    assert search(actor=make_person(), text="quicksand") == {"found": 0, "hits": []}


HOSTILE = ['"', "a AND", "NEAR(", "text:x", "' & !", "*", "a:*", "(", "\\", "-- ", "a\0b"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=st.text(max_size=30)
    | st.sampled_from(['"', "a AND", "NEAR(", "text:x", "' & !", "*", "a:*", "(", "\\", "-- "])
)
def test_no_question_is_wrong(lab: Correspondent, asked: str) -> None:
    actor = make_person(Role.COORDINATOR)
    assert isinstance(hits(actor, asked), list)
    assert fold(fold(asked)) == fold(asked)


def test_a_house_that_is_older_than_its_search_catches_up(lab: Correspondent) -> None:
    named(lab, "Old matter")
    SearchText.objects.all().delete()
    assert titles("matter") == []
    assert keep_all() == 1
    assert titles("matter") == ["Old matter"]
    assert keep_all() == 0


def test_the_page_shows_hits_as_text(lab: Correspondent) -> None:
    named(lab, "<script>alert(1)</script>")
    shown = signed_in(Role.COORDINATOR).get("/search/?text=alert").content.decode()
    assert "1 found" in shown
    assert "<script>alert" not in shown
    assert "0 found" in signed_in(Role.STEWARD).get("/search/?text=alert").content.decode()


# --- many rows at once ------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "label": st.sampled_from(["a", "b"]),
            "key": st.sampled_from(["1", "2", "3"]),
            "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
        }
    ),
    max_size=12,
)


def stored() -> list[tuple[str, str, str]]:
    return sorted(SearchText.objects.values_list("label", "key", "text"))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=ROWS, rows=ROWS)
def test_many_rows_end_as_one_by_one(
    db: None, before: list[dict[str, str]], rows: list[dict[str, str]]
) -> None:
    SearchText.objects.all().delete()
    bulk_upsert(SearchText, before, ("label", "key"))
    assert bulk_upsert(SearchText, rows, ("label", "key")) == len(rows)
    at_once = stored()
    SearchText.objects.all().delete()
    for row in before + rows:
        SearchText.objects.update_or_create(
            label=row["label"], key=row["key"], defaults={"text": row["text"]}
        )
    assert stored() == at_once


@pytest.mark.parametrize(
    "rows",
    [[{"label": "a", "text": ""}], [{"label": "a", "key": "1"}, {"label": "a", "key": "2", "text": ""}]],
)
def test_rows_without_their_key_or_of_two_shapes_are_refused(db: None, rows: list[dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="SearchText"):
        bulk_upsert(SearchText, rows, ("label", "key"))
    assert not SearchText.objects.exists()
