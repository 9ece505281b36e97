# SPDX-License-Identifier: Apache-2.0
"""An organisation without a house works at a desk of this one, by the same letters and handlers as everybody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from proofhouse.letters import (
    Hosted,
    Introduction,
    Introductions,
    Malformed,
    WrongPurpose,
    open_letter,
    parse_letter,
    seal,
)
from proofhouse.server.accounts.gate import NotAllowed, NotFound, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.models import Membership, Organisation, Person
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Role
from proofhouse.server.cases.models import Case, Report
from proofhouse.server.cases.services import notify_vendor
from proofhouse.server.correspondence.services import (
    HOSTED_ACTS,
    NEEDS,
    host_organisation,
    may_write,
    write_letter,
)
from proofhouse.server.correspondence.services import (
    open_letter as open_at_desk,
)
from proofhouse.server.engine.acts import ACTS, ActError
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.hosting import hosted_key
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import LedgerEntry, Letter, Peer, Thread
from proofhouse.server.engine.order import order_of
from proofhouse.server.engine.post import introductions, receive
from proofhouse.server.engine.work import round_of_work
from proofhouse.server.house import House
from proofhouse.server.members.models import Sbom
from proofhouse.server.reviews.models import Inquiry
from proofhouse.server.reviews.services import determine, propose_agreement
from server.makers import (
    EVERY_TYPE,
    TERMS,
    Correspondent,
    make_case,
    make_entry,
    make_file,
    make_person,
    make_seal,
    make_statement,
    make_world,
)

pytestmark = pytest.mark.django_db


def make_member_of(organisation: str, *roles: Role) -> Person:
    """Somebody who works for an organisation without a house, and for nobody else here."""
    person = make_person()
    Membership.objects.bulk_create(
        [Membership(person=person, organisation_id=organisation, role=role) for role in roles]
    )
    return person


def hosted(name: str) -> Organisation:
    organisation = Organisation.objects.create(name=name, title=name.title())
    host_organisation(actor=make_person(Role.STEWARD), organisation=name)
    return organisation


def at_desk(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def open_all(client: Client, person: Person) -> list[str]:
    """Open every letter that waits for the person's organisation, as the pages offer it; returns their types."""
    opened = []
    waiting = visible(person, Letter).filter(direction="sent", acknowledged_at=None).order_by("sequence")
    for row in list(waiting):
        page = client.get(f"/desk/letters/{row.digest}/").content.decode()
        assert "Not opened yet" in page
        assert client.post(f"/desk/letters/{row.digest}/", {"do": "open"}).status_code == 302
        opened.append(row.type)
    return opened


def sound(thread: Thread) -> None:
    """The thread is that of two houses: every seal, number and acknowledgement verifies, on both sides."""
    order = order_of(thread)
    reference = type(order)(str(thread.id), order.houses)
    for row in thread.letters.order_by("sequence"):
        letter = parse_letter(bytes(row.envelope))
        known = introductions() if letter.hosted else own_introduction()
        assert open_letter(letter.data, known, letter.recipient, now=letter.sent_at).id == row.digest
        assert (letter.hosted is not None) is (row.direction == "received")
        reference.apply(letter)
        assert row.acknowledged_at is not None
        answer = parse_letter(bytes(row.acknowledgement))
        assert answer.body["letter_sha256"] == row.digest
        assert (answer.hosted is not None) is (row.direction == "sent")
    assert reference.digest == order.digest
    assert order.outstanding(thread.peer_id) == order.outstanding("office") == ()


def own_introduction() -> Introductions:
    return Introductions(
        [Introduction("office", signer("letters").public, EVERY_TYPE, now() - timedelta(days=1))]
    )


