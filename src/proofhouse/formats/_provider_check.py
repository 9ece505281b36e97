# SPDX-License-Identifier: Apache-2.0
"""Check a provider directory from the outside: layout, schemas, hashes, lists and signatures.

Every file is either signed or can be computed from signed ones, so a change of any byte is found.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from proofhouse.attest import BadSignature, Envelope, PublicKey, sha256_hex, verify_statement
from proofhouse.formats import _layout as layout
from proofhouse.formats._advisory import Tlp
from proofhouse.formats._csaf import read_csaf
from proofhouse.formats._json import FormatError, JsonObject, load_object
from proofhouse.formats._osv import read_osv
from proofhouse.formats._provider import PUBLICATION_TYPE
from proofhouse.formats._schemas import Schema, check

_LIST_BYTES = 64 << 20
_CSAF_DOCUMENT = re.compile(rf"{re.escape(layout.WHITE)}/\d{{4}}/[^/]+\.json", re.ASCII)
_OSV_RECORD = re.compile(rf"{layout.OSV}/[^/]+\.json")
_SIDECARS = (".sha256", ".sha512", layout.SIGNATURE_SUFFIX)
_SIGNED_LISTS = (layout.FEED, layout.OSV_ALL, layout.METADATA, layout.METADATA_2_0, layout.SECURITY_TXT)
_LISTS = frozenset({*_SIGNED_LISTS, layout.INDEX, layout.CHANGES})


@dataclass(frozen=True)
class ProviderCheck:
    """What a check of a provider directory found."""

    documents: int
    """CSAF documents that were read."""
    findings: tuple[str, ...]
    """One line each, the file first; empty when all is well."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class _Checking:
    """One check: the directory, the keys and what was found so far."""

    def __init__(self, directory: Path, keys: tuple[PublicKey, ...]) -> None:
        self.directory = directory
        self.keys = keys
        self.findings: list[str] = []
        self.base = ""

    def find(self, name: str, reason: object) -> None:
        """Note a finding."""
        self.findings.append(f"{name}: {reason}")

    def read(self, name: str) -> bytes | None:
        """Bytes of a file that must be there."""
        path = self.directory / name
        if path.is_symlink() or not path.is_file():
            self.find(name, "is missing or is no plain file")
            return None
        return path.read_bytes()

    def parse(self, name: str, reader: Callable[[bytes], JsonObject]) -> JsonObject | None:
        """A file through its reader."""
        text = self.read(name)
        if text is None:
            return None
        try:
            return reader(text)
        except FormatError as error:
            self.find(name, error)
            return None

    def expect(self, name: str, content: bytes) -> None:
        """A file must have exactly these bytes."""
        text = self.read(name)
        if text is not None and text != content:
            self.find(name, "does not agree with the documents")

    def signature(self, name: str) -> None:
        """The file must be the subject of a publication statement for this address, signed by a key."""
        text, envelope = self.read(name), self.read(f"{name}{layout.SIGNATURE_SUFFIX}")
        if text is None or envelope is None:
            return
        try:
            parsed = Envelope.from_json(envelope)
            opened = verify_statement(parsed, self.keys, predicate_type=PUBLICATION_TYPE)
        except (BadSignature, ValueError) as error:
            self.find(f"{name}{layout.SIGNATURE_SUFFIX}", error)
            return
        url = f"{self.base}/{name}"
        subject = [{"name": url, "digest": {"sha256": sha256_hex(text)}}]
        if parsed.to_json() != envelope:
            self.find(f"{name}{layout.SIGNATURE_SUFFIX}", "is not written as it was signed")
        if opened.get("subject") != subject:
            self.find(name, f"is not the file that was signed for {url}")

    def hashes(self, name: str) -> None:
        """Both hash files must fit (CSAF 2.0 §7.1.18)."""
        text = self.read(name)
        if text is None:
            return
        for algorithm in ("sha256", "sha512"):
            line = f"{hashlib.new(algorithm, text).hexdigest()}  {Path(name).name}\n".encode()
            self.expect(f"{name}.{algorithm}", line)

    def names(self) -> set[str]:
        """All files below the directory's two trees."""
        return {
            path.relative_to(self.directory).as_posix()
            for top in (".well-known", layout.OSV)
            for path in (self.directory / top).rglob("*")
            if path.is_symlink() or not path.is_dir()
        }


