# SPDX-License-Identifier: Apache-2.0
"""Who may see exports."""

from __future__ import annotations

from typing import Any

from proofhouse.server.accounts.gate import readable_by, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import question
from proofhouse.server.oversight.models import Export

readable_by(Export, Role.COORDINATOR, Role.INSPECTOR, Role.REVIEWER)


@question
def exports(*, actor: Person) -> list[dict[str, Any]]:
    """What was handed to, or received by, an inspector."""
    return [
        {"id": str(row.id), "with": row.peer.name, "sha256": row.sha256}
        for row in visible(actor, Export).select_related("peer")
    ]
