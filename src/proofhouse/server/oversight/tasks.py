# SPDX-License-Identifier: Apache-2.0
"""Making an inspector's bundle: minutes for a large house, so it is a job."""

from __future__ import annotations

import tempfile
from pathlib import Path

from proofhouse.ledger.bundle import verify_bundle
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.blobs import get_blob, put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.jobs.port import job, report_progress, slow_step, step
from proofhouse.server.engine.jobs.rules import Queue
from proofhouse.server.engine.jobs.turn import JobFailed
from proofhouse.server.engine.models import Letter
from proofhouse.server.engine.post import Enclosure, send
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house
from proofhouse.server.oversight.export import write_export
from proofhouse.server.oversight.models import Export

BUNDLE = "bundle.zip"


class NotWhole(Exception):
    """The bundle does not verify: an entry of its cases came into the log while it was written. It is made again."""


@job("oversight.export", queue=Queue.DESK)
def export(*, letter: str, by: str) -> str:
    """Answer an inspector's request: build the bundle, verify it as the inspector will, hand it over.

    Args:
        letter: Digest of the request.
        by: E-mail address of who answers it.
    """
    report_progress(10, "opening the ledger for the cases asked about")
    digest: str = build(letter=letter)
    report_progress(90, "handing it over")
    return str(hand_over(letter=letter, digest=digest, by=by))


@slow_step
def build(*, letter: str) -> str:
    """Write the bundle and keep it; returns its digest."""
    asked = Letter.objects.get(digest=letter)
    with tempfile.TemporaryDirectory(dir=this_house().scratch) as scratch:
        path = Path(scratch) / BUNDLE
        write_export(path, asked.body["cases"])
        failed = [line for line in verify_bundle(path) if not line.ok]
        if failed:
            raise NotWhole(failed[0].line)
        return put_blob(path.read_bytes())


@step
def hand_over(*, letter: str, digest: str, by: str) -> str:
    """Record the export and send it."""
    asked = Letter.objects.get(digest=letter)
    if not Person.objects.filter(email=by, is_active=True).exists():
        raise JobFailed(f"{by} does not work here any more")
    entry = record(
        "export.make",
        f"export:{asked.body['request']}",
        {"bundle_sha256": digest, "to": asked.thread.peer.name, "by": by},
    )
    send(
        "export",
        asked.thread,
        {"request": asked.body["request"], "bundle": BUNDLE, "ledgers": [this_house().log_origin]},
        enclosures=[Enclosure(BUNDLE, "application/zip", get_blob(digest))],
        in_reply_to=asked,
    )
    made = Export.objects.create(peer=asked.thread.peer, sha256=digest, entry=entry, made_at=now())
    return str(made.id)
