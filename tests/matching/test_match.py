# SPDX-License-Identifier: Apache-2.0
"""Is this component affected? Yes, no or unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from univers.version_range import VersionRange
from univers.versions import DebianVersion

from formats.corpus import needs_corpus, tar_files, unpacked
from formats.libxml2_case import CONTENT
from matching.sboms import EXAMPLES, bom, clinic, custom_libxml2, debian, gateway, text, utility
from proofhouse.formats import (
    Component,
    FormatError,
    JsonObject,
    Sbom,
    SbomError,
    read_osv,
    read_sbom,
    write_osv,
)
from proofhouse.matching import (
    Affected,
    Answer,
    Event,
    OsvRange,
    Reason,
    VersRange,
    affected_in_osv,
    affected_package,
    match,
    match_component,
    match_sbom,
)
from proofhouse.matching._versions import parse

FIXED = "2.9.14+dfsg-1.3~deb12u3"
ADVISORY = affected_in_osv(read_osv(write_osv(CONTENT)))
LIBXML2 = affected_package(
    "pkg:deb/debian/libxml2", ecosystem="Debian:12", ranges=[VersRange(f"vers:deb/<{FIXED}")]
)


def osv_range(*events: tuple[str, str], kind: str = "ECOSYSTEM") -> OsvRange:
    return OsvRange(kind, tuple(Event(name, version) for name, version in events))


def deb(
    version: str, name: str = "libxml2", qualifiers: str = "?distro=bookworm", space: str = "debian"
) -> Component:
    at = f"@{quote(version, safe='~')}" if version else ""
    return Component(name, version, f"pkg:deb/{space}/{name}{at}{qualifiers}")


def python(name: str, version: str) -> Component:
    return Component(name, version, f"pkg:pypi/{name}@{version}")


def test_the_clinic_is_affected_and_its_odd_component_unknown() -> None:
    result = match_sbom(read_sbom(text(clinic())), ADVISORY)
    assert result.answer is Answer.YES
    assert [one.component.version for one in result.affected] == ["2.9.14+dfsg-1.3~deb12u1"]
    assert [one.component.version for one in result.unknown] == ["custom-build"]
    assert result.unknown[0].match.reason is Reason.UNUSABLE_VERSION
    assert result.summary == "Components affected: 1, unknown: 1, not affected: 11."


def test_the_utility_is_not_affected() -> None:
    result = match_sbom(read_sbom(text(utility())), ADVISORY)
    assert result.answer is Answer.NO
    assert (result.affected, result.unknown) == ((), ())


def test_a_device_with_an_unusable_version_only_is_unknown() -> None:
    assert match_sbom(read_sbom(text(gateway())), ADVISORY).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("2.9.14+dfsg-1.3~deb12u1", Answer.YES),
        ("2.9.14+dfsg-1.3~deb12u2", Answer.YES),
        ("2.9.14+dfsg-1.3~deb12u3", Answer.NO),
        ("2.9.14+dfsg-1.3~deb12u10", Answer.NO),
        ("2.9.4", Answer.YES),
        ("1:0.1", Answer.UNKNOWN),
        ("custom-build", Answer.UNKNOWN),
        ("2.9.x", Answer.UNKNOWN),
        ("2.9.*", Answer.UNKNOWN),
        ("", Answer.UNKNOWN),
        ("unknown", Answer.UNKNOWN),
        ("2.9.14 (patched)", Answer.UNKNOWN),
    ],
)
@pytest.mark.parametrize("affected", [LIBXML2, *ADVISORY])
def test_debian_versions_are_compared_as_debian_does(
    version: str, answer: Answer, affected: Affected
) -> None:
    assert match(deb(version), affected).answer is answer


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (Component("libxml2", "2.9.14"), Reason.NO_PURL),
        (Component("LibXML2", ""), Reason.NO_PURL),
        (Component("libxml2", "2.9.14", "libxml2 2.9"), Reason.BAD_PURL),
        (Component("libxml2", "2.9.14", "pkg:generic/libxml2@2.9.14"), Reason.OTHER_PACKAGER),
        (Component("libxml2", "2.9.14", "pkg:conan/libxml2@2.9.14"), Reason.OTHER_PACKAGER),
        (Component("libxml2", "2.9.14", "pkg:deb/libxml2@2.9.14"), Reason.OTHER_PACKAGER),
        (deb("2.9.14", space="ubuntu"), Reason.OTHER_PACKAGER),
        (deb("2.9.14+dfsg-1", qualifiers=""), Reason.NO_RELEASE),
        (deb("2.9.14+dfsg-1", qualifiers="?distro=sid"), Reason.NO_RELEASE),
        (deb("2.9.10+dfsg-6.7", qualifiers="?distro=bullseye"), Reason.OTHER_RELEASE),
        (deb("2.12.7+dfsg-1", qualifiers="?distro=debian-13"), Reason.OTHER_RELEASE),
        (deb("2.9.10+dfsg-6.7+deb11u8", qualifiers=""), Reason.OTHER_RELEASE),
        (deb("2.9.14+dfsg-1.3~deb12u1", qualifiers=""), Reason.IN_RANGE),
        (deb("2.9.14+dfsg-1.3~deb12u1", qualifiers="?distro=debian-12.5"), Reason.IN_RANGE),
        (deb("2.9.14+dfsg-1.3~deb12u1", qualifiers="?distro=12&arch=arm64"), Reason.IN_RANGE),
        (
            deb("2.9.14+dfsg-1.3~deb12u1", "libxml2-utils", "?distro=bookworm&upstream=libxml2"),
            Reason.IN_RANGE,
        ),
        (deb("9:9", "libxml2-utils", "?distro=bookworm&upstream=libxml2%402.9.14"), Reason.IN_RANGE),
        (deb("2.9.14+dfsg-1.3~deb12u1", "libxml2-utils"), Reason.OTHER_PRODUCT),
        (Component("libxml2", "2.9.14", "pkg:pypi/libxml2@2.9.14"), Reason.OTHER_PRODUCT),
        (Component("libxslt", "1.1"), Reason.OTHER_PRODUCT),
        (Component("x", "2.9.4", "pkg:deb/debian/libxml2?distro=bookworm"), Reason.IN_RANGE),
    ],
)
def test_identity_is_proved_and_never_guessed(component: Component, reason: Reason) -> None:
    found = match(component, LIBXML2)
    assert found.reason is reason
    assert found.explanation
    assert "{" not in found.explanation


def test_an_entry_for_the_own_release_decides_over_entries_for_others() -> None:
    bullseye = affected_package(
        "pkg:deb/debian/libxml2", ecosystem="Debian:11", ranges=[osv_range(("introduced", "0"))]
    )
    fixed = deb("2.9.14+dfsg-1.3~deb12u5")
    assert match_component(fixed, [bullseye, LIBXML2]).answer is Answer.NO
    assert match_component(fixed, [LIBXML2, bullseye]).answer is Answer.NO
    assert match_component(fixed, [bullseye]).answer is Answer.UNKNOWN
    assert match_component(fixed, []).answer is Answer.NO


def test_a_listed_version_is_affected_even_where_the_release_is_not_told() -> None:
    assert match(deb("2.9.14+dfsg-1.3~deb12u1", qualifiers=""), ADVISORY[0]).reason is Reason.LISTED


@pytest.mark.parametrize(
    ("version", "fixed", "reason"),
    [
        ("1:1.2-1", "1:1.2-2", Reason.IN_RANGE),
        ("1:1.2-2", "1:1.2-2", Reason.OUTSIDE),
        ("1.9-1", "1:1.2-2", Reason.IN_RANGE),
        ("1:1.2-1", "1.2-2", Reason.EPOCH_DOUBT),
        ("1:1.3-1", "1.2-2", Reason.OUTSIDE),
        ("2:1.0", "1:9.0", Reason.EPOCH_DOUBT),
    ],
)
def test_a_lost_epoch_never_makes_a_no(version: str, fixed: str, reason: Reason) -> None:
    package = affected_package("pkg:deb/debian/a", ranges=[osv_range(("introduced", "0"), ("fixed", fixed))])
    vers = affected_package("pkg:deb/debian/a", ranges=[VersRange(f"vers:deb/<{fixed}")])
    assert match(deb(version, "a"), package).reason is reason
    assert match(deb(version, "a"), vers).reason is reason


def test_an_rpm_epoch_may_stand_in_the_qualifier() -> None:
    package = affected_package(
        "pkg:rpm/redhat/a", ranges=[osv_range(("introduced", "0"), ("fixed", "1:1.2-3.el9"))]
    )
    assert match(Component("a", "", "pkg:rpm/redhat/a@1.2-3.el9?epoch=1"), package).answer is Answer.NO
    assert match(Component("a", "", "pkg:rpm/redhat/a@1.2-2.el9?epoch=1"), package).answer is Answer.YES


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("0.9", Answer.NO),
        ("1.0", Answer.YES),
        ("1.4.9", Answer.YES),
        ("1.5", Answer.NO),
        ("2.0rc1", Answer.NO),
        ("2.0", Answer.YES),
        ("2.1.0", Answer.YES),
        ("2.1.1", Answer.NO),
        ("3.0", Answer.YES),
    ],
)
def test_events_are_walked_in_order_of_versions_not_of_writing(version: str, answer: Answer) -> None:
    package = affected_package(
        "pkg:pypi/a",
        ranges=[
            osv_range(("fixed", "1.5"), ("introduced", "1.0")),
            osv_range(("last_affected", "2.1"), ("introduced", "2.0")),
        ],
        versions=["3"],
    )
    assert match(python("a", version), package).answer is answer


@pytest.mark.parametrize(
    ("package", "component", "reason"),
    [
        (affected_package("pkg:pypi/a"), python("a", "1"), Reason.UNUSABLE_RANGE),
        (affected_package("pkg:pypi/a", versions=["1.0"]), python("a", "1"), Reason.LISTED),
        (affected_package("pkg:pypi/a", versions=["1.0"]), python("a", "2"), Reason.OUTSIDE),
        (affected_package("pkg:pypi/a", versions=["1.0", "all"]), python("a", "2"), Reason.UNUSABLE_RANGE),
        (
            affected_package("pkg:pypi/a", ranges=[osv_range(("introduced", "0"), ("fixed", "soon"))]),
            python("a", "2"),
            Reason.UNUSABLE_RANGE,
        ),
        (
            affected_package("pkg:pypi/a", ranges=[osv_range(("introduced", "0"), kind="GIT")]),
            python("a", "2"),
            Reason.UNUSABLE_RANGE,
        ),
        (
            affected_package("pkg:pypi/a", ranges=[VersRange("vers:deb/<3")]),
            python("a", "2"),
            Reason.UNUSABLE_RANGE,
        ),
        (
            affected_package("pkg:pypi/a", ranges=[VersRange("rubbish")]),
            python("a", "2"),
            Reason.UNUSABLE_RANGE,
        ),
        (
            affected_package("pkg:swift/a", ranges=[osv_range(("introduced", "0"))]),
            Component("a", "1", "pkg:swift/a@1"),
            Reason.UNKNOWN_SCHEME,
        ),
        (
            affected_package("pkg:generic/a", ranges=[osv_range(("introduced", "0"), ("fixed", "1.10"))]),
            Component("a", "", "pkg:generic/a@1.9"),
            Reason.IN_RANGE,
        ),
        (
            affected_package("pkg:generic/a", ranges=[osv_range(("introduced", "0"), ("fixed", "1.10"))]),
            Component("a", "", "pkg:generic/a@1.9-rc1"),
            Reason.UNUSABLE_VERSION,
        ),
        (
            affected_package(
                "pkg:golang/example.org/m", ranges=[osv_range(("introduced", "1.2.0"), kind="SEMVER")]
            ),
            Component("m", "", "pkg:golang/example.org/m@v1.2.0-rc.1"),
            Reason.OUTSIDE,
        ),
        (
            affected_package("pkg:npm/%40scope/a", versions=["1.0.0"]),
            Component("a", "1.0.0", "pkg:npm/a@1.0.0"),
            Reason.OTHER_PRODUCT,
        ),
    ],
)
def test_ranges_that_cannot_be_compared_give_unknown(
    package: Affected, component: Component, reason: Reason
) -> None:
    assert match(component, package).reason is reason


def test_a_withdrawn_record_affects_nothing() -> None:
    record = {**json.loads(write_osv(CONTENT)), "withdrawn": "2026-11-25T00:00:00Z"}
    assert affected_in_osv(record) == ()


@pytest.mark.parametrize(
    ("ecosystem", "name", "purl"),
    [
        ("PyPI", "Foo_Bar", "pkg:pypi/foo-bar@1"),
        ("Maven", "org.example:lib", "pkg:maven/org.example/lib@1"),
        ("npm", "@scope/pkg", "pkg:npm/%40scope/pkg@1"),
        ("Go", "github.com/a/b", "pkg:golang/github.com/a/b@1"),
        ("crates.io", "serde", "pkg:cargo/serde@1"),
        ("Debian:12", "curl", "pkg:deb/debian/curl@1?distro=bookworm"),
        ("Alpine:v3.18", "curl", "pkg:apk/alpine/curl@1?distro=alpine-3.18.4"),
    ],
)
def test_a_record_without_purl_is_found_by_its_ecosystem(ecosystem: str, name: str, purl: str) -> None:
    package: JsonObject = {"ecosystem": ecosystem, "name": name}
    record: JsonObject = {"affected": [{"package": package, "versions": ["1"]}]}
    assert match(Component("x", "", purl), affected_in_osv(record)[0]).reason is Reason.LISTED


VERSIONS = st.from_regex(
    r"([0-2]:)?[0-9]{1,2}(\.[0-9]{1,2}){0,2}(~rc1|\+dfsg)?(-[0-9])?(~deb12u[0-9])?", fullmatch=True
)
ODD = st.sampled_from(["", "latest", "custom-build", "1.x", "n/a", "${version}", "2.9 (patched)", "é", "1.*"])


@given(VERSIONS, VERSIONS, ODD)
@settings(max_examples=150, deadline=None)
def test_losing_the_version_never_turns_into_no(version: str, fixed: str, odd: str) -> None:
    package = affected_package("pkg:deb/debian/a", ranges=[osv_range(("introduced", "0"), ("fixed", fixed))])
    assert match(deb(version, "a"), package).answer is not None
    assert match(deb(odd, "a"), package).answer is Answer.UNKNOWN
    assert match(Component("a", version), package).answer is Answer.UNKNOWN


@given(VERSIONS, st.lists(VERSIONS, min_size=4, max_size=4))
@settings(max_examples=150, deadline=None)
def test_more_affected_versions_keep_every_yes(version: str, bounds: list[str]) -> None:
    low, high, also_low, also_high = bounds
    narrow = affected_package("pkg:deb/debian/a", ranges=[osv_range(("introduced", low), ("fixed", high))])
    more_ranges = replace(
        narrow, ranges=(*narrow.ranges, osv_range(("introduced", also_low), ("last_affected", also_high)))
    )
    more_versions = replace(narrow, versions=(also_low,))
    if match(deb(version, "a"), narrow).answer is Answer.YES:
        assert match(deb(version, "a"), more_ranges).answer is Answer.YES
        assert match(deb(version, "a"), more_versions).answer is Answer.YES


@given(VERSIONS, VERSIONS, VERSIONS)
@settings(max_examples=150, deadline=None)
def test_a_later_fix_keeps_every_yes(version: str, one: str, other: str) -> None:
    early, late = (
        affected_package("pkg:deb/debian/a", ranges=[osv_range(("introduced", "0"), ("fixed", fixed))])
        for fixed in sorted((one, other), key=DebianVersion)
    )
    if match(deb(version, "a"), early).answer is Answer.YES:
        assert match(deb(version, "a"), late).answer is Answer.YES


@given(VERSIONS, VERSIONS)
@settings(max_examples=150, deadline=None)
def test_osv_events_and_vers_notation_agree(version: str, fixed: str) -> None:
    events = affected_package("pkg:deb/debian/a", ranges=[osv_range(("introduced", "0"), ("fixed", fixed))])
    vers = affected_package("pkg:deb/debian/a", ranges=[VersRange(f"vers:deb/<{fixed}")])
    assert match(deb(version, "a"), events).reason is match(deb(version, "a"), vers).reason


SHAPES = st.sampled_from(
    ["<", "<=", ">", ">=", "=", "!=", ">= <", "> <=", "< >", ">= < >=", "= = >", ">= < > <="]
)


@given(SHAPES, st.lists(st.integers(0, 30), min_size=4, max_size=4, unique=True), st.integers(0, 31))
@settings(max_examples=150, deadline=None)
def test_well_formed_vers_ranges_mean_what_univers_says(shape: str, bounds: list[int], version: int) -> None:
    parts = zip(shape.split(), sorted(bounds), strict=False)
    written = "vers:deb/" + "|".join(f"{sign}1.{bound}-1" for sign, bound in parts)
    parsed = parse(f"1.{version}-1", "deb")
    assert parsed is not None
    oracle = VersionRange.from_string(written)  # type: ignore[no-untyped-call]  # no types there
    assert VersRange(written).contains(parsed) is (DebianVersion(parsed.text) in oracle)


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("vers:deb/*", True),
        ("vers:deb/1%3A2.0", False),
        ("vers:deb/<1%3A2.0", True),
        ("vers:deb/1.50-1", True),
        ("vers:deb/!=1.5-1", False),
        ("vers:deb/>=1.0|!=1.5-1|<2", False),
        ("vers:deb/", None),
        ("vers:deb/<", None),
        ("vers:deb/<a", None),
        ("deb/<1", None),
        ("vers:npm/<2", None),
        ("", None),
    ],
)
def test_vers_ranges_that_cannot_be_read_give_no_answer(written: str, inside: bool | None) -> None:
    parsed = parse("1.5-1" if "50" not in written else "1.50-1", "deb")
    assert parsed is not None
    assert VersRange(written).contains(parsed) is inside


@given(st.permutations(clinic()["components"]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_components_is_irrelevant(parts: list[dict[str, str]]) -> None:
    shuffled = match_sbom(read_sbom(text(bom("6f1b7a52-0c3e-4d7c-9a51-0d6e8f5b2c11", "x", parts))), ADVISORY)
    assert shuffled.answer is Answer.YES
    assert (len(shuffled.affected), len(shuffled.unknown)) == (1, 1)


TEXT = st.text(max_size=12)
TYPES = st.sampled_from(
    ["deb", "rpm", "apk", "npm", "pypi", "gem", "maven", "nuget", "generic", "golang", "cargo", "x"]
)
EVENTS = st.sampled_from(["introduced", "fixed", "last_affected", "limit"])


@given(TYPES, TEXT | VERSIONS, TEXT | VERSIONS, TEXT, EVENTS)
@settings(max_examples=400, deadline=None)
def test_no_string_makes_the_matcher_raise(
    kind: str, version: str, bound: str, purl: str, event: str
) -> None:
    package = affected_package(
        f"pkg:{kind}/ns/a",
        ecosystem=f"Debian:{purl}",
        ranges=[osv_range(("introduced", "0"), (event, bound)), VersRange(f"vers:{kind}/<{bound}|>{purl}")],
        versions=[bound],
    )
    for candidate in (
        Component("a", version, f"pkg:{kind}/ns/a@{quote(version, safe='')}?distro={quote(purl, safe='')}"),
        Component("a", version, purl or None),
    ):
        assert match(candidate, package).answer in Answer
        assert match(candidate, package).explanation


def test_the_committed_examples_are_the_ones_made_here(request: pytest.FixtureRequest) -> None:
    folder = request.config.rootpath / "examples" / "sboms"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: text(make()) for name, make in EXAMPLES.items()
    }


def test_a_component_that_is_only_named_like_the_product_is_unknown() -> None:
    part = custom_libxml2() | {"version": "2.9.14"}
    del part["purl"]
    sbom = read_sbom(
        text(bom("6f1b7a52-0c3e-4d7c-9a51-0d6e8f5b2c11", "x", [part, debian("libxslt1.1", "1.1.35-1")]))
    )
    assert [one.match.reason for one in match_sbom(sbom, ADVISORY).unknown] == [Reason.NO_PURL]


@needs_corpus
def test_public_advisories_and_boms_are_matched_without_an_exception() -> None:
    boms: list[Sbom] = []
    for _, content in tar_files("boms.tar.zst"):
        try:
            boms.append(read_sbom(content))
        except SbomError:
            continue
    largest = max(boms, key=lambda one: len(one.components))
    components = [part for one in boms for part in one.components][::40]
    answers = set()
    for name in ("oss-fuzz", "golang", "pypa", "rustsec"):
        for line in unpacked(f"osv-{name}.jsonl.zst").splitlines()[::10]:
            try:
                affected = affected_in_osv(read_osv(line))
            except FormatError:
                continue
            answers |= {match_component(part, affected).answer for part in components[::4]}
            for one in affected:
                if one.purl is None:
                    continue
                own = [str(one.purl._replace(version=version).to_string()) for version in one.versions[:2]]
                assert all(match(Component(one.name, "", purl), one).answer is not Answer.NO for purl in own)
    assert Answer.NO in answers
    assert match_sbom(largest, ADVISORY).answer is not Answer.YES
