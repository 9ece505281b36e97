# SPDX-License-Identifier: Apache-2.0
"""Reports, cases, advisories, matches and patches, from finder, clearinghouse, vendor and member."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from crash.scenarios import act, act_as, example, letter, move_clock, of_act, of_letter, of_other, receive
from crash.stage import Stage
from proofhouse.agent.acknowledgement import Answer, Subject, acknowledge
from proofhouse.attest import Signer, sha256_hex, sign_statement, statement
from proofhouse.distribution import KeyRing, key_records, sign_vendor_release
from proofhouse.letters import Enclosure
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.cases import mail_services
from proofhouse.server.cases.models import Case, ScanLease
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import Thread
from proofhouse.server.house import this_house
from proofhouse.server.releases import services as releases
from proofhouse.validation import EXTENSION, PREDICATE_TYPE
from server.makers import make_person

EXAMPLES = Path(__file__).resolve().parents[2]
FACTS: dict[str, Any] = json.loads((EXAMPLES / "recipes" / "example" / "finding.json").read_text())
PRODUCT = FACTS["product"]
IDENTIFIERS = [told["identifier"] for told in FACTS["reports"]]
SBOM = (EXAMPLES / "recipes" / "example" / "clinic.cdx.json").read_bytes()
PATCH = b"--- a/tally.c\n+++ b/tally.c\n@@ -1 +1 @@\n-believe();\n+check();\n"
AGENT = Signer.generate("agent", "member", demo=True)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


# --- the clearinghouse's side -----------------------------------------------------------------------------------------


def report(stage: Stage, identifier: str) -> bytes:
    """The lab reports a flaw."""
    body = example(
        "report",
        report=f"0192f0c1-2a3b-7c4d-8e5f-{IDENTIFIERS.index(identifier):012d}",
        identifiers=[identifier],
        product=PRODUCT,
        proofs=["proof.rec"],
    )
    return letter(stage, "lab", "report", body, enclosures=[Enclosure.of("proof.rec", identifier.encode())])


@of_act("cases.submit_report", Role.OPERATOR)
def _submit(_: Stage) -> dict[str, Any]:
    return {
        "title": "A length is believed",
        "product": PRODUCT["name"],
        "description": "It reads past the end.",
        "claimed_crash": "heap-buffer-overflow",
        "files": [{"name": "proof.rec", "content": b64(b"\x09")}],
    }


@of_act("cases.submit_document", Role.OPERATOR)
def _submit_document(_: Stage) -> dict[str, Any]:
    results = [{"ruleId": "CWE-416", "message": {"text": f"Freed in line {line}"}} for line in (3, 4)]
    log = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "a scanner"}}, "results": results}]}
    content = json.dumps(log).encode()
    return {"format": "sarif", "content": b64(content), "product": PRODUCT["name"]}


@of_act("cases.read_report", Role.COORDINATOR)
def _read_second(_: Stage) -> dict[str, Any]:
    """The second reader, who settles it."""
    told = act(
        "cases.submit_report",
        Role.OPERATOR,
        title="A door",
        product="A closed device",
        description="It opens.",
    )
    second = make_person(Role.COORDINATOR)
    read = {
        "report": told["report"],
        "finding": "read-real",
        "standard": "demonstrated",
        "grounds": "It opened.",
    }
    act_as(second, "cases.read_report", **read)
    return read


@of_act("cases.merge_report", Role.COORDINATOR)
def _merge(_: Stage) -> dict[str, Any]:
    first, second = (
        act(
            "cases.submit_report",
            Role.OPERATOR,
            title=title,
            product="A closed device",
            description="It opens.",
        )["report"]
        for title in ("A door", "A window")
    )
    return {"report": second, "first": first, "reason": "One lock."}


@of_act("cases.split_report", Role.COORDINATOR)
def _split(stage: Stage) -> dict[str, Any]:
    merged = _merge(stage)
    act("cases.merge_report", Role.COORDINATOR, **merged)
    return {"report": merged["report"], "reason": "Two locks."}


@of_act("cases.open_read_case", Role.COORDINATOR)
def _open_read(stage: Stage) -> dict[str, Any]:
    read = _read_second(stage)
    act("cases.read_report", Role.COORDINATOR, **read)
    return {"report": read["report"]}


LEASE = {
    "product": "tally",
    "method": "fuzzing",
    "mandate": "owner",
    "mandated_by": "Ada",
    "mandated_on": "2026-11-01",
    "mandate_terms": "All of it.",
}


def _time() -> dict[str, str]:
    return {"starts_at": wire(now()), "ends_at": wire(now() + timedelta(days=1))}


def leased() -> ScanLease:
    """An operator's lease."""
    return act("cases.take_lease", Role.OPERATOR, **LEASE, **_time())  # type: ignore[no-any-return]


