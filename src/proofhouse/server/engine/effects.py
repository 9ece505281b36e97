# SPDX-License-Identifier: Apache-2.0
"""What an act brings about outside the database, once its receipt is there (design rule 3: no receipt, no effect).

An effect (writing a provider tree, directing a patch) is registered by ledger kind. It runs after the receipt was
verified, at least once, so it must be idempotent.
"""

from __future__ import annotations

from collections.abc import Callable

from proofhouse.server.engine.models import LedgerEntry

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
    """Run the effects of all entries that came into force."""
    for entry in LedgerEntry.objects.filter(effected=False).exclude(receipt=""):
        effect = _EFFECTS.get(entry.kind)
        if effect is not None:
            effect(entry)
        entry.effected = True
        entry.save(update_fields=["effected"])
