# SPDX-License-Identifier: Apache-2.0
"""How queued letters reach the other houses: one courier for each house, so that none waits for another.

Couriers are threads that only carry bytes. Which letters leave, and what an answer means, is decided by whoever calls
`deliver_queued` or runs `keep_delivering`; only they touch the database. A house that cannot be reached is left alone
for a growing time; a letter that could not be delivered for three days is dead until a person looks at it.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import close_old_connections, transaction
from django.db.models import Min, Q, QuerySet

from proofhouse.letters import DeliveryFailed, HttpDelivery, LetterError
from proofhouse.server.engine.acts import take_turn
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.models import Letter, Peer
from proofhouse.server.engine.post import take_acknowledgement

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 3600.0
GIVE_UP_AFTER = timedelta(days=3)
BATCH_LETTERS = 64
BATCH_BYTES = 32 << 20
MOST_COURIERS = 32
BUSY_S = 0.5
"""Longest wait while a courier is away."""
IDLE_S = 5.0
"""Longest wait for somebody to ring: what another machine has written leaves so late at worst."""

_chance = secrets.SystemRandom()


@dataclass(frozen=True)
class Return:
    """What a courier brings back: an answer to one letter, or why there is none."""

    peer: str
    digest: str
    answer: bytes = b""
    failed: DeliveryFailed | None = None


class Couriers:
    """The threads that carry letters, at most one for each house."""

    def __init__(self, delivery: HttpDelivery | None = None) -> None:
        self.away: set[str] = set()
        self._delivery = delivery or HttpDelivery()
        self._returns: queue.SimpleQueue[Return | str | None] = queue.SimpleQueue()

    def send_out(self, peer: str, url: str, letters: Sequence[tuple[str, bytes]]) -> None:
        """Have letters carried to one house, one after another; a house that is not there ends the round."""
        self.away.add(peer)
        threading.Thread(
            target=self._carry, args=(peer, url, letters), name=f"to-{peer}", daemon=True
        ).start()

    def returned(self, timeout_s: float) -> list[Return]:
        """What came back; waits for the first. Houses whose courier is home again are no longer `away`."""
        brought: list[Return] = []
        try:
            arrived = self._returns.get(timeout=timeout_s)
            while True:
                if isinstance(arrived, Return):
                    brought.append(arrived)
                elif arrived is not None:
                    self.away.discard(arrived)
                arrived = self._returns.get_nowait()
        except queue.Empty:
            return brought

    def wake(self) -> None:
        """End the wait of `returned`."""
        self._returns.put(None)

    def _carry(self, peer: str, url: str, letters: Sequence[tuple[str, bytes]]) -> None:
        try:
            for digest, envelope in letters:
                try:
                    self._returns.put(Return(peer, digest, self._delivery.deliver(url, envelope)))
                except DeliveryFailed as failed:
                    self._returns.put(Return(peer, digest, failed=failed))
                    if not failed.reached:
                        return
        except Exception:
            logger.exception("the courier to %s stumbled", peer)
        finally:
            self._returns.put(peer)


@lru_cache(maxsize=1)
def couriers() -> Couriers:
    """The couriers of this process."""
    return Couriers()


def deliver_queued() -> None:
    """Send out one batch for each house that has letters ready, and wait until all couriers are home."""
    _send_out(couriers())
    while couriers().away:
        _settle(couriers().returned(BUSY_S))


def keep_delivering() -> None:
    """Deliver for as long as the process lives: what came back is settled while other couriers are still away."""
    while True:
        try:
            _settle(couriers().returned(BUSY_S if couriers().away else _rest_s()))
            _send_out(couriers())
        except Exception:
            logger.exception("delivery failed; it is tried again")
            time.sleep(BUSY_S)
        close_old_connections()


def _rest_s() -> float:
    """How long nothing is to be done unless somebody rings: until the next pause is over."""
    letters = Letter.objects.filter(state=Letter.State.QUEUED, retry_at__gt=now())
    ends = [
        paused.aggregate(at=Min("retry_at"))["at"]
        for paused in (letters, Peer.objects.filter(retry_at__gt=now()))
    ]
    rests = [(at - now()).total_seconds() + 0.01 for at in ends if at is not None]
    return float(min([IDLE_S, *rests]))


def wake() -> None:
    """Have `keep_delivering` look for new letters at once."""
    couriers().wake()


def ready_letters() -> QuerySet[Letter]:
    """Letters whose receipts are there and whose pause is over, in the order in which they were written."""
    return Letter.objects.filter(
        Q(waits_for=None) | ~Q(waits_for__receipt=""),
        Q(retry_at=None) | Q(retry_at__lte=now()),
        state=Letter.State.QUEUED,
    ).order_by("written_at", "thread", "sequence")


def _send_out(carriers: Couriers) -> None:
    ready = ready_letters()
    waiting = Peer.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now()),
        transport=Peer.Transport.HTTPS,
        name__in=ready.order_by().values("thread__peer"),
    ).exclude(name__in=carriers.away)
    for peer in waiting[: MOST_COURIERS - len(carriers.away)]:
        batch = _batch(ready.filter(thread__peer=peer))
        if batch:
            carriers.send_out(peer.name, f"{peer.address.rstrip('/')}/letters/", batch)


def _batch(ready: QuerySet[Letter]) -> list[tuple[str, bytes]]:
    batch: list[tuple[str, bytes]] = []
    size_bytes = 0
    for digest in ready.values_list("digest", flat=True)[:BATCH_LETTERS]:
        envelope = bytes(Letter.objects.values_list("envelope", flat=True).get(digest=digest))
        size_bytes += len(envelope)
        if batch and size_bytes > BATCH_BYTES:
            break
        batch.append((digest, envelope))
    return batch


def _settle(brought: Iterable[Return]) -> None:
    """Note what came of some letters, in one transaction."""
    brought = list(brought)
    if not brought:
        return
    with transaction.atomic():
        take_turn()
        for each in brought:
            _settle_one(each)


def _settle_one(each: Return) -> None:
    try:
        if each.failed is not None:
            raise each.failed
        take_acknowledgement(each.answer, each.digest)
    except LetterError as failed:
        _note_failure(each, failed)
    if each.failed is None or each.failed.reached:
        Peer.objects.filter(name=each.peer, unreached__gt=0).update(unreached=0, retry_at=None, problem="")


def _note_failure(each: Return, failed: LetterError) -> None:
    row = Letter.objects.get(digest=each.digest)
    if row.state != Letter.State.QUEUED:
        return
    row.attempts += 1
    row.problem = str(failed)[:300]
    if isinstance(failed, DeliveryFailed) and not failed.reached:
        peer = Peer.objects.get(name=each.peer)
        peer.unreached += 1
        peer.retry_at = _after_a_pause(peer.unreached)
        peer.problem = row.problem
        peer.save(update_fields=["unreached", "retry_at", "problem"])
        _give_up(Letter.objects.filter(thread__peer=peer, state=Letter.State.QUEUED), row.problem)
    else:
        row.retry_at = _after_a_pause(row.attempts)
    if (isinstance(failed, DeliveryFailed) and not failed.retryable) or _too_old(row.queued_at):
        row.state = Letter.State.DEAD
        logger.error("letter %s to %s is dead: %s", row.type, each.peer, failed)
    row.save(update_fields=["attempts", "problem", "retry_at", "state"])


def _give_up(waiting: QuerySet[Letter], problem: str) -> None:
    waiting.filter(queued_at__lte=now() - GIVE_UP_AFTER).update(state=Letter.State.DEAD, problem=problem)


def _too_old(queued_at: datetime | None) -> bool:
    return queued_at is not None and queued_at <= now() - GIVE_UP_AFTER


def _after_a_pause(failures: int) -> datetime:
    pause_s = min(2.0 ** min(failures - 1, 20) * FIRST_PAUSE_S, LONGEST_PAUSE_S)
    return now() + timedelta(seconds=pause_s * _chance.uniform(1.0, 1.5))
