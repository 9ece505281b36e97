# SPDX-License-Identifier: Apache-2.0
"""Putting the programs of `families.guest` on a host, each with the item's canary on top."""

from __future__ import annotations

from importlib.resources import files

PLACE = "/work/guest"


def program(name: str, canary: str) -> bytes:
    """The text of one guest module."""
    text = files("proofhouse.exam.families.guest").joinpath(f"{name}.py").read_bytes()
    return f"# {canary}\n".encode() + text


def package(names: tuple[str, ...], canary: str) -> dict[str, bytes]:
    """The files by which `python3 -m guest.NAME`, run in `/work`, finds these modules."""
    return {f"{PLACE}/{name}.py": program(name, canary) for name in ("__init__", *names)}
