# SPDX-License-Identifier: Apache-2.0
"""Claims about an exporter who signs a bundle that leaves out, reorders or rewrites what its ledger holds."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger_bundle.small_house import (
    CASE,
    EVENTS,
    EXAM,
    KINDS,
    NOW,
    OPENED,
    ORIGIN,
    RESULT,
    SEALED,
    Office,
    contents_of,
    edited,
    failures,
)
from proofhouse.attest import canonical, sign_statement, statement
from proofhouse.ledger import Checkpoint, Note, new_key, open_fields
from proofhouse.ledger._note import sign_note
from proofhouse.ledger.bundle import Complete, Event, Expectations, Link, Order
from proofhouse.ledger.bundle_manifest import MANIFEST, SEAL, Manifest
from proofhouse.letters import seal

LEDGER = "ledgers/office"


def test_a_bundle_that_is_only_sealed_again_is_still_proved(office: Office, bundle: Path) -> None:
    assert not failures(office.reseal(bundle, {}))


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5])
def test_a_missing_opening_is_found_by_completeness(office: Office, bundle: Path, index: int) -> None:
    names = [f"{LEDGER}/openings/{index}.{kind}" for kind in ("json", "tlog-proof")]
    failed = failures(office.reseal(bundle, dict.fromkeys(names)))
    found = next(line for line in failed if line.line.endswith("is opened: complete"))
    assert found.file == names[0]
    assert "is not opened" in found.detail


def test_a_partial_opening_is_not_complete(office: Office, tmp_path: Path) -> None:
    records = office.of_case()
    opening = records[1].opening
    records[1] = replace(records[1], opening=replace(opening, fields=opening.fields[:1]))
    bundle = office.write(tmp_path / "b.zip", ledgers=office.ledger_export(records=records))
    [failed] = failures(bundle)
    assert failed.detail.endswith("is opened only in part")


def test_completeness_needs_the_inspector_key(office: Office, tmp_path: Path) -> None:
    bundle = office.write(tmp_path / "b.zip", ledgers=office.ledger_export(inspector_key=None))
    [failed] = failures(bundle)
    assert failed.file == f"{LEDGER}/inspector-key"


def test_a_foreign_inspector_key_does_not_fit_the_tags(office: Office, tmp_path: Path) -> None:
    bundle = office.write(tmp_path / "b.zip", ledgers=office.ledger_export(inspector_key=new_key()))
    assert "does not carry the tag" in failures(bundle)[0].detail


def test_kinds_that_are_not_looked_for_are_noticed(office: Office, tmp_path: Path) -> None:
    expect = Expectations(complete=(Complete("office", CASE, ("bank.seal", "window.open")),))
    [failed] = failures(office.write(tmp_path / "b.zip", expect=expect))
    assert "kinds that are not looked for: rule.seal" in failed.detail


def test_a_seal_after_the_window_is_out_of_order(tmp_path: Path) -> None:
    swapped = list(EVENTS)
    swapped[1], swapped[3] = swapped[3], swapped[1]
    late = Office(tmp_path, tuple(swapped))
    [failed] = failures(late.write(tmp_path / "b.zip"))
    assert failed.line.startswith("ledger office: bank.seal of case review:1 at index 3 precedes window.open")
    assert failed.file == f"{LEDGER}/openings/3.json"


def test_a_second_seal_after_the_window_is_out_of_order(tmp_path: Path) -> None:
    twice = Office(tmp_path, (*EVENTS, ("bank.seal", CASE)))
    [failed] = failures(twice.write(tmp_path / "b.zip"))
    assert "bank.seal of case review:1 at index 7" in failed.line


def test_an_event_that_never_happened_is_out_of_order(office: Office, tmp_path: Path) -> None:
    expect = Expectations(order=(Order("office", SEALED, Event("bank.open", CASE)),))
    [failed] = failures(office.write(tmp_path / "b.zip", expect=expect))
    assert failed.detail == "no bank.open of case review:1 is opened"


def test_an_expectation_about_a_missing_ledger_fails(office: Office, tmp_path: Path) -> None:
    assert len(failures(office.write(tmp_path / "b.zip", ledgers=[]))) == 4


@pytest.mark.parametrize("field", ["kind", "case"])
def test_an_event_cannot_be_renamed(office: Office, bundle: Path, field: str) -> None:
    name = f"{LEDGER}/openings/3.json"
    changed = edited(contents_of(bundle)[name], **{field: "other"})
    assert failures(office.reseal(bundle, {name: changed}))[0].file == name


def test_an_opening_cannot_show_another_value(office: Office, bundle: Path) -> None:
    name = f"{LEDGER}/openings/4.json"
    opening = json.loads(contents_of(bundle)[name])["opening"]
    opening["fields"][0]["value"] = "2020-01-01T00:00:00.000000Z"
    changed = edited(contents_of(bundle)[name], opening=opening)
    failed = failures(office.reseal(bundle, {name: changed}))[0]
    assert (failed.file, "not what the leaf commits to" in failed.detail) == (name, True)


def test_two_openings_cannot_change_places(office: Office, bundle: Path) -> None:
    files = contents_of(bundle)
    swap = {
        f"{LEDGER}/openings/{to}.{kind}": files[f"{LEDGER}/openings/{source}.{kind}"]
        for to, source in ((1, 3), (3, 1))
        for kind in ("json", "tlog-proof")
    }
    assert {line.file for line in failures(office.reseal(bundle, swap))} >= {
        f"{LEDGER}/openings/1.json",
        f"{LEDGER}/openings/3.json",
    }
    swap[f"{LEDGER}/openings/1.json"] = edited(swap[f"{LEDGER}/openings/1.json"], index=1)
    swap[f"{LEDGER}/openings/3.json"] = edited(swap[f"{LEDGER}/openings/3.json"], index=3)
    assert f"{LEDGER}/openings/1.json" in {line.file for line in failures(office.reseal(bundle, swap))}


def test_a_receipt_of_another_entry_does_not_serve(office: Office, bundle: Path) -> None:
    name = f"{LEDGER}/openings/4.tlog-proof"
    other = contents_of(bundle)[f"{LEDGER}/openings/5.tlog-proof"]
    assert failures(office.reseal(bundle, {name: other}))[0].file == name


def test_a_checkpoint_without_its_witness_does_not_serve(office: Office, bundle: Path) -> None:
    name = f"{LEDGER}/checkpoint"
    note = Note.parse(contents_of(bundle)[name])
    alone = bytes(Note(note.text, note.signatures[:1]))
    failed = failures(office.reseal(bundle, {name: alone}))[0]
    assert (failed.file, "quorum" in failed.detail) == (name, True)


@pytest.mark.parametrize("size", [0, 6, 8, 2**62])
def test_a_checkpoint_of_another_size_does_not_serve(office: Office, bundle: Path, size: int) -> None:
    name = f"{LEDGER}/checkpoint"
    checkpoint = replace(Checkpoint.of(Note.parse(contents_of(bundle)[name])), size=size)
    forged = bytes(sign_note(checkpoint.text, ORIGIN, office.log_signer))
    assert failures(office.reseal(bundle, {name: forged}))[0].file == name


@pytest.mark.parametrize("tile", ["entries/000.p/7", "0/000.p/7"])
def test_a_rewritten_tile_contradicts_the_checkpoint(office: Office, bundle: Path, tile: str) -> None:
    name = f"{LEDGER}/tile/{tile}"
    content = bytearray(contents_of(bundle)[name])
    content[-1] ^= 1
    assert failures(office.reseal(bundle, {name: bytes(content)}))[0].file.startswith(LEDGER)


@pytest.mark.parametrize("tile", ["1/000.p/1", "0/000.p/7/x", "entries/000.p/6", "entries"])
def test_a_tile_beside_the_tree_is_named(office: Office, bundle: Path, tile: str) -> None:
    name = f"{LEDGER}/tile/{tile}"
    assert failures(office.reseal(bundle, {name: b""}))[0].file == name


def test_a_missing_tile_is_named(office: Office, bundle: Path) -> None:
    name = f"{LEDGER}/tile/0/000.p/7"
    assert failures(office.reseal(bundle, {name: None}))[0].file == name


def test_a_policy_that_nests_without_end_is_refused(office: Office, bundle: Path) -> None:
    lines = [
        line for line in bytes(office.policy).decode().splitlines() if line.startswith(("log", "witness"))
    ]
    lines += [f"group g0 1 {next(iter(office.policy.witnesses))}"]
    lines += [f"group g{number + 1} 1 g{number}" for number in range(3000)]
    policy = "\n".join([*lines, "quorum g3000", ""]).encode()
    assert failures(office.reseal(bundle, {f"{LEDGER}/policy": policy}))[0].file == f"{LEDGER}/policy"


def test_a_missing_or_broken_file_of_a_ledger_is_named(office: Office, bundle: Path) -> None:
    whole = bundle.read_bytes()
    for name in (f"{LEDGER}/policy", f"{LEDGER}/checkpoint", f"{LEDGER}/openings/2.json"):
        for change in (None, b"", b"{}", b"\xff\n"):
            bundle.write_bytes(whole)
            assert name in {line.file for line in failures(office.reseal(bundle, {name: change}))}


def test_a_statement_by_the_wrong_key_is_named(office: Office, bundle: Path) -> None:
    forged = sign_statement(
        statement(
            [{"name": "model", "digest": {"sha256": "a" * 64}}], "https://proofhouse.dev/exam-report/v1", {}
        ),
        [office.desk],
    ).to_json()
    failed = failures(office.reseal(bundle, {EXAM: forged}))
    assert [line.file for line in failed] == [EXAM, EXAM]
    assert failed[0].line == "statement exam-report: signed by office/exam"


def test_a_report_that_the_ledger_does_not_name_is_found(office: Office, bundle: Path) -> None:
    other = sign_statement(
        statement(
            [{"name": "model", "digest": {"sha256": "b" * 64}}], "https://proofhouse.dev/exam-report/v1", {}
        ),
        [office.exam],
    ).to_json()
    [failed] = failures(office.reseal(bundle, {EXAM: other}))
    assert (failed.file, "names statements/exam-report" in failed.line) == (EXAM, True)


def test_a_link_can_name_the_payload(office: Office, tmp_path: Path) -> None:
    link = Link("office", RESULT, "report", EXAM, payload=True)
    assert failures(office.write(tmp_path / "b.zip", expect=Expectations(links=(link,))))


def letter(office: Office, **changes: object) -> tuple[str, bytes]:
    fields: dict[str, object] = {
        "sender": "lab",
        "recipient": "office",
        "thread": "0192f0c1-2a3b-7c4d-8e5f-0123456789ab",
        "sequence": 2,
        "signer": office.lab,
        "now": NOW,
        **changes,
    }
    body = {"inquiry": "0192f0c1-2a3b-7c4d-8e5f-000000000001", "model": {"name": "Example-1"}}
    sealed = seal("inquiry", body, **fields)  # type: ignore[arg-type] # the fields vary by test
    return f"letters/{sealed.id}.letter.json", sealed.data


def test_a_letter_in_anothers_name_is_named(office: Office, bundle: Path) -> None:
    name, data = letter(office, signer=office.desk)
    [failed] = failures(office.reseal(bundle, {name: data}))
    assert (failed.file, "not signed by lab" in failed.detail) == (name, True)


def test_a_missing_letter_is_noticed_by_its_number(office: Office, bundle: Path) -> None:
    name, data = letter(office, sequence=3)
    [failed] = failures(office.reseal(bundle, {name: data}))
    assert failed.detail == "missing: [2]"


def test_a_letter_under_another_name_is_refused(office: Office, bundle: Path) -> None:
    _, data = letter(office)
    name = f"letters/{'0' * 64}.letter.json"
    assert failures(office.reseal(bundle, {name: data}))[0].file == name


def test_a_letter_with_a_broken_signature_is_named(office: Office, bundle: Path) -> None:
    name, data = letter(office)
    envelope = json.loads(data)
    signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    signature[0] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    assert failures(office.reseal(bundle, {name: canonical(envelope)}))[0].file == name


def test_a_letter_reveals_a_ledger_with_two_histories(office: Office, tmp_path: Path, bundle: Path) -> None:
    checkpoint = Checkpoint(ORIGIN, 3, b"\x01" * 32)
    told = bytes(sign_note(checkpoint.text, ORIGIN, office.log_signer)).decode()
    name, data = letter(office, ledger_checkpoint=told)
    [failed] = failures(office.reseal(bundle, {name: data}))
    assert (failed.file, failed.detail.endswith("two histories")) == (name, True)


def test_a_letter_reveals_that_the_ledger_is_an_older_one(office: Office, bundle: Path) -> None:
    checkpoint = Checkpoint(ORIGIN, 30, b"\x01" * 32)
    told = bytes(sign_note(checkpoint.text, ORIGIN, office.log_signer)).decode()
    name, data = letter(office, ledger_checkpoint=told)
    [failed] = failures(office.reseal(bundle, {name: data}))
    assert failed.detail.endswith("the ledger here is an older one, with 7")


def test_a_checkpoint_that_the_log_never_signed_is_refused(office: Office, bundle: Path) -> None:
    checkpoint = Checkpoint(ORIGIN, 3, b"\x01" * 32)
    told = bytes(sign_note(checkpoint.text, ORIGIN, office.desk)).decode()
    name, data = letter(office, ledger_checkpoint=told)
    [failed] = failures(office.reseal(bundle, {name: data}))
    assert "did not sign" in failed.detail


@pytest.mark.parametrize(
    "change",
    [
        {"format": "proofhouse-bundle/v2"},
        {"more": 1},
        {"files": []},
        {"ledgers": {}},
        {"ledgers": {"office": 1}},
        {"ledgers": {"office": "proofhouse.example/other"}},
        {"statements": []},
        {"statements": [{"path": "statements/none.dsse.json", "house": "office", "role": "exam"}]},
        {"exporter": "lab"},
        {"expect": {}},
        {"expect": {"order": [], "complete": [{"ledger": "office", "case": CASE, "kinds": []}], "links": []}},
        {"exported_at": 7},
    ],
    ids=str,
)
def test_a_manifest_of_another_form_is_refused(
    office: Office, bundle: Path, change: dict[str, object]
) -> None:
    files = contents_of(bundle)
    changed = edited(files.pop(MANIFEST), **change)
    del files[SEAL]

    class Raw(Manifest):
        def to_json(self) -> bytes:
            return changed

    exporter = str(change.get("exporter", "office"))
    raw = Raw(exporter, "2026-11-24T09:30:00.000000Z", {}, (), (), Expectations())
    assert failures(office.seal(bundle, raw, files))


def test_a_case_of_which_nothing_happened_is_complete_and_says_so(office: Office, tmp_path: Path) -> None:
    expect = Expectations(complete=(Complete("office", "review:9", KINDS),))
    assert not failures(office.write(tmp_path / "b.zip", expect=expect))


def test_order_is_by_entry_and_not_by_time(office: Office, tmp_path: Path) -> None:
    expect = Expectations(order=(Order("office", OPENED, SEALED),))
    assert failures(office.write(tmp_path / "b.zip", expect=expect))


def test_an_opening_made_with_another_key_is_refused(office: Office, tmp_path: Path) -> None:
    records = office.of_case()
    shown = {field.name: field.value for field in records[0].opening.fields}
    records[0] = replace(records[0], opening=open_fields(shown, new_key()))
    bundle = office.write(tmp_path / "b.zip", ledgers=office.ledger_export(records=records))
    assert failures(bundle)[0].file == f"{LEDGER}/openings/1.json"
