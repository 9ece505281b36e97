# SPDX-License-Identifier: Apache-2.0
"""The acts of coordination: report, validation, case, embargo, vendor's answer, proved patch."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from proofhouse.attest import sha256_hex
from proofhouse.server.accounts.casefiles import join_case, keep_mark, mark_of
from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.evidence import Evidence, ProvedBug, read_evidence
from proofhouse.server.cases.models import Case, Patch, Report
from proofhouse.server.cases.prove_services import keep_run
from proofhouse.server.cases.rules import (
    PROVABLE,
    CaseState,
    EmbargoState,
    ReportState,
    step_case,
    step_embargo,
)
from proofhouse.server.cases.tasks import validate_recipe
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.jobs.port import enqueue
from proofhouse.server.engine.keys import public_keys
from proofhouse.server.engine.models import Job
from proofhouse.server.engine.post import Enclosure, Received, on_letter, send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house


def _coordination_case(case_id: Any) -> str:
    return f"case:{case_id}"


def _move(case: Case, wanted: CaseState) -> None:
    case.state = step_case(CaseState(case.state), wanted)


def _move_embargo(case: Case, wanted: EmbargoState) -> None:
    case.embargo = step_embargo(EmbargoState(case.embargo), wanted)


# --- the finder's side ------------------------------------------------------------------------------------------------


@act(Permission.CASES_REPORT_SEND)
def send_report(
    *,
    actor: Person,
    clearinghouse: str,
    identifier: str,
    title: str,
    product: dict[str, str],
    description: str,
    claimed_crash: str,
    provenance: dict[str, Any],
    recipe: dict[str, str],
    proofs: list[dict[str, str]],
) -> dict[str, str]:
    """Report one vulnerability to a clearinghouse, with proofs that run.

    Args:
        actor: Who reports.
        clearinghouse: Name of its house.
        identifier: The name that the flaw goes by, for instance a CVE.
        title: One line.
        product: `name`, `version`, `purl`.
        description: What happens, in words.
        claimed_crash: Sanitizer class that the proof shows.
        provenance: How it was found (`means`, `tool`, `model`).
        recipe: The recipe that builds and runs it: `name` and `content` (base64).
        proofs: Files of the proof: `name` and `content` (base64).
    """
    identity = str(uuid7())
    thread = start_thread(clearinghouse, subject=title, case=f"report:{identity}")
    enclosed = [
        Enclosure(file["name"], "application/octet-stream", base64.b64decode(file["content"], validate=True))
        for file in [recipe, *proofs]
    ]
    record("report.send", thread.case, {"identifier": identifier, "to": clearinghouse, "by": actor.email})
    send(
        "report",
        thread,
        {
            "report": identity,
            "title": title,
            "identifiers": [identifier],
            "product": product,
            "description": description,
            "proofs": [file["name"] for file in proofs],
            "recipe": recipe["name"],
            "claimed_crash": claimed_crash,
            "provenance": {**provenance, "found_at": wire(now())},
            "credit": [actor.name],
            "tlp": "TLP:AMBER",
        },
        enclosures=enclosed,
    )
    return {"report": identity}


# --- the clearinghouse's side -----------------------------------------------------------------------------------------


_RECIPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


@act(Permission.CASES_CASE_COORDINATE)
def validate(*, actor: Person, recipe: str, title: str, product: str) -> Job:
    """Have the proofs of reports run; what running them shows is taken in as by `accept_validation`.

    Args:
        actor: A coordinator, who has put the recipe together from what the reports enclose.
        recipe: Name of one of the house's recipes (`recipes/NAME/`).
        title: Title of the case.
        product: Name of the product.

    Raises:
        ActError: There is no such recipe.
    """
    file = this_house().recipe(recipe)
    if not _RECIPE.fullmatch(recipe) or not file.is_file():
        raise ActError("there is no recipe of this name in the house's recipes", "no_recipe")
    arguments = {
        "recipe": recipe,
        "recipe_sha256": sha256_hex(file.read_bytes()),
        "title": title,
        "product": product,
        "by": actor.email,
    }
    return enqueue(
        validate_recipe, arguments, asked_by=actor, key=f"validate:{arguments['recipe_sha256'][:32]}"
    )


@act(Permission.CASES_CASE_COORDINATE)
def accept_validation(*, actor: Person, title: str, product: str, envelope: str) -> Case | None:
    """Take in one signed validation statement and merge what one fix mends.

    Execution decides: a report is reproduced by three crashes out of three, and reports become one case only where the
    kill matrix shows one patch that stops each of them (design rule 5). Each bug becomes a case of its own, with the
    patches that mend it alone; the first is given back. Where nothing was reproduced the verdicts are kept and there is
    no case: that is how a report comes to be out of its product's model.

    Args:
        actor: A coordinator.
        title: Title of the case.
        product: Name of the product.
        envelope: The DSSE envelope that `proofhouse validate` signed, base64.

    Raises:
        ActError: Nothing in the statement belongs to a report that waits here, or what was reproduced is one bug with
            reports that do not wait here.
    """
    content = base64.b64decode(envelope, validate=True)
    evidence = read_evidence(content, public_keys("validation"))
    digest = put_blob(content)
    waiting = {
        row.identifier: row for row in visible(actor, Report).filter(state__in=PROVABLE, product=product)
    }
    proved = {name: proof for proof in evidence.proofs for name in proof.identifiers if name in waiting}
    if not proved:
        raise ActError("no report that waits here is named in this statement", "no_report")
    entry = record(
        "validation.accept",
        f"validation:{digest[:32]}",
        {
            "statement_sha256": digest,
            "verdicts": {name: proof.verdict.value for name, proof in proved.items()},
            "by": actor.email,
        },
    )
    for name, proof in proved.items():
        keep_run(waiting[name], proof, digest, evidence.real, entry)
    reproduced = {name for name, proof in proved.items() if proof.verdict is ReportState.REPRODUCED}
    bugs = [bug for bug in evidence.bugs if set(bug.identifiers) <= reproduced]
    if reproduced and not bugs:
        raise ActError("the kill matrix joins none of the reports that wait here", "nothing_to_merge")
    opened = [_open_case(actor, title, product, bug, waiting, evidence, digest) for bug in bugs]
    if not opened:
        return None
    join_case(entry.case, opened[0].entry.case)
    return opened[0]


def _open_case(
    actor: Person,
    title: str,
    product: str,
    bug: ProvedBug,
    waiting: dict[str, Report],
    evidence: Evidence,
    digest: str,
) -> Case:
    reports = [waiting[name] for name in bug.identifiers]
    identity = uuid7()
    identifiers = sorted(report.identifier for report in reports)
    entry = record(
        "case.open",
        _coordination_case(identity),
        {
            "identifiers": identifiers,
            "reports": sorted(str(report.id) for report in reports),
            "statement_sha256": digest,
            "by": actor.email,
        },
    )
    case = Case.objects.create(
        id=identity, title=title, product=product, identifiers=identifiers, entry=entry, opened_at=now()
    )
    repeated = Report.objects.filter(duplicate_of__in=reports).select_related("entry")
    for report in [*reports, *repeated]:  # who came second keeps the credit as well
        if report.case_id is None:  # one that needs two fixes is found from the first of its cases
            report.case = case
            report.save(update_fields=["case"])
            join_case(report.entry.case, entry.case)
    for patch in evidence.patches:
        if bug.patches and patch.name not in bug.patches and patch.proved:
            continue  # it mends another
        Patch.objects.create(
            case=case,
            name=patch.name,
            sha256=patch.sha256,
            proof_sha256=digest,
            proved=patch.proved,
            offered_at=now(),
        )
    return case


@act(Permission.CASES_CASE_COORDINATE)
def notify_vendor(
    *, actor: Person, case: str, vendor: str, product: dict[str, str], embargo_until: str
) -> Case:
    """Tell the vendor of a validated case once, with the proofs, and propose an embargo.

    Args:
        actor: A coordinator.
        case: Id of the case.
        vendor: Name of the vendor's house.
        product: The product as the vendor knows it.
        embargo_until: RFC 3339 instant until which both keep silent.
    """
    row = access(actor, Case, id=case)
    _move(row, CaseState.VENDOR_NOTIFIED)
    _move_embargo(row, EmbargoState.PROPOSED)
    row.thread = start_thread(vendor, subject=row.title, case=_coordination_case(row.id))
    row.vendor = row.thread.peer
    row.embargo_until = datetime.fromisoformat(embargo_until)
    row.save()
    until = wire(row.embargo_until)
    record("embargo.set", row.thread.case, {"until": until, "state": "proposed", "by": actor.email})
    common = {"case": str(row.id), "tlp": mark_of(row.thread.case), "identifiers": row.identifiers}
    send(
        "case-message",
        row.thread,
        common | {"act": "vendor-notified", "products": [product], "text": row.title},
    )
    send("case-message", row.thread, common | {"act": "embargo-proposed", "embargo_until": until})
    return row


@act(Permission.CASES_CASE_COORDINATE)
def accept_patch(*, actor: Person, case: str) -> Case:
    """Take the vendor's patch: only the patch whose proof this house has run and signed.

    Raises:
        ActError: The vendor has offered none, or what it offered was not proved by execution.
    """
    row = access(actor, Case, id=case)
    if row.thread is None:
        raise ActError("no vendor was told of this case yet", "no_vendor")
    offer = row.thread.letters.filter(
        type="case-message", direction="received", body__act="patch-offered"
    ).last()
    if offer is None:
        raise ActError("the vendor has offered no patch yet", "no_patch")
    offered = Received.reopen(offer)
    digest = offered.digests[offer.body["patch"]]
    patch = row.patches.filter(sha256=digest, proved=True).first()
    if patch is None:
        raise ActError("the offered patch is not one that was proved by execution", "not_proved")
    _move(row, CaseState.FIX_PROVED)
    row.save(update_fields=["state"])
    record(
        "patch.accept",
        row.thread.case,
        {"patch_sha256": digest, "statement_sha256": patch.proof_sha256, "by": actor.email},
    )
    return row


@act(Permission.CASES_CASE_COORDINATE)
def lift_embargo(*, actor: Person, case: str) -> Case:
    """End the embargo: the fix is proved and both sides are ready."""
    row = access(actor, Case, id=case)
    if row.thread is None:
        raise ActError("no vendor was told of this case yet", "no_vendor")
    _move_embargo(row, EmbargoState.EXITED)
    row.save(update_fields=["embargo"])
    record("embargo.lift", row.thread.case, {"by": actor.email})
    send("case-message", row.thread, {"case": str(row.id), "act": "embargo-lifted", "tlp": "TLP:GREEN"})
    return row


# --- the vendor's side, and both sides' letters -----------------------------------------------------------------------


@on_letter("case-message")
def receive_case_message(letter: Received) -> None:
    """The other side of a case moves it on."""
    answers = {
        "vendor-notified": _vendor_notified,
        "embargo-proposed": _embargo_proposed,
        "vendor-acknowledged": _vendor_acknowledged,
        "embargo-accepted": _embargo_accepted,
        "patch-offered": _patch_offered,
        "embargo-lifted": _embargo_lifted,
    }
    answer = answers.get(letter.body["act"])
    if answer is not None:
        answer(letter)
        keep_mark(letter.thread.case, letter.body["tlp"])


def _case_of(letter: Received) -> Case:
    return Case.objects.get(id=letter.body["case"], thread=letter.thread)


def _vendor_notified(letter: Received) -> None:
    body = letter.body
    case = _coordination_case(body["case"])
    letter.thread.case = case
    letter.thread.save(update_fields=["case"])
    entry = record("case.open", case, {"identifiers": body["identifiers"], "from": letter.thread.peer.name})
    Case.objects.create(
        id=body["case"],
        title=body.get("text", "")[:200],
        product=body["products"][0]["name"],
        identifiers=body["identifiers"],
        state=CaseState.VENDOR_NOTIFIED,
        vendor=None,
        thread=letter.thread,
        entry=entry,
        opened_at=now(),
    )


def _embargo_proposed(letter: Received) -> None:
    case = _case_of(letter)
    _move_embargo(case, EmbargoState.PROPOSED)
    case.embargo_until = datetime.fromisoformat(letter.body["embargo_until"])
    case.save(update_fields=["embargo", "embargo_until"])


def _vendor_acknowledged(letter: Received) -> None:
    case = _case_of(letter)
    _move(case, CaseState.VENDOR_ACKNOWLEDGED)
    case.save(update_fields=["state"])
    record("case.answer", letter.thread.case, {"act": "vendor-acknowledged", "letter": letter.row.digest})


def _embargo_accepted(letter: Received) -> None:
    case = _case_of(letter)
    _move_embargo(case, EmbargoState.ACTIVE)
    case.save(update_fields=["embargo"])
    record("embargo.set", letter.thread.case, {"until": letter.body["embargo_until"], "state": "active"})


def _patch_offered(letter: Received) -> None:
    for content in letter.enclosures.values():
        put_blob(content)
    record(
        "patch.offer",
        letter.thread.case,
        {"patch_sha256": letter.digests[letter.body["patch"]], "letter": letter.row.digest},
    )


def _embargo_lifted(letter: Received) -> None:
    case = _case_of(letter)
    _move_embargo(case, EmbargoState.EXITED)
    case.save(update_fields=["embargo"])
    record("embargo.lift", letter.thread.case, {"letter": letter.row.digest})


@act(Permission.CASES_CASE_ANSWER)
def acknowledge_case(*, actor: Person, case: str) -> Case:
    """The vendor acknowledges a case and accepts the embargo that was proposed."""
    row = access(actor, Case, id=case)
    if row.thread is None or row.embargo_until is None:
        raise ActError("this case has no thread or no proposed embargo to answer", "nothing_to_answer")
    _move(row, CaseState.VENDOR_ACKNOWLEDGED)
    _move_embargo(row, EmbargoState.ACTIVE)
    row.save()
    record("case.answer", row.thread.case, {"act": "vendor-acknowledged", "by": actor.email})
    common = {"case": str(row.id), "tlp": mark_of(row.thread.case)}
    send("case-message", row.thread, common | {"act": "vendor-acknowledged", "status": "affected"})
    send(
        "case-message",
        row.thread,
        common | {"act": "embargo-accepted", "embargo_until": wire(row.embargo_until)},
    )
    return row


@act(Permission.CASES_CASE_ANSWER)
def offer_patch(*, actor: Person, case: str, name: str, content: str, fixed_version: str) -> Case:
    """The vendor offers a patch.

    Args:
        actor: A maintainer.
        case: Id of the case.
        name: File name of the patch.
        content: Its bytes, base64.
        fixed_version: First version that holds it.
    """
    row = access(actor, Case, id=case)
    if row.thread is None:
        raise ActError("this case has no thread to answer in", "nothing_to_answer")
    patch = base64.b64decode(content, validate=True)
    digest = put_blob(patch)
    Patch.objects.create(case=row, name=name, sha256=digest, offered_at=now())
    record("patch.offer", row.thread.case, {"patch_sha256": digest, "by": actor.email})
    send(
        "case-message",
        row.thread,
        {
            "case": str(row.id),
            "act": "patch-offered",
            "tlp": mark_of(row.thread.case),
            "patch": name,
            "fixed_version": fixed_version,
        },
        enclosures=[Enclosure(name, "text/x-diff", patch)],
    )
    return row
