# SPDX-License-Identifier: Apache-2.0
"""The acts of intake: a report comes in, however it was written, and gets its place in a queue in the same transaction.

What is there already is known at once (T0: the same words, or the same proof against the same product); a report that
its finder sends again is the same report. What a finder is told is the same for a new report and for a repetition,
because the words of a scanner can be guessed and the answer would say what others have found.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils.crypto import salted_hmac

from proofhouse.formats import (
    Finding,
    read_csaf_findings,
    read_osv_findings,
    read_sarif,
)
from proofhouse.server.accounts.casefiles import keep_mark
from proofhouse.server.accounts.models import Organisation, Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases import intake_store, quota
from proofhouse.server.cases.lease_services import keep_prints, prints_of, require_lease
from proofhouse.server.cases.models import Attachment, KnownPrint, Refusal, Report
from proofhouse.server.cases.prove_services import run_if_benched
from proofhouse.server.cases.rules import Channel, ReportState
from proofhouse.server.cases.submission import (
    Submission,
    SubmissionRefused,
    digest_of_proof,
    from_base64,
    of_finding,
    submission,
)
from proofhouse.server.engine.acts import act, one_transaction
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.post import Received, on_letter
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house

ROWS_A_STATEMENT = 200
DAY = timedelta(days=1)
READERS = {
    Channel.SARIF.value: read_sarif,
    Channel.CSAF.value: read_csaf_findings,
    Channel.OSV.value: read_osv_findings,
}
"""The documents that hold reports, by what they are called."""


class QuotaUsed(SubmissionRefused):
    """The finder has sent as many reports today as its record allows."""

    def __init__(self, left: int, wanted: int) -> None:
        super().__init__(
            f"{wanted} reports came, {left} may come today; send first what you can prove", "quota_used"
        )


@dataclass(frozen=True)
class Finder:
    """Who reports.

    Attributes:
        key: By what the finder's reports are counted and known again.
        title: What people read.
        person: Who has signed in, if anybody has.
        contact: Where an answer goes, if somebody without an account said so; nobody has checked it.
    """

    key: str
    title: str
    person: Person | None = None
    contact: str = ""


ANONYMOUS = "anonymous"


def finder_of(person: Person) -> Finder:
    """A person of this house as a finder."""
    return Finder(f"person:{person.id}", person.name, person)


def finder_of_machine(person: Person, organisation: Organisation) -> Finder:
    """A machine's organisation as a finder; a machine of this house's own reports as the person who made its token."""
    if organisation.own:
        return finder_of(person)
    return Finder(f"organisation:{organisation.name}", organisation.title, person)


def unknown_finder(contact: str) -> Finder:
    """Somebody without an account. An address that they give is no proof of who they are, and earns nothing."""
    return Finder(ANONYMOUS, "Anonymous", None, contact)


# --- taking in --------------------------------------------------------------------------------------------------------


@act(Permission.CASES_REPORT_SUBMIT)
def submit_report(
    *,
    actor: Person,
    title: str,
    product: str,
    description: str,
    version: str = "",
    identifier: str = "",
    claimed_crash: str = "",
    weakness: str = "",
    location: str = "",
    provenance: dict[str, Any] | None = None,
    files: list[dict[str, str]] | None = None,
    recipe: str | None = None,
    lease: str = "",
) -> dict[str, str]:
    """Report one vulnerability to this house, with the files that show it.

    Args:
        actor: Who reports, and keeps the credit.
        title: One line.
        product: Name of the product.
        description: What happens, in words.
        version: Where it was found.
        identifier: A name that the flaw goes by.
        claimed_crash: Sanitizer class that the proof shows.
        weakness: `CWE-…`.
        location: Where in the product.
        provenance: How it was found: `means`, `tool`, `model`, `prompt_class`.
        files: The proof: `name` and `content` (base64) of each file.
        recipe: What builds the product and runs the proof (docs/spec/recipe.md), base64.
        lease: Id of the actor's running scan lease for the product, under which it was found.

    Raises:
        SubmissionRefused: A field cannot be taken, the lease does not cover it, or the finder's reports of today are
            used up.
    """
    made = submission(
        title=title,
        product=product,
        description=description,
        version=version,
        identifier=identifier,
        claimed_crash=claimed_crash,
        weakness=weakness,
        location=location,
        provenance=provenance,
        files=[(file["name"], from_base64(file["content"], file["name"])) for file in files or ()],
        recipe=None if recipe is None else from_base64(recipe, "recipe"),
        lease=lease,
    )
    require_lease(actor, [made])
    (report,) = take_all(Channel.REST, finder_of(actor), [made])
    return told(report)


@act(Permission.CASES_REPORT_SUBMIT)
def submit_document(
    *,
    actor: Person,
    format: str,  # noqa: A002 - the word of whoever sends it
    content: str,
    product: str = "",
    provenance: dict[str, Any] | None = None,
    lease: str = "",
) -> dict[str, Any]:
    """Report what a document tells: each result of a SARIF log, each vulnerability of a CSAF document, an OSV record.

    All of it is taken or nothing.

    Args:
        actor: Who reports.
        format: `sarif`, `csaf` or `osv`.
        content: The document, base64.
        product: Name of the product, where the document names none.
        provenance: How it was found; a document that names its tool is believed.
        lease: Id of the actor's running scan lease for the product, under which all of it was found.

    Raises:
        FindingsError: It is no such document, or too large.
        SubmissionRefused: It names no product, the lease does not cover it, or more reports than may come today.
    """
    return take_document(
        format, from_base64(content, "content"), finder_of(actor), product, provenance or {}, lease
    )


def take_document(
    form: str, document: bytes, finder: Finder, product: str, provenance: dict[str, Any], lease: str = ""
) -> dict[str, Any]:
    """Take the reports of a document as part of the act under way."""
    if form not in READERS:
        raise SubmissionRefused(f"format: one of {', '.join(READERS)}", "unknown_format")
    found: list[Finding] = READERS[form](document)
    made = [of_finding(finding, product, provenance, lease=lease) for finding in found]
    require_lease(finder.person, made)
    reports = take_all(Channel(form), finder, made, document_sha256=put_blob(document)) if made else []
    return {"reports": [told(report) for report in reports]}


def take_report(made: Submission, channel: Channel, finder: Finder) -> Report:
    """Take one report from somebody whom a form, a token or a mailbox let in; an act of the house itself.

    Raises:
        SubmissionRefused: The finder's reports of today are used up.
    """
    with one_transaction("cases.take_report"):
        (report,) = take_all(channel, finder, [made])
    return report


def refuse(channel: Channel, code: str) -> None:
    """Count an attempt that was refused, so that every one is accounted for."""
    with one_transaction("cases.refuse"):
        count_refusal(channel, code)


def count_refusal(channel: Channel, code: str) -> None:
    """The same, as part of the act under way."""
    row, _ = Refusal.objects.get_or_create(
        day=now().date(), channel=channel, code=code[:40], defaults={"count": 0}
    )
    Refusal.objects.filter(pk=row.pk).update(count=F("count") + 1)


def told(report: Report) -> dict[str, str]:
    """What a finder is told at once: the report's id, and the slip by which alone one sees how it stands."""
    return {
        "report": str(report.id),
        "slip": f"{this_house().address}/report/{report.id}/{slip_of(report.id)}/",
    }


