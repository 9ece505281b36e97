# SPDX-License-Identifier: Apache-2.0
"""The acts of a review, on the lab's side and on the office's, and the letters that each answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from proofhouse.attest import canonical, sha256_hex
from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.deadlines import cancel_deadline, on_deadline, set_deadline
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import Deadline
from proofhouse.server.engine.post import Received, on_letter, send, start_thread
from proofhouse.server.engine.record import allot_number, record
from proofhouse.server.exams.models import ExamStatement, Seal
from proofhouse.server.house import this_house
from proofhouse.server.reviews.models import Agreement, Determination, Inquiry, RegisterEntry, Window
from proofhouse.server.reviews.rules import Basis, InquiryState, label_for, step, window_end

WINDOW_END = "review.window"
"""The kind of the deadline at which a window runs out."""

WIRE_LABELS = {
    "covered": "covered-frontier-model",
    "not-covered": "not-covered",
    "undetermined": "undetermined",
}


def _review_case(inquiry_id: Any) -> str:
    return f"review:{inquiry_id}"


def _model(inquiry: Inquiry) -> dict[str, Any]:
    return {"name": inquiry.model_name, "digest": {"sha256": inquiry.model_sha256}}


def _move(inquiry: Inquiry, wanted: InquiryState) -> None:
    inquiry.state = step(InquiryState(inquiry.state), wanted)
    inquiry.save(update_fields=["state"])


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)


# --- the lab's side ---------------------------------------------------------------------------------------------------


@act(Permission.REVIEWS_INQUIRY_SEND)
def inquire(
    *,
    actor: Person,
    office: str,
    model_name: str,
    model_sha256: str,
    planned_partner_release: str,
    capabilities: str,
) -> Inquiry:
    """Ask a review office whether a model is covered. Voluntary; nothing follows from not asking.

    Args:
        actor: A developer of this house.
        office: Name of the office's house.
        model_name: The model as the lab names it.
        model_sha256: Digest that binds the inquiry to exact weights or an exact endpoint description.
        planned_partner_release: ISO date of the planned release to other trusted partners.
        capabilities: What the lab says that the model can do.
    """
    identity = uuid7()
    thread = start_thread(office, subject=f"Inquiry about {model_name}", case=_review_case(identity))
    inquiry = Inquiry.objects.create(
        id=identity,
        case=thread.case,
        thread=thread,
        peer=thread.peer,
        model_name=model_name,
        model_sha256=model_sha256,
        planned_partner_release=_midnight(planned_partner_release),
        inquired_at=now(),
    )
    record("inquiry.send", thread.case, {"model": _model(inquiry), "office": office, "by": actor.email})
    send(
        "inquiry",
        thread,
        {
            "inquiry": str(identity),
            "model": _model(inquiry),
            "capabilities": capabilities,
            "planned_partner_release": planned_partner_release,
        },
    )
    return inquiry


@act(Permission.REVIEWS_AGREEMENT_ANSWER)
def accept_agreement(*, actor: Person, inquiry: str, signatory: str) -> Inquiry:
    """Agree to the newest version of the terms.

    Raises:
        ActError: No version lies open.
    """
    case = access(actor, Inquiry, id=inquiry)
    agreement = case.agreements.filter(accepted_at=None).last()
    if agreement is None:
        raise ActError("no version of the agreement waits for an answer", "nothing_to_accept")
    _move(case, InquiryState.AGREED)
    agreement.accepted_at = now()
    agreement.save(update_fields=["accepted_at"])
    record(
        "agreement.accept",
        case.case,
        {"version": agreement.version, "terms_sha256": agreement.terms_sha256, "by": actor.email},
    )
    proposal = case.thread.letters.filter(type="agreement", direction="received").latest("sequence")
    send(
        "agreement-acceptance",
        case.thread,
        {
            "agreement": str(case.id),
            "version": agreement.version,
            "letter_sha256": proposal.digest,
            "signatory": {"name": actor.name, "role": signatory},
        },
        in_reply_to=proposal,
    )
    return case


@act(Permission.REVIEWS_AGREEMENT_ANSWER)
def offer_access(*, actor: Person, inquiry: str, days: int) -> Inquiry:
    """Offer access under the accepted agreement, for at most thirty days."""
    case = access(actor, Inquiry, id=inquiry)
    _move(case, InquiryState.ACCESS_OFFERED)
    record("access.offer", case.case, {"days": days, "interface": "api", "by": actor.email})
    send(
        "access-offer",
        case.thread,
        {"agreement": str(case.id), "model": _model(case), "interface": "api", "days": days},
    )
    return case


@on_letter("agreement")
def receive_agreement(letter: Received) -> None:
    """The office proposes a version of the terms."""
    case = Inquiry.objects.get(id=letter.body["agreement"], peer=letter.thread.peer)
    _move(case, InquiryState.AGREEMENT_PROPOSED)
    _keep_agreement(case, letter.body["version"], letter.body["terms"])


@on_letter("window-opened")
def receive_window_opened(letter: Received) -> None:
    """The office says that its window is open and names what it sealed before."""
    case = Inquiry.objects.get(id=letter.body["agreement"], peer=letter.thread.peer)
    _move(case, InquiryState.ACCESS_OPEN)
    entry = record(
        "grant.receive", case.case, {"window": letter.body["window"], "seals": letter.body["seals"]}
    )
    Window.objects.create(
        id=letter.body["window"],
        inquiry=case,
        opens_at=letter.body["opens_at"],
        closes_at=letter.body["closes_at"],
        entry=entry,
    )


@on_letter("window-closed")
def receive_window_closed(letter: Received) -> None:
    """The office's access has ended; no finding is implied."""
    window = Window.objects.get(id=letter.body["window"], inquiry__peer=letter.thread.peer)
    window.closed_at = letter.body["closed_at"]
    window.save(update_fields=["closed_at"])
    _move(window.inquiry, InquiryState.CLOSED)


