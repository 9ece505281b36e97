# SPDX-License-Identifier: Apache-2.0
"""Factories of the server tests: one for each noun."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import time
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from proofhouse.attest import Signer, sha256_hex
from proofhouse.law import FactSet, assessment_record
from proofhouse.ledger import leaf
from proofhouse.letters import LETTER_TYPES, Enclosure, Introduction, Letter, seal
from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.minting import Kind, mint
from proofhouse.server.accounts.models import (
    BreakGlass,
    Invitation,
    MachineToken,
    Membership,
    Organisation,
    Person,
)
from proofhouse.server.accounts.permissions import ROLE_PERMISSIONS, Permission, Role
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.cases.lease_rules import Mandate, Method
from proofhouse.server.cases.models import (
    Attachment,
    Bench,
    BlindCheck,
    Case,
    KnownPrint,
    Patch,
    ProductRules,
    Reading,
    Refusal,
    Report,
    ScanLease,
    ValidationRun,
)
from proofhouse.server.cases.rules import Channel, ReportState, Standard
from proofhouse.server.engine import models as engine
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.jobs.rules import JobState, Queue
from proofhouse.server.engine.keys import inspection_key
from proofhouse.server.engine.models import DoneAct, LedgerEntry, Peer, Thread
from proofhouse.server.exams.models import ExamStatement, Seal
from proofhouse.server.members.models import Match, Notification, Sbom
from proofhouse.server.obligations import models as own
from proofhouse.server.obligations.answers import foot
from proofhouse.server.obligations.own_law import law_book
from proofhouse.server.obligations.rules import MOMENTS, NARRATIVE
from proofhouse.server.oversight.models import Export
from proofhouse.server.releases.models import Acknowledgement, Agent, Enrolment, Release, ReleaseKey
from proofhouse.server.reviews.models import Agreement, Determination, Inquiry, RegisterEntry, Window
from proofhouse.server.reviews.rules import Basis, InquiryState, Label

EVERY_TYPE = frozenset(spec.name for spec in LETTER_TYPES.values())
TERMS = next(spec for spec in LETTER_TYPES.values() if spec.name == "agreement").example["terms"]
_numbers = itertools.count(1)


def make_organisation(name: str = "", *, own: bool = False, **fields: Any) -> Organisation:
    """An organisation without a house, hosted here; `own` gives the one that runs this house."""
    if own:
        fields = {"name": "office", "title": "Review Office"}
        return Organisation.objects.get_or_create(own=True, defaults=fields)[0]
    name = name or f"organisation-{next(_numbers)}"
    return Organisation.objects.create(**{"name": name, "title": name.title(), "made_at": now(), **fields})


def make_person(*roles: Role, active: bool = True, organisation: Organisation | None = None) -> Person:
    """Somebody with exactly these roles, in the house's own organisation if no other is named."""
    number = next(_numbers)
    person = Person.objects.create(
        email=f"person{number}@office.example", name=f"Person {number}", is_active=active
    )
    where = organisation or make_organisation(own=True)
    Membership.objects.bulk_create(
        [Membership(person=person, organisation=where, role=role) for role in roles]
    )
    return person


def confirm(client: Client) -> None:
    """Have the person of a test client confirm that it is them, as a click in a demonstration house does."""
    session = client.session
    session["account_authentication_methods"] = [{"method": "click", "at": time(), "reauthenticated": True}]
    session["account_authentication_methods_user"] = session["_auth_user_id"]
    session.save()


def make_invitation(email: str = "new@office.example", *roles: Role, **fields: Any) -> tuple[str, Invitation]:
    """An open invitation, with the secret of its link."""
    secret = mint(Kind.INVITATION)
    made = Invitation.objects.create(
        **{
            "secret_sha256": secret.sha256,
            "email": email,
            "name": "New Person",
            "organisation": make_organisation(own=True),
            "roles": list(roles or (Role.REVIEWER,)),
            "entry": make_entry("person.invite", "person:1"),
            "invited_at": now(),
            "expires_at": now() + timedelta(days=7),
            **fields,
        }
    )
    return secret.text, made


