# SPDX-License-Identifier: Apache-2.0
"""Opening a letter: who signed, whether that key is believed for this, and what is said. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from proofhouse.attest import BadSignature, Envelope, KeyProblem
from proofhouse.letters._errors import (
    BadSeal,
    ClockRefused,
    Malformed,
    WrongPurpose,
    WrongRecipient,
    WrongSender,
)
from proofhouse.letters._letter import Letter, Limits, parse_letter, read_envelope, read_payload
from proofhouse.letters._time import to_wire
from proofhouse.letters.introductions import Introduction, Introductions


def open_letter(
    data: bytes,
    introductions: Introductions,
    recipient: str,
    *,
    now: datetime,
    limits: Limits = Limits(),  # noqa: B008 - frozen, so one default instance is safe to share
) -> Letter:
    """Verify a letter and read it; nothing of it counts before this returns.

    Args:
        data: The bytes as they arrived.
        introductions: Whom this house believes, for what.
        recipient: Slug of this house.
        now: When the letter arrived, by this house's clock (when reading an archive: the recorded arrival).
        limits: What this house takes.

    Raises:
        LetterRefused: One subclass for each reason; the message says what is wrong.
    """
    envelope = read_envelope(data, limits)  # steps 1 to 3
    key = introductions.key(envelope.key_id)  # step 4
    try:
        Envelope.from_json(data).verify([key])  # step 5
    except BadSignature as error:
        raise BadSeal(f"the seal is not that of {introductions.house(key.key_id)}: {error}") from error
    letter = read_payload(envelope, data, limits)  # steps 6 to 9
    house = introductions.house(envelope.key_id)
    if letter.sender != house:  # step 10
        raise WrongSender(f"the letter says it is from {letter.sender}, but its key belongs to {house}")
    if letter.recipient != recipient:  # step 11
        raise WrongRecipient(f"the letter is for {letter.recipient}, not for {recipient}")
    _check_clock(letter.sent_at, now, limits)  # step 12
    # Step 13, both instants: an ended key signs nothing new, and a stolen one cannot sign into the past.
    introductions.require(envelope.key_id, letter.type, (letter.sent_at, now))
    return letter


def read_introduction(data: bytes, fingerprint: str, recipient: str, *, now: datetime) -> Letter:
    """Open the first letter of a house that nobody introduced: an `introduction` signed by its own key.

    Args:
        data: The bytes as they arrived.
        fingerprint: Key id that the other house gave over another channel (telephone, paper).
        recipient: Slug of this house.
        now: When the letter arrived.

    Returns:
        The letter. The caller decides for which of the purposes asked for it will believe the key.

    Raises:
        LetterRefused: As `open_letter`; `BadSeal` where the key has another fingerprint.
    """
    letter = parse_letter(data)
    if letter.type != "introduction":
        raise WrongPurpose(f"the first letter of a house must be an introduction, not of type {letter.type}")
    try:
        claimed = Introduction.from_record({**letter.body, "purposes": ["introduction"]})
    except KeyProblem as error:
        raise Malformed(f"body.key: {error}") from error
    if claimed.key.key_id != fingerprint:
        raise BadSeal(f"the key in the letter has the fingerprint {claimed.key.key_id}, not {fingerprint}")
    return open_letter(data, Introductions([claimed]), recipient, now=now)


def _check_clock(sent_at: datetime, now: datetime, limits: Limits) -> None:
    if sent_at > now + timedelta(seconds=limits.clock_skew_s):
        raise ClockRefused(f"the letter says it was sent at {to_wire(sent_at)}; here it is {to_wire(now)}")
    if sent_at < now - timedelta(seconds=limits.age_s):
        raise ClockRefused(
            f"the letter of {to_wire(sent_at)} is too old at {to_wire(now)}; ask for a new one"
        )
