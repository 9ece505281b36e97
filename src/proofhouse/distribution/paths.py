# SPDX-License-Identifier: Apache-2.0
"""Target paths of the image repository: `gNN/<vendor>/patches/<name>`.

The group spreads vendors over a fixed number of delegations, so that no delegating file grows past what a
client likes to fetch. In TUF path patterns `*` does not cross `/` (TUF specification §4.5), therefore every
pattern here has exactly as many segments as the paths that it is to catch.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

DEFAULT_GROUPS: Final = 32
MAX_GROUPS: Final = 100

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_GROUP: Final = re.compile(r"g[0-9]{2}")


@dataclass(frozen=True, slots=True)
class PatchPath:
    """A parsed target path of a vendor's patch."""

    group: str
    vendor: str
    name: str

    def __str__(self) -> str:
        return f"{self.group}/{self.vendor}/patches/{self.name}"

    @classmethod
    def parse(cls, path: str) -> PatchPath:
        """Read a path of the form `gNN/<vendor>/patches/<name>`.

        Args:
            path: a target path as it stands in metadata or manifest.

        Returns:
            Its parts.

        Raises:
            ValueError: the path has another form; the message names the form.
        """
        parts = path.split("/")
        if (
            len(parts) != 4
            or not _GROUP.fullmatch(parts[0])
            or not is_slug(parts[1])
            or parts[2] != "patches"
            or not _NAME.fullmatch(parts[3])
        ):
            raise ValueError(f"target path {path!r} is not of the form gNN/vendor/patches/name")
        return cls(parts[0], parts[1], parts[3])


def is_slug(text: str) -> bool:
    """Whether `text` is a slug: lower-case letters, digits and inner hyphens, at most 63."""
    return _SLUG.fullmatch(text) is not None


def group_of(vendor: str, groups: int = DEFAULT_GROUPS) -> str:
    """The group that a vendor belongs to, by the first eight bytes of SHA-256 of its slug modulo `groups`.

    Args:
        vendor: the vendor's slug.
        groups: how many groups the image repository has, at most 100.

    Returns:
        `g00` … `g99`.
    """
    digest = hashlib.sha256(vendor.encode()).digest()
    return f"g{int.from_bytes(digest[:8], 'big') % groups:02d}"


def group_pattern(group: str) -> str:
    """The path pattern that the top-level role delegates to a group."""
    return f"{group}/*/*/*"


def vendor_pattern(group: str, vendor: str) -> str:
    """The path pattern that a group delegates to a vendor's own role."""
    return f"{group}/{vendor}/patches/*"


def vendor_role(group: str, vendor: str) -> str:
    """The name of a vendor's delegated TUF role."""
    return f"{group}-{vendor}"
