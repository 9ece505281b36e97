# SPDX-License-Identifier: Apache-2.0
"""The house's own keys, by role: `keys/ROLE/NAME.pem`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from proofhouse.attest import PublicKey, Signer
from proofhouse.server.house import this_house


class NoKey(Exception):
    """The house has no key for a role; the message says where it was sought."""

    code = "no_key"


@lru_cache
def signer(role: str) -> Signer:
    """The key with which this house signs in a role, for instance `letters`, `log` or `exam`.

    Raises:
        NoKey: There is no such key file.
    """
    directory: Path = this_house().keys / role
    files = sorted(directory.glob("*.pem"))
    if not files:
        raise NoKey(f"no key for {role} in {directory}")
    return Signer.load(files[0])


def public_keys(role: str) -> list[PublicKey]:
    """The public halves of the keys of a role."""
    return [signer(role).public]


def inspection_key() -> bytes:
    """The 32-byte key of the inspection tags of this house's ledger (docs/spec/ledger.md)."""
    path: Path = this_house().keys / "inspection" / "epoch-1"
    return path.read_bytes()
