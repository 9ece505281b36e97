# SPDX-License-Identifier: Apache-2.0
"""The vendor's side: sign a release at home, with the vendor's own key, and send the finished metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.exceptions import RepositoryError

from proofhouse.distribution._repository import TARGETS_MAX_BYTES, serialise, sign, whole_second
from proofhouse.distribution._tuf import CryptoSigner, Metadata, TargetFile, Targets
from proofhouse.distribution.errors import UploadRefused
from proofhouse.distribution.image import VENDOR_LIFETIME
from proofhouse.distribution.manifest import ImageFile
from proofhouse.distribution.paths import PatchPath


@dataclass(frozen=True, slots=True)
class VendorRelease:
    """What a vendor uploads: its complete role metadata and the one new file."""

    metadata: bytes
    version: int
    image: ImageFile
    content: bytes


def sign_vendor_release(
    path: str,
    content: bytes,
    signers: Sequence[CryptoSigner],
    *,
    previous: bytes | None,
    now: datetime,
    lifetime: timedelta = VENDOR_LIFETIME,
) -> VendorRelease:
    """Add one file to the vendor's role and sign the whole role anew.

    Args:
        path: the target path, `gNN/<vendor>/patches/<name>`.
        content: the file.
        signers: the vendor's keys, at least as many as its threshold.
        previous: the role's metadata as last released; None for the first release.
        now: the present, aware.
        lifetime: until when the role is good; the repository accepts 90 days at most.

    Returns:
        The upload for `ImageRepository.accept_vendor_metadata`.

    Raises:
        UploadRefused: the previous metadata cannot be read, or releases this path with other bytes.
        ValueError: the path has the wrong form.
    """
    PatchPath.parse(path)
    signed = Targets() if previous is None else _read(previous)
    entry = TargetFile.from_data(path, content, ["sha256"])
    known = signed.targets.get(path)
    if known is not None and (known.length, known.hashes) != (entry.length, entry.hashes):
        raise UploadRefused(f"target: {path} is released and keeps its bytes; choose a new name")
    signed.targets[path] = entry
    signed.version += 0 if previous is None else 1
    signed.expires = whole_second(now + lifetime)
    return VendorRelease(
        metadata=serialise(sign(signed, signers), TARGETS_MAX_BYTES),
        version=signed.version,
        image=ImageFile(path, entry.hashes["sha256"], entry.length),
        content=content,
    )


def _read(metadata: bytes) -> Targets:
    try:
        signed = Metadata[Targets].from_bytes(metadata).signed
    except RepositoryError as error:
        raise UploadRefused(f"previous metadata cannot be read: {error}") from None
    if not isinstance(signed, Targets):
        raise UploadRefused("previous metadata is not of type targets")
    return signed
