# SPDX-License-Identifier: Apache-2.0
"""Versions are ordered as their own world orders them, and what is no version is not compared."""

from __future__ import annotations

import shutil
import subprocess
from itertools import combinations

import pytest

from formats.libxml2_case import FIXED, VULNERABLE
from proofhouse.matching._releases import release, release_in_version
from proofhouse.matching._versions import parse, scheme_of

ORDERED = {
    "deb": [
        "1.0~rc1",
        "1.0",
        "1.0-1~deb12u1",
        "1.0-1~deb12u10",
        "1.0-1",
        "1.0+b1",
        "1.9",
        "1.10",
        "1:0.1",
        "2:0.1",
    ],
    "rpm": ["1.0~rc1", "1.0", "1.0-1.el9", "1.0-2.el9", "1.9", "1.10", "1:0.1"],
    "apk": ["1.0_alpha1", "1.0_rc1", "1.0", "1.0-r1", "1.0-r10", "1.0a", "1.9", "1.10"],
    "semver": ["1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10", "v2"],
    "pypi": ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.9", "1.10", "1!0.1"],
    "gem": ["1.0.0.rc1", "1.0", "1.9", "1.10"],
    "maven": ["1.0-alpha-1", "1.0-rc1", "1.0-SNAPSHOT", "1.0", "1.0-1", "1.9", "1.10"],
    "nuget": ["1.0.0-beta", "1.0", "1.0.0.1", "1.9", "1.10"],
    "composer": ["1.0", "1.9", "1.10.1"],
    "generic": ["1.0.0", "1.9", "1.10", "2.0.0.0.1", "20260101"],
}


@pytest.mark.parametrize("scheme", ORDERED)
def test_each_scheme_has_its_own_order(scheme: str) -> None:
    for older, newer in combinations(ORDERED[scheme], 2):
        left, right = parse(older, scheme), parse(newer, scheme)
        assert left is not None, older
        assert right is not None, newer
        assert left.before(right), f"{older} < {newer}"
        assert not right.before(left), f"{older} < {newer}"
        assert left.equals(left)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is Debian's own comparison")
def test_debian_order_is_that_of_dpkg() -> None:
    versions = [
        *ORDERED["deb"],
        FIXED,
        VULNERABLE,
        "2.9.14",
        "0",
        "1.00",
        "1.0a-1",
        "1.0-0ubuntu1",
        "1.0-1+b1",
    ]
    for left, right in combinations(versions, 2):
        ran = subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False)
        one, other = parse(left, "deb"), parse(right, "deb")
        assert one is not None
        assert other is not None
        assert one.before(other) is (ran.returncode == 0), f"{left} < {right}"


@pytest.mark.parametrize("scheme", ORDERED)
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "latest",
        "custom-build",
        "1.x",
        "1.2.*",
        "1.0 beta",
        "${v}",
        "1.0\n2",
        "١.٢",
        "1" * 300,
        ">=1.0",
        "1,0",
    ],
)
def test_what_is_no_version_is_not_compared(scheme: str, text: str) -> None:
    assert parse(text, scheme) is None


def test_versions_of_different_schemes_are_never_compared() -> None:
    left, right = parse("1.0", "deb"), parse("1.0", "semver")
    assert left is not None
    assert right is not None
    with pytest.raises(ValueError, match="cannot be compared"):
        left.before(right)


def test_package_types_without_a_known_order_have_no_scheme() -> None:
    assert [scheme_of(kind) for kind in ("npm", "cargo", "deb", "swift", "")] == [
        "semver",
        "semver",
        "deb",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("distribution", "text", "number"),
    [
        ("debian", "bookworm", "12"),
        ("debian", "debian-12.5", "12"),
        ("debian", "12", "12"),
        ("debian", "sid", None),
        ("ubuntu", "jammy", "22.04"),
        ("ubuntu", "22.04:LTS", "22.04"),
        ("alpine", "v3.18", "3.18"),
        ("alpine", "alpine-3.18.4", "3.18"),
        ("redhat", "enterprise_linux:9::appstream", "9"),
        ("redhat", "rhel-9.2", "9"),
    ],
)
def test_a_release_has_one_number_however_it_is_written(
    distribution: str, text: str, number: str | None
) -> None:
    assert release(distribution, text) == number


def test_a_stable_update_names_its_release() -> None:
    assert release_in_version("debian", FIXED) == "12"
    assert release_in_version("debian", "2.9.14+dfsg-1.3") is None
    assert release_in_version("ubuntu", FIXED) is None
