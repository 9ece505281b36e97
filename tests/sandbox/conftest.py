# SPDX-License-Identifier: Apache-2.0
"""Boxes for the tests, with the memory limit held in each of the two ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from proofhouse.sandbox import (
    WATCHDOG,
    Box,
    BoxSpec,
    SandboxUnavailable,
    Tier,
    _cgroup,
    can_hold_memory,
    open_box,
)

if not can_hold_memory():  # the same on a machine where this user may make no groups
    os.environ.setdefault(WATCHDOG, "1")

TIERS = ["T0", pytest.param("T1", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=TIERS)
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """One box of each tier with the default limits, shared by the tests of a module that leave it as it was."""
    with open_tier(request.param) as opened:
        yield opened


def open_tier(tier: Tier, spec: BoxSpec | None = None) -> Box:
    """A box of this tier, or the reason why there is none here as the reason for skipping."""
    spec = spec or BoxSpec()
    try:
        return open_box(replace(spec, tier=tier))
    except SandboxUnavailable as error:
        if tier == "T0":
            raise
        pytest.skip(str(error))


@pytest.fixture(params=["as this machine can", "without control groups"])
def enforcement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test twice: with whatever control groups there are, and with none."""
    if request.param == "without control groups":
        monkeypatch.setenv(WATCHDOG, "1")
        monkeypatch.setattr(_cgroup, "_places", lambda controller: iter(()))
    return str(request.param)
