# SPDX-License-Identifier: Apache-2.0
"""OSV records."""

from __future__ import annotations

import json

import pytest

from formats.corpus import needs_corpus, unpacked
from formats.libxml2_case import CONTENT, FIXED, content
from proofhouse.formats import AffectedPackage, FormatError, SchemaError, osv_id, read_osv, write_osv


def test_several_cves_stand_upstream_and_one_is_an_alias() -> None:
    both = json.loads(write_osv(CONTENT))
    one = json.loads(write_osv(content(vulnerabilities=CONTENT.vulnerabilities[:1])))
    assert both["upstream"] == ["CVE-2025-49794", "CVE-2025-49796"]
    assert "aliases" not in both
    assert one["aliases"] == ["CVE-2025-49794"]
    assert one["severity"][0]["type"] == "CVSS_V3"


def test_the_record_holds_range_versions_credits_and_references() -> None:
    record = json.loads(write_osv(CONTENT))
    affected = record["affected"][0]
    assert record["schema_version"] == "1.7.5"
    assert record["id"] == "x_PH-2026-000001"
    assert affected["package"]["ecosystem"] == "Debian:12"
    assert affected["ranges"] == [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": FIXED}]}]
    assert {"name": "policy/fuzzer", "type": "TOOL"} in record["credits"]
    assert record["references"][0]["type"] == "ADVISORY"


def test_what_is_written_can_be_read_and_is_stable() -> None:
    assert read_osv(write_osv(CONTENT))["id"] == osv_id(CONTENT.id)
    assert write_osv(CONTENT) == write_osv(content())


def test_an_ecosystem_that_osv_does_not_know_is_refused() -> None:
    package = AffectedPackage("V", "n", "pkg:generic/n", "Toasters", versions=("1",))
    with pytest.raises(SchemaError, match="/affected/0/package/ecosystem"):
        write_osv(content(packages=(package,)))


def test_an_id_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(FormatError, match="/id"):
        osv_id("a/b")


def test_a_record_of_another_major_version_is_refused() -> None:
    record = json.loads(write_osv(CONTENT)) | {"schema_version": "2.0.0"}
    with pytest.raises(FormatError, match=r"OSV 1\.x"):
        read_osv(json.dumps(record).encode())


@needs_corpus
@pytest.mark.parametrize(("name", "malformed"), [("oss-fuzz", 0), ("golang", 0), ("pypa", 5), ("rustsec", 0)])
def test_public_records_pass_except_those_known_to_be_malformed(name: str, malformed: int) -> None:
    refused = 0
    for line in unpacked(f"osv-{name}.jsonl.zst").splitlines():
        try:
            read_osv(line)
        except SchemaError:
            refused += 1
    assert refused == malformed
