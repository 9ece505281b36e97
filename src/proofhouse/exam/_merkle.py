# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree hash of RFC 6962 §2.1, over digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def merkle_root(digests: Sequence[str]) -> str:
    """Root over lowercase hex SHA-256 digests, taken as leaf entries in order.

    Returns:
        Lowercase hex; of the empty list, the SHA-256 of nothing.
    """
    if not digests:
        return hashlib.sha256(b"").hexdigest()
    return _root([hashlib.sha256(b"\0" + bytes.fromhex(digest)).digest() for digest in digests]).hex()


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()
