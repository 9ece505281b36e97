# SPDX-License-Identifier: Apache-2.0
"""What an advisory says, before it takes the shape of one format.

One `AdvisoryContent` is the source of the CSAF document, the OSV record and the file names, so that the three
cannot disagree. It describes one case: every package in it has every vulnerability in it, and one fix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from packageurl import PackageURL

from proofhouse.formats._json import FormatError

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
_CWE = re.compile(r"CWE-[1-9]\d{0,5}", re.ASCII)
_TRACKING_ID = re.compile(r"[\S](.*[\S])?")
_WEB = re.compile(r"https?://[^\s<>\"{}|\\^`]+")


class Tlp(StrEnum):
    """Traffic light label in the spelling of CSAF 2.0 (TLP 1.0: WHITE is today's CLEAR)."""

    WHITE = "WHITE"
    GREEN = "GREEN"
    AMBER = "AMBER"
    RED = "RED"


class Status(StrEnum):
    """State of the document (CSAF 2.0 §3.2.1.12.7); drafts are never written, so they have no value here."""

    INTERIM = "interim"
    FINAL = "final"


def require(condition: object, field_name: str, reason: str) -> None:
    """Refuse a field with one sentence.

    Raises:
        FormatError: The condition does not hold.
    """
    if not condition:
        raise FormatError(f"{field_name}: {reason}")


def _require_text(value: str, field_name: str) -> None:
    require(value.strip(), field_name, "must not be empty")


def _require_web(value: str, field_name: str) -> None:
    require(_WEB.fullmatch(value), field_name, f"{value!r} is no http or https address")


@dataclass(frozen=True)
class Publisher:
    """Who issues the advisory (CSAF 2.0 §3.2.1.8)."""

    name: str
    namespace: str
    """A URL that this publisher owns; it makes tracking ids unique in the world."""
    contact: str
    """How to reach the publisher, in words."""
    category: str = "coordinator"
    """One of coordinator, discoverer, other, translator, user, vendor."""
    issuing_authority: str = ""

    def __post_init__(self) -> None:
        _require_text(self.name, "publisher.name")
        _require_text(self.contact, "publisher.contact")
        _require_web(self.namespace, "publisher.namespace")


@dataclass(frozen=True)
class Finder:
    """Someone who found the flaw; credit is shared when several did, independently."""

    name: str
    organization: str = ""
    ai_system: str = ""
    """The AI system that found it, with version, or empty when people did."""
    url: str = ""

    def __post_init__(self) -> None:
        _require_text(self.name, "finder.name")
        if self.url:
            _require_web(self.url, "finder.url")

    @property
    def provenance(self) -> str:
        """How it was found, in one sentence."""
        return f"Found with an AI system: {self.ai_system}." if self.ai_system else "Found by people."


@dataclass(frozen=True)
class Vulnerability:
    """One flaw with its names."""

    title: str
    description: str
    """What can happen to whom, in plain words."""
    cve: str = ""
    cwe_id: str = ""
    cwe_name: str = ""
    """The name that the CWE list gives the id, letter by letter (CSAF 2.0 §6.1.11)."""
    cvss: str = ""
    """A CVSS 3.0 or 3.1 vector; CSAF 2.0 has no place for version 4."""

    def __post_init__(self) -> None:
        _require_text(self.title, "vulnerability.title")
        _require_text(self.description, "vulnerability.description")
        require(not self.cve or _CVE.fullmatch(self.cve), "vulnerability.cve", f"{self.cve!r} is no CVE id")
        require(
            not self.cwe_id or _CWE.fullmatch(self.cwe_id),
            "vulnerability.cwe_id",
            f"{self.cwe_id!r} is no CWE id",
        )
        require(
            bool(self.cwe_id) == bool(self.cwe_name),
            "vulnerability.cwe_name",
            "a CWE needs both its id and its name",
        )
        require(
            not self.cvss or self.cvss.startswith(("CVSS:3.0/", "CVSS:3.1/")),
            "vulnerability.cvss",
            f"{self.cvss!r} is no CVSS 3.0 or 3.1 vector, and CSAF 2.0 carries no other",
        )


@dataclass(frozen=True)
class AffectedPackage:
    """A package, the versions that have the flaws and the version that mends them.

    Versions are given by a range (`introduced`, `fixed`), by a list (`versions`), or by both.
    """

    vendor: str
    name: str
    purl: str
    """Package URL without version, such as ``pkg:deb/debian/libxml2?distro=bookworm``."""
    ecosystem: str
    """OSV ecosystem, such as ``Debian:12``."""
    fixed: str = ""
    """First version without the flaws; empty while there is none."""
    introduced: str = "0"
    """First version with them; ``0`` is the beginning of time."""
    versions: tuple[str, ...] = ()
    """Versions known to have them."""
    fix_url: str = ""
    fix_details: str = ""
    """What to do, in plain words; needed when there is a fix."""

    def __post_init__(self) -> None:
        for name in ("vendor", "name", "ecosystem"):
            _require_text(getattr(self, name), f"package.{name}")
        require(self.parsed_purl.version is None, "package.purl", f"{self.purl!r} must not name a version")
        require(self.fixed or self.versions, "package.versions", "name a fixed version or the affected ones")
        require(
            self.fixed not in self.versions or not self.fixed,
            "package.fixed",
            "the fixed version is listed too",
        )
        require(
            len(set(self.versions)) == len(self.versions), "package.versions", "a version is listed twice"
        )
        if self.fixed:
            _require_text(self.fix_details, "package.fix_details")
        if self.fix_url:
            _require_web(self.fix_url, "package.fix_url")

    @property
    def parsed_purl(self) -> PackageURL:
        """The package URL in its parts.

        Raises:
            FormatError: It is none.
        """
        try:
            return PackageURL.from_string(self.purl)
        except ValueError as error:
            raise FormatError(f"package.purl: {self.purl!r} is no package URL: {error}") from None

    def purl_at(self, version: str) -> str:
        """The package URL of one version."""
        return str(self.parsed_purl._replace(version=version).to_string())


@dataclass(frozen=True)
class Reference:
    """A page to read on."""

    url: str
    summary: str
    kind: str = "WEB"
    """OSV reference type (OSV 1.7.5, ``references[].type``)."""

    def __post_init__(self) -> None:
        _require_web(self.url, "reference.url")
        _require_text(self.summary, "reference.summary")


@dataclass(frozen=True)
class Revision:
    """One published state of the advisory; numbers count from 1 without a gap."""

    number: int
    at: datetime
    summary: str


@dataclass(frozen=True)
class AdvisoryContent:
    """Everything that an advisory says."""

    id: str
    title: str
    publisher: Publisher
    summary: str
    """What happened and what to do, in plain words."""
    vulnerabilities: tuple[Vulnerability, ...]
    packages: tuple[AffectedPackage, ...]
    revisions: tuple[Revision, ...]
    """Oldest first; the first is the initial release."""
    tlp: Tlp = Tlp.WHITE
    status: Status = Status.FINAL
    finders: tuple[Finder, ...] = ()
    references: tuple[Reference, ...] = ()
    language: str = field(default="en")

    def __post_init__(self) -> None:
        require(_TRACKING_ID.fullmatch(self.id), "id", f"{self.id!r} is empty or has spaces around it")
        _require_text(self.title, "title")
        _require_text(self.summary, "summary")
        require(self.vulnerabilities, "vulnerabilities", "name at least one")
        require(self.packages, "packages", "name at least one")
        require(self.revisions, "revisions", "the initial release is missing")
        numbers = [revision.number for revision in self.revisions]
        require(
            numbers == list(range(1, len(numbers) + 1)),
            "revisions",
            f"numbers must count 1, 2, 3, not {numbers}",
        )
        for revision in self.revisions:
            require(
                revision.at.tzinfo is not None,
                "revisions",
                f"revision {revision.number} has a time without zone",
            )
            _require_text(revision.summary, "revisions.summary")
        times = [revision.at for revision in self.revisions]
        require(
            all(earlier < later for earlier, later in pairwise(times)),
            "revisions",
            "each must be later than the one before",
        )
        cves = [flaw.cve for flaw in self.vulnerabilities if flaw.cve]
        require(len(set(cves)) == len(cves), "vulnerabilities", "a CVE id occurs twice")
        purls = [package.purl for package in self.packages]
        require(len(set(purls)) == len(purls), "packages", "a package URL occurs twice")

    @property
    def initial_release(self) -> datetime:
        """When the first revision was published."""
        return self.revisions[0].at

    @property
    def current_release(self) -> datetime:
        """When the latest revision was published."""
        return self.revisions[-1].at

    @property
    def cves(self) -> tuple[str, ...]:
        """The CVE ids, in the order of the vulnerabilities."""
        return tuple(flaw.cve for flaw in self.vulnerabilities if flaw.cve)
