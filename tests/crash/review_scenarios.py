# SPDX-License-Identifier: Apache-2.0
"""Reviews, exams and determinations, from both sides."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from crash.scenarios import act, example, letter, move_clock, of_act, of_letter, of_other, other, receive
from crash.stage import Stage
from proofhouse.attest import sign_statement, statement
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.keys import signer
from proofhouse.server.exams.evidence import REPORT_TYPE
from proofhouse.server.exams.models import ExamStatement, Seal
from proofhouse.server.reviews.models import Inquiry, Window
from proofhouse.server.reviews.rules import InquiryState
from server.makers import TERMS, make_inquiry

MODEL = {"name": "Example-1", "digest": {"sha256": "a" * 64}}
COMMITMENTS = {
    "rule_sha256": "b" * 64,
    "items": 12,
    "plan_sha256": "c" * 64,
    "bank_root_sha256": "d" * 64,
}


def inquiry(stage: Stage, state: InquiryState) -> Inquiry:
    """An inquiry of the lab in some state."""
    return make_inquiry(other(stage, "lab").peer, state)


def proposed(stage: Stage) -> Inquiry:
    """An inquiry whose agreement this house has proposed."""
    made = inquiry(stage, InquiryState.INQUIRED)
    return act("reviews.propose_agreement", Role.REVIEWER, inquiry=str(made.id), terms=TERMS)  # type: ignore[no-any-return]


def sealed(stage: Stage) -> Inquiry:
    """An inquiry with access offered and a sealed bank."""
    made = inquiry(stage, InquiryState.ACCESS_OFFERED)
    act("exams.seal_bank", Role.AUTHORITY, case=made.case, commitments=COMMITMENTS)
    return made


def opened(stage: Stage) -> Inquiry:
    """An inquiry whose window is open."""
    made = sealed(stage)
    act("reviews.open_window", Role.REVIEWER, inquiry=str(made.id), days=14)
    return made


def exam_report() -> str:
    """A signed exam report under the sealed plan, base64."""
    predicate = {
        **COMMITMENTS,
        "verdict": "exceeds",
        "subject_sha256": "a" * 64,
        "outcomes": {"solved": 12},
        "model": "Example-1",
        "estimate": {"ability": 1.0, "low": 0.5, "high": 1.5},
        "tier": "T0",
    }
    subject = [{"name": "Example-1", "digest": {"sha256": "a" * 64}}]
    envelope = sign_statement(statement(subject, REPORT_TYPE, predicate), [signer("exam")])
    return base64.b64encode(envelope.to_json()).decode()


def examined(stage: Stage) -> ExamStatement:
    """An accepted exam report."""
    case = opened(stage).case
    seal = str(Seal.objects.get().id)
    return act(  # type: ignore[no-any-return]
        "exams.accept_statement", Role.REVIEWER, seal=seal, case=case, envelope=exam_report()
    )


# --- the lab's side ---------------------------------------------------------------------------------------------------


@of_act("reviews.inquire", Role.DEVELOPER)
def _inquire(stage: Stage) -> dict[str, Any]:
    return {
        "office": "clearing",
        "model_name": "Example-1",
        "model_sha256": "a" * 64,
        "planned_partner_release": "2027-02-01",
        "capabilities": "Writes C.",
    }


def _proposal(stage: Stage, made: Inquiry) -> bytes:
    return letter(
        stage,
        "lab",
        "agreement",
        example("agreement", agreement=str(made.id), parties=["lab", "office"]),
        thread=made.thread,
    )


@of_letter("agreement")
def _agreement(stage: Stage) -> bytes:
    return _proposal(stage, inquiry(stage, InquiryState.INQUIRED))


@of_act("reviews.accept_agreement", Role.DEVELOPER)
def _accept_agreement(stage: Stage) -> dict[str, Any]:
    made = inquiry(stage, InquiryState.INQUIRED)
    receive(_proposal(stage, made))
    return {"inquiry": str(made.id), "signatory": "Counsel"}


@of_act("reviews.offer_access", Role.DEVELOPER)
def _offer_access(stage: Stage) -> dict[str, Any]:
    return {"inquiry": str(inquiry(stage, InquiryState.AGREED).id), "days": 14}


def _window_opened(stage: Stage, made: Inquiry) -> bytes:
    body = example("window-opened", agreement=str(made.id), model=MODEL)
    return letter(stage, "lab", "window-opened", body, thread=made.thread)


@of_letter("window-opened")
def _opened(stage: Stage) -> bytes:
    return _window_opened(stage, inquiry(stage, InquiryState.ACCESS_OFFERED))


@of_letter("window-closed")
def _closed(stage: Stage) -> bytes:
    made = inquiry(stage, InquiryState.ACCESS_OFFERED)
    receive(_window_opened(stage, made))
    body = example("window-closed", window=str(Window.objects.get().id))
    return letter(stage, "lab", "window-closed", body, thread=made.thread)


@of_letter("notice")
def _notice(stage: Stage) -> bytes:
    return letter(
        stage, "lab", "notice", example("notice"), thread=inquiry(stage, InquiryState.CLOSED).thread
    )


# --- the office's side ------------------------------------------------------------------------------------------------


@of_letter("inquiry")
def _inquiry(stage: Stage) -> bytes:
    return letter(stage, "lab", "inquiry", example("inquiry"))


@of_act("reviews.propose_agreement", Role.REVIEWER)
def _propose(stage: Stage) -> dict[str, Any]:
    return {"inquiry": str(inquiry(stage, InquiryState.INQUIRED).id), "terms": TERMS}


@of_letter("agreement-acceptance")
def _acceptance(stage: Stage) -> bytes:
    made = proposed(stage)
    sent = made.thread.letters.get(type="agreement")
    body = example("agreement-acceptance", agreement=str(made.id), letter_sha256=sent.digest)
    return letter(stage, "lab", "agreement-acceptance", body, thread=made.thread, in_reply_to=sent.digest)


@of_letter("access-offer")
def _access_offer(stage: Stage) -> bytes:
    made = inquiry(stage, InquiryState.AGREED)
    body = example("access-offer", agreement=str(made.id), model=MODEL)
    return letter(stage, "lab", "access-offer", body, thread=made.thread)


@of_act("exams.seal_bank", Role.AUTHORITY)
def _seal(stage: Stage) -> dict[str, Any]:
    return {"case": inquiry(stage, InquiryState.ACCESS_OFFERED).case, "commitments": COMMITMENTS}


@of_act("reviews.open_window", Role.REVIEWER)
def _open_window(stage: Stage) -> dict[str, Any]:
    return {"inquiry": str(sealed(stage).id), "days": 14}


@of_act("reviews.close_window", Role.REVIEWER)
def _close_window(stage: Stage) -> dict[str, Any]:
    return {"inquiry": str(opened(stage).id)}


@of_other("deadline review.window", move_clock)
def _window_end(stage: Stage) -> Any:
    opened(stage)
    return Window.objects.get().closes_at + timedelta(minutes=1)


@of_act("exams.accept_statement", Role.REVIEWER)
def _statement(stage: Stage) -> dict[str, Any]:
    case = opened(stage).case
    return {"seal": str(Seal.objects.get().id), "case": case, "envelope": exam_report()}


@of_act("reviews.determine", Role.AUTHORITY)
def _determine(stage: Stage) -> dict[str, Any]:
    return {"statement": examined(stage).sha256, "basis": "review"}


@of_act("exams.open_seal", Role.AUTHORITY)
def _open_seal(stage: Stage) -> dict[str, Any]:
    seal = examined(stage).seal
    return {"seal": str(seal.id), "opening": {"bank_key": "0" * 64, "at": now().isoformat()}}
