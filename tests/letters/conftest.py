# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the letter tests."""

from __future__ import annotations

import pytest

from letters.correspondents import Correspondents


@pytest.fixture(scope="session")
def houses() -> Correspondents:
    return Correspondents()
