# SPDX-License-Identifier: Apache-2.0
"""What every way in makes of a report: one shape, its limits, the digests by which a repetition is known. Pure.

Nothing here opens a file that was attached. An archive is as large as its own bytes, whatever it would unpack to; who
runs a proof unpacks it inside the sandbox or not at all.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proofhouse.attest import canonical, sha256_hex
from proofhouse.formats import Finding, FormatError, MailedReport, harmless_name, plain_line, plain_prose
from proofhouse.server.cases.rules import Means, PromptClass

FILES_MOST = 16
FILE_BYTES = 8 << 20
"""A file of a report; a proof is far smaller, a recording of a device is linked to."""
ALL_FILES_BYTES = 24 << 20
RECIPE_BYTES = 64 << 10

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,39}")
_LEASE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WEAKNESS = re.compile(r"CWE-[1-9][0-9]{0,4}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}")
_CRASH = re.compile(r"[A-Za-z][A-Za-z-]{2,63}")


class SubmissionRefused(FormatError):
    """A report that cannot be taken; the message names the field, `code` the class for programs."""

    def __init__(self, message: str, code: str = "record_refused") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class File:
    """A file of a report, under a name that is harmless."""

    name: str
    content: bytes
    recipe: bool = False


@dataclass(frozen=True)
class Submission:
    """A report as it came in, made plain.

    Attributes:
        title: One line.
        product: Name of the product.
        description: Words.
        version: Where it was found, or empty.
        identifier: A name that it goes by, or empty.
        claimed_crash: Sanitizer class that the proof shows, or empty.
        weakness: `CWE-…`, or empty.
        location: Where in the product, or empty.
        provenance: `means`, and where there are any `tool`, `model`, `prompt_class`.
        files: What was attached; the recipe among them, if there is one.
        lease: Id of the scan lease under which it was found, or empty.
    """

    title: str
    product: str
    description: str
    version: str = ""
    identifier: str = ""
    claimed_crash: str = ""
    weakness: str = ""
    location: str = ""
    provenance: Mapping[str, str] = field(default_factory=lambda: {"means": Means.OTHER.value})
    files: tuple[File, ...] = ()
    lease: str = ""

    @property
    def proofs(self) -> tuple[File, ...]:
        """The files that are no recipe."""
        return tuple(file for file in self.files if not file.recipe)

    @property
    def proof_sha256(self) -> str:
        """See `digest_of_proof`."""
        return digest_of_proof(file.content for file in self.proofs)

    @property
    def content_sha256(self) -> str:
        """One digest over everything that the report says; equal for a report that is sent again."""
        said = {
            "title": self.title,
            "product": self.product,
            "description": self.description,
            "version": self.version,
            "identifier": self.identifier,
            "claimed_crash": self.claimed_crash,
            "weakness": self.weakness,
            "location": self.location,
            "provenance": dict(self.provenance),
            "files": sorted([file.recipe, sha256_hex(file.content)] for file in self.files),
        }
        return sha256_hex(canonical(said | ({"lease": self.lease} if self.lease else {})))


def submission(
    *,
    title: str,
    product: str,
    description: str,
    version: str = "",
    identifier: str = "",
    claimed_crash: str = "",
    weakness: str = "",
    location: str = "",
    provenance: Mapping[str, Any] | None = None,
    files: Iterable[tuple[str, bytes]] = (),
    recipe: bytes | None = None,
    lease: str = "",
) -> Submission:
    """Make what somebody filled in plain, and refuse what cannot be taken.

    Args:
        title: One line.
        product: Name of the product.
        description: Words.
        version: Where it was found.
        identifier: A name that it goes by.
        claimed_crash: Sanitizer class that the proof shows.
        weakness: `CWE-…`.
        location: Where in the product.
        provenance: `means`, `tool`, `model`, `prompt_class`.
        files: Name and bytes of what was attached.
        recipe: The recipe that builds and runs the proof.
        lease: Id of the scan lease under which it was found.

    Raises:
        SubmissionRefused: A field is missing or wrong (`record_refused`), or the files are too many or too large
            (`too_large`).
    """
    return Submission(
        title=_needed("title", plain_line(title, 200)),
        product=_needed("product", plain_line(product, 200)),
        description=_needed("description", plain_prose(description, 4000)),
        version=plain_line(version, 100),
        identifier=_matching("identifier", identifier.strip(), _IDENTIFIER, "such as CVE-2026-0001"),
        claimed_crash=_matching(
            "claimed_crash", claimed_crash.strip(), _CRASH, "such as heap-use-after-free"
        ),
        weakness=_matching("weakness", weakness.strip(), _WEAKNESS, "such as CWE-416"),
        location=plain_line(location, 400),
        provenance=_provenance(provenance or {}),
        files=_files(files, recipe),
        lease=_matching("lease", str(lease).strip().lower(), _LEASE, "the id of a scan lease"),
    )


def of_finding(
    finding: Finding,
    product: str,
    provenance: Mapping[str, Any],
    files: Iterable[tuple[str, bytes]] = (),
    lease: str = "",
) -> Submission:
    """What a document tells of one flaw, as a report; `files` came beside it, `lease` is whose time it was found in.

    Raises:
        SubmissionRefused: It names no product, and its sender named none either.
    """
    return submission(
        title=finding.title,
        product=finding.product or product,
        description=finding.description,
        version=finding.version,
        identifier=finding.identifiers[0] if finding.identifiers else "",
        weakness=finding.weakness,
        location=" ".join(filter(None, (finding.location, finding.rule))),
        provenance={**provenance, "tool": provenance.get("tool") or finding.tool},
        files=files,
        lease=lease,
    )


def of_mail(mail: MailedReport) -> Submission:
    """An e-mail as a report; one that names no product in a line of its own is for people to sort.

    Raises:
        SubmissionRefused: It says nothing, or its files are too many or too large.
    """
    said = mail.fields
    crash, identifier = said.get("class", ""), said.get("identifier", "")
    return submission(
        title=mail.title,
        product=said.get("product", "not named"),
        description=mail.words,
        version=said.get("version", ""),
        identifier=identifier if _IDENTIFIER.fullmatch(identifier) else "",
        claimed_crash=crash if _CRASH.fullmatch(crash) else "",
        files=mail.files,
    )


def digest_of_proof(contents: Iterable[bytes]) -> str:
    """One digest over the bytes of a proof, whatever its files are called; empty where there are none."""
    digests = sorted(sha256_hex(content) for content in contents)
    return sha256_hex("".join(digests).encode("ascii")) if digests else ""


def address(text: str) -> str:
    """An e-mail address that somebody gave, or empty.

    Raises:
        SubmissionRefused: It is none.
    """
    return _matching("contact", text.strip(), _EMAIL, "an e-mail address")


def from_base64(text: str, name: str) -> bytes:
    """Bytes that came in base64.

    Raises:
        SubmissionRefused: They did not.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SubmissionRefused(f"{name}: not base64") from None


