# SPDX-License-Identifier: Apache-2.0
"""From an input that an engine took for a crash to a proof: three times out of three, on the plain build, once each."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from proofhouse.scan._target import Target
from proofhouse.validation import Crash, crash_of, execute, minimise, repeating


@dataclass(frozen=True)
class Find:
    """An input that crashed the plain program three times out of three, each in a fresh box.

    Attributes:
        content: The input, made smaller where that was possible.
        crash: What it sets off.
        engine: Name of the engine that found it.
        version: Its tool and the tool's version.
        means: What a report says that found it.
        after_s: Seconds from the beginning of the engine's search until it was found.
        before_bytes: Size of the input as it was found.
        model: The model that found it, where an agent did.
    """

    content: bytes
    crash: Crash
    engine: str
    version: str
    means: str
    after_s: float
    before_bytes: int
    model: str = ""


@dataclass
class Bench:
    """Where candidates are proved; it knows what was proved before, so that each crash is one find.

    Attributes:
        target: The program.
        minimise_s: Elapsed time for making one proof smaller.
    """

    target: Target
    minimise_s: float
    _known: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)

    def crashes(self, content: bytes) -> bool:
        """Whether one run of the program on this input leaves a report."""
        return execute(self.target.program, self.target.command(content)).report is not None

    def prove(self, content: bytes) -> tuple[bytes, Crash] | None:
        """A proof and its crash; None when the candidate does not repeat, or when its crash is known already.

        Crashes are told apart by their class and top frame.

        Raises:
            SandboxDead: A box died in every attempt.
            SandboxUnavailable: No box can be opened.
        """
        program, target = self.target.program, self.target
        once = execute(program, target.command(content))
        if once.report is None or _sign(crash_of(program, once)) in self._known:
            return None
        crash = repeating(program, target.command(content))
        if crash is None or _sign(crash) in self._known:
            return None
        self._known.add(_sign(crash))
        return self._smaller(content, crash)

    def _smaller(self, content: bytes, crash: Crash) -> tuple[bytes, Crash]:
        """The same crash from fewer bytes, where that still repeats; otherwise what was found."""
        program, target = self.target.program, self.target
        made = minimise(
            {"input": content},
            crash,
            lambda inputs: execute(program, target.command(inputs["input"])),
            lambda run: crash_of(program, run),
            seconds=self.minimise_s,
        )
        if made and made[0].base64:
            less = base64.b64decode(made[0].base64)
            again = repeating(program, target.command(less))
            if again is not None and _sign(again) == _sign(crash):
                return less, again
        return content, crash


def _sign(crash: Crash) -> tuple[str, tuple[str, ...]]:
    return crash.crash_class, crash.state[:1]