@of_act("cases.take_lease", Role.OPERATOR)
def _take_lease(_: Stage) -> dict[str, Any]:
    return LEASE | _time()


@of_act("cases.end_lease", Role.OPERATOR)
def _end_lease(_: Stage) -> dict[str, Any]:
    return {"lease": str(leased().id)}


@of_act("cases.ask_blind", Role.OPERATOR)
def _ask(_: Stage) -> dict[str, Any]:
    return {"lease": str(leased().id), "fingerprint": "a" * 64}


@of_act("cases.state_rules", Role.COORDINATOR)
def _state_rules(_: Stage) -> dict[str, Any]:
    return {
        "product": "tally",
        "owner": "The project",
        "methods": ["fuzzing"],
        "security_model": "It reads files.",
    }


@of_other("deadline cases.lease", move_clock)
def _lease_end(_: Stage) -> Any:
    return leased().ends_at + timedelta(minutes=1)


def mailed(_: Stage) -> None:
    """Reports that a mail program has dropped: one to take, one to refuse."""
    drop = this_house().mail_in
    drop.mkdir()
    words = b"From: ada@example.org\nSubject: A flaw\n\nProduct: tally\nIt reads past the end.\n"
    (drop / "1.eml").write_bytes(words)
    (drop / "2.eml").write_bytes(b"nothing")


@of_act("cases.collect_mail", Role.COORDINATOR)
def _collect(stage: Stage) -> dict[str, Any]:
    mailed(stage)
    return {}


of_other("duty look_for_mail", lambda _: mail_services.look_for_mail())(mailed)


def evidence() -> str:
    """The signed statement that both proofs run and that one patch mends both, base64."""
    crash = {"crash_class": "heap-buffer-overflow", "state": ["next_record"]}
    result = {
        "real": False,
        "proofs": [
            {"identifiers": [name], "verdict": "reproduced", "crash": crash, "runs": 3, "crashes": 3}
            for name in IDENTIFIERS
        ],
        "patches": [{"name": "fix.patch", "sha256": sha256_hex(PATCH), "verdict": "proved"}],
        "groups": [{"identifiers": IDENTIFIERS}],
    }
    subject = [{"name": "tally", "digest": {"sha256": "e" * 64}}]
    made = sign_statement(statement(subject, PREDICATE_TYPE, {EXTENSION: result}), [signer("validation")])
    return b64(made.to_json())


def validated(stage: Stage) -> Case:
    """A case of two reports that were reproduced."""
    for identifier in IDENTIFIERS:
        receive(report(stage, identifier))
    return act(  # type: ignore[no-any-return]
        "cases.accept_validation",
        Role.COORDINATOR,
        title=FACTS["title"],
        product=PRODUCT["name"],
        envelope=evidence(),
    )


def notified(stage: Stage) -> Case:
    """A case of which the vendor was told."""
    case = validated(stage)
    return act("cases.notify_vendor", Role.COORDINATOR, **_told(case))  # type: ignore[no-any-return]


def _told(case: Case) -> dict[str, Any]:
    until = (now() + timedelta(days=90)).replace(microsecond=0).isoformat()
    return {"case": str(case.id), "vendor": "vendor", "product": PRODUCT, "embargo_until": until}


def message(
    stage: Stage, case: Case, verb: str, enclosures: list[Enclosure] | None = None, **fields: Any
) -> bytes:
    """The other side of a case moves it on."""
    body = {"case": str(case.id), "act": verb, "tlp": "TLP:AMBER", **fields}
    assert case.thread is not None
    peer = case.thread.peer.name
    return letter(stage, peer, "case-message", body, thread=case.thread, enclosures=enclosures or [])


def _accepts(stage: Stage, case: Case) -> bytes:
    return message(stage, case, "embargo-accepted", embargo_until=wire(now() + timedelta(days=90)))


def _offers(stage: Stage, case: Case) -> bytes:
    return message(
        stage, case, "patch-offered", [Enclosure.of("fix.patch", PATCH, "text/x-diff")], patch="fix.patch"
    )


def offered(stage: Stage) -> Case:
    """A case whose vendor has accepted the embargo and offered the patch."""
    case = notified(stage)
    receive(message(stage, case, "vendor-acknowledged", status="affected"))
    receive(_accepts(stage, case))
    receive(_offers(stage, case))
    return case


def mended(stage: Stage) -> Case:
    """A case whose patch was taken and whose embargo is over."""
    case = offered(stage)
    act("cases.accept_patch", Role.COORDINATOR, case=str(case.id))
    act("cases.lift_embargo", Role.COORDINATOR, case=str(case.id))
    return case


def _said(case: Case) -> dict[str, Any]:
    return {
        "case": str(case.id),
        "summary": FACTS["summary"],
        "vulnerabilities": FACTS["vulnerabilities"],
        "package": FACTS["package"],
        "finders": FACTS["finders"],
    }


