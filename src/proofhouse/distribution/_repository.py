# SPDX-License-Identifier: Apache-2.0
"""What both kinds of TUF repository share: top-level roles, and publishing in an order that no crash breaks.

On disk a repository is two directories that any web server can hand out: `metadata/` and `targets/`. Whatever
is published goes targets first, then targets roles, then snapshot, then timestamp. Files are never changed in
place (consistent snapshots) except `timestamp.json`, whose replacement is the one moment of publication; what
a crash leaves before it is unreferenced and is written again by the next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from tuf.api.exceptions import RepositoryError

from proofhouse.distribution._tuf import (
    TOP_LEVEL_ROLE_NAMES,
    CryptoSigner,
    JSONSerializer,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from proofhouse.distribution.errors import RepositoryBroken
from proofhouse.distribution.files import exclusive, write_atomically
from proofhouse.distribution.keys import KeyRing

TARGETS_MAX_BYTES: Final = 5_000_000
SNAPSHOT_MAX_BYTES: Final = 2_000_000
TIMESTAMP_MAX_BYTES: Final = 16_384
ROOT_MAX_BYTES: Final = 512_000
"""What the default client of python-tuf 7 accepts; a repository that grows past it locks every client out."""

_SERIALIZER: Final = JSONSerializer(compact=True)
_S = TypeVar("_S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True)
class Lifetimes:
    """How long each role's signature is good for."""

    root: timedelta = timedelta(days=365)
    targets: timedelta = timedelta(days=365)
    snapshot: timedelta = timedelta(days=7)
    timestamp: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class RootPolicy:
    """How many keys hold root and targets, and how many of them must sign."""

    root_keys: int = 3
    root_threshold: int = 2
    targets_keys: int = 3
    targets_threshold: int = 2


@dataclass
class Publication:
    """What one publication changes: target files by their plain path, and targets roles by name."""

    files: dict[str, bytes] = field(default_factory=dict)
    roles: dict[str, Metadata[Targets]] = field(default_factory=dict)


class Repository:
    """A TUF repository with consistent snapshots in a directory; not used directly.

    Args:
        directory: holds `metadata/` and `targets/`.
        keys: at least the snapshot and timestamp keys; others only for the acts that need them.
        lifetimes: how long new signatures are good for.
    """

    def __init__(self, directory: Path, keys: KeyRing, lifetimes: Lifetimes | None = None) -> None:
        self.directory = directory
        self.metadata_directory = directory / "metadata"
        self.targets_directory = directory / "targets"
        self.keys = keys
        self.lifetimes = lifetimes or Lifetimes()
        if not (self.metadata_directory / "timestamp.json").is_file():
            raise RepositoryBroken(f"{directory} holds no published repository: create it first")

    @staticmethod
    def _lay_down(
        directory: Path,
        keys: KeyRing,
        policy: RootPolicy,
        lifetimes: Lifetimes,
        first: Publication,
        now: datetime,
    ) -> None:
        """Write root version 1 and the first publication into an empty place."""
        metadata = directory / "metadata"
        if (metadata / "timestamp.json").exists():
            raise RepositoryBroken(f"{directory} holds a repository already")
        root = Root(expires=whole_second(now + lifetimes.root))
        for role in sorted(TOP_LEVEL_ROLE_NAMES):
            for key in keys.public_keys(role):
                root.add_key(key, role)
        root.roles[Root.type].threshold = policy.root_threshold
        root.roles[Targets.type].threshold = policy.targets_threshold
        signed = sign(root, keys.signers(Root.type))
        write_atomically(metadata / "1.root.json", serialise(signed, ROOT_MAX_BYTES))
        _publish(directory, keys, lifetimes, signed.signed, Snapshot(), Timestamp(), first, now)

    def root_bytes(self, version: int = 1) -> bytes:
        """A version of root, to pin in agents.

        Raises:
            RepositoryBroken: there is no such version.
        """
        try:
            return (self.metadata_directory / f"{version}.root.json").read_bytes()
        except OSError as error:
            raise RepositoryBroken(f"root version {version} cannot be read: {error}") from None

    def renew(self, now: datetime) -> None:
        """Sign snapshot and timestamp anew, so that clients do not take silence for a freeze attack.

        Args:
            now: the present, aware.

        Raises:
            KeyRefused: an online key is missing.
        """
        with self._writing():
            self._publish(Publication(), now)

    def snapshot_version(self, role: str) -> int:
        """The published version of a targets role; 0 where it has none."""
        meta = self._snapshot().meta.get(f"{role}.json")
        return 0 if meta is None else meta.version

    def published_roles(self) -> dict[str, Root | Timestamp | Snapshot | Targets]:
        """The current content of every role, by name; nothing is verified."""
        snapshot = self._snapshot()
        roles: dict[str, Root | Timestamp | Snapshot | Targets] = {
            Root.type: self._root(),
            Timestamp.type: self._read("timestamp.json", Timestamp).signed,
            Snapshot.type: snapshot,
        }
        for name in sorted(snapshot.meta):
            role = name.removesuffix(".json")
            roles[role] = self._targets(role).signed
        return roles

    def target_bytes(self, role: str, path: str) -> bytes:
        """A published target file.

        Raises:
            RepositoryBroken: the role does not name it or the file is gone.
        """
        target = self._targets(role).signed.targets.get(path)
        if target is None:
            raise RepositoryBroken(f"role {role} names no target {path}")
        try:
            return (self.targets_directory / prefixed(path, target)).read_bytes()
        except OSError as error:
            raise RepositoryBroken(f"target {path} cannot be read: {error}") from None

    def _writing(self) -> AbstractContextManager[None]:
        return exclusive(self.directory / ".lock")

    def _publish(self, change: Publication, now: datetime) -> None:
        _publish(
            self.directory,
            self.keys,
            self.lifetimes,
            self._root(),
            self._snapshot(),
            self._read("timestamp.json", Timestamp).signed,
            change,
            now,
        )

    def _root(self) -> Root:
        newest = max(int(path.name.split(".")[0]) for path in self.metadata_directory.glob("*.root.json"))
        return self._read(f"{newest}.root.json", Root).signed

    def _snapshot(self) -> Snapshot:
        version = self._read("timestamp.json", Timestamp).signed.snapshot_meta.version
        return self._read(f"{version}.snapshot.json", Snapshot).signed

    def _targets(self, role: str) -> Metadata[Targets]:
        version = self.snapshot_version(role)
        if version == 0:
            raise RepositoryBroken(f"role {role} has not published anything")
        return self._read(f"{version}.{role}.json", Targets)

    def _read(self, name: str, kind: type[_S]) -> Metadata[_S]:
        path = self.metadata_directory / name
        try:
            metadata = Metadata[_S].from_bytes(path.read_bytes())
        except (OSError, RepositoryError) as error:
            raise RepositoryBroken(f"{path} cannot be read: {error}") from None
        if not isinstance(metadata.signed, kind):
            raise RepositoryBroken(f"{path} holds {metadata.signed.type} metadata")
        return metadata


