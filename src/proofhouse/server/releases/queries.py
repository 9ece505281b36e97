# SPDX-License-Identifier: Apache-2.0
"""Who may see releases and acknowledgements, and what they see."""

from __future__ import annotations

import base64
from typing import Any

from proofhouse.server.accounts.gate import readable_by, require, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine.acts import ActError, question
from proofhouse.server.engine.record import trust_policy
from proofhouse.server.house import this_house
from proofhouse.server.releases.models import Acknowledgement, Release
from proofhouse.server.releases.services import (
    AUDIENCE,
    director_repository,
    image_repository,
    repositories_published,
    vendor_key_records,
)

readable_by(Release, Role.COORDINATOR)
readable_by(Acknowledgement, Role.COORDINATOR, Role.OPERATOR)


@question
def releases(*, actor: Person) -> list[dict[str, Any]]:
    """The patches that this house directed; one is live once it stands in a manifest."""
    return [
        {
            "item": row.item,
            "advisory": row.advisory,
            "path": row.path,
            "sha256": row.sha256,
            "manifest_version": row.manifest_version,
            "in_force": row.entry.in_force,
        }
        for row in visible(actor, Release).select_related("entry")
    ]


@question
def acknowledgements(*, actor: Person) -> list[dict[str, Any]]:
    """What agents answered."""
    return [
        {"item": row.item, "member": row.member, "agent": row.agent, "stage": row.stage, "reason": row.reason}
        for row in visible(actor, Acknowledgement)
    ]


@question
def release_keys(*, actor: Person) -> list[dict[str, Any]]:
    """The public halves of the keys with which this vendor signs releases, to be handed over in person."""
    require(actor, Permission.RELEASES_PATCH_SIGN)
    return vendor_key_records()


@question
def agent_trust(*, actor: Person) -> dict[str, Any]:
    """What a member pins in its agent: both repositories' first roots and the ledger policy, as files in base64.

    Raises:
        ActError: The repositories are not published yet.
    """
    require(actor, Permission.RELEASES_PATCH_DIRECT)
    if not repositories_published():
        raise ActError("the repositories are not open; open them and wait for the receipt", "not_in_force")
    files = {
        "director-root.json": director_repository().root_bytes(),
        "image-root.json": image_repository().root_bytes(),
        "ledger-policy": bytes(trust_policy()),
    }
    address = this_house().address
    return {
        "audience": AUDIENCE,
        "director_url": f"{address}/repositories/director",
        "image_url": f"{address}/repositories/image",
        "files": {name: base64.b64encode(content).decode("ascii") for name, content in files.items()},
    }
