# SPDX-License-Identifier: Apache-2.0
"""Claims about an honest bundle, and about one that was changed on its way."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger_bundle.small_house import NOW, Office, contents_of, failures
from proofhouse.attest import Signer
from proofhouse.ledger.bundle import (
    BadManifest,
    BundleKey,
    BundleLimits,
    BundleRefused,
    BundleUnreadable,
    Trust,
    verify_bundle,
)
from proofhouse.ledger.bundle_container import check_name, pack
from proofhouse.ledger.verify_cli import cli

FILES = (
    "MANIFEST.dsse.json",
    "MANIFEST.json",
    "documents/advisories/ph-2026-000001.json",
    "keys/lab.desk.json",
    "keys/office.desk.json",
    "keys/office.exam.json",
    "keys/office.export.json",
    "ledgers/office/checkpoint",
    "ledgers/office/inspector-key",
    *(
        f"ledgers/office/openings/{index}.{kind}"
        for index in (1, 2, 3, 4, 5)
        for kind in ("json", "tlog-proof")
    ),
    "ledgers/office/policy",
    "ledgers/office/tile/0/000.p/7",
    "ledgers/office/tile/entries/000.p/7",
    "letters/0",
    "letters/1",
    "statements/exam-report.dsse.json",
)


def named(files: dict[str, bytes], name: str) -> str:
    """A file's path; letters are counted, since their names change with their keys."""
    letters = sorted(path for path in files if path.startswith("letters/"))
    return letters[int(name[-1])] if name.startswith("letters/") else name


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def test_an_honest_bundle_is_proved_line_by_line(bundle: Path) -> None:
    result = run(bundle)
    assert result.exit_code == 0, result.output
    for line in (
        "keys: 4, taken from the bundle itself; pin them with --trust",
        "manifest: signed by office at 2026-11-24T09:30:00.000000Z",
        "ledger office: 7 entries, root matches checkpoint, 1 of 1 witnesses cosigned",
        "opening 1 of ledger office: bank.seal of case review:1, all fields match the leaf",
        "ledger office: every leaf tagged with case review:1 is opened: complete",
        "bank.seal of case review:1 at index 1 precedes window.open of case review:1 at index 3",
        "ledger office: run.result of case review:1 names statements/exam-report.dsse.json in report",
        "statement exam-report: signed by office/exam",
        "letter inquiry/v1: lab to office, signed by lab",
        "its checkpoint of proofhouse.example/office at 4 entries is a state of the ledger here",
        "letters 1 to 1 of lab, none missing",
    ):
        assert line in result.output
    assert result.output.endswith("lines, all proved\n")


def test_the_list_of_files_in_these_tests_is_the_bundles(bundle: Path) -> None:
    files = contents_of(bundle)
    assert sorted(named(files, name) for name in FILES) == sorted(files)


def test_the_same_content_gives_the_same_bytes(office: Office, tmp_path: Path) -> None:
    one, other = (office.write(tmp_path / name).read_bytes() for name in ("one.zip", "other.zip"))
    assert one == other


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["first", "last", "appended"])
def test_a_changed_file_is_named(bundle: Path, name: str, place: str) -> None:
    files = contents_of(bundle)
    name = named(files, name)
    content = bytearray(files[name])
    if place == "appended":
        content += b"x"
    else:
        content[0 if place == "first" else -2] ^= 1
    bundle.write_bytes(pack({**files, name: bytes(content)}))
    assert_refused(bundle, name)


@pytest.mark.parametrize("name", FILES)
def test_a_removed_file_is_named(bundle: Path, name: str) -> None:
    files = contents_of(bundle)
    name = named(files, name)
    bundle.write_bytes(pack({path: content for path, content in files.items() if path != name}))
    assert_refused(bundle, name)