def _publish(
    directory: Path,
    keys: KeyRing,
    lifetimes: Lifetimes,
    root: Root,
    snapshot: Snapshot,
    timestamp: Timestamp,
    change: Publication,
    now: datetime,
) -> None:
    """Sign snapshot and timestamp over a change, check every size, then write in publish order."""
    roles = {name: serialise(role, TARGETS_MAX_BYTES) for name, role in change.roles.items()}
    for name, role in change.roles.items():
        snapshot.meta[f"{name}.json"] = MetaFile(version=role.signed.version)
    online = {role: _delegated(keys, root, role) for role in (Snapshot.type, Timestamp.type)}

    first = not (directory / "metadata" / "timestamp.json").exists()
    snapshot.version += 0 if first else 1
    snapshot.expires = whole_second(now + lifetimes.snapshot)
    snapshot_bytes = serialise(sign(snapshot, online[Snapshot.type]), SNAPSHOT_MAX_BYTES)
    timestamp.version += 0 if first else 1
    timestamp.expires = whole_second(now + lifetimes.timestamp)
    timestamp.snapshot_meta = MetaFile.from_data(snapshot.version, snapshot_bytes, ["sha256"])
    timestamp_bytes = serialise(sign(timestamp, online[Timestamp.type]), TIMESTAMP_MAX_BYTES)

    for path, content in change.files.items():
        name = prefixed(path, TargetFile.from_data(path, content, ["sha256"]))
        write_atomically(directory / "targets" / name, content)
    metadata = directory / "metadata"
    for name, content in roles.items():
        write_atomically(metadata / f"{change.roles[name].signed.version}.{name}.json", content)
    write_atomically(metadata / f"{snapshot.version}.snapshot.json", snapshot_bytes)
    write_atomically(metadata / "timestamp.json", timestamp_bytes)


def _delegated(keys: KeyRing, root: Root, role: str) -> list[CryptoSigner]:
    allowed: Role = root.get_delegated_role(role)
    return [signer for signer in keys.signers(role) if signer.public_key.keyid in allowed.keyids]


def sign(signed: _S, signers: Sequence[CryptoSigner]) -> Metadata[_S]:
    """Metadata with one signature by each signer."""
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def serialise(metadata: Metadata[_S], most_bytes: int) -> bytes:
    """The compact bytes of signed metadata.

    Raises:
        RepositoryBroken: they are more than a default client accepts.
    """
    content = metadata.to_bytes(_SERIALIZER)
    if len(content) > most_bytes:
        raise RepositoryBroken(
            f"{metadata.signed.type} metadata would have {len(content)} bytes; clients accept {most_bytes}"
        )
    return content


def prefixed(path: str, target: TargetFile) -> str:
    """Where a target lies in a repository with consistent snapshots: `dir/<sha256>.name` (TUF §6.2)."""
    directory, separator, name = path.rpartition("/")
    return f"{directory}{separator}{target.hashes['sha256']}.{name}"


def target_files(contents: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """TUF target entries, with length and SHA-256, for files given by path."""
    return {path: TargetFile.from_data(path, content, ["sha256"]) for path, content in contents.items()}


def whole_second(moment: datetime) -> datetime:
    """A time as TUF metadata holds it: UTC without fractions."""
    return moment.astimezone(UTC).replace(microsecond=0)
