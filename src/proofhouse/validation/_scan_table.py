# SPDX-License-Identifier: Apache-2.0
"""Where a search starts: the recipe's `[scan]`. It names ordinary input only, never a proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from proofhouse.validation._errors import RecipeError
from proofhouse.validation._table import NAME, Table

if TYPE_CHECKING:
    from proofhouse.validation._recipe import RunSpec

MAX_SEEDS = 64


class _Control(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> Mapping[str, object]: ...

    @property
    def run(self) -> RunSpec: ...


@dataclass(frozen=True)
class ScanSpec:
    """What a search changes.

    Attributes:
        control: Name of the control whose way of running the program is used, and whose inputs are the first seeds.
        input: Name of the input that is changed; the others stay as the control has them.
        seeds: Further ordinary files for that input, as paths inside the source without the recipe's patches.
    """

    control: str = ""
    input: str = ""
    seeds: tuple[PurePosixPath, ...] = ()


def read_scan(table: Table, controls: Sequence[_Control]) -> ScanSpec:
    """Read `[scan]`; without it, the first control and its first input that is not a server's request.

    Raises:
        RecipeError: There is no such control, it has no such input, or it talks to a server.
    """
    asked = table.text("control", NAME) if table.has("control") else ""
    able = [each for each in controls if each.run.http is None]
    control = next((each for each in able if each.name == asked or not asked), None)
    if asked and control is None:
        raise RecipeError(
            table.name("control"), f"there is no control named {asked!r} that takes files or standard input"
        )
    named = table.text("input") if table.has("input") else ""
    inputs = tuple(control.inputs) if control is not None else ()
    if named and named not in inputs:
        raise RecipeError(table.name("input"), f"the control has no input named {named!r}")
    seeds = table.paths("seeds", optional=True)
    if len(seeds) > MAX_SEEDS:
        raise RecipeError(table.name("seeds"), f"holds more than {MAX_SEEDS} files")
    table.done()
    if control is None:
        return ScanSpec()
    return ScanSpec(control.name, named or inputs[-1], seeds)
