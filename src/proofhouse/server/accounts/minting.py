# SPDX-License-Identifier: Apache-2.0
"""Secrets that this house hands out once: invitations, tokens, enrolment codes, ways in for an emergency.

Each is 256 random bits behind a prefix that secret scanners know. The house keeps the SHA-256 digest only: with so many
random bits, a slow hash would add nothing but work. A secret is found by its digest, so that no comparison of secrets
can leak by its timing.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256


class Kind(StrEnum):
    """What a secret is for; it begins with these letters."""

    EMERGENCY = "phb_"
    ENROLMENT = "phe_"
    INVITATION = "phi_"
    TOKEN = "ph_"  # noqa: S105 - a prefix


_PLACES = {Kind.INVITATION: "invitations/{}/", Kind.EMERGENCY: "emergencies/{}/enter/"}
_SHAPE = re.compile(r"(phb_|phe_|phi_|ph_)[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True)
class Minted:
    """A new secret, to be shown once, and the digest of it that is kept."""

    text: str = field(repr=False)
    sha256: str


def mint(kind: Kind) -> Minted:
    """A new secret of 256 random bits."""
    text = f"{kind}{secrets.token_urlsafe(32)}"
    return Minted(text, sha256(text.encode("ascii")).hexdigest())


def link_of(address: str, secret: str, kind: Kind) -> str:
    """The address at which the bearer of an invitation, or of a way in for an emergency, uses it once.

    Args:
        address: Origin of the house.
        secret: What was minted.
        kind: Of the two.
    """
    return f"{address}/{_PLACES[kind].format(secret)}"


def digest_of(text: str, kind: Kind) -> str | None:
    """The digest under which a secret would be kept; None where the text cannot be one of that kind."""
    shape = _SHAPE.fullmatch(text)
    return sha256(text.encode("ascii")).hexdigest() if shape and shape.group(1) == kind else None
