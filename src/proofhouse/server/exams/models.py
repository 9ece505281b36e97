# SPDX-License-Identifier: Apache-2.0
"""Sealed banks and the signed reports of exams."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry


class Seal(models.Model):
    """An item bank and its threshold rule, fixed in the ledger before any access is given.

    Only commitments are here; the bank's key stays in custody until the seal is opened.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.CharField(max_length=64)
    commitments = models.JSONField()
    rule_sha256 = models.CharField(max_length=64)
    items = models.PositiveIntegerField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    sealed_at = models.DateTimeField()
    opening = models.OneToOneField(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["sealed_at"]


class ExamStatement(models.Model):
    """One signed exam report that this house has verified; the envelope lies in the blobs."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    case = models.CharField(max_length=64)
    model_name = models.CharField(max_length=120)
    subject_sha256 = models.CharField(max_length=64)
    seal = models.ForeignKey(Seal, on_delete=models.PROTECT, related_name="statements")
    verdict = models.CharField(max_length=16)
    ability = models.FloatField()
    ability_low = models.FloatField()
    ability_high = models.FloatField()
    outcomes = models.JSONField()
    tier = models.CharField(max_length=4)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField()

    class Meta:
        ordering = ["accepted_at"]
