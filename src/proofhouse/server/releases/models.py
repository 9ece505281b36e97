# SPDX-License-Identifier: Apache-2.0
"""Patches that were released to members, and what their agents answered."""

from __future__ import annotations

from django.db import models

from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry, Peer


class Release(models.Model):
    """One item of the director's manifest: a patch that members may install, once its receipt is there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    item = models.CharField(max_length=64, unique=True)
    advisory = models.CharField(max_length=20)
    vendor = models.ForeignKey(Peer, on_delete=models.PROTECT)
    path = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    length_bytes = models.PositiveBigIntegerField()
    manifest_version = models.PositiveIntegerField(null=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    authorised_at = models.DateTimeField()

    class Meta:
        ordering = ["authorised_at"]


class Acknowledgement(models.Model):
    """What an agent answered, signed with its enrolled key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    item = models.CharField(max_length=64)
    member = models.CharField(max_length=31)
    agent = models.CharField(max_length=120)
    stage = models.CharField(max_length=16)
    reason = models.CharField(max_length=300, blank=True)
    envelope_sha256 = models.CharField(max_length=64, unique=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["received_at"]


class Agent(models.Model):
    """A member's enrolled agent and the key that it signs with."""

    name = models.CharField(primary_key=True, max_length=120)
    member = models.CharField(max_length=31)
    public_key = models.JSONField()
    enrolled_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]


class Enrolment(models.Model):
    """A single-use code by which an agent enrols its key itself; only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.CharField(max_length=120)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["made_at"]


class ReleaseKey(models.Model):
    """Which TUF key a vendor signs with, as the clearinghouse was told; delegated to once its receipt is there."""

    vendor = models.OneToOneField(Peer, on_delete=models.PROTECT, primary_key=True)
    public_key = models.JSONField()
    told_at = models.DateTimeField()
    entry = models.OneToOneField(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="+")
    """Empty only where a vendor was enrolled before enrolments were recorded."""
