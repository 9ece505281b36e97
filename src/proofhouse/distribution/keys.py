# SPDX-License-Identifier: Apache-2.0
"""The role keys of one authority: ECDSA P-256, one owner-only PEM file per key.

P-256 rather than Ed25519, because tokens, cloud key services and FIPS modules hold it. A file is
`DIRECTORY/ROLE/NAME.pem`, PKCS #8; a directory may lie on a medium that is only present when it is needed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from proofhouse.distribution._tuf import CryptoSigner, Key
from proofhouse.distribution.errors import KeyRefused
from proofhouse.distribution.files import exclusive, write_atomically

_DEMO_LINE: Final = "# proofhouse demo key: worth nothing\n"


class KeyRing:
    """Keys in a directory, by role.

    Args:
        directory: where the role directories lie.
        allow_demo: whether keys that are marked as demo keys may sign.
    """

    def __init__(self, directory: Path, *, allow_demo: bool = False) -> None:
        self.directory = directory
        self._allow_demo = allow_demo

    def create(self, role: str, count: int = 1, *, demo: bool = False) -> list[CryptoSigner]:
        """Make `count` new keys for a role, beside those that are there.

        Args:
            role: a word such as `root` or `timestamp`; it names the directory.
            count: how many keys.
            demo: mark the files as demo keys, which a real house refuses.

        Returns:
            The new signers.

        Raises:
            OSError: the files cannot be written.
        """
        directory = self.directory / role
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = []
        for _ in range(count):
            signer = CryptoSigner.generate_ecdsa()
            content = (_DEMO_LINE if demo else "").encode() + signer.private_bytes
            write_atomically(directory / f"{signer.public_key.keyid[:16]}.pem", content, 0o600)
            made.append(signer)
        return made

    def ensure(self, role: str, count: int = 1, *, demo: bool = False) -> list[CryptoSigner]:
        """The role's signers, after making as many as are missing to `count`; two callers at once make them once."""
        with exclusive(self.directory / f".{role}.lock"):
            present = len(list((self.directory / role).glob("*.pem")))
            self.create(role, max(0, count - present), demo=demo)
        return self.signers(role)

    def signers(self, role: str) -> list[CryptoSigner]:
        """All private keys of a role, in the order of their file names.

        Raises:
            KeyRefused: there is none, or a file is unreadable, open to others, or a demo key not allowed
                here.
        """
        paths = sorted((self.directory / role).glob("*.pem"))
        if not paths:
            raise KeyRefused(f"no {role} key in {self.directory / role}: insert its medium or create the key")
        return [self._load(path) for path in paths]

    def public_keys(self, role: str) -> list[Key]:
        """The public halves of a role's keys."""
        return [signer.public_key for signer in self.signers(role)]

    def _load(self, path: Path) -> CryptoSigner:
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise KeyRefused(f"key file {path} is open to others; run: chmod 600 {path}")
            text = path.read_text(encoding="ascii")
            if text.startswith(_DEMO_LINE) and not self._allow_demo:
                raise KeyRefused(f"key file {path} is a demo key; create a real key for this role")
            return CryptoSigner(load_pem_private_key(text.removeprefix(_DEMO_LINE).encode(), password=None))
        except (OSError, ValueError, TypeError) as error:
            raise KeyRefused(f"key file {path} holds no usable private key: {error}") from None


def key_records(keys: Iterable[Key]) -> list[dict[str, Any]]:
    """Public keys as JSON records that can travel in a letter: a TUF key object with its `keyid`."""
    return [{"keyid": key.keyid, **key.to_dict()} for key in keys]


def keys_from_records(records: Sequence[Mapping[str, Any]]) -> list[Key]:
    """Read what `key_records` wrote.

    Raises:
        KeyRefused: a record is not a TUF public key.
    """
    try:
        return [
            Key.from_dict(
                str(record["keyid"]), {name: record[name] for name in ("keytype", "scheme", "keyval")}
            )
            for record in records
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KeyRefused(f"not a TUF public key record: {error!r}") from None
