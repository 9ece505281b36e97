# SPDX-License-Identifier: Apache-2.0
"""What a house does for itself: introductions, oversight, its own obligations, its standing duties."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from crash.review_scenarios import _notice, _opened
from crash.scenarios import act, example, letter, of_act, of_letter, of_other, other, person, receive
from crash.stage import Stage
from obligations.makers import FACTS, LAW_DAY, MOMENTS, PROFILE
from proofhouse.attest import Signer
from proofhouse.ledger.bundle import verify_bundle
from proofhouse.letters import Enclosure
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine import work
from proofhouse.server.engine.acts import ACTS
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.models import Letter
from proofhouse.server.house import this_house
from proofhouse.server.obligations import digest_services, running
from proofhouse.server.obligations.models import ClockRun, Evidence, Filing, Incident, WeeklyDigest
from proofhouse.server.oversight.export import write_export
from proofhouse.server.oversight.services import BUNDLE
from server.makers import make_inquiry


@of_act("engine.introduce", Role.STEWARD)
def _introduce(stage: Stage) -> dict[str, Any]:
    introduction = {
        "house": "newcomer",
        "title": "A new house",
        "address": stage.doors.address,
        "key": Signer.generate("letters", "newcomer", demo=True).public.to_record(),
        "demo": True,
        "since": wire(now()),
        "until": None,
    }
    return {"introduction": introduction, "purposes": ["inquiry"]}


def _tick(_: Any) -> None:
    work.tick()


@of_other("engine.tick", _tick)
def _time(stage: Stage) -> None:
    return None


@of_act("obligations.make_feed", Role.COMPLIANCE, " in a house that never ran", fresh=True)
def _new_house(stage: Stage) -> dict[str, Any]:
    return {"token": secrets.token_urlsafe(32)}


# --- oversight --------------------------------------------------------------------------------------------------------


@of_act("oversight.ask_export", Role.INSPECTOR)
def _ask_export(stage: Stage) -> dict[str, Any]:
    return {"house": "clearing", "origin": "proofhouse.example/clearing/custody", "cases": ["case:1"]}


def recorded(stage: Stage) -> str:
    """A ledger case with an entry."""
    made = make_inquiry(other(stage, "lab").peer)
    act("exams.seal_bank", Role.AUTHORITY, case=made.case, commitments={"rule_sha256": "b" * 64, "items": 1})
    return made.case


def export(stage: Stage) -> bytes:
    """A house answers with a bundle that verifies; it is this house's own here."""
    path = stage.directory / "export.zip"
    write_export(path, [recorded(stage)])
    enclosed = Enclosure.of(BUNDLE, path.read_bytes(), "application/zip")
    return letter(stage, "clearing", "export", example("export"), enclosures=[enclosed])


@of_letter("export")
def _export(stage: Stage) -> bytes:
    return export(stage)


def _write_combined(_: Any) -> None:
    path = this_house().directory / "combined.zip"
    ACTS["oversight.write_combined_bundle"](actor=person(Role.INSPECTOR), path=str(path))
    failed = [line.line for line in verify_bundle(path) if not line.ok]
    assert not failed, failed


@of_other("oversight.write_combined_bundle", _write_combined)
def _combined(stage: Stage) -> None:
    receive(export(stage))


# --- the obligations desk ---------------------------------------------------------------------------------------------


def answered() -> None:
    """A profile of which some law asks something."""
    for name, value in PROFILE.items():
        act("obligations.set_fact", Role.COMPLIANCE, name=name, value=value, source="accounts")


def incident(stage: Stage) -> Incident:
    """An event with clocks."""
    answered()
    return act("obligations.open_incident", Role.COMPLIANCE, **_event())  # type: ignore[no-any-return]


def _event() -> dict[str, Any]:
    return {"title": "Monitor off", "moments": MOMENTS, "facts": FACTS, "law_day": LAW_DAY}


@of_act("obligations.set_fact", Role.COMPLIANCE)
def _set_fact(stage: Stage) -> dict[str, Any]:
    return {"name": "org.nexus", "value": ["US-CA"], "source": "accounts"}


_CARD = {"title": "Model card", "content": base64.b64encode(b"a card").decode(), "file_name": "card.txt"}


@of_act("obligations.add_evidence", Role.COMPLIANCE)
def _add_evidence(stage: Stage) -> dict[str, Any]:
    return _CARD


@of_act("obligations.link_evidence", Role.COMPLIANCE)
def _link_evidence(stage: Stage) -> dict[str, Any]:
    from proofhouse.server.obligations.own_law import law_book

    act("obligations.add_evidence", Role.COMPLIANCE, **_CARD)
    duty = next(iter(law_book().entries(now().date()))).obligation.id
    return {"evidence": str(Evidence.objects.get().id), "obligation": duty, "covers": "all"}


@of_act("obligations.open_incident", Role.COMPLIANCE)
def _open_incident(stage: Stage) -> dict[str, Any]:
    answered()
    return _event()


@of_act("obligations.amend_incident", Role.COMPLIANCE)
def _amend_incident(stage: Stage) -> dict[str, Any]:
    made = incident(stage)
    facts = {**FACTS, "narrative": {**FACTS["narrative"], "reasons": "Known now."}}
    return {"incident": str(made.id), "moments": MOMENTS, "facts": facts, "reason": "We learnt more."}


