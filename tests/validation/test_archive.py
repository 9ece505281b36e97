# SPDX-License-Identifier: Apache-2.0
"""The private apt configuration: what is taken of the system's entries, and that these stay as they are."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.validation import SourceUnavailable, StorageFull, load_recipe
from proofhouse.validation._archive import (
    Archive,
    Entry,
    distribution_entries,
    newest,
    read_list,
    read_offers,
    read_sources,
)
from proofhouse.validation._source import fetch_source

ROOT = Path(__file__).parents[2]

DEB822 = """\
# kept by hand
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: trixie trixie-updates trixie-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://vendor.example/debian/12/prod
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://other.example/debian
Suites: trixie
Components: main
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main non-free # remark
deb-src http://mirror.example/debian bookworm main
deb https://vendor.example/linux/debian bookworm stable
deb mirror+file:/etc/apt/mirrors/debian.list bookworm-updates main
"""


def test_deb822_entries_point_at_the_recipes_release_and_keep_their_keys() -> None:
    first, second = distribution_entries(read_sources(DEB822), "bookworm")
    assert first == Entry(
        ("http://mirror.example/debian",),
        ("bookworm", "bookworm-updates"),
        ("main",),
        "/usr/share/keyrings/debian-archive-keyring.gpg",
    )
    assert second.suites == ("bookworm-security",)
    assert "Types: deb-src\n" in second.stanza()
    assert "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n" in second.stanza()


def test_one_line_entries_are_read_and_third_parties_skipped() -> None:
    entries = distribution_entries(read_list(ONE_LINE), "bookworm")
    assert [(entry.uris, entry.suites, entry.signed_by) for entry in entries] == [
        (("http://mirror.example/debian/",), ("bookworm",), "/k.gpg"),
        (("mirror+file:/etc/apt/mirrors/debian.list",), ("bookworm-updates",), ""),
    ]


def test_ubuntus_own_release_stays() -> None:
    text = "deb http://mirror.example/ubuntu noble-updates main universe\n"
    (entry,) = distribution_entries(read_list(text), "bookworm")
    assert entry.suites == ("noble-updates",)


def test_a_stanza_that_we_write_reads_back_as_itself() -> None:
    for entry in distribution_entries(read_sources(DEB822), "bookworm"):
        (again,) = read_sources(entry.stanza().replace("deb-src", "deb"))
        assert again == entry


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="deb [=]:/#\n sources main\tTypesURIs", max_size=120))
def test_no_configuration_text_breaks_the_readers(text: str) -> None:
    distribution_entries([*read_sources(text), *read_list(text)], "bookworm")


def test_offers_are_read_with_their_digests() -> None:
    text = (
        "Package: tool\nVersion: 1.0-2\nChecksums-Sha256:\n"
        f" {'a' * 64} 12 tool_1.0-2.dsc\n {'b' * 64} 30 tool_1.0.orig.tar.xz\nHomepage: x\n\n"
        "Package: tool\nVersion: 1.0-1\nFiles:\n x 1 y\n\n"
    )
    (offer,) = read_offers(text)
    assert (offer.version, offer.size_bytes, offer.files[1].name) == ("1.0-2", 42, "tool_1.0.orig.tar.xz")


def test_the_newest_version_is_dpkgs_newest() -> None:
    assert newest(["1.0~rc1", "1.0", "1.0-1~deb12u2", "1.0-1~deb12u10", "1.0-1~deb12u9"]) == "1.0-1~deb12u10"


def test_a_system_without_distribution_entries_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no entry for the Debian or Ubuntu archive"):
        Archive(tmp_path / "apt", "bookworm", etc=tmp_path)


def test_a_mirror_that_is_not_there_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://127.0.0.1:9/debian bookworm main\n")
    archive = Archive(tmp_path / "apt", "bookworm", etc=tmp_path)
    archive.refresh()
    assert archive.offers("libxml2") == ()


def test_cached_files_are_used_only_when_their_bytes_are_right(tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "recipes/libxml2-2025-49794.toml")
    store = tmp_path / "sources"
    store.mkdir()
    for file in recipe.source.files:  # type: ignore[union-attr]  # this recipe's source is a Debian package
        (store / file.sha256).write_bytes(b"something else")
    with pytest.raises(SourceUnavailable):
        fetch_source(recipe, tmp_path, offline=True)


def test_a_full_disk_is_refused_before_apt_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proofhouse.validation._source.MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(StorageFull, match="free space or name another directory"):
        fetch_source(load_recipe(ROOT / "recipes/libxml2-2025-49794.toml"), tmp_path)


@pytest.mark.network
@pytest.mark.slow
def test_debians_archive_hands_out_the_pinned_source_and_the_system_stays_as_it_was(tmp_path: Path) -> None:
    def state() -> dict[Path, float]:
        places = [Path("/etc/apt"), Path("/var/lib/apt"), Path("/var/cache/apt")]
        return {
            Path(directory): Path(directory).stat().st_mtime
            for place in places
            for directory, _, _ in os.walk(place)
        }

    before = state()
    source = fetch_source(load_recipe(ROOT / "recipes/libxml2-2025-49794.toml"), tmp_path)
    assert state() == before
    assert source.real
    if not source.moved:
        assert all(hashlib.sha256(file.content).hexdigest() == file.sha256 for file in source.files)
