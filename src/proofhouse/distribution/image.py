# SPDX-License-Identifier: Apache-2.0
"""The image repository: released patches, each signed by its vendor and by nobody else.

The operator of this repository holds root, the top-level role, the groups and the two online roles. It holds
no vendor's key. What it can do to a release is therefore to show it or to withhold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError

from proofhouse.distribution._repository import (
    TARGETS_MAX_BYTES,
    Lifetimes,
    Publication,
    Repository,
    RootPolicy,
    sign,
    whole_second,
)
from proofhouse.distribution._tuf import DelegatedRole, Delegations, Key, Metadata, Targets
from proofhouse.distribution.errors import RepositoryBroken, UploadRefused
from proofhouse.distribution.keys import KeyRing
from proofhouse.distribution.paths import (
    DEFAULT_GROUPS,
    MAX_GROUPS,
    PatchPath,
    group_of,
    group_pattern,
    is_slug,
    vendor_pattern,
    vendor_role,
)

GROUP_LIFETIME: Final = timedelta(days=180)
VENDOR_LIFETIME: Final = timedelta(days=90)
CLOCK_SKEW: Final = timedelta(hours=1)
"""How far a vendor's clock may run ahead of the repository's."""
MAX_TARGET_BYTES: Final = 512 << 20
_GROUPS_ROLE: Final = "groups"


class ImageRepository(Repository):
    """A published image repository.

    Key roles in its key ring: `root` and `targets` (offline), `groups` (operations), `snapshot` and
        `timestamp`
    (online). Accepting a vendor's upload needs the two online ones only.
    """

    @classmethod
    def create(
        cls,
        directory: Path,
        keys: KeyRing,
        *,
        now: datetime,
        policy: RootPolicy | None = None,
        groups: int = DEFAULT_GROUPS,
        group_threshold: int = 1,
        lifetimes: Lifetimes | None = None,
    ) -> ImageRepository:
        """Sign root, the top-level role and all groups, and publish the empty repository.

        Args:
            directory: an empty or missing directory.
            keys: all five roles' keys, as many as `policy` asks for.
            now: the present, aware.
            policy: thresholds of root and targets; 2 of 3 by default.
            groups: how many groups vendors are spread over; fixed for the repository's life.
            group_threshold: how many `groups` keys must sign a group's delegations.
            lifetimes: expiry of the top-level roles.

        Returns:
            The repository.

        Raises:
            RepositoryBroken: there is a repository already.
            KeyRefused: a role has no key.
            ValueError: `groups` is not 1 to 100, or a threshold exceeds the number of keys.
        """
        if not 1 <= groups <= MAX_GROUPS:
            raise ValueError(f"groups must be 1 to {MAX_GROUPS}, got {groups}")
        lifetimes = lifetimes or Lifetimes()
        policy = policy or RootPolicy()
        operations = keys.signers(_GROUPS_ROLE)
        group_keys = {signer.public_key.keyid: signer.public_key for signer in operations}
        names = [f"g{number:02d}" for number in range(groups)]
        delegations = Delegations(
            keys=dict[str, Key](group_keys),
            roles={
                name: DelegatedRole(name, list(group_keys), group_threshold, True, [group_pattern(name)])
                for name in names
            },
        )
        top = Targets(expires=whole_second(now + lifetimes.targets), delegations=delegations)
        first = Publication(roles={Targets.type: sign(top, keys.signers(Targets.type))})
        for name in names:
            group = Targets(
                expires=whole_second(now + GROUP_LIFETIME), delegations=Delegations(keys={}, roles={})
            )
            first.roles[name] = sign(group, operations)
        cls._lay_down(directory, keys, policy, lifetimes, first, now)
        return cls(directory, keys, lifetimes)

    @property
    def groups(self) -> int:
        """How many groups vendors are spread over."""
        delegations = self._targets(Targets.type).signed.delegations
        return len(delegations.roles or {}) if delegations is not None else 0

    def vendor_group(self, vendor: str) -> str:
        """The group of a vendor in this repository."""
        return group_of(vendor, self.groups)

    def patch_path(self, vendor: str, name: str) -> str:
        """The target path under which a vendor releases a file called `name`.

        Raises:
            ValueError: vendor or name does not fit the path grammar.
        """
        return str(PatchPath.parse(f"{self.vendor_group(vendor)}/{vendor}/patches/{name}"))

    def add_vendor(self, vendor: str, keys: Sequence[Key], *, now: datetime, threshold: int = 1) -> str:
        """Delegate a vendor's paths to the vendor's own keys; calling again replaces keys and threshold.

        What is delegated so already is left alone, version and all, so that a caller that was killed may repeat it.

        Args:
            vendor: the vendor's slug.
            keys: the vendor's public keys; the private halves never come here.
            now: the present, aware.
            threshold: how many of them must sign a release.

        Returns:
            The name of the vendor's role.

        Raises:
            UploadRefused: slug, keys or threshold cannot be used.
            KeyRefused: the groups' key is not present.
        """
        if not is_slug(vendor):
            raise UploadRefused(f"vendor {vendor!r}: use lower-case letters, digits and inner hyphens")
        if not 1 <= threshold <= len({key.keyid for key in keys}):
            raise UploadRefused(f"vendor {vendor}: threshold {threshold} does not fit {len(keys)} key(s)")
        with self._writing():
            group = self.vendor_group(vendor)
            role = vendor_role(group, vendor)
            signed = self._targets(group).signed
            delegations = signed.delegations
            if delegations is None or delegations.roles is None:
                raise RepositoryBroken(f"group {group} has no delegations")
            wanted = DelegatedRole(
                role, [key.keyid for key in keys], threshold, True, [vendor_pattern(group, vendor)]
            )
            if delegations.roles.get(role) == wanted:
                return role
            delegations.roles[role] = wanted
            used = {keyid for known in delegations.roles.values() for keyid in known.keyids}
            delegations.keys.update({key.keyid: key for key in keys})
            delegations.keys = {keyid: key for keyid, key in delegations.keys.items() if keyid in used}
            signed.version += 1
            signed.expires = whole_second(now + GROUP_LIFETIME)
            self._publish(
                Publication(roles={group: sign(signed, self.keys.signers(_GROUPS_ROLE))}),
                now,
            )
        return role

    def vendor_metadata(self, vendor: str) -> bytes | None:
        """The vendor's published metadata, to which its next release is added; None before the first."""
        role = vendor_role(self.vendor_group(vendor), vendor)
        version = self.snapshot_version(role)
        return (self.metadata_directory / f"{version}.{role}.json").read_bytes() if version else None

    def names(self, vendor: str, path: str, sha256: str) -> bool:
        """Whether the vendor's published role names a path with these bytes."""
        role = vendor_role(self.vendor_group(vendor), vendor)
        if not self.snapshot_version(role):
            return False
        target = self._targets(role).signed.targets.get(path)
        return target is not None and target.hashes["sha256"] == sha256

    def accept_vendor_metadata(
        self, vendor: str, metadata: bytes, target: bytes | None, *, now: datetime
    ) -> tuple[str, ...]:
        """Take a vendor's complete role metadata and the file that it adds; sign snapshot and timestamp only.

        Args:
            vendor: whose role the upload is for.
            metadata: the role's metadata, signed by the vendor.
            target: the bytes of the one path that is new; None where only the signature is renewed.
            now: the present, aware.

        Returns:
            The paths that are new, none or one.

        Raises:
            UploadRefused: form, signature, version, expiry, a path, or the file breaks a rule. Nothing is
                stored.
        """
        with self._writing():
            group = self.vendor_group(vendor)
            role = vendor_role(group, vendor)
            parsed = self._verified(group, role, metadata)
            before = self._targets(role).signed if self.snapshot_version(role) else None
            _check_succession(parsed.signed, before, now)
            _check_paths(parsed.signed, group, vendor)
            files = _check_files(parsed.signed, before, target)
            self._publish(Publication(files=files, roles={role: parsed}), now)
        return tuple(files)

    def _verified(self, group: str, role: str, metadata: bytes) -> Metadata[Targets]:
        if len(metadata) > TARGETS_MAX_BYTES:
            raise UploadRefused(
                f"metadata has {len(metadata)} bytes; at most {TARGETS_MAX_BYTES} are accepted"
            )
        try:
            parsed = Metadata[Targets].from_bytes(metadata)
        except (RepositoryError, RecursionError) as error:
            raise UploadRefused(f"metadata cannot be read: {error}") from None
        if not isinstance(parsed.signed, Targets):
            raise UploadRefused(f"metadata is of type {parsed.signed.type}, not targets")
        delegator = self._targets(group).signed
        if delegator.delegations is None or role not in (delegator.delegations.roles or {}):
            raise UploadRefused(f"role {role} is not delegated: enrol the vendor's key first")
        try:
            delegator.verify_delegate(role, parsed.signed_bytes, parsed.signatures)
        except RepositoryError as error:
            raise UploadRefused(f"signature: {error}") from None
        return parsed


