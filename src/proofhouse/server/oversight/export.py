# SPDX-License-Identifier: Apache-2.0
"""What goes into an inspector's bundle: this house's ledger, opened for some cases, with what its records name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from proofhouse.ledger import Opening, Policy, Receipt, open_fields
from proofhouse.ledger.bundle import (
    BundleKey,
    Complete,
    Event,
    Expectations,
    LedgerExport,
    Link,
    Manifest,
    OpenedRecord,
    Order,
    SignedStatement,
    write_bundle,
)
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.cases.models import ValidationRun
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.keys import inspection_key, public_keys, signer
from proofhouse.server.engine.models import LedgerEntry, Letter
from proofhouse.server.engine.post import introductions
from proofhouse.server.engine.record import trust_policy
from proofhouse.server.engine.registry import LEDGER_KINDS
from proofhouse.server.exams.models import ExamStatement, Seal
from proofhouse.server.house import this_house
from proofhouse.server.releases.models import Acknowledgement, Release

ORDERS: tuple[tuple[str, str], ...] = (
    ("bank.seal", "window.open"),
    ("window.open", "statement.accept"),
    ("bank.seal", "determination.make"),
    ("determination.make", "bank.open"),
    ("case.open", "patch.accept"),
    ("embargo.set", "embargo.lift"),
    ("embargo.lift", "advisory.publish"),
    ("patch.accept", "release.authorise"),
    ("advisory.publish", "release.authorise"),
)
"""What must lie before what within one case, where both happened."""

_SIGNING_ROLES = ("exam", "export", "letters", "publisher", "validation")


def write_export(path: Path, cases: Sequence[str]) -> Manifest:
    """Write the bundle of this house for some cases.

    Args:
        path: Where to.
        cases: Ledger cases; every entry of each is opened in full.
    """
    entries = list(LedgerEntry.objects.filter(case__in=cases).exclude(receipt=""))
    house = this_house().name
    statements, documents, links = _evidence(house, cases)
    ledger = LedgerExport(
        house,
        this_house().ledger,
        replace(trust_policy(), urls={}),
        [_opened(entry) for entry in entries],
        inspection_key(),
    )
    letters = Letter.objects.filter(thread__case__in=cases).order_by("thread_id", "sequence")
    return write_bundle(
        path,
        exporter=house,
        signer=signer("export"),
        exported_at=now(),
        keys=list(_keys(house)),
        ledgers=[ledger],
        statements=statements,
        letters=[bytes(letter.envelope) for letter in letters],
        documents=documents,
        expect=Expectations(
            order=tuple(_orders(house, entries)),
            complete=tuple(Complete(house, case, tuple(sorted(LEDGER_KINDS))) for case in cases),
            links=tuple(links),
        ),
    )


def combine(path: Path, parts: Sequence[Path], scratch: Path) -> Manifest:
    """Write one bundle out of several that were verified, signed by this house.

    Args:
        path: Where to.
        parts: The bundles; each has ledgers of other names.
        scratch: An empty directory to unpack them in.
    """
    keys: dict[tuple[str, str], BundleKey] = {}
    ledgers: list[LedgerExport] = []
    statements: list[SignedStatement] = []
    letters: list[bytes] = []
    documents: dict[str, bytes] = {}
    expect = Expectations()
    for number, part in enumerate(parts):
        root = scratch / str(number)
        with zipfile.ZipFile(part) as archive:
            archive.extractall(root)
        manifest = Manifest.from_json((root / "MANIFEST.json").read_bytes())
        for file in sorted((root / "keys").glob("*.json")):
            key = BundleKey.from_record(json.loads(file.read_bytes()), file.name)
            keys.setdefault((key.house, key.name), key)
        ledgers += [_unpacked(root / "ledgers" / name, name) for name in manifest.ledgers]
        statements += [
            SignedStatement(
                Path(row.path).name.removesuffix(".dsse.json"),
                (root / row.path).read_bytes(),
                row.house,
                row.role,
            )
            for row in manifest.statements
        ]
        letters += [file.read_bytes() for file in sorted((root / "letters").glob("*"))]
        documents |= {
            str(file.relative_to(root / "documents")): file.read_bytes()
            for file in sorted((root / "documents").rglob("*"))
            if file.is_file()
        }
        expect = Expectations(
            expect.order + manifest.expect.order,
            expect.complete + manifest.expect.complete,
            expect.links + manifest.expect.links,
        )
    house = this_house().name
    for key in _keys(house):
        keys.setdefault((key.house, key.name), key)
    return write_bundle(
        path,
        exporter=house,
        signer=signer("export"),
        exported_at=now(),
        keys=list(keys.values()),
        ledgers=ledgers,
        statements=statements,
        letters=letters,
        documents=documents,
        expect=expect,
    )


def _unpacked(home: Path, name: str) -> LedgerExport:
    records = []
    for file in sorted((home / "openings").glob("*.json")):
        fields = json.loads(file.read_bytes())
        records.append(
            OpenedRecord(
                fields["index"],
                fields["kind"],
                fields["case"],
                Opening.from_record(fields["opening"]),
                Receipt.from_bytes(file.with_suffix(".tlog-proof").read_bytes()),
            )
        )
    key = bytes.fromhex((home / "inspector-key").read_text(encoding="ascii").strip())
    return LedgerExport(name, home, Policy.parse((home / "policy").read_bytes()), records, key)


def _opened(entry: LedgerEntry) -> OpenedRecord:
    if entry.log_index is None:
        raise ValueError(f"entry {entry.id} is not in the log")
    return OpenedRecord(
        entry.log_index,
        entry.kind,
        entry.case,
        open_fields(entry.record, bytes(entry.record_key)),
        Receipt.from_bytes(entry.receipt.encode()),
    )


def _orders(house: str, entries: Sequence[LedgerEntry]) -> Iterator[Order]:
    happened = {(entry.kind, entry.case) for entry in entries}
    for case in sorted({entry.case for entry in entries}):
        for before, after in ORDERS:
            if (before, case) in happened and (after, case) in happened:
                yield Order(house, Event(before, case), Event(after, case))


def _keys(house: str) -> Iterator[BundleKey]:
    for role in _SIGNING_ROLES:
        if (this_house().keys / role).is_dir():
            for key in public_keys(role):
                yield BundleKey(house, f"{role}-{key.key_id[:8]}", frozenset({role}), key)
    for introduction in introductions():
        name = f"letters-{introduction.key.key_id[:8]}"
        yield BundleKey(introduction.house, name, frozenset({"letters"}), introduction.key)


def _evidence(house: str, cases: Sequence[str]) -> tuple[list[SignedStatement], dict[str, bytes], list[Link]]:
    """Statements and documents that records of these cases name by digest, and the links between them."""
    statements: list[SignedStatement] = []
    documents: dict[str, bytes] = {}
    links: list[Link] = []

    def state(name: str, role: str, digest: str, event: Event) -> None:
        statements.append(SignedStatement(name, get_blob(digest), house, role))
        links.append(Link(house, event, "statement_sha256", f"statements/{name}.dsse.json"))

    def enclose(name: str, digest: str, event: Event, field: str) -> None:
        documents[name] = get_blob(digest)
        links.append(Link(house, event, field, f"documents/{name}"))

    for number, exam in enumerate(ExamStatement.objects.filter(case__in=cases), 1):
        state(f"exam-report-{number}", "exam", exam.sha256, Event("statement.accept", exam.case))
    for seal in Seal.objects.filter(case__in=cases).exclude(opening=None):
        if seal.opening is not None:
            documents["bank-seal.json"] = _pretty(seal.commitments)
            documents["bank-opening.json"] = _pretty(seal.opening.record["opening"])
    runs = ValidationRun.objects.filter(entry__case__in=cases).select_related("entry")
    for number, digest in enumerate(sorted({run.statement_sha256 for run in runs}), 1):
        entry = next(run.entry for run in runs if run.statement_sha256 == digest)
        state(f"validation-{number}", "validation", digest, Event("validation.accept", entry.case))
    for advisory in Advisory.objects.filter(entry__case__in=cases).select_related("entry"):
        event = Event("advisory.publish", advisory.entry.case)
        enclose(f"{advisory.number.lower()}.csaf.json", advisory.csaf_sha256, event, "csaf_sha256")
        enclose(f"{advisory.number.lower()}.osv.json", advisory.osv_sha256, event, "osv_sha256")
    for release in Release.objects.filter(entry__case__in=cases).select_related("entry"):
        enclose(
            f"{release.item}.patch", release.sha256, Event("release.authorise", release.entry.case), "sha256"
        )
    for row in Acknowledgement.objects.filter(entry__case__in=cases).select_related("entry"):
        event = Event("acknowledgement.receive", row.entry.case)
        enclose(
            f"{row.envelope_sha256[:16]}.acknowledgement.json", row.envelope_sha256, event, "envelope_sha256"
        )
    return statements, documents, links


def _pretty(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
