# SPDX-License-Identifier: Apache-2.0
"""Boxes for the tests, with the memory limit held in each of the two ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proofhouse.sandbox import Box, _cgroup, open_box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """One box with the default limits, shared by the tests of a module that leave it as it was."""
    with open_box() as opened:
        yield opened


@pytest.fixture(params=["as this machine can", "without control groups"])
def enforcement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test twice: with whatever control groups there are, and with none."""
    if request.param == "without control groups":
        monkeypatch.setattr(_cgroup, "_places", lambda controller: iter(()))
    return str(request.param)
