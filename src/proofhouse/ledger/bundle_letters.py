# SPDX-License-Identifier: Apache-2.0
"""The letters in a bundle: who signed them, whether any is missing, and which checkpoints they carried.

A letter is read here only as far as its envelope, sender, number and checkpoint; what it may say is the
letters' own affair (`docs/spec/letter.md`), and the verifier must not need their schemas.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from proofhouse.attest import (
    BadSignature,
    Envelope,
    MalformedEnvelope,
    MalformedStatement,
    canonical,
    sha256_hex,
    verify_statement,
)
from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import LedgerError, NotProven
from proofhouse.ledger._note import Note
from proofhouse.ledger.bundle_ledger import LedgerFiles
from proofhouse.ledger.bundle_manifest import LETTER_ROLE, BadManifest, BundleKey, parse_canonical
from proofhouse.ledger.bundle_proved import Proved

_PREFIX = "https://proofhouse.dev/letter/"


def check_letters(
    paths: Sequence[str],
    files: Mapping[str, bytes],
    keys: Sequence[BundleKey],
    ledgers: Iterable[LedgerFiles],
) -> Iterator[Proved]:
    """Check each letter, then each thread for missing numbers.

    Args:
        paths: Paths of the letters.
        files: The bundle's files.
        keys: The keys that are believed.
        ledgers: The ledgers that were proved; a letter may carry a checkpoint of one.
    """
    by_origin = {ledger.origin: ledger for ledger in ledgers}
    threads: dict[tuple[str, str], set[int]] = {}
    for path in paths:
        try:
            predicate_type, predicate = _read(path, files[path], keys)
            carried = _carried_checkpoint(predicate["ledger_checkpoint"], by_origin)
        except (
            BadManifest,
            BadSignature,
            LedgerError,
            MalformedEnvelope,
            MalformedStatement,
        ) as error:
            yield Proved("letter", False, str(error), path)
            continue
        sender, number = predicate["sender"], predicate["sequence"]
        if number:
            threads.setdefault((predicate["thread"], sender), set()).add(number)
        name = predicate_type.removeprefix(_PREFIX)
        yield Proved(
            f"letter {name}: {sender} to {predicate['recipient']}, signed by {sender}", True, carried, path
        )
    for (thread, sender), numbers in threads.items():
        missing = sorted(set(range(1, max(numbers) + 1)) - numbers)
        claim = f"thread {thread}: letters 1 to {max(numbers)} of {sender}, none missing"
        yield Proved(claim, not missing, f"missing: {missing}" if missing else "")


def _read(path: str, content: bytes, keys: Sequence[BundleKey]) -> tuple[str, dict[str, Any]]:
    parse_canonical(content, path)
    envelope = Envelope.from_json(content)
    if path != f"letters/{sha256_hex(envelope.payload)}.letter.json":
        raise BadManifest("the file does not bear the letter's id")
    parse_canonical(envelope.payload, f"the payload of {path}")
    signers = {
        each.house: each.key
        for each in keys
        if LETTER_ROLE in each.roles and each.key.key_id in {line.key_id for line in envelope.signatures}
    }
    statement = verify_statement(envelope, signers.values())
    predicate = statement["predicate"]
    _check_form(statement.get("predicateType"), predicate)
    if len(envelope.signatures) != 1 or predicate["sender"] not in signers:
        raise BadManifest(f"the letter is not signed by {predicate['sender']}, and by nobody else")
    if statement["subject"] != _subject(predicate):
        raise BadManifest("the letter's subject does not list its enclosures (or its body)")
    return statement["predicateType"], predicate


def _check_form(predicate_type: object, predicate: Mapping[str, Any]) -> None:
    if not isinstance(predicate_type, str) or not predicate_type.startswith(_PREFIX):
        raise BadManifest("the statement is no letter")
    text = (predicate.get(name) for name in ("thread", "sender", "recipient"))
    number = predicate.get("sequence")
    if not all(isinstance(value, str) for value in text) or type(number) is not int or number < 0:
        raise BadManifest("the letter has no thread, sender, recipient or number")
    if not isinstance(predicate.get("ledger_checkpoint", 0), str | None):
        raise BadManifest("the letter's ledger_checkpoint is neither text nor null")


def _subject(predicate: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        digests = [(each["name"], _enclosed(each)) for each in predicate["enclosures"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise BadManifest("an enclosure of the letter is malformed, or not the bytes that it names") from None
    if not digests:
        digests = [("body", sha256_hex(canonical(predicate.get("body"))))]
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in digests]


def _enclosed(enclosure: Mapping[str, Any]) -> str:
    sha256: str = enclosure["sha256"]
    if "content" in enclosure and sha256_hex(base64.b64decode(enclosure["content"], validate=True)) != sha256:
        raise ValueError
    return sha256


def _carried_checkpoint(text: str | None, ledgers: Mapping[str, LedgerFiles]) -> str:
    """Compare a checkpoint that a letter carried with the ledger in the bundle: they must be one history."""
    if text is None:
        return ""
    note = Note.parse(text.encode())
    checkpoint = Checkpoint.of(note)
    ledger = ledgers.get(checkpoint.origin)
    if ledger is None:
        return f"carries a checkpoint of {checkpoint.origin}, which is not in the bundle"
    logs = [key for key in ledger.policy.logs if key.name == checkpoint.origin]
    if not set(note.opened(logs)) & set(logs):
        raise NotProven(f"the letter carries a checkpoint that {checkpoint.origin} did not sign")
    state = f"checkpoint of {checkpoint.origin} at {checkpoint.size} entries"
    if checkpoint.size > ledger.tree.size:
        raise NotProven(
            f"the letter carries a {state}; the ledger here is an older one, with {ledger.tree.size}"
        )
    if not ledger.has_root(checkpoint):
        raise NotProven(f"the letter carries a {state} that is no state of the ledger here: two histories")
    return f"its {state} is a state of the ledger here"
