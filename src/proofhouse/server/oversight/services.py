# SPDX-License-Identifier: Apache-2.0
"""The inspector asks, a house opens its ledger for the cases named, and anybody checks the bundle offline."""

from __future__ import annotations

import tempfile
from pathlib import Path

from proofhouse.ledger.bundle import verify_bundle
from proofhouse.server.accounts.gate import visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import get_blob, put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.jobs.port import enqueue
from proofhouse.server.engine.jobs.rules import LIVE
from proofhouse.server.engine.models import Job, Letter, Thread
from proofhouse.server.engine.post import Received, on_letter, send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house
from proofhouse.server.oversight.export import combine
from proofhouse.server.oversight.models import Export
from proofhouse.server.oversight.tasks import BUNDLE, export


@act(Permission.OVERSIGHT_EXPORT_ASK)
def ask_export(*, actor: Person, house: str, origin: str, cases: list[str]) -> Thread:
    """Ask a house for everything that its ledger holds about some cases.

    Args:
        actor: An inspector.
        house: Name of the house.
        origin: Origin of its ledger.
        cases: Ledger cases, for instance `review:…`.
    """
    identity = uuid7()
    thread = start_thread(house, subject=f"Export of {len(cases)} cases", case=f"export:{identity}")
    send("export-request", thread, {"request": str(identity), "ledgers": [origin], "cases": cases})
    return thread


@act(Permission.OVERSIGHT_EXPORT_MAKE)
def make_export(*, actor: Person) -> Job:
    """Answer the oldest request of an inspector that has no answer yet; a job builds the bundle and sends it.

    Raises:
        ActError: No request waits.
    """
    asked = next(
        (
            row
            for row in visible(actor, Letter).filter(
                type="export-request", direction=Letter.Direction.RECEIVED
            )
            if not row.thread.letters.filter(type="export", direction=Letter.Direction.SENT).exists()
            and not Job.objects.filter(key=_key(row), state__in=LIVE).exists()
        ),
        None,
    )
    if asked is None:
        raise ActError("no inspector waits for an export", "nothing_asked")
    return enqueue(
        export,
        {"letter": asked.digest, "by": actor.email},
        case=f"export:{asked.body['request']}",
        asked_by=actor,
        key=_key(asked),
    )


def _key(asked: Letter) -> str:
    return f"export:{asked.digest}"


@on_letter("export")
def receive_export(letter: Received) -> None:
    """A house answers with its bundle; it is verified before it is kept.

    Raises:
        ActError: The bundle does not verify; the house may send a right one.
    """
    content = letter.enclosures[letter.body["bundle"]]
    with tempfile.TemporaryDirectory(dir=this_house().scratch) as scratch:
        path = Path(scratch) / BUNDLE
        path.write_bytes(content)
        failed = [line for line in verify_bundle(path) if not line.ok]
    if failed:
        raise ActError(
            f"the bundle of {letter.thread.peer.name} does not verify: {failed[0].line}", "bundle_refused"
        )
    digest = put_blob(content)
    entry = record(
        "export.receive", letter.thread.case, {"bundle_sha256": digest, "from": letter.thread.peer.name}
    )
    Export.objects.create(peer=letter.thread.peer, sha256=digest, entry=entry, made_at=now())


@act(Permission.OVERSIGHT_EXPORT_ASK)
def write_combined_bundle(*, actor: Person, path: str) -> dict[str, int]:
    """Write one bundle from the newest export of each house, to check it anywhere offline.

    Args:
        actor: An inspector.
        path: Where to; an existing file is replaced.

    Raises:
        ActError: No export was received yet.
    """
    newest = {row.peer_id: row for row in visible(actor, Export).order_by("made_at")}
    if not newest:
        raise ActError("no export was received yet", "no_export")
    with tempfile.TemporaryDirectory(dir=this_house().scratch) as scratch:
        parts = []
        for name, row in newest.items():
            part = Path(scratch) / f"{name}.zip"
            part.write_bytes(get_blob(row.sha256))
            parts.append(part)
        manifest = combine(Path(path), parts, Path(scratch) / "unpacked")
    return {"files": len(manifest.files), "ledgers": len(manifest.ledgers)}
