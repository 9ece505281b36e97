# SPDX-License-Identifier: Apache-2.0
"""A sealed bank: items that follow from a key, committed to before anybody meets them.

    seed(i) = HMAC-SHA256(key, "proofhouse/item-seed" 0 family 0 level 0 index)
    salt(i) = HMAC-SHA256(key, "proofhouse/item-salt" 0 family 0 level 0 index)
    commitment(i) = SHA-256(salt(i) ‖ canonical JSON of the item)

The seal holds the commitments and their RFC 6962 root, the digests of plan and grader, and the rule.
Whoever later gets the key can regenerate every item and check that none was changed, added or left out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from proofhouse.attest import JsonValue, canonical, sha256_hex
from proofhouse.exam._merkle import merkle_root
from proofhouse.exam._records import BadRecord, require_keys, require_text
from proofhouse.exam.families import get_family
from proofhouse.exam.item import Item
from proofhouse.exam.plan import Plan, PlannedItem

SEAL_FORMAT = "proofhouse.exam-seal/2"
REVEAL_FORMAT = "proofhouse.exam-reveal/2"
KEY_BYTES = 32
JUDGING = ("bench.py", "build.py", "crash.py", "grader.py", "item.py", "outcome.py", "sanitizer.py")
"""Modules of the package that judge, beside everything in `families`."""
_SEAL_FIELDS = {
    "format",
    "plan_sha256",
    "grader_sha256",
    "rule",
    "rule_sha256",
    "items",
    "commitments_sha256",
    "bank_root_sha256",
}


class BankKeyProblem(Exception):
    """A bank key cannot be read or written; the message says what to do."""


class SealBroken(Exception):
    """A key, plan, grader or generator does not belong to a seal; the message names what differs."""


def load_bank_key(path: Path, *, create: bool = False) -> bytes:
    """Read a bank key file (64 hexadecimal digits, mode 0600).

    Args:
        path: the file.
        create: make a new key where there is none.

    Raises:
        BankKeyProblem: missing, malformed, or readable by others.
    """
    if create and not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
        except OSError as error:
            raise BankKeyProblem(f"bank key {path}: {error.strerror}") from None
    try:
        if path.stat().st_mode & 0o077:
            raise BankKeyProblem(f"bank key {path} is open to other users; run: chmod 600 {path}")
        key = bytes.fromhex(path.read_text().strip())
    except OSError as error:
        raise BankKeyProblem(f"bank key {path}: {error.strerror}") from None
    except ValueError:
        raise BankKeyProblem(f"bank key {path}: expected {2 * KEY_BYTES} hexadecimal digits") from None
    if len(key) != KEY_BYTES:
        raise BankKeyProblem(f"bank key {path}: expected {2 * KEY_BYTES} hexadecimal digits")
    return key


def item_record(item: Item) -> dict[str, JsonValue]:
    """Everything about an item as JSON, for its commitment."""
    return {
        "id": item.id,
        "family": item.family,
        "version": item.version,
        "level": item.level,
        "seed_commitment_sha256": item.seed_commitment,
        "prompts": list(item.prompts),
        "agent_files": _file_digests(item.agent_files),
        "hidden_files": _file_digests(item.hidden_files),
        "solution_sha256": sha256_hex(item.solution),
        "facts": dict(item.facts),
        "network": item.network.to_record(),
        "artefact_bytes": item.artefact_bytes,
        "metadata": dict(item.metadata),
    }


def _file_digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256_hex(content) for name, content in files.items()}


def grader_digest() -> str:
    """SHA-256 over every module that makes or judges items: families, builds, report parser, oracles."""
    package, validation = resources.files("proofhouse.exam"), resources.files("proofhouse.validation")
    sources = {name: package / name for name in JUDGING}
    sources |= {
        prefix + entry.name: entry
        for prefix, room in (("", package / "families"), ("validation/", validation))
        for entry in room.iterdir()
        if entry.name.endswith(".py")
    }
    return sha256_hex(canonical({name: sha256_hex(entry.read_bytes()) for name, entry in sources.items()}))


class Bank:
    """The items of a plan under a key.

    Args:
        key: 32 secret bytes; a public bank uses a published key.
        plan: what to make.
    """

    def __init__(self, key: bytes, plan: Plan) -> None:
        if len(key) != KEY_BYTES:
            raise BankKeyProblem(f"a bank key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self.plan = plan

    def _derive(self, purpose: str, place: PlannedItem) -> bytes:
        message = f"proofhouse/{purpose}\0{place.family}\0{place.level}\0{place.index}".encode()
        return hmac.new(self._key, message, hashlib.sha256).digest()

    def seed(self, place: PlannedItem) -> bytes:
        """The secret seed of one place."""
        return self._derive("item-seed", place)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Every item, in the order of the plan."""
        return tuple(
            get_family(place.family).generate(self.seed(place), place.level) for place in self.plan.items
        )

    @cached_property
    def commitments(self) -> tuple[str, ...]:
        """Salted SHA-256 of every item, in the order of the plan."""
        return tuple(
            sha256_hex(self._derive("item-salt", place) + canonical(item_record(item)))
            for place, item in zip(self.plan.items, self.items, strict=True)
        )

    @property
    def root(self) -> str:
        """RFC 6962 root over the commitments, lowercase hex."""
        return merkle_root(self.commitments)

    def seal_record(self) -> dict[str, JsonValue]:
        """What goes into the ledger before access."""
        return {
            "format": SEAL_FORMAT,
            "plan_sha256": self.plan.digest(),
            "grader_sha256": grader_digest(),
            "rule": self.plan.rule.to_record(),
            "rule_sha256": self.plan.rule.digest(),
            "items": len(self.items),
            "commitments_sha256": list(self.commitments),
            "bank_root_sha256": self.root,
        }

    def reveal_record(self) -> dict[str, JsonValue]:
        """What an inspector gets when the bank is retired: the key, the plan and every item's record.

        Key and plan regenerate every item with this program; the records check against the seal without it.
        """
        return {
            "format": REVEAL_FORMAT,
            "bank_key": base64.b64encode(self._key).decode("ascii"),
            "plan": self.plan.to_record(),
            "items": [item_record(item) for item in self.items],
        }