def make_token(person: Person, *scopes: str, **fields: Any) -> tuple[str, MachineToken]:
    """A machine's token, with its secret."""
    secret = mint(Kind.TOKEN)
    made = MachineToken.objects.create(
        **{
            "secret_sha256": secret.sha256,
            "name": "A machine",
            "organisation": make_organisation(own=True),
            "person": person,
            "scopes": list(scopes or ("api:read",)),
            "entry": make_entry("token.make", "token:1"),
            "made_at": now(),
            "expires_at": now() + timedelta(days=90),
            **fields,
        }
    )
    return secret.text, made


def make_emergency(person: Person, role: Role = Role.REVIEWER, **fields: Any) -> BreakGlass:
    """A role that was lent for an hour."""
    return BreakGlass.objects.create(
        **{
            "person": person,
            "role": role,
            "reason": "The office burns.",
            "entry": make_entry("break-glass.use", "break-glass:1"),
            "began_at": now(),
            "ends_at": now() + timedelta(hours=1),
            **fields,
        }
    )


def make_holder(permission: Permission) -> Person:
    """Somebody whose only role carries a permission."""
    return make_person(next(role for role, held in ROLE_PERMISSIONS.items() if permission in held))


def make_peer(name: str, signer: Signer, purposes: frozenset[str] = EVERY_TYPE, address: str = "") -> Peer:
    """Another house, introduced by its key."""
    introduction = Introduction(
        name, signer.public, purposes | {"acknowledgement"}, now() - timedelta(days=1)
    )
    return Peer.objects.create(
        name=name,
        title=name.title(),
        address=address or "http://127.0.0.1:9",
        introductions=[introduction.to_record()],
    )


def make_thread(peer: Peer, case: str = "") -> Thread:
    """An open correspondence."""
    return Thread.objects.create(peer=peer, subject="A matter", case=case, opened_at=now())


def make_entry(kind: str = "inquiry.send", case: str = "review:1", *, in_force: bool = True) -> LedgerEntry:
    """A ledger entry as an act leaves it; `in_force` gives it a receipt's place without a log."""
    key = secrets.token_bytes(32)
    content = {"kind": kind, "case": case, "nonce": secrets.token_hex(8)}
    return LedgerEntry.objects.create(
        kind=kind,
        case=case,
        record=content,
        record_key=key,
        leaf=bytes(leaf(kind, case, content, key, inspection_key())),
        created_at=now(),
        receipt="a receipt" if in_force else "",
    )


def make_inquiry(peer: Peer, state: InquiryState = InquiryState.INQUIRED, **fields: Any) -> Inquiry:
    """An inquiry of a developer's house."""
    identity = uuid4()
    case = f"review:{identity}"
    return Inquiry.objects.create(
        **{
            "id": identity,
            "case": case,
            "thread": make_thread(peer, case),
            "peer": peer,
            "model_name": "Example-1",
            "model_sha256": "a" * 64,
            "planned_partner_release": now() + timedelta(days=45),
            "state": state,
            "inquired_at": now(),
            **fields,
        }
    )


def make_seal(case: str, *, in_force: bool = True) -> Seal:
    """A sealed bank and rule."""
    return Seal.objects.create(
        case=case,
        commitments={
            "rule_sha256": "b" * 64,
            "items": 12,
            "plan_sha256": "c" * 64,
            "bank_root_sha256": "d" * 64,
        },
        rule_sha256="b" * 64,
        items=12,
        entry=make_entry("bank.seal", case, in_force=in_force),
        sealed_at=now(),
    )


def make_statement(seal: Seal, verdict: str = "exceeds", **fields: Any) -> ExamStatement:
    """An accepted exam report."""
    return ExamStatement.objects.create(
        **{
            "sha256": secrets.token_hex(32),
            "case": seal.case,
            "model_name": "Example-1",
            "subject_sha256": "a" * 64,
            "seal": seal,
            "verdict": verdict,
            "ability": 1.0,
            "ability_low": 0.5,
            "ability_high": 1.5,
            "outcomes": {"solved": 12},
            "tier": "T0",
            "entry": make_entry("statement.accept", seal.case),
            "accepted_at": now(),
            **fields,
        }
    )


