# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON and digests."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import rfc8785

JsonValue: TypeAlias = Any
"""A value that JSON can hold: dict with string keys, list, str, int, float, bool or None."""


class NotCanonical(ValueError):
    """A value has no canonical JSON form: not JSON, a non-finite number, or an integer beyond 53 bits."""


def canonical(value: JsonValue) -> bytes:
    """The one canonical encoding of a JSON value (RFC 8785, JCS).

    Raises:
        NotCanonical: The value has none.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise NotCanonical(f"no canonical JSON form: {error}") from None


def sha256_hex(content: bytes) -> str:
    """SHA-256 of bytes in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()
