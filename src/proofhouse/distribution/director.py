# SPDX-License-Identifier: Apache-2.0
"""The director repository of one audience: who may install what, and when.

The clearinghouse signs it. It names a vendor's file by path, length and SHA-256 as a target of its own
(Uptane's model), but it never holds the file, and an agent installs only what the vendor's role names alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from proofhouse.distribution._repository import (
    Lifetimes,
    Publication,
    Repository,
    RootPolicy,
    sign,
    target_files,
    whole_second,
)
from proofhouse.distribution._tuf import TargetFile, Targets
from proofhouse.distribution.authorisation import ReleaseProof, opening_path, proof_path
from proofhouse.distribution.errors import ManifestRefused, ReleaseRefused
from proofhouse.distribution.keys import KeyRing
from proofhouse.distribution.manifest import (
    MANIFEST_PATH,
    REVOCATIONS_PATH,
    Item,
    Manifest,
    Revocation,
    check_item,
    revoke,
)
from proofhouse.distribution.paths import is_slug

DIRECTOR_LIFETIMES = Lifetimes(targets=timedelta(days=30))
DIRECTOR_ROOT_POLICY = RootPolicy(targets_keys=1, targets_threshold=1)


def new_item_id() -> str:
    """A fresh item id: 128 random bits, so that it says nothing about case, vendor or order."""
    return secrets.token_hex(16)


class DirectorRepository(Repository):
    """A published director repository.

    Key roles in its key ring: `root` (offline), `targets` (the release role), `snapshot` and `timestamp`
        (online).
    """

    @classmethod
    def create(
        cls,
        directory: Path,
        audience: str,
        keys: KeyRing,
        *,
        now: datetime,
        policy: RootPolicy = DIRECTOR_ROOT_POLICY,
        lifetimes: Lifetimes = DIRECTOR_LIFETIMES,
    ) -> DirectorRepository:
        """Sign root and publish manifest version 1, which is empty.

        Args:
            directory: an empty or missing directory.
            audience: a slug such as `public` or `health`; agents refuse a manifest for another audience.
            keys: all four roles' keys.
            now: the present, aware.
            policy: thresholds; root 2 of 3, release role 1 of 1 by default.
            lifetimes: expiry of the roles; the release role is good for 30 days by default.

        Returns:
            The repository.

        Raises:
            RepositoryBroken: there is a repository already.
            KeyRefused: a role has no key.
            ValueError: the audience is not a slug.
        """
        if not is_slug(audience):
            raise ValueError(f"audience {audience!r}: use lower-case letters, digits and inner hyphens")
        empty = Manifest(audience, 1, now)
        files = {MANIFEST_PATH: empty.to_json(), REVOCATIONS_PATH: empty.revocations()}
        top = Targets(expires=whole_second(now + lifetimes.targets), targets=target_files(files))
        first = Publication(files, {Targets.type: sign(top, keys.signers(Targets.type))})
        cls._lay_down(directory, keys, policy, lifetimes, first, now)
        return cls(directory, keys, lifetimes)

    @property
    def manifest(self) -> Manifest:
        """The manifest as published."""
        return Manifest.from_json(self.target_bytes(Targets.type, MANIFEST_PATH))

    def authorise(
        self, item: Item, proof: ReleaseProof, *, now: datetime, issued: datetime | None = None
    ) -> Manifest:
        """Direct an item to the audience, together with the ledger proof of its authorisation.

        Args:
            item: a new item, not revoked.
            proof: receipt, leaf and opening of the `release.authorise` entry for exactly this item.
            now: the present, aware.
            issued: the time that the manifest gives for itself; the present when None. Whoever may be killed and
                try again gives the same each time, so that the same files are written.

        Returns:
            The manifest that is now published.

        Raises:
            ReleaseRefused: the id is taken, the file is directed already, or the item breaks a manifest rule.
            ProofRefused: the opening does not fit the leaf or names something else.
        """
        proof.check_opening(self.manifest.audience, item)

        def change(manifest: Manifest) -> tuple[Item, ...]:
            if item.revoked is not None or manifest.item(item.id) is not None:
                raise ReleaseRefused(f"item {item.id} is not new; amend or revoke it instead")
            if any(old.image.path == item.image.path and old.revoked is None for old in manifest.items):
                raise ReleaseRefused(f"{item.image.path} is directed already; amend that item instead")
            return (*manifest.items, item)

        return self._change(change, proof.files(item.id), now, issued)

    def amend(self, item: Item, *, now: datetime) -> Manifest:
        """Publish another plan, deadline or note for an item whose file stays the same.

        Args:
            item: the item as it is to be; its version is set here.
            now: the present, aware.

        Returns:
            The manifest that is now published.

        Raises:
            ReleaseRefused: there is no such item, it is revoked, or the file would change, which needs a new
                authorisation.
        """

        def change(manifest: Manifest) -> tuple[Item, ...]:
            old = _live(manifest, item.id)
            if old.image != item.image or item.revoked is not None:
                raise ReleaseRefused(
                    f"item {item.id}: another file needs a new item; to take it back, revoke it"
                )
            return manifest.with_item(replace(item, version=old.version + 1))

        return self._change(change, {}, now)

    def revoke(self, item_id: str, reason: str, *, now: datetime) -> Manifest:
        """Take an item back: agents stop installing it and flag it where it is installed.

        A brake needs no ledger receipt to act; the entry follows.

        Args:
            item_id: the item.
            reason: what members are to read.
            now: the present, aware.

        Returns:
            The manifest that is now published.

        Raises:
            ReleaseRefused: there is no such item, or it is revoked already.
        """

        def change(manifest: Manifest) -> tuple[Item, ...]:
            return manifest.with_item(revoke(_live(manifest, item_id), Revocation(now, reason)))

        return self._change(change, {}, now)

    def renew_release_role(self, *, now: datetime) -> Manifest:
        """Sign the release role anew before it expires; publishes the same items under the next version."""
        return self._change(lambda manifest: manifest.items, {}, now)

    def _change(
        self,
        change: Callable[[Manifest], tuple[Item, ...]],
        proofs: dict[str, bytes],
        now: datetime,
        issued: datetime | None = None,
    ) -> Manifest:
        with self._writing():
            before = self.manifest
            try:
                items = tuple(check_item(item) for item in change(before))
            except ManifestRefused as error:
                raise ReleaseRefused(str(error)) from None
            manifest = Manifest(before.audience, before.version + 1, issued or now, items)
            files = {
                MANIFEST_PATH: manifest.to_json(),
                REVOCATIONS_PATH: manifest.revocations(),
                **proofs,
            }
            signed = self._targets(Targets.type).signed
            kept = {
                path: target
                for path, target in signed.targets.items()
                if path.startswith(("authorisations/",)) and path not in files
            }
            signed.targets = {**kept, **target_files(files), **_directed(items)}
            signed.version += 1
            signed.expires = whole_second(now + self.lifetimes.targets)
            role = sign(signed, self.keys.signers(Targets.type))
            self._publish(Publication(files, {Targets.type: role}), now)
        return manifest


def _directed(items: tuple[Item, ...]) -> dict[str, TargetFile]:
    """The vendors' files that live items name, as targets of the director."""
    return {
        item.image.path: TargetFile(
            item.image.length_bytes,
            {"sha256": item.image.sha256},
            item.image.path,
            {"custom": {"item": item.id, "proof": proof_path(item.id), "opening": opening_path(item.id)}},
        )
        for item in items
        if item.revoked is None
    }


def _live(manifest: Manifest, item_id: str) -> Item:
    item = manifest.item(item_id)
    if item is None:
        raise ReleaseRefused(f"there is no item {item_id} in manifest version {manifest.version}")
    if item.revoked is not None:
        raise ReleaseRefused(f"item {item_id} is revoked since {item.revoked.at:%Y-%m-%d %H:%M:%SZ}")
    return item
