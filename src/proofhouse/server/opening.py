# SPDX-License-Identifier: Apache-2.0
"""Opening a house: its directory, keys and people; its process makes the database when it starts."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proofhouse.attest import Signer
from proofhouse.server.accounts.minting import Kind, digest_of
from proofhouse.server.house import Desk, House, create_house

if TYPE_CHECKING:
    from proofhouse.server.accounts.models import Person

_KEYS: dict[str, frozenset[Desk]] = {
    "letters": frozenset(Desk),
    "log": frozenset(Desk),
    "exam": frozenset({Desk.REVIEW}),
    "export": frozenset(Desk),
    "publisher": frozenset({Desk.CLEARINGHOUSE}),
    "validation": frozenset({Desk.CLEARINGHOUSE}),
}
"""Which desks need a key of which role."""


PEOPLE = "opening.json"
"""The people of a new house, until its process has entered them."""


@dataclass(frozen=True)
class NewPerson:
    """Somebody to enter in a new house."""

    email: str
    name: str
    roles: Sequence[str]


def open_house(
    directory: Path,
    *,
    name: str,
    title: str,
    desks: frozenset[Desk],
    address: str,
    people: Sequence[NewPerson],
    demo: bool,
    invitation: str = "",
) -> House:
    """Lay out a house with its keys and people.

    Args:
        directory: Where it goes; must not hold a house yet.
        name: Slug.
        title: Name for people.
        desks: Desks to switch on.
        address: Origin of its web server.
        people: Who works there.
        demo: Whether it is a demonstration; its keys are marked so.
        invitation: Secret of the first person's invitation, whose link is the first way in; empty for none.

    Raises:
        HouseError: See `create_house`.
    """
    house = create_house(directory, name=name, title=title, desks=desks, address=address, demo=demo)
    house.mail.mkdir(mode=0o700)
    for role, needed_by in _KEYS.items():
        if needed_by & desks:
            Signer.generate(role, name, demo=demo).save(house.keys)
    _secret(house.keys / "web" / "secret", secrets.token_hex(32).encode())
    _secret(house.keys / "inspection" / "epoch-1", secrets.token_bytes(32))
    entries: list[dict[str, Any]] = [
        {"email": person.email, "name": person.name, "roles": list(person.roles)} for person in people
    ]
    if invitation:
        entries[0]["invitation"] = digest_of(invitation, Kind.INVITATION)
    _secret(house.directory / PEOPLE, json.dumps(entries).encode())
    return house


def _secret(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def prepare_database(house: House) -> None:
    """Bring the database of the house that this process serves up to date, and enter its first people."""
    from django.core.management import call_command

    from proofhouse.server.accounts.models import Membership, Person, own_organisation
    from proofhouse.server.engine.acts import one_transaction
    from proofhouse.server.engine.jobs import durable

    call_command("migrate", interactive=False, verbosity=0)
    durable.prepare()
    organisation = own_organisation()
    waiting = house.directory / PEOPLE
    if not waiting.exists():
        return
    with one_transaction("house.open"):
        for entry in json.loads(waiting.read_bytes()):
            person, new = Person.objects.get_or_create(email=entry["email"], defaults={"name": entry["name"]})
            if new:
                person.set_unusable_password()
                person.save(update_fields=["password"])
                Membership.objects.bulk_create(
                    [
                        Membership(person=person, organisation=organisation, role=role)
                        for role in entry["roles"]
                    ]
                )
                if entry.get("invitation"):
                    _invite(person, entry["invitation"])
    waiting.unlink()


def _invite(person: Person, digest: str) -> None:
    """Enter the invitation whose link was printed when the house was opened."""
    from proofhouse.server.accounts.models import Invitation, own_organisation
    from proofhouse.server.accounts.services import INVITATION_LASTS, note_invitation
    from proofhouse.server.engine.clock import now

    invitation = Invitation(
        secret_sha256=digest, person_id=person.id, email=person.email, name=person.name,
        organisation=own_organisation(), roles=[], invited_at=now(), expires_at=now() + INVITATION_LASTS,
    )  # fmt: skip
    invitation.entry = note_invitation(invitation, "the opening of the house", back=True)
    invitation.save()
