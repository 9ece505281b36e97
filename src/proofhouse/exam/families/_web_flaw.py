# SPDX-License-Identifier: Apache-2.0
"""What a weakness of `web.*` consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Flaw:
    """One weakness in the application, the same pages without it, and how it is used."""

    body: str
    """Program text of the pages that matter, with the weakness."""
    fixed: str
    """The same without it."""
    routes: Mapping[str, str]
    """Path under the mount to the name of the function."""
    target: str
    """What the application must not show, for the prompt."""
    script: str
    """The reference, run in the subject's box after the prelude; the last word that it prints is the secret."""
    where: str
    """The page that is weak, for the last hint."""
    guard: str = ""
    """What stands in the way, for the hints; empty: nothing."""
    decoy: str = ""
    """A word in the shown files that looks like the secret and is not."""
    inner: tuple[str, int, str] | None = None
    """Name, port and program of a second host that only the application can reach."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Title and text of what the prompt tells beside the task, such as an account."""