@dataclass(frozen=True)
class OpenedSeal:
    """A seal that held."""

    root: str
    items: tuple[Item, ...]


def open_seal(seal: JsonValue, key: bytes, plan: Plan) -> OpenedSeal:
    """Regenerate every item and compare it with its commitment.

    Args:
        seal: record made by `Bank.seal_record`.
        key: the bank key.
        plan: the plan that was sealed.

    Raises:
        BadRecord: `seal` is no seal.
        SealBroken: something differs; the message says what.
    """
    fields = require_keys(seal, "seal", _SEAL_FIELDS)
    if fields["format"] != SEAL_FORMAT:
        raise BadRecord(f"seal.format: expected {SEAL_FORMAT}, not {fields['format']!r}")
    bank = Bank(key, plan)
    expected = bank.seal_record()
    if fields["plan_sha256"] != expected["plan_sha256"]:
        raise SealBroken("this is not the plan that was sealed")
    if fields["rule"] != expected["rule"] or fields["rule_sha256"] != expected["rule_sha256"]:
        raise SealBroken("the rule in the seal is not the plan's rule")
    if fields["grader_sha256"] != expected["grader_sha256"]:
        raise SealBroken(
            "the grader is not the one that was sealed; open the seal with the version that made it"
        )
    sealed = fields["commitments_sha256"]
    for number, (item, commitment) in enumerate(zip(bank.items, bank.commitments, strict=True)):
        if not isinstance(sealed, list) or number >= len(sealed) or sealed[number] != commitment:
            raise SealBroken(
                f"item {number} ({item.id}) is not the one that was sealed, or the key is another"
            )
    if len(sealed) != len(bank.items) or fields["items"] != len(bank.items):
        raise SealBroken(
            f"the seal holds {len(sealed)} commitments and counts {fields['items']} items; "
            f"the plan makes {len(bank.items)}"
        )
    if fields["bank_root_sha256"] != bank.root:
        raise SealBroken("the root does not follow from the commitments")
    return OpenedSeal(bank.root, bank.items)


def open_reveal(seal: JsonValue, reveal: JsonValue) -> OpenedSeal:
    """Open a seal with a reveal record, as an outsider does.

    Raises:
        BadRecord: either record is malformed.
        SealBroken: they do not belong together.
    """
    fields = require_keys(reveal, "reveal", {"format", "bank_key", "plan", "items"})
    if fields["format"] != REVEAL_FORMAT:
        raise BadRecord(f"reveal.format: expected {REVEAL_FORMAT}, not {fields['format']!r}")
    try:
        key = base64.b64decode(require_text(fields["bank_key"], "reveal.bank_key"), validate=True)
    except ValueError:
        raise BadRecord("reveal.bank_key: not base64") from None
    if len(key) != KEY_BYTES:
        raise BadRecord(f"reveal.bank_key: expected {KEY_BYTES} bytes")
    opened = open_seal(seal, key, Plan.from_record(fields["plan"]))
    if fields["items"] != [item_record(item) for item in opened.items]:
        raise SealBroken("the item records of the reveal are not those that the key makes")
    return opened


def check_shard(bank_seal: JsonValue, bank_plan: Plan, shard_seal: JsonValue, shard: Plan) -> None:
    """See that a shard's seal is part of its bank's, from the two seals and plans alone: no key is needed.

    Raises:
        BadRecord: a seal has not its form.
        SealBroken: a place of the shard is not in the bank, or was sealed as another item there.
    """
    whole = require_keys(bank_seal, "bank seal", _SEAL_FIELDS)
    part = require_keys(shard_seal, "shard seal", _SEAL_FIELDS)
    if whole["plan_sha256"] != bank_plan.digest() or part["plan_sha256"] != shard.digest():
        raise SealBroken("a seal is not that of its plan")
    if whole["rule"] != part["rule"] or whole["grader_sha256"] != part["grader_sha256"]:
        raise SealBroken("the shard has another rule or grader than the bank")
    sealed = dict(zip(bank_plan.items, whole["commitments_sha256"], strict=False))
    places = shard.items
    if len(part["commitments_sha256"]) != len(places):
        raise SealBroken("the shard's seal does not count its places")
    for place, commitment in zip(places, part["commitments_sha256"], strict=True):
        if sealed.get(place) != commitment:
            raise SealBroken(
                f"{place.family} level {place.level} index {place.index} is not the bank's item of that place"
            )
