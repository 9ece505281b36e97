# SPDX-License-Identifier: Apache-2.0
"""What a house knows of itself, what happened to it, what it filed; facts and versions are never changed."""

from __future__ import annotations

from django.db import models

from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.obligations.rules import FilingState


class Evidence(models.Model):
    """A document that bears out a fact or the meeting of a duty; its bytes lie in the blobs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sha256 = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    file_name = models.CharField(max_length=120)
    valid_until = models.DateField(null=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    added_by = models.CharField(max_length=254)
    added_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name = "evidence"


class EvidenceLink(models.Model):
    """One piece of evidence bears out one obligation; `covers` says which part of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, related_name="links")
    obligation = models.CharField(max_length=80)
    covers = models.CharField(max_length=300)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    linked_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["evidence", "obligation"], name="one_link_per_evidence_and_duty")
        ]


class AiModel(models.Model):
    """One model of this organisation; its name is the one under which it is reviewed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120, unique=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    added_by = models.CharField(max_length=254)
    added_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        verbose_name = "model"

    def __str__(self) -> str:
        """Its name."""
        return self.name


class ProfileFact(models.Model):
    """One answer; the latest of a name counts, null means not known any more.

    An answer belongs to the organisation, or to one model; a model without an answer of its own takes over the one that
    was given without a model.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    model = models.ForeignKey(AiModel, null=True, on_delete=models.PROTECT, related_name="facts")
    name = models.CharField(max_length=80)
    value = models.JSONField(null=True)
    source = models.CharField(max_length=300)
    evidence = models.ForeignKey(Evidence, null=True, on_delete=models.PROTECT, related_name="facts")
    since = models.DateField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["name", "id"])]


class Incident(models.Model):
    """One event as it is known now; how it was known before stands in its versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=200)
    model = models.ForeignKey(AiModel, null=True, on_delete=models.PROTECT, related_name="incidents")
    occurred = models.DateTimeField(null=True)
    discovered = models.DateTimeField(null=True)
    reasonable_belief = models.DateTimeField(null=True)
    determined = models.DateTimeField(null=True)
    involvement_aware = models.DateTimeField(null=True)
    resolved = models.DateTimeField(null=True)
    facts = models.JSONField()
    law_day = models.DateField(null=True)
    version = models.PositiveIntegerField(default=1)
    opened_by = models.CharField(max_length=254)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name = "incident"


class IncidentVersion(models.Model):
    """The whole record of an incident at one time, and why it was amended."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    record = models.JSONField()
    reason = models.CharField(max_length=300)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    made_by = models.CharField(max_length=254)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["incident", "number"]
        constraints = [models.UniqueConstraint(fields=["incident", "number"], name="one_version_per_number")]


class ClockRun(models.Model):
    """One clock of one incident: what the law data computes, and what two people set in its place."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="clocks")
    obligation = models.CharField(max_length=80)
    part = models.PositiveIntegerField()
    place = models.PositiveIntegerField()
    anchor = models.CharField(max_length=60, blank=True)
    due = models.DateTimeField(null=True)
    running = models.BooleanField(default=True)
    assessment = models.JSONField()
    override_due = models.DateTimeField(null=True)
    override_reason = models.CharField(max_length=300, blank=True)
    override_first = models.ForeignKey(Person, null=True, on_delete=models.PROTECT, related_name="+")
    override_second = models.ForeignKey(Person, null=True, on_delete=models.PROTECT, related_name="+")
    override_entry = models.ForeignKey(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="+")
    computed_at = models.DateTimeField()

    class Meta:
        ordering = ["incident", "place"]
        verbose_name = "clock"
        constraints = [
            models.UniqueConstraint(fields=["incident", "obligation", "part"], name="one_clock_per_part")
        ]

    @property
    def overridden(self) -> bool:
        """Whether two people have put something in the place of the computed date."""
        return self.override_second_id is not None


class Filing(models.Model):
    """One report to one recipient, rendered from one version of the incident's record."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="filings")
    obligation = models.CharField(max_length=80)
    recipient = models.CharField(max_length=200)
    record = models.JSONField()
    record_sha256 = models.CharField(max_length=64)
    redactions = models.JSONField(default=list)
    amendment_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="amendments")
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in FilingState], default=FilingState.DRAFTED
    )
    reference = models.CharField(max_length=200, blank=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    drafted_by = models.CharField(max_length=254)
    drafted_at = models.DateTimeField()
    filed_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "filing"


class CalendarDate(models.Model):
    """One date in the feed: its identity stays, its sequence counts the changes (RFC 5545 §3.8.7.4)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    origin = models.CharField(max_length=64)
    obligation = models.CharField(max_length=80)
    part = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    at = models.DateTimeField()
    sequence = models.PositiveIntegerField(default=0)
    cancelled = models.BooleanField(default=False)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]


class CalendarFeed(models.Model):
    """One person's private calendar address; only the hash of its token is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    token_sha256 = models.CharField(max_length=64, unique=True)
    titles = models.BooleanField(default=False)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]


class Bridge(models.Model):
    """The consent that events of a review may be taken over by this desk; without one nothing comes over."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    since = models.DateTimeField()
    stands = models.BooleanField(default=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    consented_by = models.CharField(max_length=254)
    consented_at = models.DateTimeField()
    withdrawal = models.OneToOneField(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_by = models.CharField(max_length=254, blank=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "consent"
        constraints = [
            models.UniqueConstraint(
                fields=["stands"], condition=models.Q(stands=True), name="one_consent_at_a_time"
            )
        ]


class BridgedEvent(models.Model):
    """What somebody of the own side made of a letter of a review: an incident, a fact, or neither and why."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    letter_sha256 = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=48)
    model_name = models.CharField(max_length=120)
    incident = models.ForeignKey(Incident, null=True, on_delete=models.PROTECT, related_name="events")
    fact = models.ForeignKey(ProfileFact, null=True, on_delete=models.PROTECT, related_name="events")
    reason = models.CharField(max_length=300, blank=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    decided_by = models.CharField(max_length=254)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name = "event"


class WeeklyDigest(models.Model):
    """What changed for this organisation in one week; made once, kept as it was told."""

    week = models.CharField(primary_key=True, max_length=8)
    record = models.JSONField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-week"]
        verbose_name = "digest"


class DigestReading(models.Model):
    """Somebody has read a digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    digest = models.ForeignKey(WeeklyDigest, on_delete=models.PROTECT, related_name="readings")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    read_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["digest", "person"], name="one_reading_per_person")]