def slip_of(report: UUID) -> str:
    """The secret that goes with a report; made from its id under the house's key, so that none is stored."""
    return salted_hmac("proofhouse.cases.slip", str(report), algorithm="sha256").hexdigest()[:40]


def report_of_slip(report: UUID, slip: str) -> Report | None:
    """The report, for whoever holds its slip."""
    if not secrets.compare_digest(slip_of(report).encode(), slip.encode()):
        return None
    return Report.objects.select_related("duplicate_of", "case").filter(id=report).first()


def take_all(
    channel: Channel, finder: Finder, made: list[Submission], *, document_sha256: str = ""
) -> list[Report]:
    """Take reports of one finder as part of the act under way, all or none; those that were sent before stay one.

    Raises:
        QuotaUsed: They are more than the finder may send today.
    """
    digests = [each.content_sha256 for each in made]
    known = intake_store.sent_before(finder.key, finder.contact, digests)
    fresh = {digest: each for digest, each in zip(digests, made, strict=True) if digest not in known}
    if fresh:
        _within_quota(finder, len(fresh))
        known |= _keep_all(channel, finder, fresh, document_sha256)
    return [known[digest] for digest in digests]


def _within_quota(finder: Finder, wanted: int) -> None:
    today = intake_store.sent_since(finder.key, now() - DAY)
    most = quota.ANONYMOUS if finder.key == ANONYMOUS else quota.allowance(track_record(finder.key))
    if today + wanted > most:
        raise QuotaUsed(max(0, most - today), wanted)


def track_record(finder_key: str) -> quota.TrackRecord:
    """What came of a finder's reports so far."""
    return quota.TrackRecord(*intake_store.came_of(finder_key))