def published(stage: Stage) -> Advisory:
    """A published advisory."""
    case = mended(stage)
    return act("advisories.publish_advisory", Role.COORDINATOR, **_said(case))  # type: ignore[no-any-return]


@of_letter("report")
def _report(stage: Stage) -> bytes:
    return report(stage, IDENTIFIERS[0])


@of_act("cases.accept_validation", Role.COORDINATOR)
def _accept_validation(stage: Stage) -> dict[str, Any]:
    for identifier in IDENTIFIERS:
        receive(report(stage, identifier))
    return {"title": FACTS["title"], "product": PRODUCT["name"], "envelope": evidence()}


@of_act("cases.notify_vendor", Role.COORDINATOR)
def _notify_vendor(stage: Stage) -> dict[str, Any]:
    return _told(validated(stage))


@of_letter("case-message/vendor-acknowledged")
def _acknowledged(stage: Stage) -> bytes:
    return message(stage, notified(stage), "vendor-acknowledged", status="affected")


@of_letter("case-message/embargo-accepted")
def _embargo_accepted(stage: Stage) -> bytes:
    return _accepts(stage, notified(stage))


@of_letter("case-message/patch-offered")
def _patch_offered(stage: Stage) -> bytes:
    return _offers(stage, notified(stage))


@of_act("cases.accept_patch", Role.COORDINATOR)
def _accept_patch(stage: Stage) -> dict[str, Any]:
    return {"case": str(offered(stage).id)}


@of_act("cases.lift_embargo", Role.COORDINATOR)
def _lift_embargo(stage: Stage) -> dict[str, Any]:
    return {"case": str(offered(stage).id)}


@of_act("advisories.publish_advisory", Role.COORDINATOR)
def _publish_advisory(stage: Stage) -> dict[str, Any]:
    return _said(mended(stage))


@of_letter("sbom")
def _sbom(stage: Stage) -> bytes:
    return sbom(stage)


def sbom(stage: Stage) -> bytes:
    """A member gives its parts list."""
    enclosed = Enclosure.of("sbom.cdx.json", SBOM, "application/vnd.cyclonedx+json")
    return letter(stage, "member", "sbom", example("sbom"), enclosures=[enclosed])


@of_act("members.match_advisory", Role.COORDINATOR)
def _match(stage: Stage) -> dict[str, Any]:
    receive(sbom(stage))
    return {"advisory": published(stage).number}


@of_act("releases.open_repositories", Role.COORDINATOR)
def _open_repositories(stage: Stage) -> dict[str, Any]:
    return {}


def vendor_keys(stage: Stage) -> KeyRing:
    """The vendor's own keys, which lie in no house under test."""
    return KeyRing(stage.directory / "vendor-keys", allow_demo=True)


def _enrolled(stage: Stage) -> dict[str, Any]:
    keys = key_records(each.public_key for each in vendor_keys(stage).ensure("vendor", demo=True))
    return {"vendor": "vendor", "keys": keys}


@of_act("releases.enrol_vendor", Role.COORDINATOR)
def _enrol_vendor(stage: Stage) -> dict[str, Any]:
    act("releases.open_repositories", Role.COORDINATOR)
    return _enrolled(stage)


def release_request(stage: Stage, case: Case) -> bytes:
    """The vendor hands the patch over, signed with its own key."""
    path = f"{releases.group_of('vendor', releases.GROUPS)}/vendor/patches/fix.patch"
    signed = sign_vendor_release(
        path, PATCH, vendor_keys(stage).ensure("vendor", demo=True), previous=None, now=now()
    )
    body = {
        "case": str(case.id),
        "product": {"name": PRODUCT["name"]},
        "fixes": IDENTIFIERS,
        "targets": [{"path": path, "sha256": signed.image.sha256, "size_bytes": signed.image.length_bytes}],
        "image_targets_version": signed.version,
        "metadata": releases.METADATA_NAME,
        "content": "fix.patch",
    }
    enclosures = [
        Enclosure.of(releases.METADATA_NAME, signed.metadata, "application/json"),
        Enclosure.of("fix.patch", PATCH, "text/x-diff"),
    ]
    return letter(stage, "vendor", "release-request", body, thread=case.thread, enclosures=enclosures)


@of_letter("release-request")
def _release_request(stage: Stage) -> bytes:
    return release_request(stage, notified(stage))


def ready_to_direct(stage: Stage) -> Advisory:
    """An advisory whose patch the enrolled vendor has signed."""
    advisory = published(stage)
    act("releases.open_repositories", Role.COORDINATOR)
    act("releases.enrol_vendor", Role.COORDINATOR, **_enrolled(stage))
    receive(release_request(stage, advisory.case))
    return advisory