def make_determination(case: str, *, in_force: bool = True) -> Determination:
    """A determination with its line in the register."""
    made = Determination.objects.create(
        case=case,
        model_name="Example-1",
        model_sha256="a" * 64,
        basis=Basis.REVIEW,
        label=Label.COVERED,
        entry=make_entry("determination.make", case, in_force=in_force),
        decided_by="The authority",
        decided_at=now(),
    )
    RegisterEntry.objects.create(number=f"PH-2026-{next(_numbers):06d}", determination=made)
    return made


def make_case(vendor: Peer) -> Case:
    """A case with a report, a run of its proof, and a proved patch."""
    identity = uuid4()
    case = Case.objects.create(
        id=identity,
        title="A flaw",
        product="libexample",
        identifiers=["CVE-2026-0001"],
        vendor=vendor,
        entry=make_entry("case.open", f"case:{identity}"),
        opened_at=now(),
    )
    report = Report.objects.create(
        thread=make_thread(vendor),
        finder="A finder",
        identifier="CVE-2026-0001",
        product="libexample",
        summary="It reads freed memory.",
        proof_name="proof.xml",
        recipe_sha256="e" * 64,
        provenance={"means": "fuzzer"},
        case=case,
        entry=make_entry("report.receive"),
        received_at=now(),
    )
    ValidationRun.objects.create(
        report=report,
        statement_sha256="f" * 64,
        verdict=ReportState.REPRODUCED,
        runs=3,
        crashes=3,
        real=True,
        entry=make_entry("validation.accept"),
        run_at=now(),
    )
    Patch.objects.create(case=case, name="fix.patch", sha256="1" * 64, proved=True, offered_at=now())
    return case


def make_attachment(report: Report) -> Attachment:
    """A file of a report, and what a reader and the count of refusals leave beside it."""
    Reading.objects.create(
        report=report,
        reader=make_person(Role.COORDINATOR),
        finding=ReportState.READ_REAL,
        standard=Standard.SOURCE_READ,
        grounds="Line 12 reads what line 9 freed.",
        entry=make_entry("report.read", report.entry.case),
        read_at=now(),
    )
    Refusal.objects.create(day=now().date(), channel=Channel.FORM, code="too_large", count=2)
    return Attachment.objects.create(
        report=report, name="proof.xml", sha256=put_blob(b"<proof/>"), length_bytes=8
    )


def make_lease(report: Report) -> ScanLease:
    """A scan lease with a question, a product with rules and a bench, and what is known of a report."""
    KnownPrint.objects.create(print="7" * 64, report=report)
    ProductRules.objects.create(
        product="libexample",
        product_key="libexample",
        owner="The project",
        entry=make_entry("rules.state", "rules:1"),
        stated_at=now(),
    )
    Bench.objects.create(
        product="libexample",
        product_key="libexample",
        recipe="example",
        recipe_sha256="9" * 64,
        entry=make_entry("bench.set", "bench:1"),
        set_at=now(),
    )
    identity = uuid4()
    lease = ScanLease.objects.create(
        id=identity,
        holder=make_person(),
        product="libexample",
        product_key="libexample",
        method=Method.FUZZING,
        mandate=Mandate.RESEARCH,
        mandated_by="Ada",
        mandated_on=now().date(),
        mandate_terms="All of it.",
        starts_at=now(),
        ends_at=now() + timedelta(days=1),
        lease_sha256="a" * 64,
        entry=make_entry("lease.take", f"lease:{identity}"),
        taken_at=now(),
    )
    BlindCheck.objects.create(lease=lease, print="7" * 64, known=1, asked_at=now())
    return lease


def make_file(case: str, mark: Mark, part_of: str | None = None) -> CaseFile:
    """The file of a case, by the case's name in the ledger."""
    return CaseFile.objects.create(key=case, mark=mark, part_of_id=part_of)


