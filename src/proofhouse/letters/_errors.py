# SPDX-License-Identifier: Apache-2.0
"""Why a letter is refused: one type per reason, a code for programs and a sentence for people."""

from __future__ import annotations

from typing import ClassVar


class LetterError(Exception):
    """Root of what this package raises."""

    code: ClassVar[str] = "letter"


class LetterRefused(LetterError):
    """The bytes are not a letter that this house may act on."""

    code = "refused"


class TooLarge(LetterRefused):
    """The letter, or a part of it, is over its limit."""

    code = "too-large"


class Malformed(LetterRefused):
    """The bytes are not a canonical DSSE envelope around a canonical in-toto Statement with our predicate."""

    code = "malformed"


class UnknownKey(LetterRefused):
    """No introduction names the key that signed."""

    code = "unknown-key"


class BadSeal(LetterRefused):
    """The signature is not that of the key it names over these bytes."""

    code = "bad-seal"


class UnknownType(LetterRefused):
    """The predicate type is not one that this version reads."""

    code = "unknown-type"


class WrongSender(LetterRefused):
    """The key belongs to another house than the letter names as its sender."""

    code = "wrong-sender"


class WrongRecipient(LetterRefused):
    """The letter is addressed to another house."""

    code = "wrong-recipient"


class WrongPurpose(LetterRefused):
    """The key was introduced, but not for this letter type."""

    code = "wrong-purpose"


class OutsideIntroduction(LetterRefused):
    """The introduction of the key is not yet, or no longer, in force."""

    code = "outside-introduction"


class ClockRefused(LetterRefused):
    """The letter says that it was sent in the future, or too long ago."""

    code = "clock"


class SchemaMismatch(LetterRefused):
    """A field is missing, unknown or of the wrong form; the message names it."""

    code = "schema"


class EnclosureMismatch(LetterRefused):
    """An enclosure is not the bytes that the letter says it encloses."""

    code = "enclosure"


class BatchRefused(LetterRefused):
    """A file is not a whole batch of letters; nothing of it was opened. The message names the file and the line."""

    code = "batch"


class ThreadRefused(LetterError):
    """A sound letter that this thread cannot take."""

    code = "thread"


class WrongThread(ThreadRefused):
    """The letter belongs to another thread, or to other houses than this thread's two."""

    code = "wrong-thread"


class Conflict(ThreadRefused):
    """The sender signed two different letters with one number; keep both as evidence."""

    code = "conflict"


class UnknownReply(ThreadRefused):
    """The letter answers a letter that was never part of the thread."""

    code = "unknown-reply"


class TooManyWaiting(ThreadRefused):
    """Too many letters wait for one that is missing; ask the sender to send it again."""

    code = "too-many-waiting"


class DeliveryFailed(LetterError):
    """The letter did not reach the other house.

    Attributes:
        retryable: Whether the same bytes may arrive when sent again later.
        reached: Whether the other house was there at all: it took the connection and did not keep us waiting.
        status: HTTP status, where there was an answer.
    """

    code = "delivery"

    def __init__(
        self, message: str, *, retryable: bool, reached: bool = True, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.reached = reached
        self.status = status
