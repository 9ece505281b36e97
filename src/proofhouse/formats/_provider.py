# SPDX-License-Identifier: Apache-2.0
"""Write a CSAF provider directory: documents, hashes, signatures, lists, feed, metadata, and the same as OSV.

The directory is static: any web server can serve it. Every file is replaced atomically, documents before
the lists that name them, so a reader who follows a list never meets a document that is not there yet.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proofhouse.attest import Envelope, Signer, sha256_hex, sign_statement, statement
from proofhouse.formats import _layout as layout
from proofhouse.formats._advisory import AdvisoryContent, Publisher, Tlp
from proofhouse.formats._csaf import read_csaf, write_csaf
from proofhouse.formats._json import FormatError, load_object
from proofhouse.formats._osv import MAX_BYTES, write_osv

PUBLICATION_TYPE = "https://proofhouse.dev/publication/v1"
"""In-toto predicate type of a publication signature; its subject is the file."""

_SECURITY_TXT_LIFE = timedelta(days=300)
"""RFC 9116 §2.5.5 recommends less than a year."""


class NotPublic(FormatError):
    """An advisory that is not TLP:WHITE was about to enter the public tree."""


class ProviderError(FormatError):
    """The provider directory cannot be written without breaking what was published before."""


def sign_publication(url: str, content: bytes, signer: Signer) -> Envelope:
    """Sign a file apart from itself: a DSSE envelope around an in-toto statement with the file's digest.

    Args:
        url: Where the file is published.
        content: Its bytes.
        signer: Who publishes.
    """
    subject = [{"name": url, "digest": {"sha256": sha256_hex(content)}}]
    return sign_statement(statement(subject, PUBLICATION_TYPE, {"url": url}), [signer])


def replace_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old bytes or the new ones, never a part; mode 0644.

    One writer at a time. What a killed writer leaves beside the file, its successor writes over.

    Raises:
        OSError: The directory cannot be written or the disk is full; the old file is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.new")
    try:
        with part.open("wb") as new:
            new.write(content)
            new.flush()
            os.fchmod(new.fileno(), 0o644)
            os.fsync(new.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refuse_unpublishable(advisories: Sequence[AdvisoryContent]) -> None:
    if not advisories:
        raise ProviderError("there is no advisory to publish")
    for content in advisories:
        if content.tlp is not Tlp.WHITE:
            raise NotPublic(
                f"advisory {content.id} is TLP:{content.tlp}; only TLP:WHITE enters the public tree; "
                "send it by letter instead"
            )


def _refuse_loss(directory: Path, documents: Mapping[str, bytes]) -> None:
    """Hold the history: nothing published disappears, and a change is a later revision."""
    white = directory / layout.WHITE
    for path in sorted(white.glob("[0-9][0-9][0-9][0-9]/*.json")):
        name = path.relative_to(white).as_posix()
        new = documents.get(name)
        if new is None:
            raise ProviderError(f"{name} is published but not given; an advisory is revised, never dropped")
        old = path.read_bytes()
        if old == new:
            continue
        before, after = layout.published(read_csaf(old)), layout.published(read_csaf(new))
        if after.version == before.version or after.moment <= before.moment:
            raise ProviderError(
                f"{name} changed without a later revision: version {before.version} of "
                f"{before.current_release_date} is published, version {after.version} of "
                f"{after.current_release_date} is given"
            )


def _hashes(name: str, content: bytes) -> dict[str, bytes]:
    return {
        f"{name}.{algorithm}": f"{hashlib.new(algorithm, content).hexdigest()}  {Path(name).name}\n".encode()
        for algorithm in ("sha256", "sha512")
    }


def _documents(advisories: Iterable[AdvisoryContent]) -> dict[str, bytes]:
    documents: dict[str, bytes] = {}
    for content in advisories:
        text = write_csaf(content)
        path = layout.published(read_csaf(text)).path
        if path in documents:
            raise ProviderError(f"two advisories would be {path}; ids must differ in letters and digits")
        documents[path] = text
    return documents


def _base(base_url: str) -> str:
    if not base_url.startswith("https://"):
        raise ProviderError(f"base_url: {base_url!r} must begin with https:// (CSAF 2.0 §7.1.3)")
    return base_url.rstrip("/")


def write_provider(
    directory: Path,
    base_url: str,
    publisher: Publisher,
    advisories: Sequence[AdvisoryContent],
    signer: Signer,
    *,
    now: datetime | None = None,
) -> tuple[str, ...]:
    """Write or bring up to date a provider directory.

    Args:
        directory: The document root of the site.
        base_url: Its https address.
        publisher: Who publishes.
        advisories: All advisories, also those published before, each in its latest revision.
        signer: Key for the detached DSSE signatures.
        now: Aware time of publication for the metadata and security.txt; the present when None.

    Returns:
        The files written, as paths below `directory`, in the order of writing.

    Raises:
        NotPublic: An advisory is not TLP:WHITE.
        ProviderError: Nothing to publish, or a published document would vanish or change unrevised.
        FormatError: An advisory cannot be said in CSAF or OSV.
        OSError: The directory cannot be written.
    """
    base = _base(base_url)
    moment = now or datetime.now(UTC)
    _refuse_unpublishable(advisories)
    documents = _documents(advisories)
    _refuse_loss(directory, documents)
    records = [write_osv(content) for content in advisories]
    listed = [layout.published(read_csaf(text)) for text in documents.values()]
    parsed = [load_object(record, max_bytes=MAX_BYTES) for record in records]
    metadata = layout.provider_metadata(base, publisher, moment)

    signed = {f"{layout.WHITE}/{path}": text for path, text in documents.items()}
    signed |= {f"{layout.OSV}/{one['id']}.json": text for one, text in zip(parsed, records, strict=True)}
    hashed: dict[str, bytes] = {}
    for name, text in signed.items():
        hashed |= _hashes(name, text)
    lists = {
        layout.FEED: layout.rolie_feed(base, publisher.name, listed),
        layout.OSV_ALL: layout.osv_all(parsed),
        layout.METADATA: metadata,
        layout.METADATA_2_0: metadata,
        layout.SECURITY_TXT: layout.security_txt(base, publisher.namespace, moment + _SECURITY_TXT_LIFE),
    }
    plain_lists = {layout.INDEX: layout.index_txt(listed), layout.CHANGES: layout.changes_csv(listed)}

    written: dict[str, bytes] = {}
    for group in (signed, lists):
        for name, text in group.items():
            written[f"{name}{layout.SIGNATURE_SUFFIX}"] = sign_publication(
                f"{base}/{name}", text, signer
            ).to_json()
    ordered = signed | hashed | written | plain_lists | lists
    for name, text in ordered.items():
        replace_atomically(directory / name, text)
    return tuple(ordered)
