# SPDX-License-Identifier: Apache-2.0
"""The letter itself: sealing and opening. Pure: bytes in, a letter or a typed refusal out.

A letter is a DSSE envelope with one signature over an in-toto Statement v1, both in canonical JSON (RFC
8785), so that each letter has exactly one spelling and no byte of it can change unnoticed.
`docs/spec/letter.md` is the normative text; the numbers in comments are its steps.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from proofhouse.attest import (
    STATEMENT_PAYLOAD_TYPE,
    STATEMENT_TYPE,
    Signer,
    canonical,
    sha256_hex,
    sign_statement,
    statement,
)
from proofhouse.letters._check import Validator, check, compiled
from proofhouse.letters._errors import (
    EnclosureMismatch,
    Malformed,
    TooLarge,
    UnknownType,
)
from proofhouse.letters._schema import (
    CHECKPOINT_TEXT,
    FILE_NAME,
    HOUSE,
    MEDIA_TYPE,
    SHA256,
    TIME,
    UUID,
    line,
    many,
    or_null,
    record,
    whole_number,
)
from proofhouse.letters._time import from_wire, to_wire
from proofhouse.letters.types import LETTER_TYPES, PREDICATE_BASE, LetterType, latest

_MAX_SEQUENCE = 2**31

PREDICATE_SCHEMA = record(
    {
        "thread": UUID,
        "sequence": whole_number(0, _MAX_SEQUENCE),
        "in_reply_to": or_null(SHA256),
        "sender": HOUSE,
        "recipient": HOUSE,
        "sent_at": TIME,
        "ledger_checkpoint": or_null(CHECKPOINT_TEXT),
        "body": {"type": "object"},
        "enclosures": many(
            record(
                {
                    "name": FILE_NAME,
                    "media_type": MEDIA_TYPE,
                    "sha256": SHA256,
                    "size_bytes": whole_number(0, 2**53 - 1),
                },
                {"content": {"type": "string"}},
            )
        ),
    },
    {"hosted": record({"house": HOUSE, "person": line()})},
)
"""JSON Schema of the predicate; the body has the schema of its letter type."""

_PREDICATE = compiled(PREDICATE_SCHEMA)
_STATEMENT_FIELDS = {"_type", "subject", "predicateType", "predicate"}
_PREDICATE_TYPE = re.compile(re.escape(PREDICATE_BASE) + r"([a-z0-9-]+)/v([1-9][0-9]*)")


@dataclass(frozen=True)
class Limits:
    """What a house takes, at most.

    Attributes:
        letter_bytes: Size of a whole letter on the wire.
        body_bytes: Size of a body in canonical JSON.
        enclosures: Number of enclosures.
        clock_skew_s: How far ahead of the reader's clock `sent_at` may lie.
        age_s: How old a letter may be when it arrives (a courier through an air gap takes time).
    """

    letter_bytes: int = 32 << 20
    body_bytes: int = 64 << 10
    enclosures: int = 32
    clock_skew_s: int = 300
    age_s: int = 90 * 86_400


@dataclass(frozen=True)
class Enclosure:
    """A file that travels in a letter, or is only named by it.

    Attributes:
        name: Plain file name, unique in the letter.
        media_type: For instance `application/json`.
        sha256: Digest of the content.
        size_bytes: Size of the content.
        content: The bytes, or None where the letter only refers to them.
    """

    name: str
    media_type: str
    sha256: str
    size_bytes: int
    content: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, name: str, content: bytes, media_type: str = "application/octet-stream") -> Enclosure:
        """Enclose these bytes."""
        return cls(name, media_type, sha256_hex(content), len(content), content)

    @classmethod
    def reference(cls, name: str, content: bytes, media_type: str = "application/octet-stream") -> Enclosure:
        """Refer to these bytes without carrying them; the recipient fetches them elsewhere."""
        return cls(name, media_type, sha256_hex(content), len(content))

    def check_content(self, content: bytes) -> None:
        """Compare bytes with what the letter says of them.

        Raises:
            EnclosureMismatch: They are other bytes.
        """
        if len(content) != self.size_bytes or sha256_hex(content) != self.sha256:
            raise EnclosureMismatch(
                f"enclosure {self.name}: the bytes are not those with SHA-256 {self.sha256}"
            )

    def to_record(self) -> dict[str, Any]:
        """The enclosure as it stands in the predicate."""
        entry: dict[str, Any] = {
            "name": self.name,
            "media_type": self.media_type,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
        }
        if self.content is not None:
            entry["content"] = base64.b64encode(self.content).decode()
        return entry


@dataclass(frozen=True)
class Hosted:
    """Said in a letter of an organisation without a house: written at a desk of another's house, with a key kept there.

    Attributes:
        house: Slug of the house whose desk it is.
        person: Name of the person who wrote or opened there.
    """

    house: str
    person: str


@dataclass(frozen=True)
class Letter:
    """One signed statement of one house to another.

    Attributes:
        id: SHA-256 of the payload bytes: the letter's name everywhere.
        spec: Its letter type.
        thread: UUID of the thread.
        sequence: Number among the sender's letters in the thread, from 1; 0 for an acknowledgement.
        in_reply_to: Id of the letter that it answers, or None.
        sender: Slug of the house that wrote it.
        recipient: Slug of the house that it is for.
        sent_at: When the sender sealed it, by the sender's clock.
        ledger_checkpoint: The sender's latest ledger checkpoint, or None.
        body: What the letter says, as its type's schema has it.
        enclosures: Files that travel with it.
        key_id: Id of the key that signed.
        data: The exact bytes on the wire.
        hosted: At which desk it was written, where its sender has no house.
    """

    id: str
    spec: LetterType
    thread: str
    sequence: int
    in_reply_to: str | None
    sender: str
    recipient: str
    sent_at: datetime
    ledger_checkpoint: str | None
    body: Mapping[str, Any]
    enclosures: tuple[Enclosure, ...]
    key_id: str
    data: bytes = field(repr=False)
    hosted: Hosted | None = None

    @property
    def type(self) -> str:
        """The name of its letter type."""
        return self.spec.name

    def enclosure(self, name: str) -> Enclosure:
        """The enclosure with this name.

        Raises:
            KeyError: There is none.
        """
        for each in self.enclosures:
            if each.name == name:
                return each
        raise KeyError(name)


def seal(
    letter_type: str,
    body: Mapping[str, Any],
    *,
    sender: str,
    recipient: str,
    thread: str,
    sequence: int,
    signer: Signer,
    now: datetime,
    in_reply_to: str | None = None,
    enclosures: Sequence[Enclosure] = (),
    ledger_checkpoint: str | None = None,
    hosted: Hosted | None = None,
    limits: Limits = Limits(),
) -> Letter:
    """Write and sign a letter.

    Args:
        letter_type: Name of the type; the newest version is written.
        body: What to say.
        sender: Slug of this house.
        recipient: Slug of the other house.
        thread: UUID of the thread, lower case.
        sequence: Next number of this house in the thread (`Thread.next_sequence`).
        signer: The house's key for letters.
        now: The house's clock.
        in_reply_to: Id of the letter that is answered.
        enclosures: Files to send along.
        ledger_checkpoint: Text of this house's latest checkpoint.
        hosted: The desk and the person, where the sender has no house of its own.
        limits: What the other house takes.

    Raises:
        UnknownType: There is no such type.
        SchemaMismatch: A field does not fit; the message names it.
        TooLarge: The letter would be over a limit.
    """
    spec = latest(letter_type)
    if spec is None:
        raise UnknownType(f"there is no letter type {letter_type!r}; see: proofhouse letters types")
    predicate = {
        "thread": thread,
        "sequence": sequence,
        "in_reply_to": in_reply_to,
        "sender": sender,
        "recipient": recipient,
        "sent_at": to_wire(now),
        "ledger_checkpoint": ledger_checkpoint,
        "body": dict(body),
        "enclosures": [each.to_record() for each in enclosures],
    }
    if hosted is not None:
        predicate["hosted"] = {"house": hosted.house, "person": hosted.person}
    envelope = sign_statement(statement(_subject(predicate), spec.predicate_type, predicate), [signer])
    return parse_letter(canonical(json.loads(envelope.to_json())), limits)


def parse_letter(data: bytes, limits: Limits = Limits()) -> Letter:
    """Read a letter **without** asking who signed it: for showing and for the sender's own.

    Raises:
        LetterRefused: The bytes are no letter of a known type and form.
    """
    return read_payload(read_envelope(data, limits), data, limits)


@dataclass(frozen=True)
class Sealed:
    """The outside of a letter, not verified: its payload and the id of the key said to have signed."""

    payload: bytes
    key_id: str


def read_envelope(data: bytes, limits: Limits) -> Sealed:
    """Take the envelope apart (steps 1 to 3 of the specification); verifies nothing.

    Raises:
        LetterRefused: Too large, or not the one spelling of a DSSE envelope with one signature.
    """
    if len(data) > limits.letter_bytes:  # step 1
        raise TooLarge(f"the letter has {len(data)} bytes; this house takes {limits.letter_bytes}")
    match _canonical_json(data, "envelope"):  # step 2
        case {
            "payload": str(payload),
            "payloadType": str(payload_type),
            "signatures": [{"keyid": str(key_id), "sig": str(signature), **more}],
            **rest,
        } if not more and not rest:
            pass
        case _:
            raise Malformed("a letter is a DSSE envelope with payload, payloadType and exactly one signature")
    if payload_type != STATEMENT_PAYLOAD_TYPE:  # step 3
        raise Malformed(f"the payload type is {payload_type!r}; a letter's is {STATEMENT_PAYLOAD_TYPE}")
    _decode(signature, "sig")
    return Sealed(_decode(payload, "payload"), key_id)


def read_payload(envelope: Sealed, data: bytes, limits: Limits) -> Letter:
    """Read what the envelope holds (steps 6 to 9 of the specification).

    Raises:
        LetterRefused: Form, type, schema, limit or enclosure is wrong.
    """
    statement = _canonical_json(envelope.payload, "payload")  # step 6
    if not isinstance(statement, dict) or statement.keys() != _STATEMENT_FIELDS:
        raise Malformed("the payload is not an in-toto Statement v1")
    if statement["_type"] != STATEMENT_TYPE:
        raise Malformed(f"the statement's _type is not {STATEMENT_TYPE}")
    spec = _spec(statement["predicateType"])  # step 7
    predicate = statement["predicate"]
    check(predicate, _PREDICATE, "predicate")  # step 8
    names = [each["name"] for each in predicate["enclosures"]]
    _check_predicate(predicate, names, spec, limits)
    check(predicate["body"], _body_validator(spec.predicate_type), "body", names)
    enclosures = tuple(_read_enclosure(each) for each in predicate["enclosures"])  # step 9
    if statement["subject"] != _subject(predicate):
        raise EnclosureMismatch("the statement's subject does not list the letter's enclosures (or its body)")
    return Letter(
        id=sha256_hex(envelope.payload),
        spec=spec,
        thread=predicate["thread"],
        sequence=predicate["sequence"],
        in_reply_to=predicate["in_reply_to"],
        sender=predicate["sender"],
        recipient=predicate["recipient"],
        sent_at=from_wire(predicate["sent_at"]),
        ledger_checkpoint=predicate["ledger_checkpoint"],
        body=predicate["body"],
        enclosures=enclosures,
        key_id=envelope.key_id,
        data=data,
        hosted=Hosted(**predicate["hosted"]) if "hosted" in predicate else None,
    )


def _check_predicate(
    predicate: Mapping[str, Any], names: Sequence[str], spec: LetterType, limits: Limits
) -> None:
    if predicate["sender"] == predicate["recipient"]:
        raise Malformed("predicate.recipient: a house does not write to itself")
    if "hosted" in predicate and predicate["hosted"]["house"] != predicate["recipient"]:
        raise Malformed("predicate.hosted: a desk's letters go to the house of that desk only")
    if (predicate["sequence"] > 0) != spec.sequenced:
        raise Malformed(
            f"predicate.sequence: a letter of type {spec.name} has {'from 1' if spec.sequenced else 0}"
        )
    if len(set(names)) != len(names):
        raise Malformed("predicate.enclosures: two enclosures have one name")
    if len(names) > limits.enclosures:
        raise TooLarge(f"predicate.enclosures: {len(names)} enclosures; this house takes {limits.enclosures}")
    body_bytes = len(canonical(predicate["body"]))
    if body_bytes > limits.body_bytes:
        raise TooLarge(f"predicate.body: {body_bytes} bytes; this house takes {limits.body_bytes}")


def _read_enclosure(entry: Mapping[str, Any]) -> Enclosure:
    encoded = entry.get("content")
    content = None if encoded is None else _decode(encoded, f"enclosure {entry['name']}")
    enclosure = Enclosure(entry["name"], entry["media_type"], entry["sha256"], entry["size_bytes"], content)
    if content is not None:
        enclosure.check_content(content)
    return enclosure


def _subject(predicate: Mapping[str, Any]) -> list[dict[str, Any]]:
    digests = [(each["name"], each["sha256"]) for each in predicate["enclosures"]]
    if not digests:
        digests = [("body", sha256_hex(canonical(predicate["body"])))]
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in digests]


def _spec(predicate_type: object) -> LetterType:
    if isinstance(predicate_type, str):
        if predicate_type in LETTER_TYPES:
            return LETTER_TYPES[predicate_type]
        if match := _PREDICATE_TYPE.fullmatch(predicate_type):
            raise UnknownType(f"this version does not read letters of type {match[1]}, version {match[2]}")
    raise UnknownType(f"predicateType must begin with {PREDICATE_BASE}")


@functools.cache
def _body_validator(predicate_type: str) -> Validator:
    return compiled(LETTER_TYPES[predicate_type].body)


def _canonical_json(content: bytes, what: str) -> Any:
    """Parse JSON that must be in the one canonical spelling: no key comes twice, nothing hides in spaces."""
    try:
        value = json.loads(content)
        again = canonical(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"the {what} is not JSON that RFC 8785 can write: {type(error).__name__}") from error
    if again != content:
        raise Malformed(f"the {what} is not in canonical JSON (RFC 8785)")
    return value


def _decode(encoded: str, what: str) -> bytes:
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{what}: not base64") from error
    if base64.b64encode(content).decode() != encoded:
        raise Malformed(f"{what}: not the one base64 spelling of its bytes")
    return content
