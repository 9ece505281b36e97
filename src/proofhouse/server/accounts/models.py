# SPDX-License-Identifier: Apache-2.0
"""People of this house and the roles that they hold."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.ids import uuid7


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
        """The roles that the person holds now."""
        return frozenset(Role(role) for role in self.memberships.values_list("role", flat=True))


class Membership(models.Model):
    """One role of one person."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "role"], name="one_membership_per_role")]
