# SPDX-License-Identifier: Apache-2.0
"""Debian's source archive, read through a private apt configuration that leaves the system's own untouched.

The system's entries for its distribution (deb822 `.sources` and one-line `.list`, see sources.list(5)) become
`deb-src` entries of a private list; apt's lists and cache lie in our cache directory. The system's apt.conf
is still read, so that proxies and credentials work, but hooks are cleared. Nothing here needs root.
"""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from proofhouse.validation._cache import storage_errors
from proofhouse.validation._errors import SourceUnavailable, ToolMissing
from proofhouse.validation._recipe import PinnedFile

APT_TIMEOUT_S = 300
MAX_SOURCE_BYTES = 256 << 20

_DISTRIBUTION_PATH = re.compile(r"/(debian|debian-security|ubuntu|ubuntu-ports)(/[0-9]{8}T[0-9]{6}Z)?/?$")
_MIRROR_LIST = re.compile(r"^mirror\+file:.*/(debian|debian-security|ubuntu)[a-z-]*\.(list|sources)$")
_POCKETS = ("", "updates", "security")
_CLEARED_HOOKS = "#clear APT::Update;\n#clear DPkg;\n#clear AptCli;\n#clear Acquire::IndexTargets::deb;\n"


@dataclass(frozen=True)
class Entry:
    """One archive entry of the system."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str
    """A keyring's path or an inline key, as written; empty when the system's common keyrings hold it."""

    def stanza(self) -> str:
        """The entry as a deb822 `deb-src` stanza."""
        lines = [
            "Types: deb-src",
            f"URIs: {' '.join(self.uris)}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
        ]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def read_sources(text: str) -> Iterator[Entry]:
    """Binary-package entries of a deb822 `.sources` file; disabled stanzas are left out."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                if key:
                    fields[key] += "\n" + line
            else:
                name, _, value = line.partition(":")
                key = name.strip().lower()
                fields[key] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() in (
            "yes",
            "true",
            "1",
        ):
            yield Entry(
                tuple(fields.get("uris", "").split()),
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
            )


