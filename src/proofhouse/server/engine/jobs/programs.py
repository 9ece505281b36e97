# SPDX-License-Identifier: Apache-2.0
"""Programs inside jobs: in a process group of their own, with a scrubbed environment, killed with their job."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import proofhouse
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.jobs.turn import SIGN_EVERY_S, Turn, current
from proofhouse.server.engine.models import Job
from proofhouse.server.house import this_house

LOOK_EVERY_S = 0.25
"""How often a waiting run looks whether it was cancelled."""
SAID_BYTES = 64 << 10
"""What is kept of a program's output; the rest is dropped."""
LINE_CHARACTERS = 500
KEPT_BYTES = 64 << 20

_KEEPER = Path(__file__).with_name("keeper.py")
_SOURCE = str(Path(proofhouse.__file__).resolve().parents[1])


class ProgramFailed(Exception):
    """A program ended with a code that is no answer; the message ends with the last thing that it said."""


class ProgramTimeout(Exception):
    """A program took longer than it may, and was killed with everything that it had started."""


@dataclass(frozen=True)
class Ran:
    """What came of a program."""

    code: int
    said: str
    """The end of its standard output."""
    complaint: str
    """The last line of its standard error."""
    kept: dict[str, str]
    """Files that it left: name to SHA-256; their bytes are in the blobs."""


def own_command(*words: str) -> list[str]:
    """The argument vector of one of our own commands, as `proofhouse WORDS`."""
    return [sys.executable, "-m", "proofhouse.cli", *words]


def run_program(
    argv: Sequence[str],
    *,
    timeout_s: float,
    ok: Sequence[int] = (0,),
    keep: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Ran:
    """Run a program as a step of the job under way: at least once, its result is kept once.

    It starts in an empty directory that is gone afterwards, with no standard input and an environment that names
    nothing of this process but the search path. While it runs, its job gives signs of life, and looks four times a
    second whether it was cancelled or taken over. However this ends, and also if this process is killed, everything
    that the program started is killed with it.

    Args:
        argv: Program and arguments; never a shell.
        timeout_s: Longest time that it may take.
        ok: Exit codes that are an answer.
        keep: Files that it leaves in its directory, by name; those that it left are put into the blobs.
        env: Variables beside `PATH`, `HOME`, `TMPDIR`, `LANG`, `TZ` and `PYTHONPATH`.
        on_line: Told each line that it writes to standard error, in this thread; it may report progress.

    Raises:
        ProgramFailed: Another exit code than those in `ok`.
        ProgramTimeout: It took too long.
    """
    turn = current()

    def work() -> dict[str, object]:
        clear_left()
        scratch = _places() / f"{turn.job}.{turn.run}"
        scratch.mkdir(parents=True)
        try:
            return asdict(_run(turn, list(argv), scratch, timeout_s, ok, keep, env or {}, on_line))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    return Ran(**turn.at_least_once(f"run {Path(argv[0]).name}", work))


def clear_left() -> None:
    """Take away the directories of programs whose run is over; a killed worker could not do it itself."""
    running = Job.objects.filter(state=JobState.RUNNING).values_list("id", "run")
    valid = {f"{job}.{run}" for job, run in running}
    for place in _places().iterdir() if _places().exists() else ():
        if place.name not in valid:
            shutil.rmtree(place, ignore_errors=True)


def _places() -> Path:
    place: Path = this_house().work / "jobs"
    return place


def _run(
    turn: Turn,
    argv: list[str],
    scratch: Path,
    timeout_s: float,
    ok: Sequence[int],
    keep: Sequence[str],
    env: Mapping[str, str],
    on_line: Callable[[str], None] | None,
) -> Ran:
    home = scratch / "home"
    home.mkdir()
    with subprocess.Popen(
        [sys.executable, "-I", str(_KEEPER), *argv],
        cwd=scratch,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": _SOURCE,
            **env,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        tail = _Tail(process.stdout)
        lines = _Lines(process.stderr)
        try:
            _wait(turn, process, lines, time.monotonic() + timeout_s, on_line)
        finally:
            if process.stdin is not None:
                process.stdin.close()  # ends the program and all that it started, if it has not ended
            code = process.wait()
    if code not in ok:
        raise ProgramFailed(
            f"{Path(argv[0]).name} ended with {code}: {lines.last or tail.text()[-200:]}"[:500]
        )
    kept = {name: put_blob(_bounded(scratch / name)) for name in keep if (scratch / name).is_file()}
    return Ran(code, tail.text(), lines.last, kept)


def _wait(
    turn: Turn,
    process: subprocess.Popen[bytes],
    lines: _Lines,
    until: float,
    on_line: Callable[[str], None] | None,
) -> None:
    sign_at = time.monotonic() + SIGN_EVERY_S
    while process.poll() is None:
        line = lines.next(LOOK_EVERY_S)
        if line is not None and on_line is not None:
            on_line(line)
        if time.monotonic() > until:
            raise ProgramTimeout("the program took longer than it may")
        if line is None or time.monotonic() > sign_at:
            turn.stand()
        if time.monotonic() > sign_at:
            turn.sign()
            sign_at = time.monotonic() + SIGN_EVERY_S
    while on_line is not None and (line := lines.next(0.0)) is not None:
        on_line(line)


def _bounded(file: Path) -> bytes:
    if file.stat().st_size > KEPT_BYTES:
        raise ProgramFailed(f"{file.name} is larger than {KEPT_BYTES >> 20} MiB")
    return file.read_bytes()


class _Tail(threading.Thread):
    """Reads a stream to its end and keeps the last of it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._kept = stream, b""
        self.start()

    def run(self) -> None:
        while self._stream is not None and (block := self._stream.read1(1 << 16)):  # type: ignore[attr-defined]  # a buffered pipe
            self._kept = (self._kept + block)[-SAID_BYTES:]

    def text(self) -> str:
        self.join(5)
        return self._kept.decode(errors="replace")


class _Lines(threading.Thread):
    """Reads lines, cut at `LINE_CHARACTERS`; when nobody takes them, the oldest are dropped."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue(1000)
        self.last = ""
        self.start()

    def run(self) -> None:
        while self._stream is not None and (line := self._stream.readline(4 * LINE_CHARACTERS)):
            text = line.decode(errors="replace").strip()[:LINE_CHARACTERS]
            if not text:
                continue
            self.last = text
            if self._lines.full():
                self.next(0.0)
            self._lines.put(text)

    def next(self, patience_s: float) -> str | None:
        try:
            return self._lines.get(timeout=patience_s) if patience_s else self._lines.get_nowait()
        except queue.Empty:
            return None
