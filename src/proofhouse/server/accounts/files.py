# SPDX-License-Identifier: Apache-2.0
"""Records behind the gate: how a case is marked, who is named to it, who stands back from it, what was opened.

All of them name a case as the ledger does (`case:…`, `report:…`, `review:…`), so that they hold for every desk.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models

from proofhouse.server.accounts.marks import UNMARKED, Mark
from proofhouse.server.engine.ids import uuid7


class CaseFile(models.Model):
    """The mark of a case, and the case that it became part of. A case without a file is unmarked and stands alone."""

    key = models.CharField(primary_key=True, max_length=64)
    mark = models.CharField(max_length=16, choices=[(m.value, m.value) for m in Mark], default=UNMARKED)
    part_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="parts")

    class Meta:
        ordering = ["key"]
        verbose_name = "case file"
        indexes = [models.Index(fields=["mark"])]


class Grant(models.Model):
    """A person's need to know of one case, until an instant. It opens once its ledger entry has a receipt (rule 3)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey("accounts.Person", on_delete=models.PROTECT, related_name="grants")
    case = models.CharField(max_length=64)
    reason = models.CharField(max_length=300)
    granted_by = models.ForeignKey("accounts.Person", on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField()
    until = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    entry = models.OneToOneField("engine.LedgerEntry", on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["id"]
        verbose_name = "grant"
        indexes = [models.Index(fields=["person", "case"]), models.Index(fields=["case"])]


class Recusal(models.Model):
    """A person stands back from a case. It shuts at once, and opens again only when its lifting has a receipt."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey("accounts.Person", on_delete=models.PROTECT, related_name="recusals")
    case = models.CharField(max_length=64)
    reason = models.CharField(max_length=300)
    since = models.DateTimeField()
    entry = models.OneToOneField("engine.LedgerEntry", on_delete=models.PROTECT, related_name="+")
    lifting = models.OneToOneField(
        "engine.LedgerEntry", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["id"]
        verbose_name = "recusal"
        indexes = [models.Index(fields=["person", "case"]), models.Index(fields=["case"])]


class GateOpening(models.Model):
    """Somebody opened something that is TLP:AMBER+STRICT or RED: which row, and by which rules; one row each day."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey("accounts.Person", on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=60)
    row = models.CharField(max_length=64)
    case = models.CharField(max_length=64)
    mark = models.CharField(max_length=16, choices=[(m.value, m.value) for m in Mark])
    rules = models.CharField(max_length=300)
    day = models.DateField()
    first_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name = "opening"
        indexes = [models.Index(fields=["case"])]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "model", "row", "mark", "rules", "day"], name="one_opening_a_day"
            )
        ]


def running_grants(at: datetime | models.Expression) -> models.Q:
    """Which grants open something at an instant, or at one that the database is told when it is asked."""
    return models.Q(withdrawn_at=None, until__gt=at) & ~models.Q(entry__receipt="")


def standing_recusals() -> models.Q:
    """Which recusals shut something now."""
    return models.Q(lifting=None) | models.Q(lifting__receipt="")
