# SPDX-License-Identifier: Apache-2.0
"""How machines sign in: `Authorization: Bearer ph_…`, a token that a person made for an organisation.

    machine = authenticate_token(request.headers.get("Authorization", ""))
    if machine is None: 401
    if not machine.may(Permission.MEMBERS_SBOM_SEND): 403
    services.send_sbom(actor=machine.person, …)

A token reaches no further than its scopes, and never further than the person who made it reaches today: when a role is
taken from that person, or the person stops working here, the token loses as much at once. Scopes are permissions by
their names (`members:sbom:send`) and the named scopes of `Scope`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hmac import compare_digest
from uuid import UUID

from django.db.models import Q

from proofhouse.server.accounts.gate import may_do
from proofhouse.server.accounts.minting import Kind, digest_of
from proofhouse.server.accounts.models import MachineToken, Organisation, Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.clock import now

LONGEST = timedelta(days=366)
_NOTED_EVERY = timedelta(minutes=1)
_SCHEME = "bearer"


class Scope(StrEnum):
    """What a token may do that is no act: reading, through the gate and as the person who made it."""

    READ = "api:read"


class UnknownScope(ValueError):
    """A scope that is neither a permission nor one of `Scope`; the message names it."""

    code = "unknown_scope"


def scopes_named(names: Iterable[str]) -> frozenset[Permission | Scope]:
    """Scopes by their names.

    Raises:
        UnknownScope: There is no such scope.
    """
    known: dict[str, Permission | Scope] = {each.value: each for each in (*Permission, *Scope)}
    found = set()
    for name in names:
        if name not in known:
            raise UnknownScope(f"there is no scope {name!r}")
        found.add(known[name])
    return frozenset(found)


@dataclass(frozen=True)
class Machine:
    """A machine that has signed in.

    Attributes:
        id: Of its token.
        name: Of its token, as people gave it.
        organisation: Whose machine it is.
        person: Who made the token; what the machine does, it does in this person's name.
        scopes: What the token is for.
    """

    id: UUID
    name: str
    organisation: Organisation
    person: Person
    scopes: frozenset[Permission | Scope]

    @property
    def reads(self) -> bool:
        """Whether it may ask for what its person may see."""
        return Scope.READ in self.scopes

    def may(self, permission: Permission) -> bool:
        """Whether the token is for this and its person may still do it."""
        return permission in self.scopes and may_do(self.person, permission)


def authenticate_token(header: str) -> Machine | None:
    """The machine behind an `Authorization` header; None where it carries no token that is good now.

    Expired, revoked and unknown tokens, and those of people who no longer work here, are told apart by nobody.
    """
    scheme, _, text = header.partition(" ")
    digest = digest_of(text.strip(), Kind.TOKEN) if scheme.lower() == _SCHEME else None
    if digest is None:
        return None
    row = MachineToken.objects.select_related("person", "organisation").filter(secret_sha256=digest).first()
    if row is None or not compare_digest(row.secret_sha256, digest):
        return None
    if not (row.good and row.person.is_active and _belongs(row)):
        return None
    _note_use(row.id)
    known = {each.value for each in (*Permission, *Scope)}
    scopes = scopes_named(name for name in row.scopes if name in known)
    return Machine(row.id, row.name, row.organisation, row.person, scopes)


def _belongs(row: MachineToken) -> bool:
    """Whether the person still works for the token's organisation, or for the house that hosts it."""
    return row.person.memberships.filter(
        Q(organisation=row.organisation) | Q(organisation__own=True)
    ).exists()


def _note_use(token: UUID) -> None:
    """Note when it was used, to the minute: a busy machine does not write with each call."""
    at = now()
    fresh = Q(used_at=None) | Q(used_at__lt=at - _NOTED_EVERY)
    MachineToken.objects.filter(fresh, id=token).update(used_at=at)