def _json_reader(schema: Schema) -> Callable[[bytes], JsonObject]:
    def read(text: bytes) -> JsonObject:
        document = load_object(text, max_bytes=_LIST_BYTES)
        check(document, schema)
        return document

    return read


def _metadata(checking: _Checking) -> str:
    """Check the metadata; the publisher's name, and the base address as a by-product."""
    metadata = checking.parse(layout.METADATA, _json_reader(Schema.CSAF_PROVIDER_2_0))
    if metadata is None:
        return ""
    address, publisher = str(metadata["canonical_url"]), metadata["publisher"]
    if not address.startswith("https://") or not address.endswith(f"/{layout.METADATA}"):
        checking.find(layout.METADATA, f"canonical_url {address!r} is not https or not the well-known place")
        return ""
    checking.base = address.removesuffix(f"/{layout.METADATA}")
    checking.expect(layout.METADATA_2_0, (checking.directory / layout.METADATA).read_bytes())
    return str(publisher["name"]) if isinstance(publisher, dict) else ""


def _csaf_documents(checking: _Checking, names: Iterable[str]) -> list[layout.Published]:
    found: list[layout.Published] = []
    for name in names:
        document = checking.parse(name, read_csaf)
        if document is None:
            continue
        try:
            item = layout.published(document)
        except FormatError as error:
            checking.find(name, error)
            continue
        if name != f"{layout.WHITE}/{item.path}":
            checking.find(name, f"belongs at {layout.WHITE}/{item.path}")
        if item.tlp != Tlp.WHITE:
            checking.find(name, f"is TLP:{item.tlp} and must not stand in the public tree")
        found.append(item)
    return found


def _osv_records(checking: _Checking, names: Iterable[str]) -> list[JsonObject]:
    found: list[JsonObject] = []
    for name in names:
        record = checking.parse(name, read_osv)
        if record is None:
            continue
        if name != f"{layout.OSV}/{record['id']}.json":
            checking.find(name, f"holds the record {record['id']}")
        found.append(record)
    return found


def check_provider(directory: Path, keys: Iterable[PublicKey]) -> ProviderCheck:
    """Check a provider directory.

    Args:
        directory: The document root.
        keys: Public keys of the publisher, known from elsewhere than the directory itself.

    Returns:
        The findings; a damaged directory is a finding, never an exception.

    Raises:
        OSError: A file is there but cannot be read.
    """
    checking = _Checking(directory, tuple(keys))
    publisher = _metadata(checking)
    names = checking.names()
    contents = sorted(names - _LISTS)
    csaf = [name for name in contents if _CSAF_DOCUMENT.fullmatch(name)]
    osv = [name for name in contents if _OSV_RECORD.fullmatch(name)]

    documents = _csaf_documents(checking, csaf)
    records = _osv_records(checking, osv)
    for name in csaf + osv:
        checking.hashes(name)
    signed = [*csaf, *osv, *_SIGNED_LISTS]
    for name in signed:
        checking.signature(name)
    if documents:
        checking.expect(layout.INDEX, layout.index_txt(documents))
        checking.expect(layout.CHANGES, layout.changes_csv(documents))
        if publisher and checking.base:
            checking.expect(layout.FEED, layout.rolie_feed(checking.base, publisher, documents))
    else:
        checking.find(layout.WHITE, "holds no readable advisory")
    checking.expect(layout.OSV_ALL, layout.osv_all(records))

    known = {*csaf, *osv, *_LISTS}
    known |= {f"{name}{suffix}" for name in signed for suffix in _SIDECARS}
    for name in sorted(names - known):
        checking.find(name, "does not belong here")
    return ProviderCheck(documents=len(documents), findings=tuple(dict.fromkeys(checking.findings)))
