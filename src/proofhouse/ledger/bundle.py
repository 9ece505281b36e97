# SPDX-License-Identifier: Apache-2.0
"""The inspector's bundle: one file that proves, offline, what a house's ledgers hold.

`write_bundle` takes plain data; `verify_bundle` says line by line what it proved. `docs/spec/bundle.md` is
the normative text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from proofhouse.attest import Envelope, Signer, canonical, sha256_hex, sign_statement, statement
from proofhouse.ledger._files import write_durably
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._proof import Receipt
from proofhouse.ledger._tiles import CHECKPOINT, Tree, bundle, read_checkpoint, tile_path
from proofhouse.ledger.bundle_container import (
    BundleLimits,
    BundleRefused,
    BundleUnreadable,
    pack,
)
from proofhouse.ledger.bundle_manifest import (
    EXPORT_ROLE,
    LETTER_ROLE,
    MANIFEST,
    PREDICATE_TYPE,
    SEAL,
    BadManifest,
    BundleKey,
    Complete,
    Event,
    Expectations,
    Link,
    ListedFile,
    ListedStatement,
    Manifest,
    Order,
    Trust,
    role_of,
)
from proofhouse.ledger.bundle_proved import Proved
from proofhouse.ledger.bundle_verify import verify_bundle
from proofhouse.ledger.opening import Opening


@dataclass(frozen=True)
class OpenedRecord:
    """A record that is opened for the inspector.

    Attributes:
        index: Its place in the ledger.
        kind: Type of the event, as its leaf's tag has it.
        case: The case, likewise.
        opening: Its fields; all of them where completeness is to be shown.
        receipt: Its receipt.
    """

    index: int
    kind: str
    case: str
    opening: Opening
    receipt: Receipt


@dataclass(frozen=True)
class LedgerExport:
    """One ledger for a bundle.

    Attributes:
        name: Short name in the bundle, for instance `office`.
        directory: The log's files; its published checkpoint is exported with the tiles that belong to it.
        policy: Who must have signed and cosigned.
        records: What is opened.
        inspector_key: 32 bytes; with it tags and completeness can be checked.
    """

    name: str
    directory: Path
    policy: Policy
    records: Sequence[OpenedRecord] = ()
    inspector_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SignedStatement:
    """A DSSE envelope with an in-toto Statement for a bundle.

    Attributes:
        name: Short name, for instance `exam-report`.
        content: The envelope's bytes.
        house: The house that signed.
        role: The role of the key that signed.
    """

    name: str
    content: bytes
    house: str
    role: str


def write_bundle(
    path: Path,
    *,
    exporter: str,
    signer: Signer,
    exported_at: datetime,
    keys: Sequence[BundleKey],
    ledgers: Sequence[LedgerExport] = (),
    statements: Sequence[SignedStatement] = (),
    letters: Iterable[bytes] = (),
    documents: Mapping[str, bytes] | None = None,
    expect: Expectations = Expectations(),  # noqa: B008 - frozen, so one default instance is safe to share
) -> Manifest:
    """Write a bundle; the file appears whole or not at all.

    Args:
        path: Where to.
        exporter: Slug of the house that exports.
        signer: Its key; `keys` must hold the public half with the role `export`.
        exported_at: The house's clock.
        keys: All public keys that statements and letters need.
        ledgers: The ledgers.
        statements: Signed statements.
        letters: Letters, as their exact bytes; whole threads, since gaps are reported. One that comes twice
            is written once.
        documents: Other files, by relative path; only their digests are checked.
        expect: What must be true; `verify_bundle` checks it.

    Returns:
        The manifest that was signed.

    Raises:
        BundleRefused: A name does not fit, or two different files have one name.
        BrokenLog: A ledger's files cannot be read.
        BadManifest: The signer's key is not among `keys` with the role `export`.
    """
    if not any(
        each.key == signer.public and each.house == exporter and EXPORT_ROLE in each.roles for each in keys
    ):
        raise BadManifest(
            f"the keys do not hold the signer's as a key of {exporter} with the role {EXPORT_ROLE}"
        )
    files = _gather(
        (
            *((f"keys/{each.house}.{each.name}.json", canonical(each.to_record())) for each in keys),
            *(entry for each in ledgers for entry in _ledger_files(each)),
            *((f"statements/{each.name}.dsse.json", each.content) for each in statements),
            *((f"letters/{_payload_sha256(each)}.letter.json", each) for each in letters),
            *((f"documents/{name}", content) for name, content in (documents or {}).items()),
        )
    )
    manifest = Manifest(
        exporter=exporter,
        exported_at=exported_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        ledgers={each.name: read_checkpoint(each.directory, CHECKPOINT)[1].origin for each in ledgers},
        files=tuple(
            ListedFile(name, role_of(name)[0], sha256_hex(content), len(content))
            for name, content in sorted(files.items())
        ),
        statements=tuple(
            ListedStatement(f"statements/{each.name}.dsse.json", each.house, each.role) for each in statements
        ),
        expect=expect,
    )
    listed = manifest.to_json()
    seal = sign_statement(
        statement(
            [{"name": MANIFEST, "digest": {"sha256": sha256_hex(listed)}}],
            PREDICATE_TYPE,
            {"exporter": exporter, "exported_at": manifest.exported_at},
        ),
        [signer],
    )
    write_durably({path: pack({**files, MANIFEST: listed, SEAL: seal.to_json()})})
    return manifest


def _gather(named: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name, content in named:
        if files.setdefault(name, content) != content:
            raise BundleRefused(f"two files of the bundle would be {name}", name)
    return files


def _ledger_files(ledger: LedgerExport) -> Iterator[tuple[str, bytes]]:
    note, checkpoint = read_checkpoint(ledger.directory, CHECKPOINT)
    tree = Tree(ledger.directory, checkpoint.size)
    home = f"ledgers/{ledger.name}"
    yield f"{home}/checkpoint", bytes(note)
    yield f"{home}/policy", bytes(ledger.policy)
    if ledger.inspector_key is not None:
        yield f"{home}/inspector-key", f"{ledger.inspector_key.hex()}\n".encode()
    for index, width in enumerate(tree.widths(0)):
        yield f"{home}/{tile_path('entries', index, width).as_posix()}", bundle(tree.entry_bundle(index))
    level = 0
    while widths := tree.widths(level):
        for index, width in enumerate(widths):
            yield f"{home}/{tile_path(level, index, width).as_posix()}", tree.tile(level, index)
        level += 1
    for each in ledger.records:
        fields = {
            "index": each.index,
            "kind": each.kind,
            "case": each.case,
            "opening": each.opening.to_record(),
        }
        yield f"{home}/openings/{each.index}.json", canonical(fields)
        yield f"{home}/openings/{each.index}.tlog-proof", bytes(each.receipt)


def _payload_sha256(envelope: bytes) -> str:
    return sha256_hex(Envelope.from_json(envelope).payload)


__all__ = [
    "EXPORT_ROLE",
    "LETTER_ROLE",
    "BadManifest",
    "BundleKey",
    "BundleLimits",
    "BundleRefused",
    "BundleUnreadable",
    "Complete",
    "Event",
    "Expectations",
    "LedgerExport",
    "Link",
    "Manifest",
    "OpenedRecord",
    "Order",
    "Proved",
    "SignedStatement",
    "Trust",
    "verify_bundle",
    "write_bundle",
]
