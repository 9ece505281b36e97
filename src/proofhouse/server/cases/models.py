# SPDX-License-Identifier: Apache-2.0
"""Reports, what running them showed, and the cases that they became."""

from __future__ import annotations

from django.db import models

from proofhouse.server.cases.lease_rules import LeaseState, Mandate, Method
from proofhouse.server.cases.rules import CaseState, Channel, EmbargoState, ReportState, Standard
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
    """What a finder sent; it is never changed, only answered.

    `finder` is what people read, `finder_key` by what the finder's reports are counted (`quota`). A report that repeats
    another to the byte, in its words or in its proof, names the first as `duplicate_of`. `lease` is the scan lease
    under which the flaw was found, if the finder held one and says so.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.CharField(
        max_length=8, choices=[(each.value, each.value) for each in Channel], default=Channel.LETTER
    )
    thread = models.ForeignKey(Thread, null=True, on_delete=models.PROTECT, related_name="+")
    finder = models.CharField(max_length=120)
    finder_key = models.CharField(max_length=80, blank=True)
    submitter = models.ForeignKey("accounts.Person", null=True, on_delete=models.PROTECT, related_name="+")
    contact = models.EmailField(blank=True)
    title = models.CharField(max_length=200, blank=True)
    identifier = models.CharField(max_length=40, blank=True)
    product = models.CharField(max_length=200)
    version = models.CharField(max_length=100, blank=True)
    summary = models.TextField(max_length=4000)
    claimed_crash = models.CharField(max_length=100, blank=True)
    weakness = models.CharField(max_length=9, blank=True)
    location = models.CharField(max_length=400, blank=True)
    proof_name = models.CharField(max_length=120, blank=True)
    recipe_sha256 = models.CharField(max_length=64, blank=True)
    content_sha256 = models.CharField(max_length=64, blank=True)
    proof_sha256 = models.CharField(max_length=64, blank=True)
    document_sha256 = models.CharField(max_length=64, blank=True)
    provenance = models.JSONField()
    lease = models.ForeignKey("cases.ScanLease", null=True, on_delete=models.PROTECT, related_name="reports")
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in ReportState], default=ReportState.RECEIVED
    )
    duplicate_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="duplicates")
    case = models.ForeignKey(Case, null=True, on_delete=models.PROTECT, related_name="reports")
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["received_at"]
        verbose_name = "report"
        indexes = [
            models.Index(fields=["content_sha256"]),
            models.Index(fields=["product", "proof_sha256"]),
            models.Index(fields=["finder_key", "received_at"]),
            models.Index(fields=["state", "received_at"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="duplicate", duplicate_of__isnull=False)
                | models.Q(duplicate_of__isnull=True) & ~models.Q(state="duplicate"),
                name="duplicate_means_of_another",
            )
        ]


class Attachment(models.Model):
    """A file of a report, by its digest; its bytes lie in the blobs and are handed out as bytes only."""

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="attachments")
    name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    length_bytes = models.PositiveBigIntegerField()
    recipe = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["report", "name"], name="one_file_per_name")]


class Refusal(models.Model):
    """How many attempts to report were refused on a day, by way and reason: counted, so that nobody can fill a disk."""

    day = models.DateField()
    channel = models.CharField(max_length=8, choices=[(each.value, each.value) for each in Channel])
    code = models.CharField(max_length=40)
    count = models.PositiveIntegerField()

    class Meta:
        ordering = ["day", "channel", "code"]
        constraints = [
            models.UniqueConstraint(fields=["day", "channel", "code"], name="one_count_per_reason_a_day")
        ]


class Reading(models.Model):
    """What one person found on reading a report that nothing here can run. It takes two to settle it."""

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="readings")
    reader = models.ForeignKey("accounts.Person", on_delete=models.PROTECT, related_name="+")
    finding = models.CharField(max_length=16, choices=[(s.value, s.value) for s in ReportState])
    standard = models.CharField(max_length=20, choices=[(each.value, each.value) for each in Standard])
    grounds = models.TextField(max_length=4000)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    read_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class ValidationRun(models.Model):
    """One signed result of running a report's proof; the envelope lies in the blobs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="runs")
    statement_sha256 = models.CharField(max_length=64)
    verdict = models.CharField(max_length=16, choices=[(s.value, s.value) for s in ReportState])
    reason = models.CharField(max_length=600, blank=True)
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


class ScanLease(models.Model):
    """What somebody means to scan, on whose word, and until when. Others learn that there is one, never whose."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    holder = models.ForeignKey("accounts.Person", on_delete=models.PROTECT, related_name="+")
    product = models.CharField(max_length=200)
    product_key = models.CharField(max_length=200)
    commit_from = models.CharField(max_length=80, blank=True)
    commit_to = models.CharField(max_length=80, blank=True)
    subsystem = models.CharField(max_length=200, blank=True)
    method = models.CharField(max_length=16, choices=[(each.value, each.value) for each in Method])
    mandate = models.CharField(max_length=12, choices=[(each.value, each.value) for each in Mandate])
    mandated_by = models.CharField(max_length=200)
    mandated_on = models.DateField()
    mandate_terms = models.TextField(max_length=2000)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(
        max_length=8, choices=[(each.value, each.value) for each in LeaseState], default=LeaseState.ACTIVE
    )
    ended_at = models.DateTimeField(null=True)
    lease_sha256 = models.CharField(max_length=64)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["taken_at"]
        verbose_name = "scan lease"
        indexes = [models.Index(fields=["product_key", "state"])]


class ProductRules(models.Model):
    """What the owner of a product asks of whoever scans it; the newest statement counts."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.CharField(max_length=200)
    product_key = models.CharField(max_length=200)
    owner = models.CharField(max_length=200)
    methods = models.JSONField(default=list)
    longest_days = models.PositiveSmallIntegerField(null=True)
    security_model = models.TextField(max_length=4000, blank=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    stated_at = models.DateTimeField()

    class Meta:
        ordering = ["stated_at"]
        verbose_name = "rules of a product"
        verbose_name_plural = "rules of products"
        indexes = [models.Index(fields=["product_key", "stated_at"])]


class KnownPrint(models.Model):
    """A fingerprint by which a report is known, under the house's key."""

    print = models.CharField(max_length=64)
    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="prints")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["print", "report"], name="one_print_a_report")]


class BlindCheck(models.Model):
    """One question whether a flaw is known, and its answer."""

    lease = models.ForeignKey(ScanLease, on_delete=models.PROTECT, related_name="questions")
    print = models.CharField(max_length=64)
    known = models.PositiveSmallIntegerField()
    asked_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["lease", "asked_at"])]


class Bench(models.Model):
    """The recipe on which the reports of some finders about a product are run as they come; the newest counts."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.CharField(max_length=200)
    product_key = models.CharField(max_length=200)
    recipe = models.CharField(max_length=81)
    recipe_sha256 = models.CharField(max_length=64)
    trusted = models.JSONField(default=list)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        ordering = ["set_at"]
        verbose_name_plural = "benches"
        indexes = [models.Index(fields=["product_key", "set_at"])]
