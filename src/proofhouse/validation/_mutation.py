# SPDX-License-Identifier: Apache-2.0
"""A short hunt around a stopped proof: small changes of its inputs, run against the patched build.

A patch that recognises one input instead of mending the bug falls here. Only a crash that looks like the
proof's own counts against the patch; another bug of the same program is reported, not blamed on it.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from proofhouse.sandbox import Box, BoxSpec, Limits, SandboxDead, open_box
from proofhouse.validation._crash import EXIT_CODE, Crash, similar
from proofhouse.validation._execution import (
    PROGRAM_DIRECTORY,
    Command,
    Execution,
    OpenBox,
    Outcome,
    execute,
    sanitizer_environment,
)

_RUNS_PER_BOX = 200
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
_TIMEOUT_S = 5
MIN_EXECUTIONS = 60
"""A busy machine gets more time, at most ten times as much, until so many inputs have run."""


@dataclass(frozen=True)
class Hunt:
    """What a hunt found.

    Attributes:
        executions: how many mutated inputs ran.
        twin: a crash like the proof's own, if one was found and repeated in a fresh box.
        others: classes of crashes that look like other bugs.
    """

    executions: int
    twin: Crash | None
    others: tuple[str, ...]


Inputs = Mapping[str, tuple[PurePosixPath, bytes]]


def mutate(content: bytes, chance: random.Random) -> bytes:
    """One to four small changes: a bit, a byte, a number, a removed or repeated stretch."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        if not changed:
            changed += bytes([chance.choice(_INTERESTING)])
            continue
        place = chance.randrange(len(changed))
        stretch = slice(place, place + chance.randint(1, 16))
        kind = chance.randrange(5)
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[place] = chance.choice(_INTERESTING)
        elif kind == 2:
            changed[place] = (changed[place] + chance.choice((-1, 1, 4, 16))) % 256
        elif kind == 3:
            del changed[stretch]
        else:
            changed[place:place] = changed[stretch] * chance.randint(1, 8)
    return bytes(changed)


def hunt(
    program: bytes,
    inputs: Inputs,
    known: Crash,
    command: Callable[[Inputs], Command],
    name_crash: Callable[[Execution], Crash],
    *,
    seconds: float,
    seed: str,
    opener: OpenBox = open_box,
) -> Hunt:
    """Run mutated inputs for some seconds, many in one box, until a twin is found.

    Args:
        program: the patched build.
        inputs: the proof's inputs, all of which are mutated, one at a time.
        known: the proof's crash on the vulnerable build.
        command: makes a command of inputs.
        name_crash: names the crash of an execution.
        seconds: elapsed time to spend.
        seed: makes the order of mutations repeatable.
        opener: opens the boxes.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatability is wanted, not secrecy
    names = sorted(inputs)
    started = time.monotonic()
    executions = 0

    def is_over() -> bool:
        spent = time.monotonic() - started
        return spent >= 10 * seconds or (spent >= seconds and executions >= MIN_EXECUTIONS)

    others: set[str] = set()
    spec = BoxSpec(limits=Limits(wall_s=_TIMEOUT_S, cpu_s=8 * _TIMEOUT_S), profile="build")
    while not is_over():
        try:
            with opener(spec) as box:
                box.put_tree(program, PROGRAM_DIRECTORY)
                for _ in range(_RUNS_PER_BOX):
                    if is_over():
                        break
                    name = chance.choice(names)
                    path, content = inputs[name]
                    attempt = command({**inputs, name: (path, mutate(content, chance))})
                    executions += 1
                    if _exit_code(box, attempt) == EXIT_CODE:
                        crash = _repeated(program, attempt, name_crash, opener)
                        if crash is not None and _same_bug(crash, known):
                            return Hunt(executions, crash, tuple(sorted(others)))
                        if crash is not None:
                            others.add(crash.crash_class)
        except (SandboxDead, OSError):
            continue
    return Hunt(executions, None, tuple(sorted(others)))


def _exit_code(box: Box, attempt: Command) -> int | None:
    """Run in a box that is used many times; a suspicious exit is only a hint, repeated in a fresh box."""
    for path, content in attempt.files.items():
        box.put(f"{PROGRAM_DIRECTORY}/{path}", content)
    options = sanitizer_environment("stderr")
    return box.exec(attempt.argv, stdin=attempt.stdin, cwd=PROGRAM_DIRECTORY, env=options).exit_code


def _repeated(
    program: bytes, attempt: Command, name_crash: Callable[[Execution], Crash], opener: OpenBox
) -> Crash | None:
    again = execute(program, attempt, opener=opener)
    return name_crash(again) if again.outcome is Outcome.CRASHED else None


def _same_bug(crash: Crash, known: Crash) -> bool:
    return crash.state[:1] == known.state[:1] or similar(crash.state, known.state)
