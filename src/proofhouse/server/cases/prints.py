# SPDX-License-Identifier: Apache-2.0
"""Canonical fingerprints of flaws, by which "is this already known?" is asked and answered. Pure.

    SHA-256 over RFC 8785 of ["proofhouse-flaw-1", class, place]

`class` is what the sanitizer says or a CWE, `place` a function or a file, both folded. Who holds a lease computes it
and sends the digest; the house mixes in the product of the lease and its own key, and looks the result up. Classes and
places are few, so that a digest without the key could be guessed: what the house keeps, nobody can try out elsewhere.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256

from proofhouse.attest import canonical, sha256_hex

FORMAT = "proofhouse-flaw-1"
DIGEST = re.compile(r"[0-9a-f]{64}")
PRINTS_MOST = 16
"""So many a report: its class and its CWE at each of its places."""

_LINE = re.compile(r"(:\d+)+$")


def fingerprint(flaw_class: str, place: str) -> str:
    """The canonical fingerprint, lower-case hex.

    Args:
        flaw_class: `heap-use-after-free`, `CWE-416`.
        place: Name of a function, or path of a file; a line number is dropped.
    """
    return sha256_hex(canonical([FORMAT, _folded(flaw_class), _folded(_LINE.sub("", place.strip()))]))


def keyed(key: bytes, product: str, print_: str) -> str:
    """What the house keeps of a fingerprint of a product."""
    return hmac.new(key, f"{product}\0{print_}".encode(), sha256).hexdigest()


def fingerprints(classes: Iterable[str], location: str, frames: Iterable[str] = ()) -> list[str]:
    """All fingerprints by which one flaw may be asked for.

    Args:
        classes: What it was called.
        location: Where a report says it is: `src/a.c:12`, words after it are left out.
        frames: Functions in which a proof crashed.
    """
    places = [frame for frame in frames if frame]
    path = location.split(" ", 1)[0]
    if path:
        file = _LINE.sub("", path)
        places += [file, file.rsplit("/", 1)[-1]]
    found = dict.fromkeys(fingerprint(each, place) for each in classes if each for place in places if place)
    return list(found)[:PRINTS_MOST]


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()
