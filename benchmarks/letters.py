# SPDX-License-Identifier: Apache-2.0
"""What a letter costs in a short thread and in a long one: written, taken in and acknowledged, each a transaction.

    python benchmarks/letters.py            # SQLite, 1,000 letters each way in one thread; --quick: 200

Processor time per letter (ms) and letters per second of processor time, over the first hundred letters of the thread
and over the last hundred. Processor time, because other work on the machine and the disk's `fsync` would drown what
is compared.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _told import asks, tell

HUNDRED = 100


def main() -> int:
    """Run; exit code 0."""
    parser = asks(__doc__)
    parser.add_argument("--letters", type=int, help="each way; 1,000, or 200 with --quick")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proofhouse-letters.") as scratch:
        _open(Path(scratch) / "lab")
        report = _measure(asked.letters or (200 if asked.quick else 1000))
    tell(report, as_json=asked.as_json)
    return 0


def _open(directory: Path) -> None:
    """A house of its own, and its database with every table."""
    from proofhouse.server.house import Desk
    from proofhouse.server.opening import NewPerson, open_house, prepare_database

    house = open_house(
        directory,
        name="lab",
        title="Lab",
        desks=frozenset({Desk.LAB}),
        address="http://localhost:8191",
        people=[NewPerson("steward@lab.example", "A steward", ["steward"])],
        demo=True,
    )
    os.environ["PROOFHOUSE_HOUSE"] = str(directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    prepare_database(house)


def _measure(count: int) -> dict[str, Any]:
    from django.db import connection, transaction

    from proofhouse import letters
    from proofhouse.attest import Signer
    from proofhouse.server.accounts.models import Person
    from proofhouse.server.engine import post, record, services
    from proofhouse.server.engine.models import Letter, Thread

    steward = Person.objects.get(email="steward@lab.example")
    office = Signer.generate("letters", "office", demo=True)
    introduction = {
        "house": "office",
        "title": "Office",
        "address": "http://127.0.0.1:9",
        "key": office.public.to_record(),
        "demo": True,
        "since": "2020-01-01T00:00:00.000000Z",
        "until": None,
    }
    services.introduce(actor=steward, introduction=introduction, purposes=["checkpoint"])
    record.collect_receipts()
    written = _timed(range(count), lambda _: services.tell_checkpoint(actor=steward, peer="office"))
    thread = str(Thread.objects.get().id)
    own = [letters.parse_letter(bytes(row.envelope)) for row in Letter.objects.order_by("sequence")]
    there = letters.Thread(thread, ["lab", "office"])
    acknowledgements, theirs = [], []
    for number, letter in enumerate(own, 1):
        there.apply(letter)
        acknowledgements.append(letters.acknowledge(letter, office, datetime.now(UTC), thread=there).data)
        theirs.append(
            letters.seal(
                "checkpoint",
                letter.body,
                sender="office",
                recipient="lab",
                thread=thread,
                sequence=number,
                signer=office,
                now=datetime.now(UTC),
            ).data
        )

    def acknowledge(data: bytes) -> None:
        with transaction.atomic():
            post.take_acknowledgement(data)

    acknowledged = _timed(acknowledgements, acknowledge)
    taken = _timed(theirs, post.receive)
    return {
        "database": connection.vendor,
        "letters_each_way": count,
        "written": written,
        "acknowledged": acknowledged,
        "taken_in": taken,
    }


def _timed(things: Iterable[Any], work: Callable[[Any], Any]) -> dict[str, float]:
    """Processor time of the first and of the last hundred."""
    each_s = []
    for thing in things:
        began = time.process_time()
        work(thing)
        each_s.append(time.process_time() - began)
    first, last = sum(each_s[:HUNDRED]) / HUNDRED, sum(each_s[-HUNDRED:]) / HUNDRED
    return {
        "first_hundred_ms": round(first * 1000, 1),
        "last_hundred_ms": round(last * 1000, 1),
        "first_hundred_per_s": round(1 / first, 1),
        "last_hundred_per_s": round(1 / last, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
