# SPDX-License-Identifier: Apache-2.0
"""From a recipe's source to bytes at hand, checked against their digests."""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from proofhouse.validation._archive import Archive, newest
from proofhouse.validation._cache import storage_errors
from proofhouse.validation._errors import RecipeError, SourceUnavailable, StorageFull
from proofhouse.validation._recipe import (
    AnySource,
    ArchiveSource,
    DebianSource,
    DirectorySource,
    NewSource,
    PinnedFile,
    Recipe,
    RootfsSource,
)

MAX_TREE_BYTES = 16 << 20
MAX_TREE_FILES = 2000
MAX_ROOTFS_BYTES = 256 << 20
MAX_ROOTFS_FILES = 20_000
MAX_ARCHIVE_BYTES = 64 << 20
MIN_FREE_BYTES = 256 << 20
"""apt's lists of a whole release and one source package, with room to spare."""


@dataclass(frozen=True)
class SourceFile:
    """One file of the source as it enters the build box."""

    name: str
    sha256: str
    content: bytes


@dataclass(frozen=True)
class Source:
    """What will be built.

    Attributes:
        kind: `debian` (a public program), `directory` (ours), or `rootfs`, `tarball`, `git-bundle` (a recipe's).
        name: package, or the directory's path.
        version: the version used; empty for a directory.
        pinned_version: the version that the recipe names; empty for a directory.
        release: Debian code name; empty for a directory.
        files: the package's files, one tar of the directory, or the archive.
    """

    kind: str
    name: str
    version: str
    pinned_version: str
    release: str
    files: tuple[SourceFile, ...]
    newer: Mapping[str, "Source"] = field(default_factory=dict)
    """Patch name → the source that it is given as."""

    @property
    def moved(self) -> bool:
        """Whether the archive no longer had the pinned version, so that another was taken."""
        return self.version != self.pinned_version

    @property
    def real(self) -> bool:
        """Whether this is somebody's real program rather than an example of ours."""
        return self.kind == "debian"


def fetch_source(recipe: Recipe, cache_dir: Path, *, offline: bool = False) -> Source:
    """Bring a recipe's source to hand.

    Args:
        recipe: whose source.
        cache_dir: downloads are kept there by digest.
        offline: use only what is in the cache.

    Raises:
        SourceUnavailable: not in the cache, and no archive in reach has it.
        ToolMissing: apt is needed and not here.
        StorageFull: the cache has no room for a download.
        RecipeError: a source directory or archive breaks a bound, or its digest is another.
    """
    newer = {
        patch.name: _fetch(
            recipe.root, patch.location.source, f"patch {patch.name}.", cache_dir, offline=offline
        )
        for patch in recipe.patches
        if isinstance(patch.location, NewSource)
    }
    return replace(_fetch(recipe.root, recipe.source, "", cache_dir, offline=offline), newer=newer)


def _fetch(root: Path, source: AnySource, where: str, cache_dir: Path, *, offline: bool) -> Source:
    if isinstance(source, DirectorySource | RootfsSource):
        return _directory(root, source, where)
    if isinstance(source, ArchiveSource):
        return _archive(root, source, where)
    return _debian(source, cache_dir, offline=offline)


def _debian(source: DebianSource, cache_dir: Path, *, offline: bool) -> Source:
    store = cache_dir / "sources"
    files, version = source.files, source.version
    if not _held(store, files):
        files, version = _seek(source, cache_dir, store, offline=offline)
    return Source(
        kind="debian",
        name=source.package,
        version=version,
        pinned_version=source.version,
        release=source.release,
        files=tuple(SourceFile(file.name, file.sha256, (store / file.sha256).read_bytes()) for file in files),
    )


def _held(store: Path, files: tuple[PinnedFile, ...]) -> bool:
    return all(
        (store / file.sha256).is_file()
        and hashlib.sha256((store / file.sha256).read_bytes()).hexdigest() == file.sha256
        for file in files
    )


def _seek(
    source: DebianSource, cache_dir: Path, store: Path, *, offline: bool
) -> tuple[tuple[PinnedFile, ...], str]:
    """The pinned files, or the newest version's where the archive has moved on, downloaded unless held."""
    archive = Archive(cache_dir / "apt", source.release)
    if not offline:
        _need_space(cache_dir)
        archive.refresh()
    offers = {offer.version: offer for offer in archive.offers(source.package)}
    if not offers and not offline:
        raise SourceUnavailable(
            f"no Debian source archive in reach has {source.package}; check the network and /etc/apt"
        )
    version = source.version if source.version in offers or not offers else newest(offers)
    files = source.files if version == source.version else offers[version].files
    if not _held(store, files):
        if offline:
            raise SourceUnavailable(
                f"{source.package} {version} is not in the cache, and --offline was asked"
            )
        with storage_errors(store):
            store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix="download-") as scratch:
            archive.download(offers[version], Path(scratch))
            for file in files:
                _keep(Path(scratch) / file.name, file, store)
    return files, version


