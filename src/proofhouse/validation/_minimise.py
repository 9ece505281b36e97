# SPDX-License-Identifier: Apache-2.0
"""Making a proof smaller: delta debugging in a box, bounded in time, and checked again in a fresh box at the end.

Stretches of an input are left out, halves first, then ever shorter ones (A. Zeller, R. Hildebrandt, "Simplifying and
isolating failure-inducing input", 2002). A smaller input counts when it crashes with the proof's class and top frame.
"""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proofhouse.attest import sha256_hex
from proofhouse.validation._crash import Crash
from proofhouse.validation._execution import Execution, Outcome

MAX_KEPT_BYTES = 64 << 10

Try = Callable[[Mapping[str, bytes]], Execution]
"""Runs the proof with these inputs in a fresh box."""


@dataclass(frozen=True)
class Smaller:
    """One input, made smaller.

    Attributes:
        input: its name.
        before_bytes: its size in the recipe.
        after_bytes: its size now.
        sha256: digest of its content now.
        base64: its content, when it has at most 64 KiB.
    """

    input: str
    before_bytes: int
    after_bytes: int
    sha256: str
    base64: str


def minimise(
    inputs: Mapping[str, bytes], known: Crash, run: Try, name: Callable[[Execution], Crash], *, seconds: float
) -> tuple[Smaller, ...]:
    """Leave out what a proof does not need.

    Args:
        inputs: name → content.
        known: its crash.
        run: runs it.
        name: names the crash of a run.
        seconds: elapsed time to spend over all inputs.

    Returns:
        The inputs that became smaller; none when nothing could be left out.
    """
    end = time.monotonic() + seconds
    now = dict(inputs)

    def still_fires(content: bytes, which: str) -> bool:
        found = run({**now, which: content})
        if found.outcome is not Outcome.CRASHED:
            return False
        crash = name(found)
        return crash.crash_class == known.crash_class and crash.state[:1] == known.state[:1]

    for which in sorted(inputs):
        now[which] = _reduce(now[which], lambda content, which=which: still_fires(content, which), end)  # type: ignore[misc]  # bound now
    return tuple(
        Smaller(
            which,
            len(inputs[which]),
            len(content),
            sha256_hex(content),
            base64.b64encode(content).decode() if len(content) <= MAX_KEPT_BYTES else "",
        )
        for which, content in now.items()
        if len(content) < len(inputs[which])
    )


def _reduce(content: bytes, fires: Callable[[bytes], bool], end: float) -> bytes:
    step = max(1, len(content) // 2)
    while content:
        place, shorter = 0, False
        while place < len(content):
            if time.monotonic() >= end:
                return content
            attempt = content[:place] + content[place + step :]
            if fires(attempt):
                content, shorter = attempt, True
            else:
                place += step
        if step == 1 and not shorter:
            return content
        step = max(1, step // 2)
    return content