def test_a_lab_without_a_house_goes_from_inquiry_to_notice_at_the_portal(house: House) -> None:
    hosted("meridian")
    ada = make_member_of("meridian", Role.DEVELOPER)
    desk = at_desk(ada)
    assert "Ask whether a model is covered" in desk.get("/desk/").content.decode()
    release = (now() + timedelta(days=45)).date().isoformat()
    form = {
        "model_name": "Example-1",
        "model_sha256": "a" * 64,
        "planned_partner_release": release,
        "do": "send",
    }
    wrong = desk.post("/desk/new/meridian/inquiry/", {**form, "model_sha256": "zz"})
    assert wrong.status_code == 422
    assert "Write 64 digits" in wrong.content.decode()
    assert desk.post("/desk/new/meridian/inquiry/", form).status_code == 302

    inquiry = Inquiry.objects.get()
    assert (inquiry.peer_id, inquiry.model_name, inquiry.state) == ("meridian", "Example-1", "inquired")
    letter = parse_letter(bytes(Letter.objects.get().envelope))
    assert letter.hosted is not None
    assert (letter.sender, letter.hosted.house, letter.hosted.person) == ("meridian", "office", ada.name)

    propose_agreement(actor=make_person(Role.REVIEWER), inquiry=str(inquiry.id), terms=TERMS)
    assert open_all(desk, ada) == [], "without a receipt there is no letter yet"
    round_of_work()
    thread = f"/desk/threads/{inquiry.thread_id}/"
    assert "1 not opened" in desk.get("/desk/").content.decode()
    assert desk.get(f"{thread}agreement-acceptance/").status_code == 404, "not before it was opened"
    assert open_all(desk, ada) == ["agreement"]
    assert "Two people for each key." in desk.get(f"/desk/letters/{newest('agreement')}/").content.decode()
    signed = {"name": ada.name, "role": "Counsel", "do": "send"}
    assert desk.post(f"{thread}agreement-acceptance/", signed).status_code == 302
    again = desk.post(f"{thread}agreement-acceptance/", signed)
    assert again.status_code == 422
    assert "cannot become agreed" in again.content.decode()
    assert Letter.objects.filter(type="agreement-acceptance").count() == 1, (
        "what the desk refuses is not stored"
    )
    assert (
        desk.post(f"{thread}access-offer/", {"interface": "api", "days": 14, "do": "send"}).status_code == 302
    )
    inquiry.refresh_from_db()
    assert inquiry.state == "access-offered"

    statement = make_statement(make_seal(inquiry.case))
    determine(actor=make_person(Role.AUTHORITY), statement=statement.sha256, basis="review")
    round_of_work()
    assert open_all(desk, ada) == ["notice"]
    shown = desk.get(f"/desk/letters/{newest('notice')}/").content.decode()
    assert "covered-frontier-model" in shown
    sound(inquiry.thread)
    assert Letter.objects.filter(state="acknowledged").count() == 2
    assert not Letter.objects.filter(attempts__gt=0).exists(), "nothing left the house"


def newest(letter_type: str) -> str:
    return str(Letter.objects.filter(type=letter_type).latest("sequence").digest)


def test_a_vendor_without_a_house_answers_a_case(house: House, lab: Correspondent) -> None:
    hosted("small-vendor")
    mei = make_member_of("small-vendor", Role.MAINTAINER)
    desk = at_desk(mei)
    case = make_case(lab.peer)
    notify_vendor(
        actor=make_person(Role.COORDINATOR),
        case=str(case.id),
        vendor="small-vendor",
        product={"name": "libexample"},
        embargo_until=wire(now() + timedelta(days=30)),
    )
    round_of_work()
    assert open_all(desk, mei) == ["case-message", "case-message"]
    case.refresh_from_db()
    answer = f"/desk/threads/{case.thread_id}/case-message/"
    for said in (
        {"act": "vendor-acknowledged", "status": "affected"},
        {"act": "embargo-accepted"},
        {
            "act": "patch-offered",
            "fixed_version": "2.0",
            "patch": SimpleUploadedFile("fix.patch", b"--- a\n+++ b\n"),
        },
    ):
        assert desk.post(answer, {**said, "do": "send"}).status_code == 302, said
    case = Case.objects.get(id=case.id)
    assert (case.state, case.embargo) == ("vendor-acknowledged", "active")
    assert LedgerEntry.objects.filter(kind="patch.offer").count() == 1
    sound(case.thread)
    missing = desk.post(answer, {"act": "patch-offered", "do": "send"})
    assert missing.status_code == 422
    assert "patch" in missing.content.decode()