def _check_succession(signed: Targets, before: Targets | None, now: datetime) -> None:
    expected = 1 if before is None else before.version + 1
    if signed.version != expected:
        raise UploadRefused(f"version: expected {expected}, got {signed.version}")
    if signed.is_expired(now):
        raise UploadRefused(f"expires: {signed.expires:%Y-%m-%d %H:%M:%SZ} is past")
    if signed.expires > now + VENDOR_LIFETIME + CLOCK_SKEW:
        raise UploadRefused(f"expires: later than {VENDOR_LIFETIME.days} days from now")
    if signed.delegations is not None:
        raise UploadRefused("delegations: a vendor role may not delegate further")


def _check_paths(signed: Targets, group: str, vendor: str) -> None:
    for path in signed.targets:
        try:
            parts = PatchPath.parse(path)
        except ValueError as error:
            raise UploadRefused(f"path: {error}") from None
        if (parts.group, parts.vendor) != (group, vendor):
            raise UploadRefused(f"path: {path} lies outside {vendor_pattern(group, vendor)}")


def _check_files(signed: Targets, before: Targets | None, target: bytes | None) -> dict[str, bytes]:
    earlier = {} if before is None else before.targets
    for path, entry in signed.targets.items():
        if set(entry.hashes) != {"sha256"}:
            raise UploadRefused(f"hashes: {path} must carry exactly one SHA-256")
        if path in earlier and (earlier[path].length, earlier[path].hashes) != (entry.length, entry.hashes):
            raise UploadRefused(f"target: {path} is released and keeps its bytes; choose a new name")
    new = [path for path in signed.targets if path not in earlier]
    if target is None and not new:
        return {}
    if target is None or len(new) != 1:
        raise UploadRefused(f"target: one file comes with exactly one new path, got {len(new)} new path(s)")
    if len(target) > MAX_TARGET_BYTES:
        raise UploadRefused(f"target: {len(target)} bytes; at most {MAX_TARGET_BYTES} are accepted")
    try:
        signed.targets[new[0]].verify_length_and_hashes(target)
    except LengthOrHashMismatchError as error:
        raise UploadRefused(f"target: the file is not the one that was signed: {error}") from None
    return {new[0]: target}
