# SPDX-License-Identifier: Apache-2.0
"""A real house directory for each test, and a desk on which tests may register acts of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from proofhouse.attest import Signer
from proofhouse.server.engine import acts, deadlines, effects, keys, post, record
from proofhouse.server.engine.jobs import port
from proofhouse.server.engine.jobs.eager import Eager
from proofhouse.server.house import Desk, House, create_house
from server.makers import Correspondent

_REGISTRIES: tuple[Any, ...] = (
    acts.ACTS,
    acts.QUESTIONS,
    acts._after_commit,
    deadlines._HANDLERS,
    effects._EFFECTS,
    port.WORKS,
    post._HANDLERS,
)


@pytest.fixture
def house(tmp_path: Path, settings: Settings) -> Iterator[House]:
    """The review office with every desk switched on: directory, keys, an empty log."""
    made = create_house(
        tmp_path / "office",
        name="office",
        title="Review Office",
        desks=frozenset(Desk),
        address="http://localhost:8199",
        demo=True,
    )
    for role in ("letters", "log", "exam", "export", "publisher", "validation"):
        Signer.generate(role, "office", demo=True).save(made.keys)
    inspection = made.keys / "inspection" / "epoch-1"
    inspection.parent.mkdir(mode=0o700)
    inspection.write_bytes(bytes(range(32)))
    settings.HOUSE = made
    cache.clear()  # it counts attempts to sign in
    keys.signer.cache_clear()
    record.open_log.cache_clear()
    port.use(Eager())
    yield made
    close_log()
    keys.signer.cache_clear()


def close_log() -> None:
    """End the house's hold on its log, as the end of its process does."""
    for log in (record.open_log, record.open_own_log):
        if log.cache_info().currsize:
            log().close()
        log.cache_clear()


@pytest.fixture
def desk() -> Iterator[None]:
    """Lets a test register acts, handlers and effects, and takes them away afterwards."""
    kept = [registry.copy() for registry in _REGISTRIES]
    yield
    for registry, before in zip(_REGISTRIES, kept, strict=True):
        registry.clear()
        registry.extend(before) if isinstance(registry, list) else registry.update(before)


@pytest.fixture
def lab(db: None, house: House) -> Correspondent:
    """A foreign house that was introduced to this one for every letter type."""
    return Correspondent.introduced("lab")


@pytest.fixture
def vendor(db: None, house: House) -> Correspondent:
    """Another foreign house."""
    return Correspondent.introduced("vendor")
