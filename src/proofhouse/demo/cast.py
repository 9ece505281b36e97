# SPDX-License-Identifier: Apache-2.0
"""Who plays in the demo: seven houses, their desks and people, and who knows whose key for what."""

from __future__ import annotations

from dataclasses import dataclass

from proofhouse.server.house import Desk
from proofhouse.server.opening import NewPerson


@dataclass(frozen=True)
class Part:
    """One house of the demo."""

    name: str
    title: str
    desks: frozenset[Desk]
    people: tuple[NewPerson, ...]

    def who(self, role: str) -> str:
        """E-mail of the person with a role."""
        return next(person.email for person in self.people if role in person.roles)


def _part(name: str, title: str, desks: set[Desk], *people: tuple[str, str]) -> Part:
    return Part(
        name,
        title,
        frozenset(desks),
        tuple(
            NewPerson(f"{person.split()[0].lower()}@{name}.example", person, roles.split())
            for person, roles in people
        ),
    )


CAST: dict[str, Part] = {
    part.name: part
    for part in (
        _part(
            "lab",
            "Meridian Lab",
            {Desk.LAB},
            ("Ada Okafor", "developer steward"),
            ("Cleo Marsh", "compliance"),
        ),
        _part(
            "office",
            "Review Office",
            {Desk.REVIEW, Desk.AUTHORITY},
            ("Ruth Lindqvist", "reviewer steward"),
            ("Nadia Amara", "authority"),
        ),
        _part("clearinghouse", "Clearinghouse", {Desk.CLEARINGHOUSE}, ("Carl Brandt", "coordinator steward")),
        _part("vendor", "XML Vendor", {Desk.VENDOR}, ("Mei Tanaka", "maintainer steward")),
        _part("clinic", "Valley Clinic", {Desk.MEMBER}, ("Omar Reyes", "operator steward")),
        _part("utility", "River Utility", {Desk.MEMBER}, ("Ines Moreau", "operator steward")),
        _part("inspector", "Inspector", {Desk.INSPECTOR}, ("Ivo Petrov", "inspector steward")),
    )
}

KNOWS: tuple[tuple[str, str], ...] = (
    ("lab", "office"),
    ("lab", "clearinghouse"),
    ("vendor", "clearinghouse"),
    ("clinic", "clearinghouse"),
    ("utility", "clearinghouse"),
    ("inspector", "office"),
    ("inspector", "clearinghouse"),
)
"""Pairs of houses that are introduced to each other. The lab and the clinic, for instance, never are."""

PURPOSES: dict[tuple[str, str], tuple[str, ...]] = {
    ("lab", "office"): ("inquiry", "agreement-acceptance", "access-offer"),
    ("office", "lab"): ("agreement", "window-opened", "window-closed", "notice"),
    ("lab", "clearinghouse"): ("report",),
    ("clearinghouse", "lab"): ("case-message",),
    ("vendor", "clearinghouse"): ("case-message", "release-request"),
    ("clearinghouse", "vendor"): ("case-message",),
    ("clinic", "clearinghouse"): ("report", "sbom", "deployment-acknowledgement"),
    ("clearinghouse", "clinic"): ("notification", "advisory", "manifest"),
    ("utility", "clearinghouse"): ("report", "sbom", "deployment-acknowledgement"),
    ("clearinghouse", "utility"): ("notification", "advisory", "manifest"),
    ("inspector", "office"): ("export-request",),
    ("office", "inspector"): ("export",),
    ("inspector", "clearinghouse"): ("export-request",),
    ("clearinghouse", "inspector"): ("export",),
}
"""(writer, reader): the letter types for which the reader takes the writer's key."""
