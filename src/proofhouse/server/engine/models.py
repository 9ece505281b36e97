# SPDX-License-Identifier: Apache-2.0
"""Records of the engine: ledger entries with their receipts, peers, threads and letters, deadlines, jobs."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.jobs.rules import JobState


class LedgerEntry(models.Model):
    """What an act records in the ledger; in force only once `receipt` verifies (design rule 3).

    The record itself stays here; the log holds its 50-byte salted leaf only. What a house keeps to itself
    (`OWN_AFFAIRS`) goes into its own log, so that nobody outside learns how much of it there is.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    case = models.CharField(max_length=64)
    record = models.JSONField()
    record_key = models.BinaryField(max_length=32)
    leaf = models.BinaryField(max_length=50, unique=True)
    created_at = models.DateTimeField()
    log = models.CharField(max_length=8, choices=[("custody", "custody"), ("own", "own")], default="custody")
    log_index = models.BigIntegerField(null=True)
    receipt = models.TextField(blank=True)
    effected = models.BooleanField(default=False)
    problem = models.CharField(max_length=300, blank=True)
    """What kept its effect from being brought about at the last try."""

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["case", "kind"]),
            models.Index(
                fields=["log", "log_index"], condition=models.Q(receipt=""), name="entry_without_receipt"
            ),
            models.Index(fields=["id"], condition=models.Q(effected=False), name="entry_without_effect"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["log", "log_index"], name="one_entry_per_leaf_of_a_log")
        ]

    @property
    def in_force(self) -> bool:
        """Whether the receipt is there; it is stored only after it verified."""
        return bool(self.receipt)


class DoneAct(models.Model):
    """An act that was asked for under an idempotency key, and what came of it; a key is its actor's own."""

    key = models.CharField(primary_key=True, max_length=120)
    act = models.CharField(max_length=80)
    asked_sha256 = models.CharField(max_length=64, blank=True)
    value = models.JSONField(null=True)


class Peer(models.Model):
    """Another house, the keys by which we know it, and the way that letters take to it.

    An organisation that works at a desk of this house is written to in the same way; its letters wait here until one of
    its people opens them.
    """

    class Transport(models.TextChoices):
        """How letters travel to the house."""

        FILE = "file"
        HOSTED = "hosted"
        HTTPS = "https"

    name = models.SlugField(primary_key=True, max_length=31)
    title = models.CharField(max_length=120)
    address = models.URLField(max_length=200, blank=True)
    transport = models.CharField(max_length=6, choices=Transport.choices, default=Transport.HTTPS)
    organisation = models.OneToOneField("accounts.Organisation", null=True, on_delete=models.PROTECT)
    introductions = models.JSONField(default=list)
    log_key = models.TextField(blank=True)
    unreached = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(transport="hosted", organisation__isnull=False)
                | models.Q(organisation__isnull=True) & ~models.Q(transport="hosted"),
                name="hosted_means_an_organisation",
            )
        ]


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
    """One signed statement, sent or received; the envelope is kept byte for byte.

    `head` is its sender's chain head in the thread after it (`docs/spec/letter.md` §5), empty while the letter waits.
    """

    class Direction(models.TextChoices):
        """Seen from this house."""

        RECEIVED = "received"
        SENT = "sent"

    class State(models.TextChoices):
        """How far a letter has come."""

        QUEUED = "queued"
        ACKNOWLEDGED = "acknowledged"
        ABANDONED = "abandoned"
        DEAD = "dead"
        HELD = "held"
        RECEIVED = "received"

    digest = models.CharField(primary_key=True, max_length=64)
    direction = models.CharField(max_length=8, choices=Direction.choices)
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="letters")
    type = models.CharField(max_length=48)
    sequence = models.PositiveIntegerField()
    in_reply_to = models.CharField(max_length=64, blank=True)
    head = models.CharField(max_length=64, blank=True)
    body = models.JSONField()
    envelope = models.BinaryField()
    state = models.CharField(max_length=12, choices=State.choices)
    waits_for = models.ForeignKey(LedgerEntry, null=True, on_delete=models.PROTECT)
    attempts = models.PositiveIntegerField(default=0)
    queued_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)
    written_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledgement = models.BinaryField(null=True)

    class Meta:
        ordering = ["written_at", "sequence"]
        indexes = [models.Index(fields=["state", "thread"])]
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "direction", "sequence"], name="one_letter_per_place_in_a_thread"
            )
        ]


class HighWater(models.Model):
    """The latest instant at which this house did anything; one row (see `engine.clock`)."""

    at = models.DateTimeField()


class Blob(models.Model):
    """A few bytes that an act stored: they commit with it (see `engine.blobs`)."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    content = models.BinaryField()


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


class Job(models.Model):
    """One piece of work, from the act that asked for it to its end."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    queue = models.CharField(max_length=20)
    arguments = models.JSONField()
    case = models.CharField(max_length=64, blank=True)
    key = models.CharField(max_length=120, blank=True)
    asked_by = models.ForeignKey("accounts.Person", null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in JobState], default=JobState.QUEUED
    )
    dispatch = models.PositiveIntegerField(default=1)
    """Which order to run it is the valid one; an older one does nothing."""
    run = models.PositiveIntegerField(default=0)
    """Counts every start. Whoever holds an older number was taken over and writes nothing any more."""
    attempts = models.PositiveIntegerField(default=0)
    ceiling = models.PositiveIntegerField()
    """So many attempts, then it is poisoned."""
    worker = models.CharField(max_length=120, blank=True)
    percent = models.PositiveSmallIntegerField(default=0)
    text = models.CharField(max_length=200, blank=True)
    result = models.JSONField(null=True)
    problem = models.CharField(max_length=500, blank=True)
    enqueued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    """When its run last gave a sign of life."""
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-enqueued_at", "-id"]
        verbose_name = "job"
        indexes = [models.Index(fields=["state", "enqueued_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(state__in=["queued", "running"]) & ~models.Q(key=""),
                name="one_live_job_per_key",
            )
        ]


class JobStep(models.Model):
    """The marker of a step that has happened, written in the transaction of what it did; a replay reads the result."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    place = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    result = models.JSONField(null=True)
    done_at = models.DateTimeField()

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["job", "place"], name="one_marker_per_step")]


class Worker(models.Model):
    """A process that takes jobs. `seen_at` is the database's own time, so that machines need not agree on one."""

    id = models.CharField(primary_key=True, max_length=120)
    machine = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    born = models.BigIntegerField()
    """Start of the process in ticks since the machine started; a pid is used again, both together are not."""
    queues = models.JSONField()
    draining = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["started_at"]


class SearchText(models.Model):
    """The folded words by which a record is found (see `engine.search`); read through what the gate shows."""

    label = models.CharField(max_length=60)
    key = models.CharField(max_length=64)
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["label", "key"], name="one_text_per_record")]