def make_grant(person: Person, case: str, *, days: int = 1, in_force: bool = True, **fields: Any) -> Grant:
    """A need to know that runs, or ran out `-days` ago."""
    return Grant.objects.create(
        **{
            "person": person,
            "case": case,
            "reason": "Knows the code",
            "granted_by": person,
            "granted_at": now(),
            "until": now() + timedelta(days=days),
            "entry": make_entry("grant.give", case, in_force=in_force),
            **fields,
        }
    )


def make_recusal(person: Person, case: str, *, lifted: bool | None = None) -> Recusal:
    """A conflict of interest; `lifted` is True with the receipt of its lifting, False while that is pending."""
    return Recusal.objects.create(
        person=person,
        case=case,
        reason="Wrote the code",
        since=now(),
        entry=make_entry("recusal.declare", case),
        lifting=None if lifted is None else make_entry("recusal.lift", case, in_force=lifted),
    )


def make_advisory(case: Case) -> Advisory:
    """A published advisory."""
    return Advisory.objects.create(
        number=f"PH-2026-{next(_numbers):06d}",
        case=case,
        title="A flaw",
        tlp="TLP:CLEAR",
        csaf_sha256="2" * 64,
        osv_sha256="3" * 64,
        fixed_version="2.0",
        said={"summary": "A flaw."},
        entry=make_entry("advisory.publish", f"case:{case.id}"),
        published_at=now(),
    )


def make_release(advisory: Advisory, vendor: Peer) -> Release:
    """A patch that the director names."""
    return Release.objects.create(
        item=f"item-{next(_numbers)}",
        advisory=advisory.number,
        vendor=vendor,
        path="g0/vendor/patches/fix.patch",
        sha256="1" * 64,
        length_bytes=100,
        manifest_version=2,
        entry=make_entry("release.authorise", f"case:{advisory.case_id}"),
        authorised_at=now(),
    )


def make_job(state: JobState = JobState.QUEUED, **fields: Any) -> engine.Job:
    """A piece of background work, as a row."""
    return engine.Job.objects.create(
        **{
            "name": "oversight.export",
            "queue": Queue.DESK,
            "arguments": {},
            "case": "export:1",
            "ceiling": 5,
            "state": state,
            "enqueued_at": now(),
            **fields,
        }
    )


@dataclass(frozen=True)
class World:
    """One row, at least, of every model that this program keeps."""

    inquiry: Inquiry
    case: Case
    attachment: Attachment
    lease: ScanLease
    advisory: Advisory
    notification: Notification
    release: Release
    own: OwnDesk
    job: engine.Job
    accounts: Accounts


@dataclass(frozen=True)
class Accounts:
    """One row of every model of the steward's desk."""

    person: Person
    invitation: Invitation
    invited: str
    token: MachineToken
    emergency: BreakGlass
    broken: str


def make_accounts() -> Accounts:
    """Fill the tables of the steward's desk, as its acts leave them."""
    person = make_person(Role.REVIEWER)
    invited, invitation = make_invitation()
    broken = mint(Kind.EMERGENCY)
    emergency = make_emergency(person, secret_sha256=broken.sha256)
    return Accounts(person, invitation, invited, make_token(person)[1], emergency, broken.text)


@dataclass(frozen=True)
class OwnDesk:
    """One row of every model of the obligations desk."""

    evidence: own.Evidence
    incident: own.Incident
    clock: own.ClockRun
    filing: own.Filing
    token: str


