# SPDX-License-Identifier: Apache-2.0
"""Letters that any house writes to any other: introduction and acknowledgement."""

from __future__ import annotations

from proofhouse.letters._schema import (
    HOUSE,
    PUBLIC_KEY,
    SHA256,
    TIME,
    TYPE_NAME,
    WEB_ADDRESS,
    line,
    many,
    many_different,
    one_of,
    or_null,
    record,
    whole_number,
)
from proofhouse.letters.types._spec import LetterType

INTRODUCTION = LetterType(
    name="introduction",
    version=1,
    summary=(
        "A house names the key with which it will sign, for which letter types, and from when until when."
    ),
    body=record(
        {
            "house": HOUSE,
            "title": line(),
            "key": PUBLIC_KEY,
            "purposes": many_different(TYPE_NAME, 1, 64),
            "since": TIME,
            "until": or_null(TIME),
        },
        {"address": WEB_ADDRESS},
    ),
    example={
        "house": "lab",
        "title": "Example Lab",
        "key": {
            "algorithm": "ed25519",
            "public": "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        },
        "purposes": ["introduction", "inquiry", "acknowledgement"],
        "since": "2026-11-01T00:00:00.000000Z",
        "until": None,
        "address": "http://localhost:8101/letters",
    },
)

ACKNOWLEDGEMENT = LetterType(
    name="acknowledgement",
    version=1,
    summary="The recipient says that it holds a letter, and how far it has read the thread.",
    body=record(
        {
            "letter_sha256": SHA256,
            "outcome": one_of("new", "duplicate", "out-of-order"),
        },
        {
            "heads": many(
                record({"house": HOUSE, "sequence": whole_number(0, 2**31), "sha256": SHA256}), 2, 2
            ),
        },
    ),
    example={
        "letter_sha256": "0" * 64,
        "outcome": "new",
        "heads": [
            {"house": "lab", "sequence": 1, "sha256": "1" * 64},
            {"house": "office", "sequence": 0, "sha256": "2" * 64},
        ],
    },
    sequenced=False,
)

TYPES = (INTRODUCTION, ACKNOWLEDGEMENT)
