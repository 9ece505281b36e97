# SPDX-License-Identifier: Apache-2.0
"""Who may see advisories, and what they see."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from proofhouse.formats import check_provider
from proofhouse.server.accounts.gate import readable_by, require, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.advisories.services import provider_directory
from proofhouse.server.engine.acts import question
from proofhouse.server.engine.keys import public_keys
from proofhouse.server.engine.search import Searchable, searchable

readable_by(Advisory, Role.COORDINATOR)


searchable(
    Searchable(
        Advisory,
        title=lambda row: f"{row.number}: {row.title}",
        words=lambda row: [
            row.number,
            row.title,
            row.said["summary"],
            row.case.product,
            *row.case.identifiers,
        ],
        address=lambda row: reverse("advisories:advisory", args=[row.number]),
    )
)


@question
def advisories(*, actor: Person) -> list[dict[str, Any]]:
    """The advisories of this house; one is published once it is in force and its files are written."""
    return [
        {
            "number": row.number,
            "title": row.title,
            "csaf_sha256": row.csaf_sha256,
            "osv_sha256": row.osv_sha256,
            "published": row.entry.in_force and row.entry.effected,
        }
        for row in visible(actor, Advisory).select_related("entry")
    ]


@question
def provider(*, actor: Person) -> dict[str, Any]:
    """Whether the provider directory is right, checked as it lies on disk."""
    require(actor, Permission.ADVISORIES_ADVISORY_PUBLISH)
    checked = check_provider(provider_directory(), public_keys("publisher"))
    files = sum(path.is_file() for path in provider_directory().rglob("*"))
    return {"documents": checked.documents, "files": files, "problems": list(checked.findings)}
