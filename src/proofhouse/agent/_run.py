# SPDX-License-Identifier: Apache-2.0
"""One run of the member agent, from refresh to acknowledgement.

Order of a run: refresh the director, read its manifest, block what is revoked, refresh the image repository;
then for each item: both authorities agree, the ledger proves the authorisation, the policy says now, the file
is downloaded, verified and staged, the hook applies it if there is one. Each change is acknowledged, each
refusal too. Every write is atomic and comes before the memory of it, so a run that dies anywhere is completed
by the next.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from proofhouse.agent.acknowledgement import Answer, Outbox, Reason, Stage, Subject, acknowledge
from proofhouse.agent.config import AgentConfig, Source
from proofhouse.agent.policy import decide, matching_products
from proofhouse.agent.report import AgentReport, ItemOutcome
from proofhouse.agent.staging import Staging, run_hook
from proofhouse.agent.state import Installed, ItemState, State
from proofhouse.attest import sha256_hex
from proofhouse.distribution.authorisation import ReleaseProof, opening_path, proof_path
from proofhouse.distribution.client import TargetFile, TrustedRepository, agreed_target
from proofhouse.distribution.errors import ManifestRefused, ProofRefused, Refusal, RolledBack, Unreachable
from proofhouse.distribution.manifest import (
    MANIFEST_PATH,
    REVOCATIONS_PATH,
    Item,
    Manifest,
    Revocation,
    RevocationList,
)

MANIFEST_MAX_BYTES: Final = 4_000_000
PROOF_MAX_BYTES: Final = 65_536
_PRESENT: Final = ("staged", "applied", "failed")


class Run:
    """A run in progress; made for one call of `go`."""

    def __init__(
        self, config: AgentConfig, directory: Path, staging: Staging, outbox: Outbox, now: datetime
    ) -> None:
        self._config = config
        self._directory = directory
        self._staging = staging
        self._outbox = outbox
        self._state = State.load(directory / "state.json")
        self._now = max(now, self._state.seen_at or now)
        self._state.seen_at = self._now
        self._report = AgentReport()

    def go(self) -> AgentReport:
        """Do the run and deliver what there is to acknowledge."""
        try:
            self._follow()
        except Unreachable as fault:
            self._report.faults.append(str(fault))
        self._save()
        self._deliver()
        return self._report

    def _follow(self) -> None:
        director = self._trusted("director", self._config.director)
        if director is None:
            return
        try:
            manifest, revoked = self._manifest(director)
        except Refusal as refusal:
            self._refuse_repository("director", self._config.director, refusal)
            return
        self._state.refused.pop("director", None)
        self._report.manifest_version = manifest.version
        self._block(manifest, revoked)
        image = self._trusted("image", self._config.image)
        if image is None:
            return
        self._state.refused.pop("image", None)
        for item in manifest.items:
            if item.id not in revoked and not self._continued(item):
                self._take(item, manifest, director, image)

    def _trusted(self, name: str, source: Source) -> TrustedRepository | None:
        try:
            repository = TrustedRepository(name, source.url, source.root, self._directory / name)
            repository.refresh()
        except Refusal as refusal:
            self._refuse_repository(name, source, refusal)
            return None
        return repository

    def _manifest(self, director: TrustedRepository) -> tuple[Manifest, dict[str, Revocation]]:
        contents = {}
        for path in (MANIFEST_PATH, REVOCATIONS_PATH):
            found = director.read(path, self._directory / path, most_bytes=MANIFEST_MAX_BYTES)
            if found is None:
                raise ManifestRefused(f"the director publishes no {path}")
            contents[path] = found
        manifest = Manifest.from_json(contents[MANIFEST_PATH])
        listed = RevocationList.from_json(contents[REVOCATIONS_PATH])
        for audience in (manifest.audience, listed.audience):
            if audience != self._config.audience:
                raise ManifestRefused(f"for audience {audience}, this agent follows {self._config.audience}")
        if listed.version != manifest.version:
            raise ManifestRefused(f"manifest {manifest.version} comes with revocations {listed.version}")
        self._raise_high_water(manifest.version, sha256_hex(contents[MANIFEST_PATH]))
        stated = {item.id: item.revoked for item in manifest.items if item.revoked is not None}
        return manifest, {**listed.revoked, **stated}

    def _raise_high_water(self, version: int, digest: str) -> None:
        seen = self._state.manifest_version
        if version < seen:
            raise RolledBack(
                f"the director offers manifest version {version}; version {seen} was seen before"
            )
        if version == seen and digest != self._state.manifest_sha256:
            raise RolledBack(f"the director offers another manifest under version {version} than before")
        self._state.manifest_version, self._state.manifest_sha256 = version, digest
        self._save()

    def _block(self, manifest: Manifest, revoked: dict[str, Revocation]) -> None:
        """Move revoked files out of reach, and flag what was staged or applied here."""
        for item_id, revocation in revoked.items():
            item, known = manifest.item(item_id), self._state.items.get(item_id)
            if item is None and known is None:
                continue
            was: Installed = "staged" if self._staging.withdraw(item_id) else ""
            installed: Installed = known.installed if known is not None and known.installed else was
            flag = f"; it was {installed} here: remove it" if installed else ""
            self._settle(
                ItemState(
                    item_version=item.version if item is not None else known.item_version if known else 0,
                    stage="refused",
                    code="revoked",
                    path=item.image.path if item is not None else known.path if known else "",
                    sha256=item.image.sha256 if item is not None else known.sha256 if known else "",
                    installed=installed,
                    checkpoint=known.checkpoint if known is not None else None,
                ),
                item_id,
                item,
                Reason("revoked", f"revoked by the director: {revocation.reason}{flag}"),
            )

    def _continued(self, item: Item) -> bool:
        """Go on with an item whose file is here already; whether it was one."""
        known = self._state.items.get(item.id)
        if known is None or known.sha256 != item.image.sha256 or known.stage not in _PRESENT:
            return False
        again = known.stage == "failed" and item.version > known.item_version
        if self._config.apply is not None and (known.stage == "staged" or again):
            self._apply(item, known)
        else:
            reason = Reason(known.code, "as acknowledged before") if known.code else None
            self._report.items.append(ItemOutcome(item.id, known.stage, reason, changed=False))
        return True

    def _take(
        self, item: Item, manifest: Manifest, director: TrustedRepository, image: TrustedRepository
    ) -> None:
        """Verify an item and stage it, or say why not."""
        state = ItemState(item.version, "refused", "", item.image.path, item.image.sha256, "", None)
        try:
            target = agreed_target(director, image, item.image)
            state = replace(state, checkpoint=self._proven(item, director))
            wait = decide(item, manifest.items, self._config.member, self._now)
            if wait is None:
                self._stage(item, state, image, target)
            else:
                self._settle_item(item, state, wait.stage, wait.reason)
        except Refusal as refusal:
            self._settle_item(item, state, "refused", Reason(refusal.code, str(refusal)))
        except Unreachable as fault:
            self._report.faults.append(f"item {item.id}: {fault}")

    def _proven(self, item: Item, director: TrustedRepository) -> str:
        """The ledger checkpoint under which the item's authorisation is proven."""
        found = []
        for path in (proof_path(item.id), opening_path(item.id)):
            content = director.read(path, self._directory / "proofs" / path, most_bytes=PROOF_MAX_BYTES)
            if content is None:
                raise ProofRefused(
                    f"the director publishes no {path}: the release is not proven to be authorised"
                )
            found.append(content)
        proof = ReleaseProof.from_files(*found)
        return proof.verify(self._config.audience, item, self._config.ledger_policy)

    def _stage(self, item: Item, state: ItemState, image: TrustedRepository, target: TargetFile) -> None:
        try:
            if not self._staging.holds(item):
                image.download(target, self._staging.incoming(item))
                self._staging.promote(item)
        except (Unreachable, OSError) as fault:
            self._report.faults.append(f"item {item.id}: {fault}")
            code = fault.code if isinstance(fault, Unreachable) else "not-stored"
            self._settle_item(item, state, "received", Reason(code, str(fault)))
            return
        state = replace(state, installed="staged")
        if self._config.apply is None:
            self._settle_item(item, state, "staged", None)
        else:
            self._apply(item, state)

    def _apply(self, item: Item, state: ItemState) -> None:
        assert self._config.apply is not None
        log = self._directory / "hook" / f"{item.id}.log"
        try:
            problem = run_hook(self._config.apply, self._staging, item, log)
        except Refusal as refusal:
            self._settle_item(item, state, "refused", Reason(refusal.code, str(refusal)))
            return
        if problem is None:
            self._settle_item(item, replace(state, installed="applied"), "applied", None)
        else:
            self._settle_item(item, state, "failed", Reason("hook-failed", problem))

    def _settle_item(self, item: Item, state: ItemState, stage: Stage, reason: Reason | None) -> None:
        reached = replace(state, item_version=item.version, stage=stage, code=reason.code if reason else "")
        self._settle(reached, item.id, item, reason)

    def _settle(self, state: ItemState, item_id: str, item: Item | None, reason: Reason | None) -> None:
        """Report where an item stands; if that is new, acknowledge first and remember second."""
        known = self._state.items.get(item_id)
        changed = known is None or known.position != state.position
        self._report.items.append(ItemOutcome(item_id, state.stage, reason, changed))
        if not changed:
            return
        name = "-".join(part for part in (item_id, str(state.item_version), state.stage, state.code) if part)
        answer = Answer(
            member=self._config.member.id,
            audience=self._config.audience,
            subject=Subject(state.path, state.sha256),
            item_id=item_id,
            item_version=state.item_version,
            stage=state.stage,
            reason=reason,
            manifest_version=self._state.manifest_version,
            checkpoint=state.checkpoint,
            item=item,
            products=matching_products(item, self._config.member) if item is not None else (),
            at=self._now,
        )
        self._outbox.put(name, acknowledge(answer, self._config.signer))
        self._state.items[item_id] = state
        self._save()

    def _refuse_repository(self, name: str, source: Source, refusal: Refusal) -> None:
        """Refuse a repository as a whole; the acknowledgement's subject is the pinned root."""
        self._report.refused[name] = Reason(refusal.code, str(refusal))
        if self._state.refused.get(name) == refusal.code:
            return
        answer = Answer(
            member=self._config.member.id,
            audience=self._config.audience,
            subject=Subject(f"{name}/root.json", sha256_hex(source.root)),
            item_id=None,
            item_version=None,
            stage="refused",
            reason=self._report.refused[name],
            manifest_version=self._state.manifest_version,
            checkpoint=None,
            item=None,
            products=(),
            at=self._now,
        )
        self._outbox.put(f"{name}-refused-{refusal.code}", acknowledge(answer, self._config.signer))
        self._state.refused[name] = refusal.code
        self._save()

    def _save(self) -> None:
        self._state.save(self._directory / "state.json")

    def _deliver(self) -> None:
        waiting = len(self._outbox.waiting())
        if self._config.acknowledge_url is not None:
            self._report.faults += self._outbox.deliver(self._config.acknowledge_url)
        self._report.waiting = len(self._outbox.waiting())
        self._report.delivered = waiting - self._report.waiting
