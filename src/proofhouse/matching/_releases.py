# SPDX-License-Identifier: Apache-2.0
"""Which release of a distribution a package belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DEBIAN = {
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
}
_UBUNTU = {
    "trusty": "14.04",
    "xenial": "16.04",
    "bionic": "18.04",
    "focal": "20.04",
    "jammy": "22.04",
    "noble": "24.04",
}
_CODENAMES: Mapping[str, Mapping[str, str]] = {"debian": _DEBIAN, "ubuntu": _UBUNTU}
_BY_MAJOR = frozenset(
    {"debian", "redhat", "rhel", "centos", "rocky", "rockylinux", "almalinux", "fedora", "oracle", "mageia"}
)
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)
_STABLE_UPDATE = re.compile(r"[~+]deb(\d+)u\d+$", re.ASCII)


def release(distribution: str, text: str) -> str | None:
    """Number of a release: ``12`` for ``bookworm``, ``debian-12`` and ``12.5``; None when it has none.

    Args:
        distribution: purl namespace, such as ``debian``.
        text: A codename, a number or both.
    """
    lowered = text.lower()
    for codename, number in _CODENAMES.get(distribution, {}).items():
        if codename in lowered:
            return number
    found = _NUMBER.search(lowered)
    if found is None:
        return None
    return found[0].partition(".")[0] if distribution in _BY_MAJOR else found[0]


def release_in_version(distribution: str, version: str) -> str | None:
    """Release that a Debian stable update names in its own version: ``…~deb12u3`` belongs to 12."""
    found = _STABLE_UPDATE.search(version) if distribution == "debian" else None
    return found[1] if found else None