@on_letter("notice")
def receive_notice(letter: Received) -> None:
    """The authority tells us the label that it determined."""
    body = letter.body
    entry = record(
        "notice.receive", letter.thread.case, {"determination": body["determination"], "label": body["label"]}
    )
    Determination.objects.create(
        id=body["determination"],
        case=letter.thread.case,
        model_name=body["model"]["name"],
        model_sha256=body["model"]["digest"]["sha256"],
        developer="",
        basis=Basis.REVIEW if body["evidence"] == "developer-access" else Basis.PUBLIC_ACCESS,
        label=next(label for label, wired in WIRE_LABELS.items() if wired == body["label"]),
        entry=entry,
        decided_by=letter.thread.peer.title,
        decided_at=body["determined_at"],
    )


# --- the office's side ------------------------------------------------------------------------------------------------


@on_letter("inquiry")
def receive_inquiry(letter: Received) -> None:
    """A developer asks about a model."""
    body = letter.body
    case = _review_case(body["inquiry"])
    Inquiry.objects.create(
        id=body["inquiry"],
        case=case,
        thread=letter.thread,
        peer=letter.thread.peer,
        model_name=body["model"]["name"],
        model_sha256=body["model"]["digest"]["sha256"],
        planned_partner_release=_midnight(body["planned_partner_release"]),
        inquired_at=now(),
    )
    letter.thread.case = case
    letter.thread.save(update_fields=["case"])
    record("inquiry.receive", case, {"model": body["model"], "from": letter.thread.peer.name})


@act(Permission.REVIEWS_AGREEMENT_PROPOSE)
def propose_agreement(*, actor: Person, inquiry: str, terms: dict[str, Any]) -> Inquiry:
    """Propose a version of the terms of access; the developer is free to answer or not.

    Args:
        actor: A reviewer.
        inquiry: Id of the inquiry.
        terms: Access days, uses, the six protections, deletion and withdrawal (EO 14409 §3(b)(ii)).
    """
    case = access(actor, Inquiry, id=inquiry)
    _move(case, InquiryState.AGREEMENT_PROPOSED)
    agreement = _keep_agreement(case, case.agreements.count() + 1, terms)
    record(
        "agreement.propose",
        case.case,
        {"version": agreement.version, "terms_sha256": agreement.terms_sha256, "by": actor.email},
    )
    send(
        "agreement",
        case.thread,
        {
            "agreement": str(case.id),
            "version": agreement.version,
            "supersedes": None,
            "parties": sorted([case.peer.name, _own_name()]),
            "model": _model(case),
            "terms": terms,
        },
    )
    return case


@on_letter("agreement-acceptance")
def receive_agreement_acceptance(letter: Received) -> None:
    """The developer agrees to a version of the terms."""
    case = Inquiry.objects.get(id=letter.body["agreement"], peer=letter.thread.peer)
    agreement = case.agreements.get(version=letter.body["version"])
    _move(case, InquiryState.AGREED)
    agreement.accepted_at = now()
    agreement.save(update_fields=["accepted_at"])
    record(
        "agreement.accept",
        case.case,
        {"version": agreement.version, "terms_sha256": agreement.terms_sha256, "by": letter.thread.peer.name},
    )


@on_letter("access-offer")
def receive_access_offer(letter: Received) -> None:
    """The developer offers access."""
    case = Inquiry.objects.get(id=letter.body["agreement"], peer=letter.thread.peer)
    _move(case, InquiryState.ACCESS_OFFERED)
    record("access.offer", case.case, {"days": letter.body["days"], "interface": letter.body["interface"]})