def _need_space(directory: Path) -> None:
    """Refuse early: on a full disk apt waits and then speaks of the network."""
    if shutil.disk_usage(directory).free < MIN_FREE_BYTES:
        raise StorageFull(
            f"{directory} has less than {MIN_FREE_BYTES >> 20} MiB free; free space or name another directory"
        )


def _keep(path: Path, pinned: PinnedFile, store: Path) -> None:
    if not path.is_file():
        raise SourceUnavailable(f"the archive's package has no file named {pinned.name}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != pinned.sha256:
        raise SourceUnavailable(f"{pinned.name} has SHA-256 {found}; the recipe pins {pinned.sha256}")
    with storage_errors(store):
        path.replace(store / pinned.sha256)


def _archive(root: Path, source: ArchiveSource, where: str) -> Source:
    with (root / source.path).open("rb") as stream:
        content = stream.read(MAX_ARCHIVE_BYTES + 1)
    if len(content) > MAX_ARCHIVE_BYTES:
        raise RecipeError(f"{where}source.file", f"is larger than {MAX_ARCHIVE_BYTES} bytes")
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise RecipeError(
            f"{where}source.sha256", f"{source.path} has SHA-256 {found}; the recipe pins {source.sha256}"
        )
    return Source(
        kind=source.kind,
        name=str(source.path),
        version=source.commit,
        pinned_version=source.commit,
        release="",
        files=(SourceFile(source.path.name, found, content),),
    )


def _directory(base: Path, source: DirectorySource | RootfsSource, where: str) -> Source:
    root = (base / source.path).resolve()
    try:
        content = _tar(root, image=isinstance(source, RootfsSource))
    except RecipeError as error:
        raise RecipeError(f"{where}{error.field}", error.reason) from None
    digest = hashlib.sha256(content).hexdigest()
    return Source(
        kind="rootfs" if isinstance(source, RootfsSource) else "directory",
        name=str(source.path),
        version="",
        pinned_version="",
        release="",
        files=(SourceFile(f"{root.name}.tar", digest, content),),
    )


def _tar(root: Path, *, image: bool) -> bytes:
    """The directory as a tar that depends on nothing but names, bytes, links and the executable bit."""
    max_bytes = MAX_ROOTFS_BYTES if image else MAX_TREE_BYTES
    max_files = MAX_ROOTFS_FILES if image else MAX_TREE_FILES
    buffer = io.BytesIO()
    total = count = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _entries(root, links=image):
            member = tarfile.TarInfo(path.relative_to(root).as_posix())
            if path.is_symlink():
                member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
            else:
                member.size = path.stat().st_size
                member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            total, count = total + member.size, count + 1
            if total > max_bytes or count > max_files:
                raise RecipeError("source.path", f"holds more than {max_bytes} bytes or {max_files} files")
            archive.addfile(member, io.BytesIO(path.read_bytes()) if member.isreg() else None)
    if not count:
        raise RecipeError("source.path", "holds no files")
    return buffer.getvalue()


def _entries(root: Path, *, links: bool) -> Iterator[Path]:
    """Regular files in order and, where wanted, symbolic links that stay below the root."""
    if not root.is_dir():
        raise RecipeError("source.path", "is not a directory")
    found: list[Path] = []
    for directory, directories, names in os.walk(root):
        linked = [name for name in directories if (Path(directory) / name).is_symlink()]
        for name in (*names, *linked):
            path = Path(directory) / name
            if path.is_symlink() and links:
                if not _stays(root, path):
                    raise RecipeError("source.path", f"{path.relative_to(root)} leads out of the image")
            elif path.is_symlink() or not path.is_file():
                raise RecipeError("source.path", f"{path.relative_to(root)} is not a regular file")
            found.append(path)
    return iter(sorted(found))


def _stays(root: Path, link: Path) -> bool:
    target = link.readlink()
    place = Path(os.path.normpath(link.parent / target))
    return not target.is_absolute() and place.is_relative_to(root)
