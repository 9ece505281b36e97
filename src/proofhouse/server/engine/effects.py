# SPDX-License-Identifier: Apache-2.0
"""What an act brings about outside the database, once its receipt is there (design rule 3: no receipt, no effect).

An effect (writing a provider tree, directing a patch) is registered by ledger kind. It runs after the receipt was
verified, at least once, so it must be idempotent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from proofhouse.server.engine.models import LedgerEntry

logger = logging.getLogger(__name__)

Effect = Callable[[LedgerEntry], None]

_EFFECTS: dict[str, Effect] = {}


def when_in_force(kind: str) -> Callable[[Effect], Effect]:
    """Register the effect of a ledger kind; a kind has at most one."""

    def register(effect: Effect) -> Effect:
        if kind in _EFFECTS:
            raise ValueError(f"{kind} has an effect already")
        _EFFECTS[kind] = effect
        return effect

    return register


def bring_about() -> None:
    """Run the effects of all entries that came into force, in the order of the acts.

    One that fails is noted on its entry and tried again in the next round; it keeps no other back.
    """
    waiting = LedgerEntry.objects.filter(effected=False).exclude(receipt="")
    waiting.exclude(kind__in=_EFFECTS).update(effected=True)
    for entry in waiting.filter(kind__in=_EFFECTS):
        try:
            _EFFECTS[entry.kind](entry)
        except Exception as failed:
            problem = f"{type(failed).__name__}: {failed}"[:300]
            if problem != entry.problem:
                logger.exception("the effect of %s in %s failed; it is tried again", entry.kind, entry.case)
                entry.problem = problem
                entry.save(update_fields=["problem"])
            continue
        entry.effected, entry.problem = True, ""
        entry.save(update_fields=["effected", "problem"])