@pytest.mark.parametrize(
    "name", ["ledgers/office/openings/6.json", "notes.txt", "keys/office.more.json", "ledgers/office/head"]
)
def test_an_added_file_is_named(bundle: Path, name: str) -> None:
    bundle.write_bytes(pack({**contents_of(bundle), name: b"{}"}))
    assert_refused(bundle, name)


def assert_refused(bundle: Path, name: str) -> None:
    result = run(bundle, "--json")
    assert result.exit_code == 1, result.output
    answer = json.loads(result.output)
    assert not answer["ok"]
    assert name in {line["file"] for line in answer["lines"] if not line["ok"]}
    assert name in run(bundle).output


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_the_whole_file_can_change(bundle: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(bundle.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    changed = tmp_path / "changed.zip"
    changed.write_bytes(content)
    assert_not_proved(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"x",
        lambda content: b"#!/bin/sh\n" + content,
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content + content,
        lambda content: b"",
    ],
    ids=["tail", "head", "cut", "half", "twice", "empty"],
)
def test_nothing_can_lie_around_the_container(bundle: Path, change: Callable[[bytes], bytes]) -> None:
    bundle.write_bytes(change(bundle.read_bytes()))
    assert_not_proved(bundle)


def assert_not_proved(bundle: Path) -> None:
    try:
        assert not all(line.ok for line in verify_bundle(bundle))
    except BundleUnreadable:
        assert run(bundle).exit_code == 3


def test_a_compressed_bundle_is_refused(bundle: Path) -> None:
    files = contents_of(bundle)
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert failures(bundle)[0].detail.endswith("is compressed; a bundle stores its files")


def test_a_name_that_comes_twice_is_refused(bundle: Path) -> None:
    files = contents_of(bundle)
    with warnings.catch_warnings(), zipfile.ZipFile(bundle, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)
        for name, content in [*files.items(), ("MANIFEST.json", b"{}")]:
            archive.writestr(name, content)
    assert [line.file for line in failures(bundle)] == ["MANIFEST.json"]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a\\b",
        "C:up",
        "é",
        "a\n",
        "x" * 200,
    ],
)
def test_a_name_that_could_leave_the_bundle_is_refused(bundle: Path, name: str) -> None:
    with pytest.raises(BundleRefused):
        check_name(name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, b"")
    bundle.write_bytes(packed.getvalue())
    assert_not_proved(bundle)


def test_too_many_or_too_large_files_are_refused(bundle: Path) -> None:
    assert verify_bundle(bundle, limits=BundleLimits(files=3))[0].detail == "25 files; a bundle has at most 3"
    with pytest.raises(BundleUnreadable, match="more than 1000 bytes"):
        verify_bundle(bundle, limits=BundleLimits(bundle_bytes=1000))


def test_entries_that_share_their_bytes_cannot_inflate(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"x" * 10_000)
        for name in ("b", "c"):
            entry = zipfile.ZipInfo(name)
            entry.header_offset = 0
            entry.file_size = entry.compress_size = 10_000
            entry.CRC = archive.getinfo("a").CRC
            archive.filelist.append(entry)
            archive.NameToInfo[name] = entry
    (tmp_path / "bomb.zip").write_bytes(packed.getvalue())
    assert_not_proved(tmp_path / "bomb.zip")


