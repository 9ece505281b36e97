# SPDX-License-Identifier: Apache-2.0
"""What an agent answers: a signed statement per item and stage, kept until it is delivered.

The statement is in-toto v1 with predicate `https://proofhouse.dev/deployment-ack/v1`; docs/spec/manifest.md
gives its fields. A VEX status alone cannot say *staged* or *failed*, therefore the OpenVEX statement is
embedded.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Literal

import proofhouse
from proofhouse.attest import Envelope, Signer, sha256_hex, sign_statement, statement
from proofhouse.distribution.files import fsync_directory, write_atomically
from proofhouse.distribution.manifest import Item, moment_text

ACKNOWLEDGEMENT_TYPE: Final = "https://proofhouse.dev/deployment-ack/v1"
DELIVERY_TIMEOUT_S: Final = 10
MAX_ANSWER_BYTES: Final = 65_536

Stage = Literal["received", "staged", "applied", "failed", "deferred", "not-applicable", "refused"]
"""`received`: verified in full, but the bytes could not be fetched or stored yet; the next run tries."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stage was reached: a stable code for programs, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What an acknowledgement is about: a released file, or the repository that was refused as a whole."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """All that one acknowledgement says.

    Attributes:
        member: who answers.
        audience: in which audience.
        subject: the file, or the repository refused as a whole.
        item_id: the item; None where a repository is refused as a whole.
        item_version: the item's version that was acted on.
        stage: where the item stands.
        reason: why, where that is not plain.
        manifest_version: the highest manifest version that the agent has accepted.
        checkpoint: the ledger's signed checkpoint under which the authorisation was proven.
        item: the item as the manifest lists it; None where it lists none.
        products: those of the item's products that the member says it runs.
        at: when.
    """

    member: str
    audience: str
    subject: Subject
    item_id: str | None
    item_version: int | None
    stage: Stage
    reason: Reason | None
    manifest_version: int
    checkpoint: str | None
    item: Item | None
    products: tuple[str, ...]
    at: datetime


def acknowledge(answer: Answer, signer: Signer) -> Envelope:
    """Sign an acknowledgement with the member's enrolled key.

    Args:
        answer: what is to be said.
        signer: the enrolled key.

    Returns:
        A DSSE envelope; the same answer always gives the same bytes.
    """
    item = answer.item
    predicate = {
        "member": answer.member,
        "audience": answer.audience,
        "item": answer.item_id,
        "item_version": answer.item_version,
        "stage": answer.stage,
        "reason": None if answer.reason is None else {"code": answer.reason.code, "text": answer.reason.text},
        "manifest_version": answer.manifest_version,
        "ledger_checkpoint": answer.checkpoint,
        "at": moment_text(answer.at),
        "agent": f"proofhouse/{proofhouse.__version__}",
        "vex": None if item is None else _vex(item, answer),
    }
    subject = [{"name": answer.subject.name, "digest": {"sha256": answer.subject.sha256}}]
    return sign_statement(statement(subject, ACKNOWLEDGEMENT_TYPE, predicate), [signer])


def _vex(item: Item, answer: Answer) -> dict[str, Any]:
    """An OpenVEX 0.2.0 statement: what the stage means for the member's exposure, unknown staying unknown."""
    vex: dict[str, Any] = {
        "vulnerability": {"name": item.advisory},
        "products": [{"@id": product} for product in answer.products or item.products or (item.image.path,)],
        "timestamp": moment_text(answer.at),
    }
    if answer.stage == "applied":
        return {**vex, "status": "fixed"}
    if answer.stage == "not-applicable":
        return {**vex, "status": "not_affected", "justification": "component_not_present"}
    if not answer.products:
        return {**vex, "status": "under_investigation"}
    action = {
        "staged": "The verified patch lies staged and awaits installation.",
        "deferred": "The patch is deferred" + (f": {answer.reason.text}." if answer.reason else "."),
    }.get(answer.stage, item.mitigation or "No patch is installed; a corrected release is awaited.")
    return {**vex, "status": "affected", "action_statement": action}


class Outbox:
    """Signed acknowledgements on disk: `*.json` wait, `sent/<sha256>.json` were delivered.

    Args:
        directory: the outbox; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._sent = directory / "sent"
        self._sent.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, envelope: Envelope) -> None:
        """Keep an acknowledgement for delivery; one of the same name that still waits is replaced."""
        write_atomically(self.directory / f"{name}.json", envelope.to_json())

    def waiting(self) -> list[Path]:
        """The files that wait, by name."""
        return sorted(self.directory.glob("*.json"))

    def deliver(self, url: str) -> list[str]:
        """Post what waits, one request each, until all is taken or the receiver does not answer.

        A receiver that has an acknowledgement already answers with success again: identity is the digest of
            the
        bytes, which do not change between attempts.

        Args:
            url: where acknowledgements are taken.

        Returns:
            One sentence for each that was not taken.
        """
        problems = []
        for path in self.waiting():
            content = path.read_bytes()
            try:
                _post(url, content)
            except urllib.error.HTTPError as error:
                problems.append(f"{path.name}: the receiver answered {error.code}")
                continue
            except (OSError, HTTPException) as error:
                problems.append(f"{path.name}: the receiver cannot be reached: {error}")
                break
            path.replace(self._sent / f"{sha256_hex(content)}.json")
            fsync_directory(self.directory)
        return problems


def opener() -> urllib.request.OpenerDirector:
    """Follows no redirect: what an agent sends names the member and goes where it was told, or nowhere."""
    plain = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        plain.add_handler(handler)
    return plain


def _post(url: str, content: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310  # the configuration admits https, and http on loopback only
        url, data=content, headers={"Content-Type": "application/json"}, method="POST"
    )
    with opener().open(request, timeout=DELIVERY_TIMEOUT_S) as response:
        response.read(MAX_ANSWER_BYTES)
