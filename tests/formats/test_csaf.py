# SPDX-License-Identifier: Apache-2.0
"""CSAF documents, judged by the `csaf` package of PyPI and by the OASIS test documents."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from csaf.csaf.v20 import validate  # type: ignore[import-untyped]  # the package ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.corpus import needs_corpus, tar_files
from formats.libxml2_case import CONTENT, FIXED, content, revised
from proofhouse.formats import (
    AdvisoryContent,
    AffectedPackage,
    Finder,
    FormatError,
    Publisher,
    Reference,
    Revision,
    Schema,
    SchemaError,
    Tlp,
    Vulnerability,
    check,
    csaf_filename,
    read_csaf,
    write_csaf,
)


def broken_rules(document: dict[str, Any]) -> list[str]:
    """Mandatory tests that the other implementation says fail."""
    report = validate(document)
    return [f"{result.id}: {result.errors}" for result in report.results if result.errors]


def test_the_libxml2_advisory_passes_every_mandatory_test_of_the_other_implementation() -> None:
    document = json.loads(write_csaf(CONTENT))
    report = validate(document)
    assert broken_rules(document) == []
    assert report.overall_valid
    assert len(report.results) == 34, "the schema and the 33 mandatory tests of CSAF 2.0 §6.1"


def test_the_oracle_does_find_a_broken_mandatory_rule() -> None:
    document = json.loads(write_csaf(CONTENT))
    document["vulnerabilities"][0]["product_status"]["fixed"] = ["P1-RANGE"]
    assert not validate(document).overall_valid


def test_the_same_content_gives_the_same_bytes() -> None:
    assert write_csaf(CONTENT) == write_csaf(content())


def test_both_cves_name_the_affected_versions_and_the_fix() -> None:
    document = json.loads(write_csaf(CONTENT))
    assert [flaw["cve"] for flaw in document["vulnerabilities"]] == ["CVE-2025-49794", "CVE-2025-49796"]
    for flaw in document["vulnerabilities"]:
        assert flaw["product_status"] == {
            "known_affected": ["P1-RANGE", "P1-A1", "P1-A2"],
            "fixed": ["P1-FIXED"],
        }
        assert flaw["remediations"][0]["category"] == "vendor_fix"
    versions = document["product_tree"]["branches"][0]["branches"][0]["branches"]
    assert versions[0]["name"] == f"vers:deb/<{FIXED}"
    helper = versions[-1]["product"]["product_identification_helper"]["purl"]
    assert helper == "pkg:deb/debian/libxml2@2.9.14%2Bdfsg-1.3~deb12u3?distro=bookworm"


def test_the_score_comes_from_the_vector() -> None:
    score = json.loads(write_csaf(CONTENT))["vulnerabilities"][0]["scores"][0]["cvss_v3"]
    assert (score["baseScore"], score["baseSeverity"]) == (9.1, "CRITICAL")


def test_a_finding_by_a_machine_says_so() -> None:
    thanks = json.loads(write_csaf(CONTENT))["document"]["acknowledgments"]
    assert [entry["summary"] for entry in thanks] == [
        "Found with an AI system: policy/fuzzer.",
        "Found by people.",
    ]


def test_without_a_fix_the_document_says_that_there_is_none() -> None:
    package = AffectedPackage("V", "n", "pkg:generic/n", "OSS-Fuzz", versions=("1.0",))
    document = json.loads(write_csaf(content(packages=(package,))))
    assert document["vulnerabilities"][0]["remediations"][0]["category"] == "none_available"
    assert broken_rules(document) == []


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=12)
VERSIONS = st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}", fullmatch=True)


@st.composite
def advisories(draw: st.DrawFn) -> AdvisoryContent:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=draw(st.integers(0, 700)))
    count = draw(st.integers(1, 3))
    packages = tuple(
        AffectedPackage(
            vendor=draw(WORDS),
            name=f"package{index}",
            purl=f"pkg:pypi/package{index}",
            ecosystem="PyPI",
            fixed="999" if draw(st.booleans()) else "",
            versions=tuple(draw(st.lists(VERSIONS, min_size=1, max_size=4, unique=True))),
            fix_details=draw(WORDS),
        )
        for index in range(draw(st.integers(1, 3)))
    )
    flaws = tuple(
        Vulnerability(draw(WORDS), draw(WORDS), cve=f"CVE-2026-{1000 + index}")
        for index in range(draw(st.integers(1, 3)))
    )
    return AdvisoryContent(
        id=draw(st.from_regex(r"[A-Z]{2}-[0-9]{4}-[0-9]{6}", fullmatch=True)),
        title=draw(WORDS),
        publisher=Publisher(draw(WORDS), "https://publisher.example", draw(WORDS)),
        summary=draw(WORDS),
        vulnerabilities=flaws,
        packages=packages,
        revisions=tuple(
            Revision(number, start + timedelta(hours=number), draw(WORDS)) for number in range(1, count + 1)
        ),
        tlp=draw(st.sampled_from(Tlp)),
        finders=tuple(
            Finder(draw(WORDS), ai_system=draw(st.just("") | WORDS)) for _ in range(draw(st.integers(0, 2)))
        ),
        references=(Reference("https://publisher.example/page", draw(WORDS)),),
    )


@given(advisories())
@settings(max_examples=25, deadline=None)
def test_any_content_that_the_model_takes_passes_the_mandatory_tests(advisory: AdvisoryContent) -> None:
    assert broken_rules(json.loads(write_csaf(advisory))) == []


@pytest.mark.parametrize(
    ("tracking_id", "name"),
    [
        ("PH-2026-000001", "ph-2026-000001.json"),
        ("Example Company - 2019-YH3234", "example_company_-_2019-yh3234.json"),
        ("RHBA-2019:0024", "rhba-2019_0024.json"),
        ("2022 #01-A", "2022_01-a.json"),
        ("a/../b", "a_b.json"),
    ],
)
def test_file_names_follow_section_5_1(tracking_id: str, name: str) -> None:
    assert csaf_filename(tracking_id) == name


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: content(id=" x"), "id"),
        (lambda: content(packages=()), "packages"),
        (lambda: content(revisions=()), "revisions"),
        (lambda: content(revisions=(Revision(1, datetime(2026, 1, 1), "x"),)), "revisions"),  # noqa: DTZ001 — the naive time is the case
        (lambda: content(revisions=revised().revisions[::-1]), "revisions"),
        (lambda: Vulnerability("t", "d", cve="CVE-25-1"), "vulnerability.cve"),
        (lambda: Vulnerability("t", "d", cwe_id="CWE-416"), "vulnerability.cwe_name"),
        (lambda: Vulnerability("t", "d", cvss="CVSS:4.0/AV:N"), "vulnerability.cvss"),
        (lambda: replace(CONTENT.packages[0], purl="pkg:deb/debian/libxml2@1"), "package.purl"),
        (lambda: replace(CONTENT.packages[0], purl="libxml2"), "package.purl"),
        (lambda: replace(CONTENT.packages[0], fixed="", versions=()), "package.versions"),
        (lambda: replace(CONTENT.packages[0], versions=(FIXED,)), "package.fixed"),
        (lambda: Reference("javascript:alert(1)", "x"), "reference.url"),
        (lambda: Publisher("n", "ftp://x", "c"), "publisher.namespace"),
        (lambda: write_csaf(content(publisher=replace(CONTENT.publisher, category="friend"))), "category"),
        (
            lambda: write_csaf(content(vulnerabilities=(Vulnerability("t", "d", cvss="CVSS:3.1/AV:Q"),))),
            "vulnerability.cvss",
        ),
    ],
)
def test_wrong_content_is_refused_with_the_name_of_the_field(make: Any, field: str) -> None:
    with pytest.raises(FormatError, match=field) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_a_document_that_breaks_the_schema_is_refused_with_the_path() -> None:
    document = json.loads(write_csaf(CONTENT))
    document["document"]["tracking"]["status"] = "done"
    with pytest.raises(SchemaError, match="/document/tracking/status") as refused:
        read_csaf(json.dumps(document).encode())
    assert refused.value.path == "/document/tracking/status"


def test_a_date_that_does_not_exist_is_refused() -> None:
    document = json.loads(write_csaf(CONTENT))
    document["document"]["tracking"]["current_release_date"] = "2026-02-30T00:00:00Z"
    with pytest.raises(SchemaError, match="current_release_date"):
        check(document, Schema.CSAF_2_0)


@needs_corpus
def test_our_schema_check_agrees_with_the_oasis_test_set() -> None:
    invalid = set()
    count = 0
    for name, text in tar_files("csaf-test-set.tar.zst"):
        if not name.startswith("csaf_2.0/test/validator/data/") or name.endswith("testcases.json"):
            continue
        count += 1
        try:
            read_csaf(text)
        except SchemaError:
            invalid.add(name.rpartition("/")[2].removeprefix("oasis_csaf_tc-csaf_2_0-2021-"))
    assert count >= 239
    assert invalid == {"6-1-08-01.json", "6-1-08-02.json", "6-1-08-03.json"}


@needs_corpus
def test_real_advisories_on_operational_technology_pass_our_schema_check() -> None:
    texts = [text for _, text in tar_files("csaf-cisa-ot.tar.zst")][::12]
    assert len(texts) > 150
    for text in texts:
        read_csaf(text)
