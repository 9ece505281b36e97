# SPDX-License-Identifier: Apache-2.0
"""A small office with a witnessed ledger, and what it exports: the factory of these tests."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from proofhouse.attest import Signer, canonical, sha256_hex, sign_statement, statement
from proofhouse.ledger import (
    FileLog,
    Policy,
    Witness,
    WitnessClient,
    WitnessServer,
    leaf,
    log_key,
    new_key,
    open_fields,
    witness_key,
)
from proofhouse.ledger.bundle import (
    BundleKey,
    Complete,
    Event,
    Expectations,
    LedgerExport,
    Link,
    OpenedRecord,
    Order,
    Proved,
    SignedStatement,
    Trust,
    verify_bundle,
    write_bundle,
)
from proofhouse.ledger.bundle_container import pack
from proofhouse.ledger.bundle_manifest import MANIFEST, PREDICATE_TYPE, SEAL, ListedFile, Manifest, role_of
from proofhouse.letters import seal

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ORIGIN = "proofhouse.example/office"
CASE = "review:1"
SEALED = Event("bank.seal", CASE)
OPENED = Event("window.open", CASE)
RESULT = Event("run.result", CASE)
KINDS = ("bank.seal", "bank.open", "rule.seal", "run.result", "window.close", "window.open")
EXAM = "statements/exam-report.dsse.json"

EVENTS = (
    ("review.open", "review:0"),
    ("bank.seal", CASE),
    ("rule.seal", CASE),
    ("window.open", CASE),
    ("run.result", CASE),
    ("window.close", CASE),
    ("review.open", "review:2"),
)


@dataclass
class Office:
    """The office: its keys, its ledger's files and what was recorded in it.

    Attributes:
        events: Kind and case of each entry, in order; tests change them before `record`.
    """

    directory: Path
    events: tuple[tuple[str, str], ...] = EVENTS

    def __post_init__(self) -> None:
        self.inspector_key = new_key()
        self.log_signer = Signer.generate("log", "office", demo=True)
        self.witness_signer = Signer.generate("witness", "witness", demo=True)
        self.export = Signer.generate("export", "office", demo=True)
        self.exam = Signer.generate("exam", "office", demo=True)
        self.lab = Signer.generate("letters", "lab", demo=True)
        self.desk = Signer.generate("letters", "office", demo=True)
        witness = witness_key("proofhouse.example/witness", self.witness_signer.public)
        self.policy = Policy.require(log_key(ORIGIN, self.log_signer.public), [witness])
        self.keys = [
            BundleKey("office", "export", frozenset({"export"}), self.export.public),
            BundleKey("office", "exam", frozenset({"exam"}), self.exam.public),
            BundleKey("office", "desk", frozenset({"letters"}), self.desk.public),
            BundleKey("lab", "desk", frozenset({"letters"}), self.lab.public),
        ]
        report = statement(
            [{"name": "model", "digest": {"sha256": "a" * 64}}],
            "https://proofhouse.dev/exam-report/v1",
            {"score": 1},
        )
        self.report = sign_statement(report, [self.exam]).to_json()
        self.checkpoints: list[str] = []
        self.records = self._record()

    def _record(self) -> list[OpenedRecord]:
        witness = Witness(
            self.directory / "witness",
            "proofhouse.example/witness",
            self.witness_signer,
            self.policy.logs,
        )
        server = WitnessServer(witness)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            client = WitnessClient(server.url, next(iter(self.policy.witnesses.values())))
            with FileLog(self.directory / "ledger", ORIGIN, self.log_signer, [client]) as log:
                return [self._append(log, kind, case) for kind, case in self.events]
        finally:
            server.shutdown()
            serving.join()
            server.server_close()
            witness.close()

    def _append(self, log: FileLog, kind: str, case: str) -> OpenedRecord:
        record: dict[str, Any] = {"kind": kind, "case": case, "at": "2026-11-24T09:30:00.000000Z"}
        if kind == "run.result":
            record["report"] = {"sha256": sha256_hex(self.report)}
        key = new_key()
        [receipt] = log.append([leaf(kind, case, record, key, self.inspector_key)])
        self.checkpoints.append(bytes(receipt.note).decode())
        return OpenedRecord(receipt.index, kind, case, open_fields(record, key), receipt)

    def of_case(self) -> list[OpenedRecord]:
        """The records that the inspector asked for."""
        return [each for each in self.records if each.case == CASE]

    def letters(self) -> list[bytes]:
        """A short thread of the lab and the office; one letter carries a checkpoint, one an enclosure."""
        common: dict[str, Any] = {"thread": "0192f0c1-2a3b-7c4d-8e5f-0123456789ab", "now": NOW}
        inquiry = seal(
            "inquiry",
            {"inquiry": "0192f0c1-2a3b-7c4d-8e5f-000000000001", "model": {"name": "Example-1"}},
            sender="lab",
            recipient="office",
            sequence=1,
            signer=self.lab,
            **common,
        )
        opened = seal(
            "checkpoint",
            {"origin": ORIGIN, "checkpoint": self.checkpoints[3]},
            sender="office",
            recipient="lab",
            sequence=1,
            signer=self.desk,
            in_reply_to=inquiry.id,
            ledger_checkpoint=self.checkpoints[3],
            **common,
        )
        return [inquiry.data, opened.data]

    def expectations(self) -> Expectations:
        """What must be true of this review."""
        return Expectations(
            order=(Order("office", SEALED, OPENED), Order("office", OPENED, RESULT)),
            complete=(Complete("office", CASE, KINDS),),
            links=(Link("office", RESULT, "report", EXAM),),
        )

    def write(self, path: Path, **changes: Any) -> Path:
        """Export the bundle."""
        contents: dict[str, Any] = {
            "exporter": "office",
            "signer": self.export,
            "exported_at": NOW,
            "keys": self.keys,
            "ledgers": [
                LedgerExport(
                    "office", self.directory / "ledger", self.policy, self.of_case(), self.inspector_key
                )
            ],
            "statements": [SignedStatement("exam-report", self.report, "office", "exam")],
            "letters": self.letters(),
            "documents": {"advisories/ph-2026-000001.json": b"{}"},
            "expect": self.expectations(),
        }
        write_bundle(path, **{**contents, **changes})
        return path

    def ledger_export(self, **changes: Any) -> list[LedgerExport]:
        """The ledger as exported, with changes."""
        whole = LedgerExport(
            "office", self.directory / "ledger", self.policy, self.of_case(), self.inspector_key
        )
        return [replace(whole, **changes)]

    def trust(self, **changes: Any) -> Trust:
        """What an inspector knows beforehand."""
        known: dict[str, Any] = {
            "keys": tuple(self.keys),
            "policies": {ORIGIN: bytes(self.policy).decode()},
            "inspector_keys": {ORIGIN: sha256_hex(self.inspector_key)},
        }
        return Trust(**{**known, **changes})

    def reseal(self, path: Path, changes: Mapping[str, bytes | None]) -> Path:
        """What a dishonest exporter can do: change files (None removes) and sign a new manifest over them."""
        files = contents_of(path)
        old = Manifest.from_json(files.pop(MANIFEST))
        del files[SEAL]
        for name, content in changes.items():
            if content is None:
                del files[name]
            else:
                files[name] = content
        listed = [
            ListedFile(name, role_of(name)[0], sha256_hex(content), len(content))
            for name, content in sorted(files.items())
        ]
        return self.seal(path, replace(old, files=tuple(listed)), files)

    def seal(self, path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
        """Sign a manifest and pack it with files."""
        listed = manifest.to_json()
        sealed = sign_statement(
            statement(
                [{"name": MANIFEST, "digest": {"sha256": sha256_hex(listed)}}],
                PREDICATE_TYPE,
                {"exporter": manifest.exporter, "exported_at": manifest.exported_at},
            ),
            [self.export],
        )
        path.write_bytes(pack({**files, MANIFEST: listed, SEAL: sealed.to_json()}))
        return path


def contents_of(path: Path) -> dict[str, bytes]:
    """The files of a bundle."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def edited(content: bytes, **changes: Any) -> bytes:
    """A canonical JSON file with other fields."""
    return canonical({**json.loads(content), **changes})


def failures(path: Path, trust: Trust | None = None) -> list[Proved]:
    """What verification did not prove."""
    return [line for line in verify_bundle(path, trust=trust) if not line.ok]


def later(seconds: int) -> datetime:
    """Some time after the export."""
    return NOW + timedelta(seconds=seconds)
