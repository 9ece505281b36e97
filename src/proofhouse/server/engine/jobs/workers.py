# SPDX-License-Identifier: Apache-2.0
"""Workers know of each other by their rows: who beats is alive, and what a dead one held is taken over by a live one.

A worker is dead when it has not been seen for `DEAD_AFTER_S` by the database's clock, or, on the machine that looks, as
soon as its process is gone. A worker that was only slow is declared dead wrongly at worst: its runs are fenced
(`turn`), and it enters itself again with its next beat.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from django.db.models.functions import Now

from proofhouse.server.engine.models import Worker

BEAT_S = 2.0
DEAD_AFTER_S = 20.0


@lru_cache(maxsize=1)
def _machine() -> str:
    """This machine, as far as its process numbers mean the same: boot and pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _born(pid: int) -> int | None:
    """When a process started, in ticks since the machine did; None when there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def new_name() -> str:
    """A name for a worker of this process."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"


def beat(name: str, queues: Sequence[str], *, draining: bool = False) -> None:
    """Enter a worker of this process, or say that it is alive."""
    if not Worker.objects.filter(id=name).update(seen_at=Now(), draining=draining):
        Worker.objects.create(
            id=name,
            machine=_machine(),
            pid=os.getpid(),
            born=_born(os.getpid()) or 0,
            queues=list(queues),
            draining=draining,
            started_at=Now(),
            seen_at=Now(),
        )


def leave(name: str) -> None:
    """Take a worker's row away."""
    Worker.objects.filter(id=name).delete()


def bury() -> list[str]:
    """Take the rows of dead workers away; returns their names. Of several that look at once, one gets each name."""
    unseen = Worker.objects.filter(seen_at__lt=Now() - timedelta(seconds=DEAD_AFTER_S))
    dead = [(name, unseen.filter(id=name)) for name in unseen.values_list("id", flat=True)]
    dead += [
        (row.id, Worker.objects.filter(id=row.id))
        for row in Worker.objects.filter(machine=_machine())
        if _born(row.pid) != row.born
    ]
    return [name for name, row in dead if row.delete()[0]]
