# SPDX-License-Identifier: Apache-2.0
"""One line of a verifier's answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Proved:
    """What was looked at and what came of it.

    Attributes:
        line: The claim, for people.
        ok: Whether it was proved.
        detail: More about it, or why it was not proved.
        file: The file in the bundle that it rests on, or that is at fault; empty where there is no single
            one.
    """

    line: str
    ok: bool
    detail: str = ""
    file: str = ""