def _dated() -> ClockRun:
    return ClockRun.objects.filter(due__isnull=False).order_by("obligation", "part")[0]


@of_act("obligations.override_clock", Role.COMPLIANCE)
def _override(stage: Stage) -> dict[str, Any]:
    incident(stage)
    return {"clock": str(_dated().id), "due": "2027-02-01T12:00:00+00:00", "reason": "agreed with the office"}


def _report(clock: ClockRun) -> dict[str, Any]:
    return {"clock": str(clock.id), "recipient": clock.assessment["recipients"][0]["name"]}


@of_act("obligations.draft_filing", Role.COMPLIANCE)
def _draft(stage: Stage) -> dict[str, Any]:
    incident(stage)
    return _report(_dated())


def drafted(stage: Stage) -> Filing:
    """A filing that was drafted."""
    incident(stage)
    return act("obligations.draft_filing", Role.COMPLIANCE, **_report(_dated()))  # type: ignore[no-any-return]


@of_act("obligations.mark_filed", Role.COMPLIANCE)
def _filed(stage: Stage) -> dict[str, Any]:
    return {"filing": str(drafted(stage).id), "reference": "A-1"}


@of_act("obligations.acknowledge_filing", Role.COMPLIANCE)
def _acknowledged(stage: Stage) -> dict[str, Any]:
    made = drafted(stage)
    act("obligations.mark_filed", Role.COMPLIANCE, filing=str(made.id))
    return {"filing": str(made.id), "reference": "A-1"}


@of_act("obligations.make_feed", Role.COMPLIANCE)
def _feed(stage: Stage) -> dict[str, Any]:
    return {"token": secrets.token_urlsafe(32)}


def _keep_dates(_: Any) -> None:
    running.keep_dates()


@of_other("duty keep_dates", _keep_dates)
def _dates(stage: Stage) -> None:
    incident(stage)


@of_act("obligations.add_model", Role.COMPLIANCE)
def _add_model(stage: Stage) -> dict[str, Any]:
    answered()
    return {"name": "Example-1"}


@of_act("obligations.consent_bridge", Role.COMPLIANCE)
def _consent(stage: Stage) -> dict[str, Any]:
    return {}


@of_act("obligations.withdraw_bridge", Role.COMPLIANCE)
def _withdraw_bridge(stage: Stage) -> dict[str, Any]:
    act("obligations.consent_bridge", Role.COMPLIANCE)
    return {}


def came_over(stage: Stage, write: Callable[[Stage], bytes]) -> str:
    """A letter of a review that came over the bridge; its digest."""
    act("obligations.consent_bridge", Role.COMPLIANCE)
    receive(write(stage))
    return Letter.objects.get(direction=Letter.Direction.RECEIVED).digest


@of_act("obligations.set_aside", Role.COMPLIANCE)
def _set_aside(stage: Stage) -> dict[str, Any]:
    return {"letter": came_over(stage, _notice), "reason": "No incident."}


@of_act("obligations.take_fact", Role.COMPLIANCE)
def _take_fact(stage: Stage) -> dict[str, Any]:
    return {"letter": came_over(stage, _opened)}


def _make_digests(_: Any) -> None:
    digest_services.make_digests()


@of_other("duty make_digests", _make_digests)
def _digests(stage: Stage) -> None:
    answered()


@of_act("obligations.read_digest", Role.COMPLIANCE)
def _read_digest(stage: Stage) -> dict[str, Any]:
    answered()
    digest_services.make_digests()
    return {"week": WeeklyDigest.objects.get().week}


# --- who may see a case -----------------------------------------------------------------------------------------------

_PERSON = "reviewer@office.example"


def _given(stage: Stage) -> dict[str, Any]:
    until = wire(now() + timedelta(days=30))
    return {"person": _PERSON, "case": recorded(stage), "reason": "needed", "until": until}


@of_act("accounts.grant_access", Role.STEWARD)
def _grant(stage: Stage) -> dict[str, Any]:
    return _given(stage)


@of_act("accounts.withdraw_grant", Role.STEWARD)
def _withdraw_grant(stage: Stage) -> dict[str, Any]:
    return {"grant": str(act("accounts.grant_access", Role.STEWARD, **_given(stage)).id)}


def _conflict(stage: Stage) -> dict[str, Any]:
    return {"person": _PERSON, "case": recorded(stage), "reason": "worked there"}


@of_act("accounts.recuse", Role.STEWARD)
def _recuse(stage: Stage) -> dict[str, Any]:
    return _conflict(stage)


@of_act("accounts.lift_recusal", Role.STEWARD)
def _lift(stage: Stage) -> dict[str, Any]:
    return {"recusal": str(act("accounts.recuse", Role.STEWARD, **_conflict(stage)).id), "reason": "over"}


@of_act("accounts.mark_case", Role.REVIEWER)
def _mark(stage: Stage) -> dict[str, Any]:
    return {"case": recorded(stage), "mark": "TLP:AMBER+STRICT", "reason": "asked for"}
