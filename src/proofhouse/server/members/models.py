# SPDX-License-Identifier: Apache-2.0
"""Members' SBOMs, what an advisory does to them, and the notifications that follow."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry, Peer


class Sbom(models.Model):
    """The parts list that a member gave the clearinghouse; the document lies in the blobs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    member = models.ForeignKey(Peer, on_delete=models.PROTECT, related_name="sboms")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    components = models.PositiveIntegerField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["received_at"]


class Match(models.Model):
    """One component against one advisory: yes, no or unknown. Only yes and unknown are kept."""

    class Answer(models.TextChoices):
        """Unknown is an answer (design rule 6)."""

        YES = "yes"
        UNKNOWN = "unknown"

    sbom = models.ForeignKey(Sbom, on_delete=models.PROTECT, related_name="matches")
    advisory = models.CharField(max_length=20)
    component = models.CharField(max_length=200)
    version = models.CharField(max_length=120, blank=True)
    answer = models.CharField(max_length=8, choices=Answer.choices)
    reason = models.CharField(max_length=400)

    class Meta:
        ordering = ["answer", "component"]


class Notification(models.Model):
    """What one member is told: what, where, do this, by when. Both houses keep it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT)
    advisory = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    components = models.JSONField()
    action = models.CharField(max_length=400)
    due_at = models.DateTimeField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    notified_at = models.DateTimeField()

    class Meta:
        ordering = ["notified_at"]