def _needed(name: str, text: str) -> str:
    if not text:
        raise SubmissionRefused(f"{name}: must not be empty")
    return text


def _matching(name: str, text: str, shape: re.Pattern[str], like: str) -> str:
    if text and not shape.fullmatch(text):
        raise SubmissionRefused(f"{name}: {plain_line(text, 60)!r} is none; {like}")
    return text


def _provenance(given: Mapping[str, Any]) -> dict[str, str]:
    try:
        told = {"means": Means(given.get("means") or Means.OTHER).value}
        prompt = PromptClass(given.get("prompt_class") or PromptClass.NONE)
    except ValueError as wrong:
        raise SubmissionRefused(f"provenance: {wrong}") from None
    for name in ("tool", "model"):
        text = plain_line(str(given.get(name) or ""), 200)
        if text:
            told[name] = text
    return told if prompt is PromptClass.NONE else told | {"prompt_class": prompt.value}


def _files(given: Iterable[tuple[str, bytes]], recipe: bytes | None) -> tuple[File, ...]:
    kept: list[File] = []
    taken: set[str] = set()
    for name, content in given:
        if len(kept) == FILES_MOST:
            raise SubmissionRefused(f"files: at most {FILES_MOST}", "too_large")
        if len(content) > FILE_BYTES:
            raise SubmissionRefused(f"files: at most {FILE_BYTES} bytes each", "too_large")
        kept.append(File(_different(harmless_name(name), taken), content))
    if recipe is not None:
        if len(recipe) > RECIPE_BYTES:
            raise SubmissionRefused(f"recipe: at most {RECIPE_BYTES} bytes", "too_large")
        kept.append(File(_different("recipe.toml", taken), recipe, recipe=True))
    if _all_bytes(kept) > ALL_FILES_BYTES:
        raise SubmissionRefused(f"files: at most {ALL_FILES_BYTES} bytes together", "too_large")
    return tuple(kept)


def _all_bytes(files: Sequence[File]) -> int:
    return sum(len(file.content) for file in files)


def _different(name: str, taken: set[str]) -> str:
    """A name that no other file of the report has, on systems that fold case as well."""
    number, unique = 1, name
    while unique.lower() in taken:
        number += 1
        unique = f"{number}-{name}"
    taken.add(unique.lower())
    return unique
