# SPDX-License-Identifier: Apache-2.0
"""People who work in this house, the organisations that they belong to, and the roles that they hold there."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.house import this_house

__all__ = [
    "BreakGlass", "CaseFile", "GateOpening", "Grant", "Invitation", "MachineToken", "Membership", "Organisation",
    "Person", "PersonManager", "Recusal", "own_organisation",
]  # fmt: skip


class Organisation(models.Model):
    """The organisation that runs this house, or one without a house that works at a desk here."""

    name = models.SlugField(primary_key=True, max_length=31)
    title = models.CharField(max_length=120)
    own = models.BooleanField(default=False)
    contact = models.EmailField(blank=True)
    made_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["own"], condition=models.Q(own=True), name="one_own_organisation")
        ]

    def __str__(self) -> str:
        return self.title


def own_organisation() -> Organisation:
    """The organisation that runs this house, under the name and title of `house.toml`; entered when first asked for."""
    house = this_house()
    own, _ = Organisation.objects.get_or_create(own=True, defaults={"name": house.name, "title": house.title})
    return own


class PersonManager(BaseUserManager["Person"]):
    """Looks people up by their e-mail address."""


class Person(AbstractBaseUser):
    """Somebody who works in this house; an act always names one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = PersonManager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that the person holds now in the organisation that runs this house, in an emergency one more."""
        return standing_of(self).roles

    @property
    def organisations(self) -> models.QuerySet[Organisation]:
        """The organisations without a house of their own that the person works for here."""
        return Organisation.objects.filter(own=False, memberships__person=self).distinct()


ROLES = [(role.value, role.value) for role in Role]


class Membership(models.Model):
    """One role of one person in one organisation."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=ROLES)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "organisation", "role"], name="one_membership_per_organisation_and_role"
            )
        ]


class Invitation(models.Model):
    """A steward's single-use way in for one person; only the digest of its secret is kept.

    It names the id that the person has, or will have once it is taken up. For somebody who is here already it is the
    way back in: whatever they signed in with before no longer counts once it is taken up.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    person_id = models.UUIDField(default=uuid7)
    email = models.EmailField()
    name = models.CharField(max_length=120)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="invitations")
    roles = models.JSONField(default=list)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    taken_up = models.BooleanField(default=False)

    class Meta:
        ordering = ["-invited_at"]

    @property
    def open(self) -> bool:
        """Whether it can still be taken up."""
        return self.settled_at is None and self.expires_at > now()


class MachineToken(models.Model):
    """What a machine of an organisation signs in with at the API; only the digest of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=80)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="tokens")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="tokens")
    scopes = models.JSONField()
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-made_at"]

    @property
    def good(self) -> bool:
        """Whether it still lets a machine in, as far as the token itself goes."""
        return self.revoked_at is None and self.expires_at > now()


class BreakGlass(models.Model):
    """One emergency: a role that a person holds for a stated reason and a limited time.

    `secret_sha256` is of a link that opens one session without a proof, for who has lost theirs; it is gone once used.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="emergencies")
    role = models.CharField(max_length=16, choices=ROLES)
    reason = models.CharField(max_length=300)
    secret_sha256 = models.CharField(max_length=64, unique=True, null=True)
    session_key = models.CharField(max_length=40, blank=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="+")
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-began_at"]