def test_a_finder_without_a_house_reports_and_a_member_gives_its_parts_list(house: House) -> None:
    hosted("uni")
    fin = make_member_of("uni", Role.OPERATOR)
    desk = at_desk(fin)
    report = {
        "report_title": "It reads freed memory",
        "identifier": "CVE-2026-0001",
        "product_name": "libexample",
        "description": "First\r\nSecond",
        "means": "person",
        "proof": SimpleUploadedFile("proof.xml", b"<a/>"),
        "do": "send",
    }
    assert desk.post("/desk/new/uni/report/", report).status_code == 302
    kept = Report.objects.get()
    assert (kept.finder, kept.identifier, kept.summary) == ("Uni", "CVE-2026-0001", "First\nSecond")
    parts = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}'
    sbom = {"name": "gateway", "sbom": SimpleUploadedFile("sbom.cdx.json", parts), "do": "send"}
    assert desk.post("/desk/new/uni/sbom/", sbom).status_code == 302
    assert Sbom.objects.get().member_id == "uni"
    broken = {"name": "gateway", "sbom": SimpleUploadedFile("sbom.cdx.json", b"no list"), "do": "send"}
    assert desk.post("/desk/new/uni/sbom/", broken).status_code == 422
    assert Letter.objects.count() == 2
    digest = newest("report")
    file = desk.get(f"/desk/letters/{digest}/proof.xml")
    assert b"".join([file.content]) == b"<a/>"
    assert file["Content-Disposition"].startswith("attachment")
    assert desk.get(f"/desk/letters/{digest}/other.xml").status_code == 404


def test_a_finder_without_a_house_sees_its_report_and_what_became_of_it(house: House) -> None:
    world = make_world()
    for name in ("uni", "elsewhere"):
        hosted(name)
    fin, stranger = make_member_of("uni", Role.OPERATOR), make_member_of("elsewhere", Role.OPERATOR)
    thread = Thread.objects.create(peer_id="uni", subject="A flaw", case="report:1", opened_at=now())
    own = Report.objects.create(
        thread=thread, finder="Uni", identifier="CVE-2026-0009", product="libexample", provenance={},
        entry=make_entry(case="report:1"), received_at=now(),
    )  # fmt: skip
    assert set(visible(fin, Report)) == {own}
    assert not visible(fin, Case).exists()
    own.case = world.case
    own.save()
    whole = make_file(world.case.entry.case, Mark.AMBER)
    part = make_file("report:1", Mark.AMBER, part_of=whole.key)
    assert set(visible(fin, Case)) == {world.case}
    assert set(visible(fin, Report)) == {own}
    assert at_desk(fin).get(f"/cases/{world.case.id}/").status_code == 200
    assert not visible(stranger, Report).exists()
    assert not visible(stranger, Case).exists()
    for file in (whole, part):
        file.mark = Mark.AMBER_STRICT
        file.save()
    assert not visible(fin, Report).exists()
    assert not visible(fin, Case).exists()