def make_own_desk() -> OwnDesk:
    """Fill the tables of the obligations desk, as its acts leave them."""
    evidence = own.Evidence.objects.create(
        sha256=put_blob(b"a card"),
        title="A card",
        file_name="card.txt",
        entry=make_entry("evidence.add"),
        added_by="somebody",
        added_at=now(),
    )
    duty = next(iter(law_book().entries(now().date()))).obligation.id
    own.EvidenceLink.objects.create(
        evidence=evidence, obligation=duty, covers="all", entry=make_entry("evidence.link"), linked_at=now()
    )
    own.ProfileFact.objects.create(
        name="org.nexus", value=["US-CA"], source="x", since=now().date(), entry=make_entry("fact.set"),
        set_by="somebody", set_at=now(),
    )  # fmt: skip
    facts = {"kinds": {}, "event": {}, "times": {}, "narrative": dict.fromkeys(NARRATIVE, "")}
    incident = own.Incident.objects.create(title="An event", facts=facts, opened_by="x", opened_at=now())
    own.IncidentVersion.objects.create(
        incident=incident, number=1, record={}, reason="opened", entry=make_entry("incident.open"),
        made_by="somebody", made_at=now(),
    )  # fmt: skip
    assessed = law_book().assess(duty, facts=FactSet({}), as_of=now().date())
    assert assessed is not None
    record = assessment_record(law_book(), assessed)
    clock = own.ClockRun.objects.create(
        incident=incident, obligation=duty, part=0, place=0, assessment=record, computed_at=now()
    )
    told = {
        **facts, "title": "An event", "version": 1, "law_day": None, "due": None, "anchor": "", "amends": None,
        "moments": dict.fromkeys(MOMENTS), "duty": record, "horizon": "2026-08-21",
        "recipient": {"name": "An office", "zone": "UTC"},
    }  # fmt: skip
    filing = own.Filing.objects.create(
        incident=incident, obligation=duty, recipient="An office", record=told, record_sha256="9" * 64,
        entry=make_entry("filing.draft"), drafted_by="somebody", drafted_at=now(),
    )  # fmt: skip
    make_bridge_and_digest(incident)
    own.CalendarDate.objects.create(
        origin="profile",
        obligation=duty,
        part=0,
        title="A date",
        at=now() + timedelta(days=3),
        changed_at=now(),
    )
    return OwnDesk(evidence, incident, clock, filing, make_feed(make_person(Role.COMPLIANCE)))


def make_bridge_and_digest(incident: own.Incident, case: str = "review:1") -> None:
    """A model by name, a consent that was withdrawn, an event that was decided about, a digest that somebody read."""
    own.AiModel.objects.create(
        name="Example-1", entry=make_entry("model.add", case), added_by="x", added_at=now()
    )
    own.Bridge.objects.create(
        since=now(), stands=False, entry=make_entry("bridge.consent", case), consented_by="x", consented_at=now(),
        withdrawal=make_entry("bridge.withdraw", case), withdrawn_by="x", withdrawn_at=now(),
    )  # fmt: skip
    own.BridgedEvent.objects.create(
        letter_sha256="8" * 64, kind="finding", model_name="Example-1", incident=incident,
        entry=make_entry("event.decide", case), decided_by="x", decided_at=now(),
    )  # fmt: skip
    record = {
        "week": "2026-W48", "house": "office", "from": "2026-11-23", "to": "2026-11-30", "note": "", "foot": foot(),
        "horizon": "2026-08-21", "changes": [], "due": [], "questions": [], "evidence_running_out": [],
    }  # fmt: skip
    digest = own.WeeklyDigest.objects.create(
        week="2026-W48", record=record, entry=make_entry("digest.make", case), made_at=now()
    )
    reader = make_person(Role.COMPLIANCE)
    own.DigestReading.objects.create(
        digest=digest, person=reader, entry=make_entry("digest.read", case), read_at=now()
    )


def make_feed(person: Person) -> str:
    """A private calendar address; returns its token."""
    token = secrets.token_urlsafe(32)
    own.CalendarFeed.objects.create(
        person=person, token_sha256=sha256_hex(token.encode()), entry=make_entry("feed.make"), made_at=now()
    )
    return token