class TestTrust:
    """What a verifier knew before the bundle came."""

    def test_pinned_keys_policy_and_inspector_key_are_used_and_named(
        self, office: Office, bundle: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "trust.json").write_bytes(office.trust(expect=office.expectations()).to_json())
        result = run(bundle, "--trust", tmp_path / "trust.json")
        assert result.exit_code == 0, result.output
        assert "keys: 4, all pinned by the verifier" in result.output
        assert "1 of 1 witnesses cosigned, policy pinned by the verifier" in result.output
        assert "expected by the verifier: ledger office: every leaf" in result.output

    def test_a_key_that_was_not_pinned_is_not_believed(self, office: Office, bundle: Path) -> None:
        failed = failures(bundle, office.trust(keys=tuple(office.keys[1:])))
        assert failed[0].file == "keys/office.export.json"

    def test_a_key_cannot_take_a_role_that_was_not_pinned(self, office: Office, tmp_path: Path) -> None:
        keys = [*office.keys[:3], BundleKey("lab", "desk", frozenset({"letters", "exam"}), office.lab.public)]
        bundle = office.write(tmp_path / "bundle.zip", keys=keys)
        assert next(line.file for line in failures(bundle, office.trust())) == "keys/lab.desk.json"

    def test_another_offices_bundle_is_refused(self, office: Office, tmp_path: Path) -> None:
        (tmp_path / "impostor").mkdir()
        impostor = Office(tmp_path / "impostor").write(tmp_path / "bundle.zip")
        assert not failures(impostor)
        assert failures(impostor, office.trust())

    def test_a_ledger_without_a_pinned_policy_is_not_proved(self, office: Office, bundle: Path) -> None:
        failed = failures(bundle, office.trust(policies={}))
        assert "pinned no policy" in failed[0].detail

    def test_another_inspector_key_is_found_out(self, office: Office, bundle: Path) -> None:
        failed = failures(bundle, office.trust(inspector_keys={"proofhouse.example/office": "0" * 64}))
        assert failed[0].file == "ledgers/office/inspector-key"

    def test_the_verifiers_own_expectations_count(self, office: Office, tmp_path: Path) -> None:
        silent = office.write(tmp_path / "bundle.zip", expect=Trust().expect, ledgers=[])
        assert not failures(silent)
        assert failures(silent, office.trust(expect=office.expectations()))


def test_exit_codes_tell_no_from_could_not(bundle: Path, tmp_path: Path) -> None:
    assert run().exit_code == 2
    assert run(bundle, "--unknown").exit_code == 2
    assert run(tmp_path / "nothing.zip").exit_code == 3
    assert run(tmp_path).exit_code == 3
    (tmp_path / "text.zip").write_text("not a zip")
    assert run(tmp_path / "text.zip").exit_code == 3
    (tmp_path / "trust.json").write_text("{}")
    assert run(bundle, "--trust", tmp_path / "trust.json").exit_code == 3
    assert run(bundle, "--trust", tmp_path / "nothing.json").exit_code == 3


def test_a_writer_refuses_what_no_verifier_would_take(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with pytest.raises(BadManifest, match="role export"):
        office.write(path, signer=Signer.generate("export", "other"))
    with pytest.raises(BundleRefused, match="two files"):
        office.write(
            path, keys=[*office.keys, BundleKey("lab", "desk", frozenset({"exam"}), office.exam.public)]
        )
    with pytest.raises((BundleRefused, BadManifest)):
        office.write(path, documents={"../up": b""})
    assert not path.exists()


def test_the_verifier_needs_neither_the_server_nor_the_letters_nor_the_network(bundle: Path) -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "for name in ('django', 'jsonschema', 'httpx', 'proofhouse.letters', 'proofhouse.server'):\n"
        "    sys.modules[name] = None\n"
        "from proofhouse.ledger.verify_cli import cli\n"
        "cli([sys.argv[1]])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(bundle)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "all proved" in done.stdout


def test_text_from_the_bundle_cannot_steer_the_terminal(office: Office, tmp_path: Path) -> None:
    bundle = office.write(tmp_path / "bundle.zip", exporter="office", exported_at=NOW)
    resealed = office.reseal(bundle, {"documents/advisories/ph-2026-000001.json": b"\x1b[2J"})
    assert "\x1b" not in run(resealed).output


def test_a_letter_that_two_parties_kept_is_written_once(office: Office, tmp_path: Path) -> None:
    twice = office.write(tmp_path / "bundle.zip", letters=[*office.letters(), *office.letters()])
    assert twice.read_bytes() == office.write(tmp_path / "once.zip").read_bytes()
