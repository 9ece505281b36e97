# SPDX-License-Identifier: Apache-2.0
"""The client half: one verified repository, and what two of them must agree on.

`TrustedRepository` is python-tuf's own `Updater` with a pinned root, default caps, and errors in this room's
words. Bytes are only ever handed out after the metadata that names them has verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from urllib3.exceptions import HTTPError

from proofhouse.distribution._tuf import (
    FetcherInterface,
    TargetFile,
    Updater,
    UpdaterConfig,
    Urllib3Fetcher,
)
from proofhouse.distribution._tuf import exceptions as tuf_errors
from proofhouse.distribution.errors import (
    AuthoritiesDisagree,
    BytesRefused,
    MetadataExpired,
    MetadataRefused,
    NotDirected,
    NotSignedByVendor,
    RolledBack,
    Unreachable,
)
from proofhouse.distribution.manifest import ImageFile

TIMEOUT_S: Final = 30
__all__ = ["FileFetcher", "TargetFile", "TrustedRepository", "agreed_target"]

_CHUNK_BYTES: Final = 1 << 20


class FileFetcher(FetcherInterface):
    """Reads a mirror from `file://`, as a medium carries it across an air gap."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(urlsplit(url).path))
        if not path.is_file():
            raise tuf_errors.DownloadHTTPError(f"{path} is not on the medium", 404)
        return self._chunks(path)

    def _chunks(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


class TrustedRepository:
    """One repository as seen from a pinned root; make a new object for each run.

    Args:
        name: `director` or `image`; it stands in messages.
        url: the repository's address, without `metadata/` or `targets/`.
        root: the pinned root metadata.
        cache: a directory of this repository's own, where trusted metadata is kept between runs.
        timeout_s: longest silence on a connection.

    Raises:
        MetadataRefused: the pinned root is not usable.
    """

    def __init__(self, name: str, url: str, root: bytes, cache: Path, *, timeout_s: int = TIMEOUT_S) -> None:
        self.name = name
        base = url.rstrip("/")
        fetcher = FileFetcher() if base.startswith("file://") else Urllib3Fetcher(timeout_s)
        cache.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._updater = Updater(
                metadata_dir=str(cache),
                metadata_base_url=f"{base}/metadata/",
                target_base_url=f"{base}/targets/",
                fetcher=fetcher,
                config=UpdaterConfig(app_user_agent="proofhouse-agent"),
                bootstrap=root,
            )

    def refresh(self) -> None:
        """Bring the top-level metadata up to date (TUF specification §5.3 to §5.6).

        Raises:
            Unreachable: the repository does not answer.
            MetadataExpired: its newest metadata is past expiry.
            RolledBack: it offers older metadata than was seen before.
            MetadataRefused: it offers metadata that does not verify.
        """
        with self._explained():
            self._updater.refresh()

    def find(self, path: str) -> TargetFile | None:
        """What the most trusted role that is responsible for `path` says of it; None where it says nothing.

        Raises:
            Unreachable, MetadataExpired, RolledBack, MetadataRefused: as for `refresh`, for the roles on the
                way.
        """
        with self._explained():
            return self._updater.get_targetinfo(path)

    def download(self, target: TargetFile, destination: Path) -> None:
        """Download a file; length and SHA-256 are verified before anything is written to `destination`.

        Raises:
            Unreachable: the repository does not answer.
            BytesRefused: the bytes are not those that the metadata names.
            OSError: the file cannot be written.
        """
        with self._explained():
            self._updater.download_target(target, str(destination))

    def read(self, path: str, destination: Path, *, most_bytes: int) -> bytes | None:
        """A small file's verified bytes; None where the repository names no such path.

        Args:
            path: its target path.
            destination: where the verified copy is kept.
            most_bytes: what the caller is prepared to parse.

        Raises:
            BytesRefused: the metadata names a larger file, or the bytes are others than it names.
            Unreachable, MetadataExpired, RolledBack, MetadataRefused: as for `find`.
        """
        target = self.find(path)
        if target is None:
            return None
        if target.length > most_bytes:
            raise BytesRefused(f"{self.name}: {path} has {target.length} bytes; {most_bytes} are accepted")
        if self._updater.find_cached_target(target, str(destination)) is None:
            self.download(target, destination)
        return destination.read_bytes()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the library's errors into this room's: what was refused, by which rule, and where."""
        try:
            yield
        except tuf_errors.ExpiredMetadataError as error:
            raise MetadataExpired(
                f"{self.name} repository: {error}; its operator must publish anew (or this clock is wrong)"
            ) from error
        except tuf_errors.BadVersionNumberError as error:
            raise RolledBack(f"{self.name} repository: older than seen before: {error}") from error
        except tuf_errors.LengthOrHashMismatchError as error:
            raise BytesRefused(f"{self.name} repository: {error}") from error
        except tuf_errors.RepositoryError as error:
            raise MetadataRefused(f"{self.name} repository: {error}") from error
        except tuf_errors.DownloadLengthMismatchError as error:
            raise BytesRefused(f"{self.name} repository: {error}") from error
        except (tuf_errors.DownloadError, HTTPError) as error:
            raise Unreachable(f"{self.name} repository: {error}") from error


def agreed_target(director: TrustedRepository, image: TrustedRepository, file: ImageFile) -> TargetFile:
    """The target that both authorities name with the manifest's length and SHA-256.

    Args:
        director: the refreshed director repository.
        image: the refreshed image repository.
        file: what the manifest names.

    Returns:
        The image repository's entry, ready to download from there.

    Raises:
        NotDirected: the director's metadata does not name the path.
        NotSignedByVendor: the vendor's role does not name it, or the vendor has no role.
        AuthoritiesDisagree: lengths or digests differ.
        Unreachable, MetadataExpired, RolledBack, MetadataRefused: metadata on the way cannot be had or
            trusted.
    """
    directed = director.find(file.path)
    if directed is None:
        raise NotDirected(f"the director's metadata does not name {file.path}")
    signed = image.find(file.path)
    if signed is None:
        raise NotSignedByVendor(f"the vendor has not signed {file.path}")
    expected = (file.length_bytes, {"sha256": file.sha256})
    for authority, target in (("director", directed), ("vendor", signed)):
        if (target.length, target.hashes) != expected:
            raise AuthoritiesDisagree(
                f"{file.path}: {authority} names {target.length} bytes with {target.hashes}, "
                f"the manifest {file.length_bytes} bytes with sha256 {file.sha256}"
            )
    return signed
