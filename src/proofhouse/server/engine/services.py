# SPDX-License-Identifier: Apache-2.0
"""The steward's acts: whose key this house believes, and what becomes of background work that went wrong."""

from __future__ import annotations

from typing import Any

from proofhouse.letters import Introduction, Introductions
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act, question
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.jobs import running
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import Job, Peer
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house


@question
def introduction(*, actor: Person) -> dict[str, Any]:
    """What this house tells others so that they can believe its letters; to be handed over in person."""
    return {
        "house": this_house().name,
        "title": this_house().title,
        "address": this_house().address,
        "key": signer("letters").public.to_record(),
        "demo": signer("letters").demo,
        "since": wire(now()),
        "until": None,
    }


@act(Permission.HOUSE_PEER_INTRODUCE)
def introduce(*, actor: Person, introduction: dict[str, Any], purposes: list[str]) -> Peer:
    """Believe another house's key from now on.

    Args:
        actor: The steward, who has compared the key's fingerprint over another channel.
        introduction: What the other house's steward handed over.
        purposes: The letter types for which its key is taken; acknowledgements always are.

    Raises:
        ActError: A demonstration key was offered to a real house.
    """
    if introduction["demo"] and not this_house().demo:
        raise ActError("that is a demonstration key; a real house does not take it", "demo_key")
    record = {
        "house": introduction["house"],
        "key": introduction["key"],
        "purposes": sorted({*purposes, "acknowledgement"}),
        "since": introduction["since"],
        "until": introduction["until"],
    }
    Introductions([Introduction.from_record(record)])
    peer, _ = Peer.objects.update_or_create(
        name=introduction["house"],
        defaults={
            "title": introduction["title"],
            "address": introduction["address"],
            "introductions": [record],
        },
    )
    return peer


@act(Permission.HOUSE_JOB_CANCEL)
def cancel_job(*, actor: Person, job: str) -> Job:
    """Stop a job for good: one that waits never starts, one that runs stops within a second, its programs with it.

    Args:
        actor: The steward.
        job: Id of the job.

    Raises:
        JobStepError: It has ended already.
    """
    access(actor, Job, id=job)
    row = Job.objects.select_for_update().get(id=job)
    running.cancel(row)
    record("job.cancel", f"job:{row.id}", {"job": row.name, "of": row.case, "by": actor.email})
    return row


@act(Permission.HOUSE_JOB_REQUEUE)
def requeue_job(*, actor: Person, job: str) -> Job:
    """Try a job again that is poisoned, has failed or was cancelled; its steps that were done stay done.

    Args:
        actor: The steward.
        job: Id of the job.

    Raises:
        JobStepError: It is done, or somebody works on it.
    """
    access(actor, Job, id=job)
    row = Job.objects.select_for_update().get(id=job)
    running.requeue(row)
    record("job.requeue", f"job:{row.id}", {"job": row.name, "of": row.case, "by": actor.email})
    return row
