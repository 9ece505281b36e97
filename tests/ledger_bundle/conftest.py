# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the bundle tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_bundle.small_house import Office


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def bundle(office: Office, tmp_path: Path) -> Path:
    return office.write(tmp_path / "bundle.zip")
