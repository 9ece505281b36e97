# SPDX-License-Identifier: Apache-2.0
"""The ledgers in a bundle: their trees, openings, completeness, order, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofhouse.attest import Envelope, JsonValue, MalformedEnvelope, sha256_hex
from proofhouse.ledger._audit import audit
from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import LedgerError, Malformed, NotProven
from proofhouse.ledger._leaf import KEY_BYTES, LEAF_BYTES, Leaf, inspection_tag
from proofhouse.ledger._note import Note
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._proof import Receipt, verify_receipt
from proofhouse.ledger._tiles import Tree, bundle, tile_path
from proofhouse.ledger._tree import leaf_hash, node_hash, root
from proofhouse.ledger.bundle_manifest import (
    BadManifest,
    Complete,
    Event,
    Expectations,
    Link,
    Order,
    Trust,
    parse_canonical,
)
from proofhouse.ledger.bundle_proved import Proved
from proofhouse.ledger.opening import Opening


@dataclass(frozen=True)
class Opened:
    """A record whose opening was checked.

    Attributes:
        event: Its kind and case.
        fields: The fields that are shown.
        complete: Whether those are all.
    """

    event: Event
    fields: Mapping[str, JsonValue]
    complete: bool


class LedgerFiles:
    """One ledger of a bundle while it is checked.

    Args:
        name: Its name in the bundle.
        origin: The origin that the manifest gives.
        files: The bundle's files below `ledgers/NAME/`, by their full path.
        directory: Where to lay its tiles out.
    """

    def __init__(self, name: str, origin: str, files: Mapping[str, bytes], directory: Path) -> None:
        self.name = name
        self.origin = origin
        self.files = files
        self.directory = directory
        self.home = f"ledgers/{name}"
        self.failing = f"{self.home}/checkpoint"
        self.opened: dict[int, Opened] = {}
        self.inspector_key: bytes | None = None
        self.policy: Policy
        self.tree: Tree
        self.leaves: list[Leaf] = []
        self._hashes: dict[tuple[int, int], bytes] = {}

    def file(self, name: str) -> bytes:
        """A file of the ledger; remembered as the one at fault should something fail now.

        Raises:
            BadManifest: It is not there.
        """
        self.failing = f"{self.home}/{name}"
        if self.failing not in self.files:
            raise BadManifest(f"{self.failing} is missing")
        return self.files[self.failing]

    def lay_out(self) -> None:
        """Write checkpoint and tiles where the audit can read them."""
        for path, content in self.files.items():
            inside = path.removeprefix(f"{self.home}/")
            if inside == "checkpoint" or inside.startswith("tile/"):
                target = self.directory / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    def has_root(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint is a state of this ledger."""
        return checkpoint.size <= self.tree.size and root(checkpoint.size, self._hash_at) == checkpoint.root

    def _hash_at(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree, from the entries: the bundle lacks older partial tiles."""
        known = self._hashes.get((level, index))
        if known is None:
            if level == 0:
                known = leaf_hash(bytes(self.leaves[index]))
            else:
                known = node_hash(
                    self._hash_at(level - 1, 2 * index), self._hash_at(level - 1, 2 * index + 1)
                )
            self._hashes[level, index] = known
        return known

    def indices(self, event: Event) -> list[int]:
        """Places of the opened records of an event."""
        return sorted(index for index, opened in self.opened.items() if opened.event == event)


def check_ledger(ledger: LedgerFiles, trust: Trust | None) -> Iterator[Proved]:
    """Check one ledger: its tree, its checkpoint, and every opening.

    Raises:
        LedgerError: The tree or checkpoint is not proven; `ledger.failing` names the file.
        BadManifest: A file is missing or has another form.
    """
    ledger.policy = _policy(ledger, trust)
    size = Checkpoint.of(Note.parse(ledger.file("checkpoint"))).size
    _check_size(ledger, size)
    ledger.tree = Tree(ledger.directory, size)
    _check_tiles(ledger)
    ledger.failing = f"{ledger.home}/checkpoint"
    ledger.lay_out()
    proven = audit(ledger.directory, ledger.policy).checkpoint
    if proven.origin != ledger.origin:
        raise NotProven(f"the checkpoint is of the log {proven.origin!r}, not of {ledger.origin!r}")
    ledger.leaves = [Leaf.from_bytes(entry) for entry in ledger.tree.entries()]
    witnesses = f"{len(proven.cosigned_s)} of {len(ledger.policy.witnesses)} witnesses cosigned"
    pinned = "" if trust is None else ", policy pinned by the verifier"
    yield Proved(
        f"ledger {ledger.name}: {proven.size} entries, root matches checkpoint, {witnesses}{pinned}",
        True,
        f"origin {proven.origin}",
        f"{ledger.home}/checkpoint",
    )
    ledger.inspector_key = _inspector_key(ledger, trust)
    yield from _check_openings(ledger)


def _policy(ledger: LedgerFiles, trust: Trust | None) -> Policy:
    content = ledger.file("policy")
    if trust is None:
        return Policy.parse(content)
    pinned = (trust.policies or {}).get(ledger.origin)
    if pinned is None:
        raise NotProven(f"the verifier pinned no policy for the log {ledger.origin!r}")
    return Policy.parse(pinned.encode())


def _check_size(ledger: LedgerFiles, size: int) -> None:
    """Refuse a size that the entries cannot fill, before anything is built to that size."""
    bundles = f"{ledger.home}/tile/entries/"
    entry_bytes = sum(len(content) for path, content in ledger.files.items() if path.startswith(bundles))
    if size * len(bundle([bytes(LEAF_BYTES)])) != entry_bytes:
        raise NotProven(
            f"the checkpoint speaks of {size} entries; the bundle holds {entry_bytes} bytes of entries"
        )


def _check_tiles(ledger: LedgerFiles) -> None:
    """Require exactly the tiles of the checkpoint's tree: none missing, none beside them."""
    tiles = {tile_path("entries", index, width) for index, width in enumerate(ledger.tree.widths(0))}
    level = 0
    while widths := ledger.tree.widths(level):
        tiles |= {tile_path(level, index, width) for index, width in enumerate(widths)}
        level += 1
    expected = {f"{ledger.home}/{tile.as_posix()}" for tile in tiles}
    found = {path for path in ledger.files if path.startswith(f"{ledger.home}/tile/")}
    for path in sorted(expected ^ found):
        ledger.failing = path
        raise NotProven("the tile is missing" if path in expected else "the tile is no part of the tree")


def _inspector_key(ledger: LedgerFiles, trust: Trust | None) -> bytes | None:
    if f"{ledger.home}/inspector-key" not in ledger.files:
        return None
    content = ledger.file("inspector-key")
    try:
        key = bytes.fromhex(content.decode("ascii").removesuffix("\n"))
    except (UnicodeDecodeError, ValueError):
        raise Malformed("an inspector key is one line of hexadecimal digits") from None
    if len(key) != KEY_BYTES or content != f"{key.hex()}\n".encode():
        raise Malformed(f"an inspector key is {KEY_BYTES} bytes, in lower-case hexadecimal, and a newline")
    pinned = None if trust is None else (trust.inspector_keys or {}).get(ledger.origin)
    if pinned is not None and sha256_hex(key) != pinned:
        raise NotProven("this is not the inspector key that the verifier holds")
    return key


def _check_openings(ledger: LedgerFiles) -> Iterator[Proved]:
    paths = [path for path in ledger.files if path.startswith(f"{ledger.home}/openings/")]
    stems = {path.rsplit(".", 1)[0] for path in paths}
    for stem in sorted(stems, key=lambda stem: int(stem.rsplit("/", 1)[1])):
        index = int(stem.rsplit("/", 1)[1])
        try:
            ledger.opened[index] = opened = _check_opening(ledger, index)
        except (LedgerError, BadManifest, IndexError) as error:
            yield Proved(f"opening {index} of ledger {ledger.name}", False, str(error), ledger.failing)
            continue
        tag = (
            "tag and receipt hold"
            if ledger.inspector_key
            else "receipt holds; no inspector key, tag not checked"
        )
        extent = "all fields" if opened.complete else f"{len(opened.fields)} fields, not all,"
        yield Proved(
            f"opening {index} of ledger {ledger.name}: {opened.event}, {extent} match the leaf",
            True,
            tag,
            f"{stem}.json",
        )


def _check_opening(ledger: LedgerFiles, index: int) -> Opened:
    name = f"openings/{index}"
    fields = parse_canonical(ledger.file(f"{name}.json"), f"{ledger.home}/{name}.json")
    if not isinstance(fields, dict) or set(fields) != {"index", "kind", "case", "opening"}:
        raise BadManifest("an opening has exactly index, kind, case and opening")
    if fields["index"] != index or not index < len(ledger.leaves):
        raise NotProven(f"the file is named for entry {index} of a ledger with {len(ledger.leaves)} entries")
    if not isinstance(fields["kind"], str) or not isinstance(fields["case"], str):
        raise BadManifest("kind and case are text")
    event = Event(fields["kind"], fields["case"])
    leaf = ledger.leaves[index]
    if ledger.inspector_key and _tag(ledger.inspector_key, event) != leaf.tag:
        raise NotProven(f"entry {index} does not carry the tag of {event}")
    opening = Opening.from_record(fields["opening"])
    shown = opening.verify(leaf)
    receipt = Receipt.from_bytes(ledger.file(f"{name}.tlog-proof"))
    checkpoint = verify_receipt(receipt, leaf, ledger.policy)
    if receipt.index != index or checkpoint.origin != ledger.origin:
        raise NotProven(f"the receipt is for entry {receipt.index} of {checkpoint.origin}")
    if not ledger.has_root(checkpoint):
        raise NotProven("the receipt's checkpoint is not a state of this ledger: two histories")
    return Opened(event, shown, opening.complete)


def _tag(inspector_key: bytes, event: Event) -> bytes:
    try:
        return inspection_tag(inspector_key, event.kind, event.case)
    except (ValueError, UnicodeEncodeError) as error:
        raise BadManifest(f"{event}: {error}") from None


def check_expectations(
    expect: Expectations, ledgers: Mapping[str, LedgerFiles], files: Mapping[str, bytes], by: str
) -> Iterator[Proved]:
    """Check what must be true.

    Args:
        expect: The expectations.
        ledgers: The ledgers that were proved, by name.
        files: The bundle's files.
        by: Put before each line.
    """
    rules: tuple[Complete | Order | Link, ...] = (*expect.complete, *expect.order, *expect.links)
    for rule in rules:
        ledger = ledgers.get(rule.ledger)
        if ledger is None:
            yield Proved(
                f"{by}ledger {rule.ledger}", False, "is expected, but not proved", f"ledgers/{rule.ledger}"
            )
            continue
        if isinstance(rule, Complete):
            proved = _complete(rule, ledger)
        elif isinstance(rule, Order):
            proved = _ordered(rule, ledger)
        else:
            proved = _linked(rule, ledger, files)
        yield Proved(by + proved.line, proved.ok, proved.detail, proved.file)


def _complete(rule: Complete, ledger: LedgerFiles) -> Proved:
    claim = f"ledger {ledger.name}: every leaf tagged with case {rule.case} is opened: complete"
    kinds = f"kinds looked for: {', '.join(rule.kinds)}"
    if ledger.inspector_key is None:
        return Proved(
            claim, False, "there is no inspector key to find the leaves with", f"{ledger.home}/inspector-key"
        )
    beyond = {each.event.kind for each in ledger.opened.values() if each.event.case == rule.case}
    if unlisted := sorted(beyond - set(rule.kinds)):
        return Proved(
            claim, False, f"the case has kinds that are not looked for: {', '.join(unlisted)}", ledger.home
        )
    tags = {_tag(ledger.inspector_key, Event(kind, rule.case)): kind for kind in rule.kinds}
    tagged = {index: tags[leaf.tag] for index, leaf in enumerate(ledger.leaves) if leaf.tag in tags}
    for index, kind in tagged.items():
        opened = ledger.opened.get(index)
        if opened is None or not opened.complete:
            what = "not opened" if opened is None else "opened only in part"
            reason = f"entry {index} is a {kind} of the case and is {what}"
            return Proved(claim, False, reason, f"{ledger.home}/openings/{index}.json")
    return Proved(claim, True, f"{len(tagged)} leaves; {kinds}")


def _ordered(rule: Order, ledger: LedgerFiles) -> Proved:
    before, after = ledger.indices(rule.before), ledger.indices(rule.after)
    for event, indices in ((rule.before, before), (rule.after, after)):
        if not indices:
            claim = f"ledger {ledger.name}: {rule.before} precedes {rule.after}"
            return Proved(claim, False, f"no {event} is opened", f"{ledger.home}/openings")
    last, first = before[-1], after[0]
    claim = f"ledger {ledger.name}: {rule.before} at index {last} precedes {rule.after} at index {first}"
    if last < first:
        return Proved(claim, True)
    return Proved(
        claim, False, f"index {last} does not lie before {first}", f"{ledger.home}/openings/{last}.json"
    )


def _linked(rule: Link, ledger: LedgerFiles, files: Mapping[str, bytes]) -> Proved:
    claim = f"ledger {ledger.name}: {rule.event} names {rule.file} in {rule.field}"
    if rule.file not in files:
        return Proved(claim, False, "the file is missing", rule.file)
    try:
        content = Envelope.from_json(files[rule.file]).payload if rule.payload else files[rule.file]
    except MalformedEnvelope as error:
        return Proved(claim, False, str(error), rule.file)
    digest = sha256_hex(content)
    for index in ledger.indices(rule.event):
        if _names(ledger.opened[index].fields.get(rule.field), digest):
            return Proved(claim, True, f"index {index}", rule.file)
    return Proved(claim, False, f"no opened record of the event holds {digest}", rule.file)


def _names(value: Any, digest: str) -> bool:
    return value in (digest, {"sha256": digest})
