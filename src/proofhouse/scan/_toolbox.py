# SPDX-License-Identifier: Apache-2.0
"""A fuzzer at work in a box: started in one thread, looked at from another, everything that it writes bounded."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from proofhouse.sandbox import Box, BoxSpec, ExecResult, Limits, SandboxError, open_box
from proofhouse.scan._target import Target

PLACE = "/work/program"
LOOK_EVERY_S = 3.0
MAX_FINDS = 200
"""Inputs that are taken from one engine; a program that crashes on everything is one flaw, not thousands."""
MAX_FIND_BYTES = 2 << 20
MAX_FINDS_BYTES = 32 << 20
GRACE_S = 60.0
MEMORY_BYTES = 3 << 30


def open_workshop(seconds: float, target: Target, program: bytes) -> Box:
    """A box for one fuzzer, with a build and the inputs that are not changed in it."""
    limits = Limits(
        wall_s=seconds + GRACE_S,
        cpu_s=int(8 * (seconds + GRACE_S)),
        memory_bytes=MEMORY_BYTES,
        cores=1,
        disk_bytes=1 << 30,
        output_bytes=1 << 20,
    )
    box = open_box(BoxSpec(limits=limits, profile="build", keep_background=True))
    try:
        box.put_tree(program, PLACE)
        for name, (path, content) in target.inputs.items():
            box.put(f"{PLACE}/input/{name}{path.suffix}", content)
        for number, seed in enumerate(target.seeds):
            box.put(f"/work/seeds/{number:03}", seed)
    except BaseException:
        box.close()
        raise
    return box


@dataclass
class Working:
    """A command of a box that has been started; look at the box meanwhile.

    Attributes:
        result: What it did, once it has ended.
        failed: Why the box was lost, if it was.
    """

    result: ExecResult | None = None
    failed: SandboxError | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def looks(self) -> Iterator[bool]:
        """Every few seconds and once at the end: whether it has ended.

        Raises:
            SandboxError: The box was lost.
        """
        over = False
        while not over:
            over = self._over.wait(LOOK_EVERY_S)
            if self.failed is not None:
                raise self.failed
            yield over


def start(
    box: Box, argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str], wall_s: float
) -> Working:
    """Start a command in a box; it ends by itself, with `wall_s`, or with the box."""
    working = Working()

    def work() -> None:
        try:
            working.result = box.exec(argv, stdin=stdin, cwd=PLACE, env=env, wall_s=wall_s)
        except SandboxError as lost:
            working.failed = lost
        finally:
            working._over.set()

    threading.Thread(target=work, name=f"scan-{argv[0]}", daemon=True).start()
    return working


def finds(box: Box, directory: str, known: set[str]) -> Iterator[bytes]:
    """New files of a directory in a box, at most `MAX_FINDS` in all; hostile names, links and sizes are passed over.

    Args:
        box: Where.
        directory: In it.
        known: Names that were handed out before; grows.
    """
    content = b""
    with suppress(OSError):  # not there yet, or flooded
        content = box.get_tree(directory, MAX_FINDS_BYTES)
    for name, found in sorted(regular_files(content).items()):
        if len(known) < MAX_FINDS and name not in known:
            known.add(name)
            yield found


def regular_files(content: bytes) -> dict[str, bytes]:
    """The small regular files of a tar that came out of a box; all of it is hostile."""
    files: dict[str, bytes] = {}
    with (
        suppress(tarfile.TarError, OSError, ValueError),
        tarfile.open(fileobj=io.BytesIO(content)) as archive,
    ):
        for member in archive:
            if len(files) >= 2 * MAX_FINDS:
                break
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None and member.size <= MAX_FIND_BYTES and not member.name.endswith(".txt"):
                files[member.name] = stream.read()
    return files
