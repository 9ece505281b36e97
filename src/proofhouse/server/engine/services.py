# SPDX-License-Identifier: Apache-2.0
"""The steward's acts: whose key is believed for which letters, and what becomes of letters and jobs that are stuck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from proofhouse import letters
from proofhouse.letters import LETTER_TYPES, Introduction, Introductions
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine import carriage
from proofhouse.server.engine.acts import ActError, act, question
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.errands import errand
from proofhouse.server.engine.jobs import running
from proofhouse.server.engine.models import Job, LedgerEntry, Letter, Peer, Thread
from proofhouse.server.engine.own_keys import CASE, RENEWED, make_next_key, newest_key, sealing_key
from proofhouse.server.engine.post import Received, on_letter, send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house


@question
def introduction(*, actor: Person) -> dict[str, Any]:
    """What this house tells others so that they can believe its letters; to be handed over in person."""
    return {
        "house": this_house().name,
        "title": this_house().title,
        "address": this_house().address,
        "key": newest_key().public.to_record(),
        "demo": newest_key().demo,
        "since": wire(now()),
        "until": None,
    }


@act(Permission.HOUSE_PEER_INTRODUCE)
def introduce(
    *, actor: Person, introduction: dict[str, Any], purposes: list[str], transport: str = "https"
) -> Peer:
    """Believe another house's key from now on, beside those that it has already.

    Args:
        actor: The steward, who has compared the key's fingerprint over another channel.
        introduction: What the other house's steward handed over.
        purposes: The letter types for which its key is taken; acknowledgements always are.
        transport: `https`, or `file` for a house behind an air gap.

    Raises:
        ActError: A demonstration key was offered to a real house, the name is that of somebody else, or there is no
            such transport.
    """
    if transport not in (Peer.Transport.HTTPS, Peer.Transport.FILE):
        raise ActError(f"letters travel by https or file, not by {transport}", "unknown_transport")
    if introduction["house"] == this_house().name:
        raise ActError("that is this house itself", "own_house")
    if introduction["demo"] and not this_house().demo:
        raise ActError("that is a demonstration key; a real house does not take it", "demo_key")
    fields = {
        "house": introduction["house"],
        "key": introduction["key"],
        "purposes": sorted({*purposes, "acknowledgement"}),
        "since": introduction["since"],
        "until": introduction["until"],
    }
    new = Introduction.from_record(fields)
    known = Peer.objects.filter(name=new.house).first()
    if known is not None and known.transport == Peer.Transport.HOSTED:
        raise ActError(f"{new.house} works at a desk of this house", "hosted")
    others = [
        each
        for each in (known.introductions if known else [])
        if Introduction.from_record(each).key.key_id != new.key.key_id
    ]
    _check_keys(new.house, [*others, fields])
    record("peer.introduce", f"peer:{new.house}", {**fields, "key": new.key.key_id, "by": actor.email})
    peer, _ = Peer.objects.update_or_create(
        name=new.house,
        defaults={
            "title": introduction["title"],
            "address": introduction["address"],
            "transport": transport,
            "introductions": [*others, fields],
            "retry_at": None,
        },
    )
    return peer


@act(Permission.HOUSE_KEY_RENEW)
def renew_key(*, actor: Person, reason: str) -> LedgerEntry:
    """Take a new key for this house's letters into use, and tell every other house of it under the key before.

    Each house is written to under the old key until it has acknowledged the new one. When all have, their stewards may
    end the old one.

    Args:
        actor: The steward.
        reason: Why; kept in the ledger.

    Raises:
        ActError: No reason is given, or a house has not acknowledged the last renewal yet.
    """
    _require_reason(reason)
    waiting = Letter.objects.filter(
        type="introduction", direction=Letter.Direction.SENT, acknowledged_at=None
    )
    if behind := waiting.exclude(state=Letter.State.ABANDONED).values_list("thread__peer", flat=True).first():
        raise ActError(f"{behind} has not acknowledged the last renewal yet", "renewal_under_way")
    believed = [(peer, sealing_key(peer)) for peer in Peer.objects.exclude(transport=Peer.Transport.HOSTED)]
    new = make_next_key()
    entry = record(RENEWED, CASE, {"key": new.key_id, "reason": reason, "by": actor.email})
    for peer, key in believed:
        thread = start_thread(peer.name, subject=f"The next key of {this_house().title}", case=CASE)
        send(
            "introduction",
            thread,
            {
                "house": this_house().name,
                "title": this_house().title,
                "key": new.public.to_record(),
                "purposes": sorted({spec.name for spec in LETTER_TYPES.values()}),
                "since": wire(now()),
                "until": None,
            },
            key=key,
        )
    return entry


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


@act(Permission.HOUSE_PEER_INTRODUCE)
def end_introduction(*, actor: Person, peer: str, key_id: str, reason: str) -> Peer:
    """Believe a key no longer, from now on. What it sealed before stays believed.

    Raises:
        ActError: The house has no such key, or no reason is given.
    """
    row = access(actor, Peer, name=peer)
    _require_reason(reason)
    ended = [each for each in row.introductions if Introduction.from_record(each).key.key_id == key_id]
    if not ended:
        raise ActError(f"{peer} has no key {key_id} here", "unknown_key")
    at = wire(now())
    for each in ended:
        if each["until"] is None or each["until"] > at:
            each["until"] = at
    record("peer.end", f"peer:{peer}", {"key": key_id, "until": at, "reason": reason, "by": actor.email})
    row.save(update_fields=["introductions"])
    return row


@on_letter("introduction")
def receive_introduction(letter: Received) -> None:
    """A house sends its next key, sealed by one that is believed already; it is believed for no more than that one."""
    peer = letter.thread.peer
    sealed_by = letters.parse_letter(bytes(letter.row.envelope)).key_id
    believed = [Introduction.from_record(each) for each in peer.introductions]
    purposes = {name for each in believed if each.key.key_id == sealed_by for name in each.purposes}
    asked = {*letter.body["purposes"], "acknowledgement"}
    fields = {
        "house": peer.name,
        "key": letter.body["key"],
        "purposes": sorted(asked & purposes),
        "since": letter.body["since"],
        "until": letter.body["until"],
    }
    new = Introduction.from_record(fields)
    if letter.body["house"] != peer.name or new.key.key_id in {each.key.key_id for each in believed}:
        return
    _check_keys(peer.name, [*peer.introductions, fields])
    peer.introductions = [*peer.introductions, fields]
    peer.save(update_fields=["introductions"])
    record(
        "peer.introduce", f"peer:{peer.name}", {**fields, "key": new.key.key_id, "letter": letter.row.digest}
    )


def _check_keys(house: str, records: list[dict[str, Any]]) -> None:
    others = [each for peer in Peer.objects.exclude(name=house) for each in peer.introductions]
    try:
        Introductions(Introduction.from_record(each) for each in [*others, *records])
    except ValueError as shared:
        raise ActError(str(shared), "key_of_another_house") from shared


@act(Permission.HOUSE_CHECKPOINT_TELL)
def tell_checkpoint(*, actor: Person, peer: str) -> Letter:
    """Hand another house the latest checkpoint of this house's ledger, so that it can see later that it only grew.

    Both houses hand over theirs in one standing thread; each letter answers the last of the other's.

    Raises:
        ActError: Nothing is in the ledger yet.
    """
    known = access(actor, Peer, name=peer)
    checkpoint = this_house().ledger / "checkpoint"
    if not checkpoint.exists():
        raise ActError("this house's ledger has no checkpoint yet", "no_checkpoint")
    told = Letter.objects.filter(thread=OuterRef("pk"), type="checkpoint")
    thread = Thread.objects.filter(Exists(told), peer=known).order_by("id").first()
    theirs = None
    if thread is None:
        thread = start_thread(peer, subject="Checkpoints of our ledgers", case="")
    else:
        received = thread.letters.filter(direction=Letter.Direction.RECEIVED).exclude(head="")
        theirs = received.order_by("-sequence").first()
    body = {"origin": this_house().log_origin, "checkpoint": checkpoint.read_text(encoding="utf-8")}
    return send("checkpoint", thread, body, in_reply_to=theirs)


@errand(Permission.HOUSE_LETTER_CARRY)
def export_letters(*, actor: Person, peer: str, file: str) -> dict[str, Any]:
    """Write all letters that wait for a house into a file that a courier can carry.

    Args:
        actor: The steward.
        peer: Name of the house.
        file: Where to write, on the machine of this house.

    Returns:
        `file`, how many `letters` it holds, and how many are `left` for another.
    """
    packed, left = carriage.pack(access(actor, Peer, name=peer), Path(file))
    return {"file": file, "letters": packed, "left": left}


@errand(Permission.HOUSE_LETTER_CARRY)
def import_letters(*, actor: Person, file: str, answer: str) -> dict[str, Any]:
    """Take in a file of letters or of acknowledgements; a file that is not whole is refused as a whole.

    Importing a file again changes nothing and gives the same answers.

    Args:
        actor: The steward.
        file: What the courier brought.
        answer: Where to write the acknowledgements to carry back.

    Returns:
        `taken` by outcome, `refused` with codes and reasons, and the `answer` file, null where nothing is to answer.
    """
    sender, unpacked = carriage.unpack(Path(file))
    if unpacked.answers:
        carriage.write_answers(Path(answer), sender, unpacked)
    return {
        "from": sender,
        "taken": unpacked.taken,
        "refused": unpacked.refused,
        "answer": answer if unpacked.answers else None,
    }


@act(Permission.HOUSE_LETTER_SETTLE)
def requeue_letter(*, actor: Person, letter: str, reason: str) -> Letter:
    """Try a letter again from the start that is dead or was abandoned, with those that were abandoned along with it.

    Args:
        actor: The steward.
        letter: Digest of the letter.
        reason: Why it can arrive now; kept in the ledger.

    Raises:
        ActError: The letter is on its way or has arrived, or no reason is given.
    """
    row = access(actor, Letter, digest=letter)
    _require_reason(reason)
    again = _later_letters(row, Letter.State.ABANDONED)
    if row.state == Letter.State.DEAD:
        again = Letter.objects.filter(digest=row.digest)
    elif row.state != Letter.State.ABANDONED:
        raise ActError(f"the letter is {row.state}; only a dead or abandoned one is tried again", "not_stuck")
    record(
        "letter.requeue",
        row.thread.case or f"letter:{row.digest[:32]}",
        {"letters": list(again.values_list("digest", flat=True)), "reason": reason, "by": actor.email},
    )
    again.update(state=Letter.State.QUEUED, queued_at=now(), attempts=0, retry_at=None, problem="")
    Peer.objects.filter(name=row.thread.peer_id).update(retry_at=None)
    row.refresh_from_db()
    return row


@act(Permission.HOUSE_LETTER_SETTLE)
def abandon_letter(*, actor: Person, letter: str, reason: str) -> Letter:
    """Stop trying to deliver a letter, and those of its thread that this house wrote after it and that did not arrive.

    The other house could not apply them without it. Nothing more can be written in the thread; the matter goes on in a
    new one.

    Args:
        actor: The steward.
        letter: Digest of the letter.
        reason: Why; kept in the ledger.

    Raises:
        ActError: The letter has arrived or was never to leave, or no reason is given.
    """
    row = access(actor, Letter, digest=letter)
    _require_reason(reason)
    if row.state not in (Letter.State.QUEUED, Letter.State.DEAD):
        raise ActError(f"the letter is {row.state}; only one that has not arrived is abandoned", "not_stuck")
    given_up = _later_letters(row, Letter.State.QUEUED, Letter.State.DEAD)
    record(
        "letter.abandon",
        row.thread.case or f"letter:{row.digest[:32]}",
        {"letters": list(given_up.values_list("digest", flat=True)), "reason": reason, "by": actor.email},
    )
    given_up.update(state=Letter.State.ABANDONED, retry_at=None, problem=f"abandoned: {reason}"[:300])
    row.refresh_from_db()
    return row


def _later_letters(row: Letter, *states: Letter.State) -> QuerySet[Letter]:
    return Letter.objects.filter(
        thread=row.thread, direction=Letter.Direction.SENT, sequence__gte=row.sequence, state__in=states
    ).order_by("sequence")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ActError("say why: the reason is kept in the ledger", "no_reason")
