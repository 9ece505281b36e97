# SPDX-License-Identifier: Apache-2.0
"""Records of the engine: ledger entries with their receipts, peers, threads and letters."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7


class LedgerEntry(models.Model):
    """What an act records in the ledger; in force only once `receipt` verifies (design rule 3).

    The record itself stays here; the log holds its 50-byte salted leaf only.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    case = models.CharField(max_length=64)
    record = models.JSONField()
    record_key = models.BinaryField(max_length=32)
    leaf = models.BinaryField(max_length=50, unique=True)
    created_at = models.DateTimeField()
    log_index = models.BigIntegerField(null=True, unique=True)
    receipt = models.TextField(blank=True)
    effected = models.BooleanField(default=False)
    problem = models.CharField(max_length=300, blank=True)
    """What kept its effect from being brought about at the last try."""

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["case", "kind"])]

    @property
    def in_force(self) -> bool:
        """Whether the receipt is there; it is stored only after it verified."""
        return bool(self.receipt)


class DoneAct(models.Model):
    """An act that was asked for under an idempotency key, and what came of it."""

    key = models.CharField(primary_key=True, max_length=120)
    act = models.CharField(max_length=80)
    value = models.JSONField(null=True)


class Peer(models.Model):
    """Another house, and the keys by which we know it."""

    name = models.SlugField(primary_key=True, max_length=31)
    title = models.CharField(max_length=120)
    address = models.URLField(max_length=200)
    introductions = models.JSONField(default=list)
    log_key = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]


class Thread(models.Model):
    """A correspondence with one other house; its state follows from its letters."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    peer = models.ForeignKey(Peer, on_delete=models.PROTECT, related_name="threads")
    subject = models.CharField(max_length=200)
    case = models.CharField(max_length=64, blank=True)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class Letter(models.Model):
    """One signed statement, sent or received; the envelope is kept byte for byte."""

    class Direction(models.TextChoices):
        """Seen from this house."""

        RECEIVED = "received"
        SENT = "sent"

    class State(models.TextChoices):
        """How far a letter has come."""

        QUEUED = "queued"
        ACKNOWLEDGED = "acknowledged"
        DEAD = "dead"
        HELD = "held"
        RECEIVED = "received"

    digest = models.CharField(primary_key=True, max_length=64)
    direction = models.CharField(max_length=8, choices=Direction.choices)
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="letters")
    type = models.CharField(max_length=48)
    sequence = models.PositiveIntegerField()
    body = models.JSONField()
    envelope = models.BinaryField()
    state = models.CharField(max_length=12, choices=State.choices)
    waits_for = models.ForeignKey(LedgerEntry, null=True, on_delete=models.PROTECT)
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)
    written_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledgement = models.BinaryField(null=True)

    class Meta:
        ordering = ["written_at", "sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "direction", "sequence"], name="one_letter_per_place_in_a_thread"
            )
        ]


class HighWater(models.Model):
    """The latest instant at which this house did anything; one row (see `engine.clock`)."""

    at = models.DateTimeField()


class Deadline(models.Model):
    """Something that falls due. It changes in the transaction of the act that moves it, and fires exactly once."""

    class State(models.TextChoices):
        """A deadline never leaves the last two."""

        PENDING = "pending"
        FIRED = "fired"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    case = models.CharField(max_length=64)
    due_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    settled_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["due_at", "id"]
        indexes = [models.Index(fields=["state", "due_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "case"], condition=models.Q(state="pending"), name="one_pending_deadline"
            )
        ]
