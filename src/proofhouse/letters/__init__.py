# SPDX-License-Identifier: Apache-2.0
"""Letters: typed, signed statements between houses, threaded, acknowledged, carried over HTTP or as files.

`seal` writes one, `open_letter` verifies and reads one, `Thread` says whether it is new. No policy lives
here: what a house does with a letter is its desks' affair. `docs/spec/letter.md` is the normative text.
"""

from proofhouse.letters._errors import (
    BadSeal,
    BatchRefused,
    ClockRefused,
    Conflict,
    DeliveryFailed,
    EnclosureMismatch,
    LetterError,
    LetterRefused,
    Malformed,
    OutsideIntroduction,
    SchemaMismatch,
    ThreadRefused,
    TooLarge,
    TooManyWaiting,
    UnknownKey,
    UnknownReply,
    UnknownType,
    WrongPurpose,
    WrongRecipient,
    WrongSender,
    WrongThread,
)
from proofhouse.letters._letter import PREDICATE_SCHEMA, Enclosure, Hosted, Letter, Limits, parse_letter, seal
from proofhouse.letters._open import open_letter, read_introduction
from proofhouse.letters.batch import BATCH_SUFFIX, Batch, read_batch, write_batch
from proofhouse.letters.introductions import Introduction, Introductions
from proofhouse.letters.memory import Memory, Placed, Recollection
from proofhouse.letters.thread import Applied, Head, Outcome, Thread, acknowledge
from proofhouse.letters.transport import MEDIA_TYPE, HttpDelivery
from proofhouse.letters.types import LETTER_TYPES, LetterType, latest

__all__ = [
    "BATCH_SUFFIX",
    "LETTER_TYPES",
    "MEDIA_TYPE",
    "PREDICATE_SCHEMA",
    "Applied",
    "BadSeal",
    "Batch",
    "BatchRefused",
    "ClockRefused",
    "Conflict",
    "DeliveryFailed",
    "Enclosure",
    "EnclosureMismatch",
    "Head",
    "Hosted",
    "HttpDelivery",
    "Introduction",
    "Introductions",
    "Letter",
    "LetterError",
    "LetterRefused",
    "LetterType",
    "Limits",
    "Malformed",
    "Memory",
    "Outcome",
    "OutsideIntroduction",
    "Placed",
    "Recollection",
    "SchemaMismatch",
    "Thread",
    "ThreadRefused",
    "TooLarge",
    "TooManyWaiting",
    "UnknownKey",
    "UnknownReply",
    "UnknownType",
    "WrongPurpose",
    "WrongRecipient",
    "WrongSender",
    "WrongThread",
    "acknowledge",
    "latest",
    "open_letter",
    "parse_letter",
    "read_batch",
    "read_introduction",
    "seal",
    "write_batch",
]