_ONE_LINE = re.compile(
    r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(\s+[^#\s]\S*)*)"
)


def read_list(text: str) -> Iterator[Entry]:
    """Binary-package entries of a one-line-style `.list` file."""
    for line in text.splitlines():
        found = _ONE_LINE.match(line.strip())
        if found:
            options = dict(
                option.split("=", 1) for option in (found["options"] or "").split() if "=" in option
            )
            yield Entry(
                (found["uri"],),
                (found["suite"],),
                tuple(found["components"].split()),
                options.get("signed-by", ""),
            )


def distribution_entries(entries: Iterable[Entry], release: str) -> tuple[Entry, ...]:
    """Keep what belongs to Debian or Ubuntu itself and point Debian's entries at one release.

    A Debian mirror carries several releases, so a machine of another Debian release can still fetch a
    recipe's; an Ubuntu mirror carries none of Debian's, so its own suites stay.

    Args:
        entries: the system's entries, third parties' among them.
        release: code name that the recipe asks for.
    """
    kept: list[Entry] = []
    for entry in entries:
        uris = tuple(uri for uri in entry.uris if _DISTRIBUTION_PATH.search(uri) or _MIRROR_LIST.match(uri))
        if not uris or "main" not in entry.components:
            continue
        suites: list[str] = []
        for suite in entry.suites:
            codename, dash, pocket = suite.partition("-")
            if pocket in _POCKETS:
                suites.append(codename + dash + pocket if "ubuntu" in uris[0] else release + dash + pocket)
        if suites:
            narrowed = replace(entry, uris=uris, suites=tuple(dict.fromkeys(suites)), components=("main",))
            if narrowed not in kept:
                kept.append(narrowed)
    return tuple(kept)


@dataclass(frozen=True)
class Offer:
    """One version of a source package that the archive holds."""

    package: str
    version: str
    files: tuple[PinnedFile, ...]
    size_bytes: int


def read_offers(text: str) -> tuple[Offer, ...]:
    """Versions in the output of `apt-cache showsrc`, in its order, once each."""
    offers: dict[str, Offer] = {}
    for stanza in re.split(r"\n\s*\n", text):
        package = re.search(r"^Package: (\S+)$", stanza, re.MULTILINE)
        version = re.search(r"^Version: (\S+)$", stanza, re.MULTILINE)
        sums = re.search(r"^Checksums-Sha256:[ ]*\n((?: \S+ \d+ \S+\n?)+)", stanza, re.MULTILINE)
        if package and version and sums:
            rows = [line.split() for line in sums[1].splitlines()]
            offers.setdefault(
                version[1],
                Offer(
                    package[1],
                    version[1],
                    tuple(PinnedFile(name, digest) for digest, _, name in rows),
                    sum(int(size) for _, size, _ in rows),
                ),
            )
    return tuple(offers.values())


def newest(versions: Iterable[str]) -> str:
    """The highest of some Debian versions, by dpkg's own comparison.

    Raises:
        ValueError: there is none.
    """
    return max(versions, key=functools.cmp_to_key(_compare))


def _compare(left: str, right: str) -> int:
    def holds(relation: str) -> bool:
        return (
            subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0
        )

    return -1 if holds("lt") else int(holds("gt"))


class Archive:
    """The source archive of the system's distribution.

    Args:
        directory: where apt's private state goes; made if absent.
        release: code name of the Debian release wanted.
        etc: the system's apt configuration directory, only read.

    Raises:
        ToolMissing: apt is not installed here.
        SourceUnavailable: the system has no entry for Debian or Ubuntu.
        StorageFull: the directory cannot be written.
    """

    def __init__(self, directory: Path, release: str, *, etc: Path = Path("/etc/apt")) -> None:
        for tool, package in (("apt-get", "apt"), ("dpkg", "dpkg")):
            if shutil.which(tool) is None:
                raise ToolMissing(f"{tool} is not here (Debian package {package}); Debian sources need it")
        entries = distribution_entries(_system_entries(etc), release)
        if not entries:
            raise SourceUnavailable(f"no entry for the Debian or Ubuntu archive stands in {etc}")
        self.entries = entries
        self._directory = directory
        with storage_errors(directory):
            for name in ("lists/partial", "archives/partial", "parts"):
                (directory / name).mkdir(parents=True, exist_ok=True)
            (directory / "status").touch()
            (directory / "hooks.conf").write_text(_CLEARED_HOOKS)
            (directory / "parts" / "distribution.sources").write_text(
                "\n".join(entry.stanza() for entry in entries)
            )

    def refresh(self) -> None:
        """Fetch the signed lists of sources. A mirror that does not answer leaves older lists in place."""
        self._apt(["apt-get", "update"])

    def offers(self, package: str) -> tuple[Offer, ...]:
        """Versions of a source package in the lists at hand; none when there are no lists."""
        return tuple(
            offer
            for offer in read_offers(self._apt(["apt-cache", "showsrc", "--only-source", package]).stdout)
            if offer.package == package
        )

    def download(self, offer: Offer, target: Path) -> None:
        """Fetch one version's files into an existing directory; apt checks them against the signed lists.

        Raises:
            SourceUnavailable: the archive does not hand them out, or they are too large.
        """
        if offer.size_bytes > MAX_SOURCE_BYTES:
            raise SourceUnavailable(
                f"{offer.package} {offer.version} is larger than {MAX_SOURCE_BYTES} bytes"
            )
        wanted = f"{offer.package}={offer.version}"
        done = self._apt(["apt-get", "source", "--download-only", "--only-source", wanted], cwd=target)
        if done.returncode != 0:
            raise SourceUnavailable(f"apt could not download {wanted}: {_last_error(done.stderr)}")

    def _apt(self, argv: Sequence[str], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        place = self._directory
        options = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": str(place / "parts"),
            "Dir::State::lists": str(place / "lists"),
            "Dir::State::status": str(place / "status"),
            "Dir::State::extended_states": str(place / "extended_states"),
            "Dir::Cache": str(place),
            "Dir::Cache::archives": str(place / "archives"),
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Acquire::Retries": "1",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
        }
        if os.geteuid() == 0:  # apt's own user may not enter the cache directory
            options["APT::Sandbox::User"] = "root"
        command = [argv[0], "-q", "-c", str(place / "hooks.conf")]
        for key, value in options.items():
            command += ["-o", f"{key}={value}"]
        try:
            return subprocess.run(
                [*command, *argv[1:]],
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=APT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceUnavailable(f"the source archive did not answer within {APT_TIMEOUT_S} s") from error


def _system_entries(etc: Path) -> Iterator[Entry]:
    parts = etc / "sources.list.d"
    files = [etc / "sources.list", *(sorted(parts.iterdir()) if parts.is_dir() else [])]
    for path in files:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        yield from read_sources(text) if path.suffix == ".sources" else read_list(text)


def _last_error(stderr: str) -> str:
    errors = [line for line in stderr.splitlines() if line.startswith("E: ")]
    return errors[-1][3:] if errors else "no reason given"
