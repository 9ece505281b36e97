# SPDX-License-Identifier: Apache-2.0
"""Reports, what running them showed, and the cases that they became."""

from __future__ import annotations

from django.db import models

from proofhouse.server.cases.rules import CaseState, EmbargoState, ReportState
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry, Peer, Thread


class Case(models.Model):
    """One flaw that one fix mends, with every identifier it goes by. Vendor and coordinator each keep a side."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=200)
    product = models.CharField(max_length=200)
    identifiers = models.JSONField()
    state = models.CharField(
        max_length=24, choices=[(s.value, s.value) for s in CaseState], default=CaseState.VALIDATED
    )
    embargo = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in EmbargoState], default=EmbargoState.NONE
    )
    embargo_until = models.DateTimeField(null=True)
    vendor = models.ForeignKey(Peer, null=True, on_delete=models.PROTECT)
    thread = models.OneToOneField(Thread, null=True, on_delete=models.PROTECT, related_name="+")
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["opened_at"]
        verbose_name = "case"


class Report(models.Model):
    """What a finder sent; it is never changed, only answered."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="+")
    finder = models.CharField(max_length=120)
    identifier = models.CharField(max_length=40)
    product = models.CharField(max_length=200)
    summary = models.TextField(max_length=4000)
    proof_name = models.CharField(max_length=120)
    recipe_sha256 = models.CharField(max_length=64)
    provenance = models.JSONField()
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in ReportState], default=ReportState.RECEIVED
    )
    case = models.ForeignKey(Case, null=True, on_delete=models.PROTECT, related_name="reports")
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["received_at"]
        verbose_name = "report"


class ValidationRun(models.Model):
    """One signed result of running a report's proof; the envelope lies in the blobs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="runs")
    statement_sha256 = models.CharField(max_length=64)
    verdict = models.CharField(max_length=16, choices=[(s.value, s.value) for s in ReportState])
    crash_class = models.CharField(max_length=80, blank=True)
    frame = models.CharField(max_length=200, blank=True)
    runs = models.PositiveIntegerField()
    crashes = models.PositiveIntegerField()
    real = models.BooleanField()
    entry = models.ForeignKey(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    run_at = models.DateTimeField()

    class Meta:
        ordering = ["run_at"]


class Patch(models.Model):
    """A fix, by its digest, and the statement that proves it."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="patches")
    name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    proof_sha256 = models.CharField(max_length=64, blank=True)
    proved = models.BooleanField(default=False)
    offered_at = models.DateTimeField()

    class Meta:
        ordering = ["offered_at"]
        constraints = [
            models.UniqueConstraint(fields=["case", "sha256"], name="one_patch_per_digest_in_a_case")
        ]