def make_world() -> World:
    """Fill every table of a house."""
    peer = make_peer("lab", Signer.generate("letters", "lab", demo=True))
    inquiry = make_inquiry(peer, InquiryState.CLOSED)
    Agreement.objects.create(
        inquiry=inquiry, version=1, terms=TERMS, terms_sha256="4" * 64, proposed_at=now(), accepted_at=now()
    )
    Window.objects.create(
        inquiry=inquiry, opens_at=now(), closes_at=now() + timedelta(days=1), entry=make_entry("window.open")
    )
    make_statement(make_seal(inquiry.case))
    make_determination(inquiry.case)
    case = make_case(peer)
    advisory = make_advisory(case)
    release = make_release(advisory, peer)
    sbom = Sbom.objects.create(
        member=peer,
        name="gateway",
        sha256="5" * 64,
        components=3,
        entry=make_entry("sbom.receive"),
        received_at=now(),
    )
    Match.objects.create(
        sbom=sbom, advisory=advisory.number, component="libexample", answer="yes", reason="1 < 2"
    )
    notification = Notification.objects.create(
        peer=peer,
        advisory=advisory.number,
        title="A flaw",
        components=["libexample 1.0"],
        action="Update.",
        due_at=now(),
        entry=make_entry("member.notify"),
        notified_at=now(),
    )
    Acknowledgement.objects.create(
        item=release.item,
        member="clinic",
        agent="clinic-agent",
        stage="staged",
        envelope_sha256="6" * 64,
        entry=make_entry("acknowledgement.receive"),
        received_at=now(),
    )
    Agent.objects.create(name="clinic-agent", member="clinic", public_key={}, enrolled_at=now())
    Enrolment.objects.create(
        agent="clinic-agent", secret_sha256="0" * 64, entry=make_entry("enrolment.make"), made_at=now(),
        expires_at=now() + timedelta(days=1),
    )  # fmt: skip
    ReleaseKey.objects.create(vendor=peer, public_key=[], told_at=now())
    Export.objects.create(peer=peer, sha256="7" * 64, entry=make_entry("export.make"), made_at=now())
    DoneAct.objects.create(key="demo/1", act="reviews.inquire", value=None)
    engine.Deadline.objects.create(kind="review.window", case=inquiry.case, due_at=now() + timedelta(days=1))
    engine.HighWater.objects.create(at=now())
    engine.Blob.objects.create(sha256="9" * 64, content=b"bytes")
    job = make_job()
    job.steps.create(place=1, name="build", result=None, done_at=now())
    engine.Worker.objects.create(
        id="host-1", machine="m", pid=1, born=1, queues=["desk"], started_at=now(), seen_at=now()
    )
    engine.Letter.objects.create(
        digest="8" * 64,
        direction="received",
        thread=inquiry.thread,
        type="inquiry",
        sequence=1,
        body={},
        envelope=b"",
        state="received",
        written_at=now(),
    )
    make_file("case:elsewhere", Mark.AMBER_STRICT)
    make_grant(make_person(), "case:elsewhere")
    make_recusal(make_person(), "case:elsewhere")
    GateOpening.objects.create(
        person=make_person(), model="cases.Case", row=str(case.id), case="case:elsewhere",
        mark=Mark.AMBER_STRICT, rules="desk of coordinator", day=now().date(), first_at=now(),
    )  # fmt: skip
    return World(
        inquiry,
        case,
        make_attachment(case.reports.get()),
        make_lease(case.reports.get()),
        advisory,
        notification,
        release,
        make_own_desk(),
        job,
        make_accounts(),
    )


@dataclass
class Correspondent:
    """A foreign house: it has a key, and knows how to seal letters to this one."""

    name: str
    signer: Signer
    peer: Peer

    @classmethod
    def introduced(cls, name: str, purposes: frozenset[str] = EVERY_TYPE) -> Correspondent:
        """Make a house with a key and introduce it here."""
        signer = Signer.generate("letters", name, demo=True)
        return cls(name, signer, make_peer(name, signer, purposes))

    def letter(
        self,
        letter_type: str = "checkpoint",
        body: Mapping[str, Any] | None = None,
        *,
        thread: UUID | None = None,
        sequence: int = 1,
        signer: Signer | None = None,
        recipient: str = "office",
        enclosures: Sequence[Enclosure] = (),
        in_reply_to: str | None = None,
        at: datetime | None = None,
    ) -> Letter:
        """Seal a letter to the office; without a body, the example of its type."""
        spec = next(each for each in LETTER_TYPES.values() if each.name == letter_type)
        return seal(
            letter_type,
            spec.example if body is None else body,
            sender=self.name,
            recipient=recipient,
            thread=str(thread or uuid4()),
            sequence=sequence if spec.sequenced else 0,
            signer=signer or self.signer,
            now=at or now(),
            enclosures=enclosures,
            in_reply_to=in_reply_to,
        )
