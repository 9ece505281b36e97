# SPDX-License-Identifier: Apache-2.0
"""SBOMs of made-up members; the committed examples are made here: ``python -m matching.sboms DIRECTORY``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

DEBIAN_PARTS = (
    ("openssl", "3.0.17-1~deb12u2"),
    ("zlib1g", "1:1.2.13.dfsg-1"),
    ("libc6", "2.36-9+deb12u10"),
    ("nginx", "1.22.1-9+deb12u2"),
    ("postgresql-15", "15.13-0+deb12u1"),
    ("libexpat1", "2.5.0-1+deb12u1"),
    ("libpng16-16", "1.6.39-2"),
    ("sqlite3", "3.40.1-2+deb12u1"),
)


def debian(name: str, version: str, *, distro: str = "bookworm", field: str | None = None) -> dict[str, Any]:
    """A Debian package as SBOM tools write it."""
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='~')}?arch=amd64&distro={distro}"
    return {
        "type": "library",
        "bom-ref": purl,
        "supplier": {"name": "Debian"},
        "name": name,
        "version": field or version,
        "purl": purl,
    }


def pypi(name: str, version: str) -> dict[str, Any]:
    """A Python package."""
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def custom_libxml2() -> dict[str, Any]:
    """The same product inside a device, with a version that nobody can compare."""
    return {
        "type": "library",
        "bom-ref": "imaging-gateway/libxml2",
        "supplier": {"name": "Imaging Gateway Works"},
        "name": "libxml2",
        "version": "custom-build",
        "purl": "pkg:deb/debian/libxml2@custom-build?distro=bookworm",
    }


def bom(serial: str, product: str, components: list[dict[str, Any]]) -> dict[str, Any]:
    """A CycloneDX 1.6 document."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": "2026-11-24T12:00:00Z",
            "component": {"type": "application", "bom-ref": product, "name": product, "version": "1.0"},
        },
        "components": components,
    }


def clinic() -> dict[str, Any]:
    """A member with the affected libxml2, and with one whose version says nothing."""
    parts = [debian(name, version) for name, version in DEBIAN_PARTS]
    parts += [pypi("django", "5.2.19"), pypi("pydicom", "3.0.1")]
    parts.insert(3, debian("libxml2", "2.9.14+dfsg-1.3~deb12u1"))
    parts.append(custom_libxml2())
    return bom("6f1b7a52-0c3e-4d7c-9a51-0d6e8f5b2c11", "clinic-records", parts)


def utility() -> dict[str, Any]:
    """A member without libxml2."""
    parts = [debian(name, version) for name, version in DEBIAN_PARTS[:6]]
    parts += [pypi("pymodbus", "3.8.6"), pypi("lxml-stubs", "0.5.1")]
    return bom("b0b2d9c4-5a7f-4c7e-8a35-93f0f5d1c7e2", "utility-scada", parts)


def gateway() -> dict[str, Any]:
    """A bought device: the product is inside, and nobody can say in which version."""
    return bom(
        "1d7c1f0e-6f0b-4f2c-8d8e-2f7a9f2b6a03",
        "imaging-gateway",
        [custom_libxml2(), debian("zlib1g", "1:1.2.13.dfsg-1")],
    )


def text(document: dict[str, Any]) -> bytes:
    """The document for people: two spaces, keys in order of writing."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


EXAMPLES = {"clinic.cdx.json": clinic, "gateway.cdx.json": gateway, "utility.cdx.json": utility}


if __name__ == "__main__":
    for name, make in EXAMPLES.items():
        (Path(sys.argv[1]) / name).write_bytes(text(make()))
