# SPDX-License-Identifier: Apache-2.0
"""What an engine is: something that looks for flaws in one program, in boxes, for some seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from proofhouse.scan._target import Target

MAX_WORDS = 400
"""Characters that are kept of any one sentence that a tool says."""


class Method(StrEnum):
    """How flaws are looked for, in the words of a scan lease."""

    FUZZING = "fuzzing"
    STATIC_ANALYSIS = "static-analysis"
    AI_AGENT = "ai-agent"


class EngineMissing(Exception):
    """An engine cannot work here; the message says what to install or enable."""


@dataclass(frozen=True)
class Candidate:
    """An input that seemed to crash the program; nothing is proved by it yet."""

    content: bytes


@dataclass(frozen=True)
class Remark:
    """What a static tool says about a line. It is no proof.

    Attributes:
        path: File below the source's root.
        line: Counted from 1; 0 where the tool names none.
        rule: The tool's own name for what it saw.
        weakness: Such as `CWE-787`, or empty.
        severity: The tool's own word.
        message: One sentence of the tool.
    """

    path: PurePosixPath
    line: int
    rule: str
    weakness: str
    severity: str
    message: str


@dataclass(frozen=True)
class Count:
    """How many inputs an engine has tried so far."""

    executions: int


Seen = Candidate | Remark | Count


@dataclass(frozen=True)
class Terms:
    """How long and how an engine works.

    Attributes:
        seconds: Elapsed time, building not counted.
        seed: The same seed makes the same choices, as far as the tool can.
        tell: Told in one line what is being done.
        model: Inspect's name of the model that an agent uses, or empty.
    """

    seconds: float
    seed: int
    tell: Callable[[str], None]
    model: str = ""


class Engine(Protocol):
    """One way to look for flaws.

    Attributes:
        name: As people choose it.
        method: What a lease must name for it to be used.
        means: What a report says that found the flaw: `fuzzer`, `scanner`, `ai-system`.
        limits: What it cannot do, in one sentence.
        last_resort: It runs by itself only where no other engine of its method is installed.
    """

    name: str
    method: Method
    means: str
    limits: str
    last_resort: bool

    def version(self) -> str:
        """Name and version of the tool.

        Raises:
            EngineMissing: It is not installed; the message names the Debian package.
        """
        ...

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """Look for flaws until the time is over; each thing found is handed out at once.

        Raises:
            ValidationError: The program cannot be built as the engine needs it.
            SandboxError: No box can be opened, or it died.
            EngineMissing: The tool cannot work with this program or in this box.
        """
        ...


def plain(text: object, chars: int = MAX_WORDS) -> str:
    """One printable line of what a tool said; tools repeat what hostile sources hold."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text)[: 4 * chars]).split())
    return words if len(words) <= chars else words[: chars - 1] + "…"