@act(Permission.REVIEWS_WINDOW_OPEN)
def open_window(*, actor: Person, inquiry: str, days: int) -> Window:
    """Open the window: only after the bank and the rule were sealed and their receipt is there.

    Args:
        actor: A reviewer.
        inquiry: Id of the inquiry.
        days: 1 to 30 calendar days; cut at the planned release to partners.

    Raises:
        ActError: Nothing is sealed for this case, or the seal has no receipt yet.
    """
    case = access(actor, Inquiry, id=inquiry)
    seal = visible(actor, Seal).filter(case=case.case).first()
    if seal is None or not seal.entry.in_force:
        raise ActError("seal the bank and the rule first, and wait for the ledger's receipt", "not_sealed")
    opens_at = now()
    closes_at = window_end(opens_at, days, case.planned_partner_release)
    _move(case, InquiryState.ACCESS_OPEN)
    entry = record(
        "window.open",
        case.case,
        {"opens_at": wire(opens_at), "closes_at": wire(closes_at), "seal": str(seal.id), "by": actor.email},
    )
    window = Window.objects.create(inquiry=case, opens_at=opens_at, closes_at=closes_at, entry=entry)
    set_deadline(WINDOW_END, case.case, closes_at)
    send(
        "window-opened",
        case.thread,
        {
            "window": str(window.id),
            "agreement": str(case.id),
            "model": _model(case),
            "opens_at": wire(opens_at),
            "closes_at": wire(closes_at),
            "seals": [
                {
                    "kind": kind,
                    "ledger_origin": _own_origin(),
                    "index": seal.entry.log_index,
                    "leaf_sha256": sha256_hex(bytes(seal.entry.leaf)),
                }
                for kind in ("item-bank", "threshold-rule")
            ],
        },
    )
    return window


@act(Permission.REVIEWS_WINDOW_CLOSE)
def close_window(*, actor: Person, inquiry: str) -> Window:
    """Close the window because the work is done; no finding is implied."""
    case = access(actor, Inquiry, id=inquiry)
    cancel_deadline(WINDOW_END, case.case)
    return _close(case.window, "work-done", actor.email)


@on_deadline(WINDOW_END)
def close_window_at_its_end(deadline: Deadline) -> None:
    """The window has run out: it is closed, and that is all that follows (EO 14409 §3(c))."""
    window = Window.objects.select_related("inquiry__thread").get(inquiry__case=deadline.case)
    if window.inquiry.state == InquiryState.ACCESS_OPEN:
        _close(window, "term-ended", "deadline")


def _close(window: Window, reason: str, by: str) -> Window:
    case = window.inquiry
    _move(case, InquiryState.CLOSED)
    window.closed_at = now()
    window.save(update_fields=["closed_at"])
    record("window.close", case.case, {"window": str(window.id), "reason": reason, "by": by})
    send(
        "window-closed",
        case.thread,
        {"window": str(window.id), "closed_at": wire(window.closed_at), "reason": reason},
    )
    return window


# --- the authority ----------------------------------------------------------------------------------------------------


@act(Permission.AUTHORITY_DETERMINATION_MAKE)
def determine(*, actor: Person, statement: str, basis: str) -> Determination:
    """Determine whether a model is a covered frontier model, by the sealed rule and from the signed report alone.

    It needs nobody's consent, and the history of taking part is no argument of the rule (design rule 2).

    Args:
        actor: Who holds the authority's role.
        statement: SHA-256 of the accepted exam statement.
        basis: `review` or `public-access`.
    """
    exam = access(actor, ExamStatement, sha256=statement)
    label = label_for(exam.verdict)
    decided_at = now()
    number = allot_number(decided_at)
    evidence = {
        "register": number,
        "model_sha256": exam.subject_sha256,
        "label": label.value,
        "statement_sha256": exam.sha256,
        "rule_sha256": exam.seal.rule_sha256,
        "basis": Basis(basis).value,
    }
    entry = record("determination.make", exam.case, evidence | {"by": actor.email})
    determination = Determination.objects.create(
        case=exam.case,
        model_name=exam.model_name,
        model_sha256=exam.subject_sha256,
        basis=Basis(basis),
        label=label,
        statement=exam,
        entry=entry,
        decided_by=actor.name,
        decided_at=decided_at,
    )
    register = RegisterEntry.objects.create(number=number, determination=determination)
    inquiry = Inquiry.objects.filter(case=exam.case, model_sha256=exam.subject_sha256).first()
    if inquiry is not None:
        determination.developer = inquiry.peer.title
        determination.save(update_fields=["developer"])
        send("notice", inquiry.thread, _notice(determination, register))
    return determination


def _notice(determination: Determination, register: RegisterEntry) -> dict[str, Any]:
    statement = determination.statement
    if statement is None:
        raise ActError("a determination of our own rests on a statement", "no_statement")
    return {
        "determination": str(determination.id),
        "model": {"name": determination.model_name, "digest": {"sha256": determination.model_sha256}},
        "label": WIRE_LABELS[determination.label],
        "evidence": "developer-access" if determination.basis == Basis.REVIEW else "public-access",
        "verdict": statement.verdict,
        "benchmark_version": "mem.poc",
        "determined_at": wire(determination.decided_at),
        "register_entry": register.number,
        "reconsideration": "Write in this thread at any time; new evidence is measured by the same sealed rule.",
        "statement_sha256": statement.sha256,
    }


def _keep_agreement(case: Inquiry, version: int, terms: dict[str, Any]) -> Agreement:
    return Agreement.objects.create(
        inquiry=case,
        version=version,
        terms=terms,
        terms_sha256=sha256_hex(canonical(terms)),
        proposed_at=now(),
    )


def _own_name() -> str:
    return str(this_house().name)


def _own_origin() -> str:
    return str(this_house().log_origin)
