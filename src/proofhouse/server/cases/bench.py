# SPDX-License-Identifier: Apache-2.0
"""A recipe of the house, with the proof of one report in the place of its own proofs. Pure but for the files it writes.

The recipe says how the product is built and fed, and was put there by people of the house; the report gives bytes and
the class of crash that it claims. Nothing of the report's own words is run.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class NoSeat(ValueError):
    """The report's files do not fit the inputs of the recipe; the message says how."""


def lay_out(
    source: Path, name: str, place: Path, proof: Mapping[str, Any], files: Mapping[str, bytes]
) -> Path:
    """Write a recipe that proves one report, and what it needs, below `place`.

    Args:
        source: Directory of the house's recipe (`recipes/NAME`).
        name: Name of the recipe.
        place: An empty directory.
        proof: `identifier` and `claimed_crash` of the report.
        files: Name and bytes of each file of the proof.

    Returns:
        The recipe's file.

    Raises:
        NoSeat: The files do not fit its inputs.
    """
    shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
    file = place / "recipes" / f"{name}.toml"
    recipe = tomllib.loads(file.read_text(encoding="utf-8"))
    model = recipe["proof"][0]
    seats = seated(sorted(model["inputs"]), sorted(files))
    report = place / "report"
    report.mkdir()
    for number, (given, content) in enumerate(sorted(files.items())):
        (report / f"{number}{Path(given).suffix[:12]}").write_bytes(content)
    numbers = {given: number for number, given in enumerate(sorted(files))}
    inputs = {
        seat: {"file": f"report/{numbers[given]}{Path(given).suffix[:12]}"} for seat, given in seats.items()
    }
    recipe["proof"] = [
        {
            "name": "report",
            "identifiers": [proof["identifier"]],
            "inputs": inputs,
            "crash": {"classes": [proof["claimed_crash"]]},
            "fixed": model["fixed"],
        }
    ]
    recipe["patch"] = [
        {key: value for key, value in patch.items() if key != "stops"} for patch in recipe["patch"]
    ]
    for left_out in ("test", "mutation"):
        recipe.pop(left_out, None)
    file.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in recipe.items()), encoding="utf-8")
    return file


def seated(inputs: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Which file goes where: the only one to the only input, else by the name without its ending.

    Raises:
        NoSeat: There are more or fewer, or a name fits none.
    """
    if len(inputs) == len(files) == 1:
        return {inputs[0]: files[0]}
    stems = {Path(file).stem.lower(): file for file in files}
    if len(files) != len(inputs) or set(stems) != set(inputs):
        raise NoSeat(f"the recipe takes {', '.join(inputs)}; the report has {', '.join(files) or 'no files'}")
    return {name: stems[name] for name in inputs}


def _toml(value: Any) -> str:
    """A value as TOML 1.0 in one line; strings as JSON has them, which TOML reads alike."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