def test_people_of_a_hosted_organisation_see_their_own_threads_and_nothing_else(house: House) -> None:
    world = make_world()
    for name in ("meridian", "uni"):
        hosted(name)
    ada, other = make_member_of("meridian", Role.DEVELOPER), make_member_of("uni", Role.DEVELOPER)
    at_desk(ada).post(
        "/desk/new/meridian/inquiry/",
        {"model_name": "Example-2", "model_sha256": "b" * 64, "planned_partner_release": "2027-01-31"},
    )
    thread = Thread.objects.get(peer="meridian")
    row = thread.letters.get()
    addresses = [f"/desk/threads/{thread.id}/", f"/desk/letters/{row.digest}/"]
    for address in addresses:
        assert at_desk(ada).get(address).status_code == 200
        absent = at_desk(other).get("/desk/threads/0190a000-0000-7000-8000-000000000000/")
        for stranger in (other, make_person(*Role), make_person()):
            answer = at_desk(stranger).get(address)
            assert (answer.status_code, answer.content) == (404, absent.content)
    assert set(visible(ada, Letter)) == {row}
    assert set(visible(ada, Thread)) == {thread}
    assert not visible(other, Letter).exists()
    for hidden in (
        f"/reviews/{world.inquiry.id}/",
        f"/cases/{world.case.id}/",
        f"/correspondence/threads/{world.inquiry.thread_id}/",
        f"/correspondence/letters/{'8' * 64}/",
        "/correspondence/keys/",
        f"/desk/letters/{'8' * 64}/",
        f"/desk/threads/{world.inquiry.thread_id}/",
    ):
        assert at_desk(ada).get(hidden).status_code == 404, hidden
    assert "Your desk" in at_desk(ada).get("/").content.decode()
    ada.memberships.all().delete()
    assert at_desk(ada).get(addresses[0]).status_code == 404


@pytest.mark.parametrize("role", Role)
def test_a_role_in_the_organisation_opens_only_the_letters_of_its_permissions(
    house: House, role: Role
) -> None:
    hosted("meridian")
    person = make_member_of("meridian", role)
    for letter_type, permission in NEEDS.items():
        allowed = permission in ROLE_PERMISSIONS[role]
        assert may_write(person, "meridian", letter_type) is allowed
        if letter_type in ("inquiry", "report", "sbom"):
            status = at_desk(person).get(f"/desk/new/meridian/{letter_type}/").status_code
            assert status == (200 if allowed else 404)
    assert not may_write(person, "office", "inquiry")
    assert not may_write(person, "meridian", "notice")


def test_nobody_of_this_house_speaks_for_an_organisation_that_it_hosts(house: House) -> None:
    hosted("meridian")
    for person in (make_person(*Role), make_person()):
        with pytest.raises(NotAllowed):
            write_letter(actor=person, organisation="meridian", letter_type="inquiry", body={})
    ada = make_member_of("meridian", Role.DEVELOPER)
    at_desk(ada).post(
        "/desk/new/meridian/inquiry/",
        {"model_name": "Example-2", "model_sha256": "b" * 64, "planned_partner_release": "2027-01-31"},
    )
    propose_agreement(actor=make_person(Role.REVIEWER), inquiry=str(Inquiry.objects.get().id), terms=TERMS)
    round_of_work()
    with pytest.raises(NotFound):
        open_at_desk(actor=make_person(*Role), letter=newest("agreement"))
    assert Letter.objects.get(type="agreement").state == "queued"
    assert set(HOSTED_ACTS) <= set(ACTS)


def test_the_key_kept_for_an_organisation_opens_no_door_but_its_desk(house: House) -> None:
    hosted("meridian")
    key = hosted_key("meridian")
    assert key.key_id != signer("letters").key_id
    assert (house.keys / "hosted" / "meridian.pem").stat().st_mode & 0o077 == 0
    peer = Peer.objects.get(name="meridian")
    with pytest.raises(WrongPurpose):
        receive(Correspondent("meridian", key, peer).letter("notice").data)
    with pytest.raises(Malformed, match="go to the house of that desk only"):
        seal(
            "checkpoint",
            {"origin": "x", "checkpoint": "y"},
            sender="meridian",
            recipient="lab",
            thread="0192f0c1-2a3b-7c4d-8e5f-0123456789ab",
            sequence=1,
            signer=key,
            now=now(),
            hosted=Hosted("office", "Ada"),
        )
    with pytest.raises(ActError, match="no organisation without a house"):
        host_organisation(actor=make_person(Role.STEWARD), organisation="office")
    host_organisation(actor=make_person(Role.STEWARD), organisation="meridian")
    assert LedgerEntry.objects.filter(kind="peer.host").count() == 1
    assert hosted_key("meridian").key_id == key.key_id
