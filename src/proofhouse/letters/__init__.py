# SPDX-License-Identifier: Apache-2.0
"""Letters: typed, signed statements between houses, threaded, acknowledged, carried over HTTP or as files.

`seal` writes one, `open_letter` verifies and reads one, `Thread` says whether it is new. No policy lives
here: what a house does with a letter is its desks' affair. `docs/spec/letter.md` is the normative text.
"""

from proofhouse.letters._errors import (
    BadSeal,
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
from proofhouse.letters._letter import PREDICATE_SCHEMA, Enclosure, Letter, Limits, parse_letter, seal
from proofhouse.letters._open import open_letter, read_introduction
from proofhouse.letters.introductions import Introduction, Introductions
from proofhouse.letters.thread import Applied, Head, Outcome, Thread, acknowledge
from proofhouse.letters.transport import (
    FILE_SUFFIX,
    MEDIA_TYPE,
    Carried,
    deliver_http,
    read_letters,
    write_letters,
)
from proofhouse.letters.types import LETTER_TYPES, LetterType, latest

__all__ = [
    "FILE_SUFFIX",
    "LETTER_TYPES",
    "MEDIA_TYPE",
    "PREDICATE_SCHEMA",
    "Applied",
    "BadSeal",
    "Carried",
    "ClockRefused",
    "Conflict",
    "DeliveryFailed",
    "Enclosure",
    "EnclosureMismatch",
    "Head",
    "Introduction",
    "Introductions",
    "Letter",
    "LetterError",
    "LetterRefused",
    "LetterType",
    "Limits",
    "Malformed",
    "Outcome",
    "OutsideIntroduction",
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
    "deliver_http",
    "latest",
    "open_letter",
    "parse_letter",
    "read_introduction",
    "read_letters",
    "seal",
    "write_letters",
]
