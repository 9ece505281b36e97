# SPDX-License-Identifier: Apache-2.0
"""Exports for the inspector."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry, Peer


class Export(models.Model):
    """What was handed to, or received by, an inspector: a bundle by its digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT)
    sha256 = models.CharField(max_length=64)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["made_at"]