@of_act("releases.direct_patch", Role.COORDINATOR)
def _direct_patch(stage: Stage) -> dict[str, Any]:
    return {"advisory": ready_to_direct(stage).number}


def _renew(_: Any) -> None:
    releases.renew_repositories()


@of_other("duty renew_repositories", _renew, counts=True)
def _renewed(stage: Stage) -> None:
    act("releases.open_repositories", Role.COORDINATOR)


def agents_answer() -> bytes:
    """What an agent of a member answers about a patch."""
    subject = Subject("g00/vendor/patches/fix.patch", sha256_hex(PATCH))
    said = Answer("office", "public", subject, "1" * 32, 1, "staged", None, 2, None, None, (), now())
    return acknowledge(said, AGENT).to_json()


@of_letter("deployment-acknowledgement")
def _acknowledgement(stage: Stage) -> bytes:
    enclosed = Enclosure.of("agent.dsse.json", agents_answer(), "application/json")
    body = example("deployment-acknowledgement")
    return letter(stage, "member", "deployment-acknowledgement", body, enclosures=[enclosed])


# --- the finder's, the vendor's and the member's side -----------------------------------------------------------------


@of_act("cases.send_report", Role.DEVELOPER)
def _send_report(stage: Stage) -> dict[str, Any]:
    return {
        **FACTS["reports"][0],
        "clearinghouse": "clearing",
        "product": PRODUCT,
        "recipe": {"name": "recipe.toml", "content": b64(b"[recipe]\n")},
        "proofs": [{"name": "proof.rec", "content": b64(b"proof")}],
    }


def told(stage: Stage) -> tuple[Case, Thread]:
    """A case of which a clearinghouse told this vendor."""
    body = {
        "case": "0192f0c1-2a3b-7c4d-8e5f-000000000010",
        "act": "vendor-notified",
        "tlp": "TLP:AMBER",
        "identifiers": IDENTIFIERS,
        "products": [PRODUCT],
        "text": FACTS["title"],
    }
    thread = receive(letter(stage, "clearing", "case-message", body))
    return Case.objects.get(), thread


@of_letter("case-message/vendor-notified")
def _vendor_notified(stage: Stage) -> bytes:
    body = example("case-message", act="vendor-notified", identifiers=IDENTIFIERS, products=[PRODUCT])
    return letter(stage, "clearing", "case-message", body)


def _proposes(stage: Stage, case: Case) -> bytes:
    return message(stage, case, "embargo-proposed", embargo_until=wire(now() + timedelta(days=90)))


@of_letter("case-message/embargo-proposed")
def _embargo_proposed(stage: Stage) -> bytes:
    return _proposes(stage, told(stage)[0])


def proposed_embargo(stage: Stage) -> Case:
    """A case with a proposed embargo, at the vendor."""
    case, _ = told(stage)
    receive(_proposes(stage, case))
    return case


@of_act("cases.acknowledge_case", Role.MAINTAINER)
def _acknowledge_case(stage: Stage) -> dict[str, Any]:
    return {"case": str(proposed_embargo(stage).id)}


def _patch(case: Case) -> dict[str, Any]:
    return {"case": str(case.id), "name": "fix.patch", "content": b64(PATCH), "fixed_version": "1.0-2"}


@of_act("cases.offer_patch", Role.MAINTAINER)
def _offer_patch(stage: Stage) -> dict[str, Any]:
    return _patch(proposed_embargo(stage))


@of_letter("case-message/embargo-lifted")
def _embargo_lifted(stage: Stage) -> bytes:
    case = proposed_embargo(stage)
    act("cases.acknowledge_case", Role.MAINTAINER, case=str(case.id))
    return message(stage, case, "embargo-lifted")


@of_act("releases.sign_release", Role.MAINTAINER)
def _sign_release(stage: Stage) -> dict[str, Any]:
    case = proposed_embargo(stage)
    act("cases.offer_patch", Role.MAINTAINER, **_patch(case))
    return {"case": str(case.id)}


@of_act("members.send_sbom", Role.OPERATOR)
def _send_sbom(stage: Stage) -> dict[str, Any]:
    return {"clearinghouse": "clearing", "name": "imaging gateway", "content": b64(SBOM)}


@of_letter("notification")
def _notification(stage: Stage) -> bytes:
    return letter(stage, "clearing", "notification", example("notification"))


_KEY = {"name": "member-agent", "public_key": AGENT.public.to_record()}


@of_act("releases.enrol_agent", Role.OPERATOR)
def _enrol_agent(stage: Stage) -> dict[str, Any]:
    return _KEY


@of_other("releases.take_acknowledgement", releases.take_acknowledgement)
def _take_acknowledgement(stage: Stage) -> bytes:
    act("releases.enrol_agent", Role.OPERATOR, **_KEY)
    return agents_answer()
