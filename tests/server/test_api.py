# SPDX-License-Identifier: Apache-2.0
"""How the API speaks: pages, tags, problems, acts done once, its own description."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from django.test import Client
from ninja.openapi.schema import OpenAPISchema

from proofhouse.cli import main
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.accounts.tokens import Scope
from proofhouse.server.api import PREFIX, api, description
from proofhouse.server.cases.models import Case
from proofhouse.server.engine.models import DoneAct, LedgerEntry, Peer
from proofhouse.server.house import House
from proofhouse.server.reviews.models import Inquiry
from server.makers import Correspondent, make_case, make_person, make_token, make_world
from server.test_api_access import ACTS_ASKED, signed_in

pytestmark = pytest.mark.django_db

INQUIRY = ACTS_ASKED["inquiries"].body or {}


def ask(client: Client, path: str, body: Any, key: str | None = "key-1", **headers: str) -> Any:
    named = {"Idempotency-Key": key} if key else {}
    return client.post(PREFIX + path, body, content_type="application/json", headers=named | headers)


# --- pages of rows ----------------------------------------------------------------------------------------------------


def test_pages_give_every_row_once_newest_first_whatever_is_added_meanwhile(lab: Correspondent) -> None:
    made = [str(make_case(lab.peer).id) for _ in range(7)]
    client = signed_in(Role.COORDINATOR)
    read: list[str] = []
    page = client.get(PREFIX + "cases?limit=3").json()
    while True:
        read += [row["id"] for row in page["items"]]
        if page["next"] is None:
            break
        make_case(lab.peer)
        page = client.get(f"{PREFIX}cases?limit=3&after={page['next']}").json()
    assert [one for one in read if one in made] == sorted(made, reverse=True)
    assert len(read) == len(set(read))


def test_a_list_by_another_column_pages_over_equal_values(house: House) -> None:
    world = make_world()
    first = world.inquiry.thread.letters.get()
    for number in range(2, 6):
        first.pk, first.sequence = f"{number:064d}", number
        first.save(force_insert=True)
    client = signed_in(Role.REVIEWER)
    seen: list[str] = []
    after = ""
    for _ in range(5):
        page = client.get(f"{PREFIX}letters?limit=1{after}").json()
        seen += [row["digest"] for row in page["items"]]
        after = f"&after={page['next']}"
    assert sorted(seen) == sorted({"8" * 64, *(f"{number:064d}" for number in range(2, 6))})
    assert page["next"] is None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "W10",
        base64.urlsafe_b64encode(b'["a", "b"]').decode(),
        base64.urlsafe_b64encode(b"[null,null]").decode(),
    ],
)
def test_a_made_up_cursor_is_refused(house: House, cursor: str) -> None:
    for path in ("cases", "letters"):
        answer = signed_in(Role.COORDINATOR).get(f"{PREFIX}{path}?after={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (422, "no_such_cursor")


def test_a_cursor_of_a_row_that_somebody_may_not_see_shows_nothing_of_it(lab: Correspondent) -> None:
    case = make_case(lab.peer)
    cursor = base64.urlsafe_b64encode(msgspec.json.encode([case.id, case.id])).decode().rstrip("=")
    assert signed_in(Role.REVIEWER).get(f"{PREFIX}cases?after={cursor}").json() == {"items": [], "next": None}


def test_a_list_is_narrowed_by_the_columns_that_it_names(lab: Correspondent) -> None:
    case = make_case(lab.peer)
    make_case(lab.peer)
    Case.objects.filter(id=case.id).update(state="published")
    client = signed_in(Role.COORDINATOR)
    assert [row["id"] for row in client.get(PREFIX + "cases?state=published").json()["items"]] == [
        str(case.id)
    ]
    refused = client.get(PREFIX + "cases?state=lost").json()
    assert refused["errors"][0]["field"] == "state"
    assert refused["errors"][0]["place"] == "query"


def test_a_row_says_whether_its_act_is_in_force(lab: Correspondent) -> None:
    case = make_case(lab.peer)
    client = signed_in(Role.COORDINATOR)
    assert client.get(f"{PREFIX}cases/{case.id}").json()["in_force"] is True
    LedgerEntry.objects.update(receipt="")
    assert client.get(f"{PREFIX}cases/{case.id}").json()["in_force"] is False


# --- tags -------------------------------------------------------------------------------------------------------------


def test_what_the_client_has_already_is_not_sent_again(lab: Correspondent) -> None:
    make_case(lab.peer)
    client = signed_in(Role.COORDINATOR)
    first = client.get(PREFIX + "cases")
    again = client.get(PREFIX + "cases", headers={"If-None-Match": f'"other", {first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    make_case(lab.peer)
    assert client.get(PREFIX + "cases", headers={"If-None-Match": first["ETag"]}).status_code == 200
    assert "private" in first["Cache-Control"]


def test_a_tag_tells_nothing_of_rows_that_somebody_may_not_see(lab: Correspondent) -> None:
    stranger = signed_in(Role.INSPECTOR)
    before = stranger.get(PREFIX + "cases")["ETag"]
    make_case(lab.peer)
    assert stranger.get(PREFIX + "cases")["ETag"] == before
    assert signed_in(Role.COORDINATOR).get(PREFIX + "cases")["ETag"] != before


def test_head_says_what_get_would(lab: Correspondent) -> None:
    client = signed_in(Role.COORDINATOR)
    said, head = client.get(PREFIX + "cases"), client.head(PREFIX + "cases")
    assert (head.status_code, head["ETag"]) == (200, said["ETag"])


# --- acts -------------------------------------------------------------------------------------------------------------


def test_an_act_is_done_once_under_its_key_and_gives_the_same_answer_again(lab: Correspondent) -> None:
    client = signed_in(Role.DEVELOPER)
    first = ask(client, "inquiries", INQUIRY)
    again = ask(client, "inquiries", INQUIRY)
    assert first.status_code == 200
    assert (first.json(), first.content) == (
        {"act": "reviews.inquire", "id": str(Inquiry.objects.get().id), "state": "inquired", "value": None},
        again.content,
    )
    assert ask(client, "inquiries", INQUIRY, key="key-2").json() != first.json()
    assert Inquiry.objects.count() == 2


def test_a_key_that_was_used_for_something_else_is_refused(lab: Correspondent) -> None:
    client = signed_in(Role.DEVELOPER, Role.STEWARD)
    ask(client, "inquiries", INQUIRY)
    other = ask(client, "inquiries", INQUIRY | {"model_name": "Another"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    peer = ask(client, "peers", ACTS_ASKED["peers"].body)
    assert peer.json()["code"] == "idempotency_key_reused"
    assert Inquiry.objects.count() == 1
    assert not Peer.objects.filter(name="vendor").exists()


def test_a_key_is_its_actors_own(lab: Correspondent) -> None:
    assert ask(signed_in(Role.DEVELOPER), "inquiries", INQUIRY).status_code == 200
    assert ask(signed_in(Role.DEVELOPER), "inquiries", INQUIRY | {"model_name": "Another"}).status_code == 200
    assert DoneAct.objects.count() == 2


def test_an_act_without_a_key_is_refused_and_the_header_named(lab: Correspondent) -> None:
    answer = ask(signed_in(Role.DEVELOPER), "inquiries", INQUIRY, key=None)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not Inquiry.objects.exists()


def test_a_refused_act_may_be_asked_for_again_under_its_key(house: House) -> None:
    client = signed_in(Role.DEVELOPER)
    refused = ask(client, "inquiries", INQUIRY)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_house")
    Correspondent.introduced("lab")
    assert ask(client, "inquiries", INQUIRY).status_code == 200


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**INQUIRY, "days": 3}, "days"),
        ({key: value for key, value in INQUIRY.items() if key != "office"}, "office"),
        ({**INQUIRY, "model_sha256": "A" * 64}, "model_sha256"),
        ({**INQUIRY, "planned_partner_release": "2027-02-30"}, "planned_partner_release"),
        ({**INQUIRY, "capabilities": "   "}, "capabilities"),
        ({**INQUIRY, "model_name": 5}, "model_name"),
    ],
)
def test_a_refused_field_is_named(lab: Correspondent, body: dict[str, Any], field: str) -> None:
    answer = ask(signed_in(Role.DEVELOPER), "inquiries", body)
    said = answer.json()
    assert (answer.status_code, said["code"], said["status"]) == (422, "fields_refused", 422)
    assert [(error["place"], error["field"]) for error in said["errors"]] == [("body", field)]
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", [b"{", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"office": "\\u0000"}', b"[" * 100_000, b"\xff"]
)
def test_a_body_that_is_no_json_is_refused(lab: Correspondent, body: bytes) -> None:
    answer = ask(signed_in(Role.DEVELOPER), "inquiries", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_another_media_type_is_refused_before_anything_is_read(lab: Correspondent) -> None:
    client = signed_in(Role.DEVELOPER)
    for body in ({"a": "b"}, {"a": "b", "file": __file__}):
        answer = client.post(PREFIX + "inquiries", body, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


def test_a_body_larger_than_the_house_takes_is_refused(lab: Correspondent, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = ask(signed_in(Role.DEVELOPER), "inquiries", INQUIRY)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_step_that_is_out_of_order_is_a_conflict(lab: Correspondent) -> None:
    case = make_case(lab.peer)
    answer = ask(signed_in(Role.COORDINATOR), f"cases/{case.id}/embargo-end", None)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_vendor")


def test_a_method_that_an_address_does_not_take_is_a_problem_too(house: House) -> None:
    answer = signed_in(Role.COORDINATOR).delete(PREFIX + "cases")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize("path", ["", "nothing", "cases/", "cases/1", "cases/%00", "advisories/a/b"])
def test_an_address_that_is_none_is_a_problem_for_everybody(house: House, path: str) -> None:
    for client in (Client(), signed_in(Role.COORDINATOR)):
        answer = client.get(PREFIX + path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_what_nobody_foresaw_is_a_problem_without_its_cause(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofhouse.server.rest.desk.page", lambda *_: 1 / 0)
    answer = signed_in(Role.COORDINATOR).get(PREFIX + "cases")
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")
    assert b"division" not in answer.content


# --- the description --------------------------------------------------------------------------------------------------


def test_a_command_prints_the_description() -> None:
    printed = CliRunner().invoke(main, ["house", "api"])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == description()
    assert description()["openapi"] == "3.1.0"


def test_the_description_is_served_to_everybody(client: Client) -> None:
    answer = client.get(PREFIX + "openapi.json")
    assert answer.status_code == 200
    assert answer.json()["paths"] == description()["paths"]


def test_every_operation_declares_its_refusals_as_problems() -> None:
    said = description()
    for path, operations in said["paths"].items():
        for method, operation in operations.items():
            refused = {int(status) for status in operation["responses"] if int(status) >= 400}
            assert {401, 404, 422} <= refused, (path, method)
            assert method == "get" or {400, 403, 409, 413, 415} <= refused
    for refusal in said["components"]["responses"].values():
        assert set(refusal["content"]) == {"application/problem+json"}


def test_operation_names_are_unique() -> None:
    names = [
        operation["operationId"]
        for methods in description()["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    assert api.title == "Proofhouse"


def test_no_two_shapes_share_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(self: OpenAPISchema, definitions: dict[str, Any]) -> None:
        for name, shape in definitions.items():
            assert self.schemas.setdefault(name, shape) == shape, name

    monkeypatch.setattr(OpenAPISchema, "add_schema_definitions", add)
    assert description()["components"]["schemas"]


# --- machines ---------------------------------------------------------------------------------------------------------


def machine(person: Person, *scopes: str) -> Client:
    secret, _ = make_token(person, *scopes)
    return Client(headers={"Authorization": f"Bearer {secret}"}, enforce_csrf_checks=True)


def test_a_machine_reads_what_its_person_sees_if_its_token_is_for_reading(lab: Correspondent) -> None:
    case = make_case(lab.peer)
    person = make_person(Role.COORDINATOR)
    reading = machine(person, Scope.READ.value)
    assert [row["id"] for row in reading.get(PREFIX + "cases").json()["items"]] == [str(case.id)]
    refused = machine(person, Permission.MEMBERS_SBOM_MATCH.value).get(PREFIX + "cases")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    person.memberships.all().delete()
    assert reading.get(PREFIX + "cases").status_code == 401


def test_a_machine_asks_for_the_acts_in_its_scopes_only(lab: Correspondent) -> None:
    person = make_person(Role.DEVELOPER)
    allowed = machine(person, Permission.REVIEWS_INQUIRY_SEND.value)
    assert ask(allowed, "inquiries", INQUIRY).status_code == 200
    assert ask(machine(person, Scope.READ.value), "inquiries", INQUIRY, key="key-2").status_code == 403
    assert Inquiry.objects.count() == 1


def test_a_token_that_is_over_is_nobody(lab: Correspondent) -> None:
    answer = Client(headers={"Authorization": "Bearer ph_nothing"}).get(PREFIX + "cases")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
