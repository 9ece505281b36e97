# SPDX-License-Identifier: Apache-2.0
"""Inquiries, agreements, windows and determinations. The lab and the review office each keep their own side."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry, Peer, Thread
from proofhouse.server.exams.models import ExamStatement
from proofhouse.server.reviews.rules import Basis, InquiryState, Label


class Inquiry(models.Model):
    """A developer asks whether a model is covered. Voluntary, and may be withdrawn at any time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.CharField(max_length=64, unique=True)
    thread = models.OneToOneField(Thread, on_delete=models.PROTECT)
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT)
    model_name = models.CharField(max_length=120)
    model_sha256 = models.CharField(max_length=64)
    planned_partner_release = models.DateTimeField()
    state = models.CharField(
        max_length=20, choices=[(s.value, s.value) for s in InquiryState], default=InquiryState.INQUIRED
    )
    inquired_at = models.DateTimeField()

    class Meta:
        ordering = ["inquired_at"]
        verbose_name = "inquiry"


class Agreement(models.Model):
    """One version of the terms of access, as data."""

    inquiry = models.ForeignKey(Inquiry, on_delete=models.PROTECT, related_name="agreements")
    version = models.PositiveIntegerField()
    terms = models.JSONField()
    terms_sha256 = models.CharField(max_length=64)
    proposed_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["version"]
        constraints = [
            models.UniqueConstraint(fields=["inquiry", "version"], name="one_agreement_per_version")
        ]


class Window(models.Model):
    """The span in which the office may use its access: at most 30 days, and it only ever closes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    inquiry = models.OneToOneField(Inquiry, on_delete=models.PROTECT, related_name="window")
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")


class Determination(models.Model):
    """The authority's word on whether a model is covered, from the sealed rule alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.CharField(max_length=64)
    model_name = models.CharField(max_length=120)
    model_sha256 = models.CharField(max_length=64)
    developer = models.CharField(max_length=120, blank=True)
    basis = models.CharField(max_length=16, choices=[(b.value, b.value) for b in Basis])
    label = models.CharField(max_length=16, choices=[(v.value, v.value) for v in Label])
    statement = models.ForeignKey(ExamStatement, null=True, on_delete=models.PROTECT)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    decided_by = models.CharField(max_length=120)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["decided_at"]


class RegisterEntry(models.Model):
    """A line of the label register; public once the determination's receipt is there."""

    number = models.CharField(primary_key=True, max_length=20)
    determination = models.OneToOneField(
        Determination, on_delete=models.PROTECT, related_name="register_entry"
    )

    class Meta:
        ordering = ["number"]