def _keep_all(
    channel: Channel, finder: Finder, made: dict[str, Submission], document_sha256: str
) -> dict[str, Report]:
    """Reports that are new, by the digest of what they say."""
    firsts = intake_store.said_before(list(made))
    reports, files, prints = {}, [], []
    for digest, each in made.items():
        identity = uuid7()
        stored = [(file, put_blob(file.content)) for file in each.files]
        recipe = next((sha256 for file, sha256 in stored if file.recipe), "")
        first = firsts.get(digest) or intake_store.shown_before(
            each.product, each.proof_sha256, each.identifier
        )
        entry = record(
            "report.receive",
            f"report:{identity}",
            {
                "channel": channel.value,
                "identifiers": [each.identifier] if each.identifier else [],
                "content_sha256": digest,
                "recipe_sha256": recipe,
            },
        )
        report = reports[digest] = Report(
            id=identity,
            channel=channel,
            finder=finder.title,
            finder_key=finder.key,
            submitter=finder.person,
            contact=finder.contact,
            title=each.title,
            identifier=each.identifier,
            product=each.product,
            version=each.version,
            summary=each.description,
            claimed_crash=each.claimed_crash,
            weakness=each.weakness,
            location=each.location,
            proof_name=next((file.name for file in each.proofs), ""),
            recipe_sha256=recipe,
            content_sha256=digest,
            proof_sha256=each.proof_sha256,
            document_sha256=document_sha256,
            provenance=dict(each.provenance),
            lease_id=each.lease or None,
            state=_state(bool(first), bool(each.proofs)),
            duplicate_of_id=first,
            entry=entry,
            received_at=now(),
        )
        files += [
            Attachment(
                report=report,
                name=file.name,
                sha256=sha256,
                length_bytes=len(file.content),
                recipe=file.recipe,
            )
            for file, sha256 in stored
        ]
        prints += prints_of(report, [report.claimed_crash, report.weakness])
    Report.objects.bulk_create(reports.values(), batch_size=ROWS_A_STATEMENT)
    Attachment.objects.bulk_create(files)
    KnownPrint.objects.bulk_create(prints)
    for report in reports.values():
        if report.state == ReportState.QUEUED:
            run_if_benched(report)
    return reports


def _state(repeats: bool, shows: bool) -> ReportState:
    """Where a report goes that has just come in."""
    if repeats:
        return ReportState.DUPLICATE
    return ReportState.QUEUED if shows else ReportState.NEEDS_HUMAN


@on_letter("report")
def receive_report(letter: Received) -> None:
    """A finder reports a vulnerability by letter. The raw report and its files are kept as they came."""
    body = letter.body
    for content in letter.enclosures.values():
        put_blob(content)
    case = f"report:{body['report']}"
    letter.thread.case = case
    letter.thread.save(update_fields=["case"])
    recipe_sha256 = letter.digests[body["recipe"]] if "recipe" in body else ""
    identifier = next(iter(body["identifiers"]), "")
    proof_sha256 = digest_of_proof(letter.enclosures[name] for name in body["proofs"])
    first = intake_store.shown_before(body["product"]["name"], proof_sha256, identifier)
    entry = record(
        "report.receive",
        case,
        {
            "identifiers": body["identifiers"],
            "from": letter.thread.peer.name,
            "letter": letter.row.digest,
            "recipe_sha256": recipe_sha256,
        },
    )
    keep_mark(case, body["tlp"])
    report = Report.objects.create(
        id=body["report"],
        thread=letter.thread,
        finder=letter.thread.peer.title,
        finder_key=f"house:{letter.thread.peer_id}",
        title=body["title"],
        identifier=identifier,
        product=body["product"]["name"],
        version=body["product"].get("version", ""),
        summary=body["description"],
        claimed_crash=body.get("claimed_crash", ""),
        weakness=body.get("weakness", ""),
        proof_name=body["proofs"][0],
        recipe_sha256=recipe_sha256,
        proof_sha256=proof_sha256,
        provenance=body["provenance"],
        state=_state(bool(first), True),
        duplicate_of_id=first,
        entry=entry,
        received_at=now(),
    )
    Attachment.objects.bulk_create(
        Attachment(
            report=report,
            name=name,
            sha256=letter.digests[name],
            length_bytes=len(content),
            recipe=name == body.get("recipe"),
        )
        for name, content in letter.enclosures.items()
    )
    keep_prints(report, [report.claimed_crash, report.weakness])
    if report.state == ReportState.QUEUED:
        run_if_benched(report)
