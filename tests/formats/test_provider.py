# SPDX-License-Identifier: Apache-2.0
"""The provider directory: what is written can be checked, and nothing published is lost or forged."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from csaf import audit_tree  # type: ignore[import-untyped]  # the package ships no types

from formats.libxml2_case import BASE, CONTENT, PUBLISHER, content, revised
from proofhouse.attest import Signer
from proofhouse.formats import (
    AdvisoryContent,
    NotPublic,
    ProviderError,
    Revision,
    Schema,
    Tlp,
    check,
    check_provider,
    write_csaf,
    write_provider,
)

NOW = datetime(2026, 11, 24, 13, tzinfo=UTC)
WHITE = ".well-known/csaf/white"
DOCUMENT = f"{WHITE}/2026/ph-2026-000001.json"
OLDER = content(
    id="PH-2025-000007",
    revisions=(Revision(1, datetime(2025, 12, 31, 23, 59, tzinfo=UTC), "First release."),),
)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.generate("clearinghouse", "publisher", demo=True)


def publish(directory: Path, signer: Signer, *advisories: AdvisoryContent) -> tuple[str, ...]:
    return write_provider(directory, BASE, PUBLISHER, advisories or (CONTENT, OLDER), signer, now=NOW)


def test_a_written_directory_has_no_findings(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    checked = check_provider(tmp_path, [signer.public])
    assert checked.findings == ()
    assert checked.documents == 2


def test_the_layout_is_the_one_of_csaf_section_7(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    white = tmp_path / WHITE
    assert (tmp_path / DOCUMENT).read_bytes() == write_csaf(CONTENT)
    assert (white / "index.txt").read_text() == "2025/ph-2025-000007.json\n2026/ph-2026-000001.json\n"
    assert list(csv.reader((white / "changes.csv").read_text().splitlines())) == [
        ["2026/ph-2026-000001.json", "2026-11-24T12:00:00.000000Z"],
        ["2025/ph-2025-000007.json", "2025-12-31T23:59:00.000000Z"],
    ]
    line = (tmp_path / f"{DOCUMENT}.sha512").read_text()
    assert line == f"{hashlib.sha512(write_csaf(CONTENT)).hexdigest()}  ph-2026-000001.json\n"
    assert (
        f"CSAF: {BASE}/.well-known/csaf/provider-metadata.json"
        in (tmp_path / ".well-known/security.txt").read_text()
    )
    feed = json.loads((white / "csaf-feed-tlp-white.json").read_bytes())
    check(feed, Schema.ROLIE_FEED)
    assert [entry["id"] for entry in feed["feed"]["entry"]] == ["PH-2026-000001", "PH-2025-000007"]
    assert json.loads((tmp_path / "osv/all.json").read_bytes())[0]["id"] == "x_PH-2025-000007"


def test_the_other_implementation_finds_the_tree_in_order(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    audited = audit_tree(str(tmp_path / WHITE))
    # It takes the columns of changes.csv the other way round than CSAF 2.0 §7.1.13 writes them.
    assert [finding for finding in audited.violations if finding.rule != "changes-csv"] == []
    assert audited.advisory_count == 2


def test_the_lists_are_written_after_what_they_name(tmp_path: Path, signer: Signer) -> None:
    written = publish(tmp_path, signer)
    assert written.index(DOCUMENT) < written.index(f"{WHITE}/index.txt")
    assert written.index(f"{DOCUMENT}.dsse") < written.index(f"{WHITE}/csaf-feed-tlp-white.json")


def test_a_change_of_any_file_is_found_and_the_file_named(tmp_path: Path, signer: Signer) -> None:
    written = publish(tmp_path, signer)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in files} == set(written)
    for path in files:
        name, original = path.relative_to(tmp_path).as_posix(), path.read_bytes()
        for changed in (original[:-2] + bytes([original[-2] ^ 1]) + original[-1:], original + b" ", b""):
            path.write_bytes(changed)
            findings = check_provider(tmp_path, [signer.public]).findings
            assert any(name.removesuffix(".dsse") in finding for finding in findings), name
        path.unlink()
        assert any(name in finding for finding in check_provider(tmp_path, [signer.public]).findings), name
        path.write_bytes(original)
    assert check_provider(tmp_path, [signer.public]).ok


def test_a_signature_by_another_key_does_not_count(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    other = Signer.generate("stranger", "key", demo=True)
    assert any("signature" in finding for finding in check_provider(tmp_path, [other.public]).findings)


def test_a_signed_document_at_another_address_is_found(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    for suffix in ("", ".sha256", ".sha512", ".dsse"):
        (tmp_path / f"{DOCUMENT}{suffix}").rename(tmp_path / WHITE / f"2025/ph-2026-000001.json{suffix}")
    findings = check_provider(tmp_path, [signer.public]).findings
    assert any("belongs at" in finding for finding in findings)
    assert any("was signed for" in finding for finding in findings)


def test_a_stray_file_is_found(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    (tmp_path / WHITE / "draft.json").write_text("{}")
    assert check_provider(tmp_path, [signer.public]).findings == (
        f"{WHITE}/draft.json: does not belong here",
    )


def test_an_empty_directory_is_a_finding_and_no_exception(tmp_path: Path, signer: Signer) -> None:
    assert not check_provider(tmp_path, [signer.public]).ok


@pytest.mark.parametrize("label", [Tlp.GREEN, Tlp.AMBER, Tlp.RED])
def test_only_white_enters_the_public_tree(tmp_path: Path, signer: Signer, label: Tlp) -> None:
    with pytest.raises(NotPublic, match=f"TLP:{label}"):
        publish(tmp_path, signer, OLDER, content(tlp=label))
    assert list(tmp_path.iterdir()) == []


def test_a_later_revision_replaces_and_an_earlier_one_may_not(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer, CONTENT)
    publish(tmp_path, signer, revised())
    assert check_provider(tmp_path, [signer.public]).ok
    with pytest.raises(ProviderError, match="without a later revision"):
        publish(tmp_path, signer, CONTENT)
    with pytest.raises(ProviderError, match="without a later revision"):
        publish(tmp_path, signer, replace(revised(), title="Changed in silence"))
    assert check_provider(tmp_path, [signer.public]).ok


def test_a_published_advisory_is_never_dropped(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    with pytest.raises(ProviderError, match="never dropped"):
        publish(tmp_path, signer, CONTENT)


def test_publishing_the_same_again_changes_no_document(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    publish(tmp_path, signer)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_two_ids_with_one_file_name_are_refused(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(ProviderError, match="two advisories"):
        publish(tmp_path, signer, CONTENT, content(id="ph-2026-000001"))


def test_a_provider_needs_https_and_something_to_publish(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(ProviderError, match="https"):
        write_provider(tmp_path, "http://x.example", PUBLISHER, [CONTENT], signer)
    with pytest.raises(ProviderError, match="no advisory"):
        write_provider(tmp_path, BASE, PUBLISHER, [], signer)


def test_a_document_with_a_date_that_cannot_be_ordered_is_a_finding(tmp_path: Path, signer: Signer) -> None:
    publish(tmp_path, signer)
    path = tmp_path / DOCUMENT
    path.write_bytes(
        path.read_bytes().replace(b"2026-11-24T12:00:00.000000Z", b"2026-11-24T23:59:60.000000Z")
    )
    findings = check_provider(tmp_path, [signer.public]).findings
    assert any(finding.startswith(f"{DOCUMENT}: ") for finding in findings)
