# SPDX-License-Identifier: Apache-2.0
"""Published advisories; the documents themselves lie in the provider directory and the blobs."""

from __future__ import annotations

from django.db import models

from proofhouse.server.cases.models import Case
from proofhouse.server.engine.models import LedgerEntry


class Advisory(models.Model):
    """One advisory under its public number."""

    number = models.CharField(primary_key=True, max_length=20)
    case = models.OneToOneField(Case, on_delete=models.PROTECT, related_name="advisory")
    title = models.CharField(max_length=200)
    tlp = models.CharField(max_length=16)
    csaf_sha256 = models.CharField(max_length=64)
    osv_sha256 = models.CharField(max_length=64)
    fixed_version = models.CharField(max_length=120)
    said = models.JSONField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        verbose_name = "advisory"
