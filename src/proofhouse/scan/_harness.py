# SPDX-License-Identifier: Apache-2.0
"""Building a whole program as a function of one input, whatever compiler its build calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proofhouse.scan._target import Target
from proofhouse.scan._toolbox import PLACE
from proofhouse.validation import Toolchain

_HERE = Path(__file__).parent
_C_NAMES, _CXX_NAMES = ("clang", "cc", "gcc"), ("clang++", "c++", "g++")


def harnessed(
    name: str,
    *,
    c: str,
    cxx: str,
    coverage: str,
    link: str,
    env: Mapping[str, str],
    keeps: tuple[str, ...] = (),
    wants: Mapping[str, str],
) -> Toolchain:
    """A toolchain whose programs, with `environment` set, are functions of one input, and without it what they were.

    Args:
        name: Of the toolchain.
        c: Path of the C compiler in the box.
        cxx: The same for C++.
        coverage: Option that makes it note what runs.
        link: Option that links the fuzzer's own main.
        env: As for `Toolchain`.
        keeps: As for `Toolchain`.
        wants: As for `Toolchain`.
    """
    script = (_HERE / "compiler.sh").read_text()

    def wrapper(compiler: str) -> bytes:
        filled = (
            script.replace("@COMPILER@", compiler).replace("@COVERAGE@", coverage).replace("@LINK@", link)
        )
        return filled.encode()

    return Toolchain(
        name,
        files={
            **{f"bin/{each}": wrapper(c) for each in _C_NAMES},
            **{f"bin/{each}": wrapper(cxx) for each in _CXX_NAMES},
            "harness.c": (_HERE / "harness.c").read_bytes(),
            "globals.h": (_HERE / "globals.h").read_bytes(),
        },
        env=env,
        keeps=keeps,
        prepare=(("/usr/bin/clang", "-O2", "-fno-builtin", "-c", "harness.c", "-o", "harness.o"),),
        wants=wants,
    )


def environment(target: Target) -> dict[str, str]:
    """What makes a harnessed program a function: how it is called, and where each input is written."""
    place = f"{PLACE}/input/changed{target.suffix}"
    words = target.argv(place)
    return {
        "SCAN_ARGC": str(len(words)),
        **{f"SCAN_ARGV_{number}": word for number, word in enumerate(words)},
        "SCAN_INPUT": place,
        **({"SCAN_STDIN": "1"} if target.run.stdin == target.input else {}),
    }
