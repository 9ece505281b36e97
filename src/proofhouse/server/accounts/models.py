# SPDX-License-Identifier: Apache-2.0
"""People who work in this house, the organisations that they belong to, and the roles that they hold there."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from proofhouse.server.accounts.files import CaseFile, GateOpening, Grant, Recusal
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.standing import standing_of
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.house import this_house

__all__ = [
    "CaseFile", "GateOpening", "Grant", "Membership", "Organisation", "Person", "PersonManager", "Recusal",
    "own_organisation",
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
        """The roles that the person holds now in the organisation that runs this house."""
        return standing_of(self).roles

    @property
    def organisations(self) -> models.QuerySet[Organisation]:
        """The organisations without a house of their own that the person works for here."""
        return Organisation.objects.filter(own=False, memberships__person=self).distinct()


class Membership(models.Model):
    """One role of one person in one organisation."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "organisation", "role"], name="one_membership_per_organisation_and_role"
            )
        ]
