# SPDX-License-Identifier: Apache-2.0
"""Claims about the letter types themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from letters.correspondents import NOW, Correspondents
from proofhouse.letters import LETTER_TYPES, LetterType, SchemaMismatch, latest, open_letter

ALL = pytest.mark.parametrize("spec", LETTER_TYPES.values(), ids=lambda spec: spec.name)

# DESIGN rule 1: no type, field or value may speak of a model's release as of something that needs leave.
LICENCE_WORDS = re.compile(
    r"\b(approv\w*|den(y|ied|ial)\w*|clear(ed|ance|s)?|held|hold|on-hold|licen[cs]\w*|permit\w*|permission\w*"
    r"|authoris\w*|authoriz\w*|condition(al|s)?|forbid\w*|allow(ed)?|block(ed)?|refus\w*)\b",
    re.IGNORECASE,
)
NOT_ABOUT_A_MODEL = {"TLP:CLEAR"}
"""Traffic Light Protocol 2.0: how far a text may travel."""


@ALL
def test_every_schema_is_a_schema(spec: LetterType) -> None:
    Draft202012Validator.check_schema(spec.body)


@ALL
def test_every_example_can_be_sealed_and_opened(spec: LetterType, houses: Correspondents) -> None:
    letter = houses.letter(spec.name)
    opened = open_letter(letter.data, houses.introductions, "office", now=NOW)
    assert opened == letter
    assert opened.body == spec.example
    assert opened.spec is spec


@ALL
def test_no_object_takes_a_field_that_its_schema_does_not_name(spec: LetterType) -> None:
    for schema in _objects(spec.body):
        assert schema["additionalProperties"] is False, schema


@ALL
def test_an_extra_field_is_refused_and_named(spec: LetterType, houses: Correspondents) -> None:
    with pytest.raises(SchemaMismatch, match="surprise"):
        houses.letter(spec.name, {**spec.example, "surprise": 1})


@ALL
def test_no_letter_can_speak_of_leave_to_release_a_model(spec: LetterType) -> None:
    words = set(_words(json.loads(json.dumps([spec.name, spec.body])))) - NOT_ABOUT_A_MODEL
    assert not [word for word in words if LICENCE_WORDS.search(word)]


def test_access_never_lasts_longer_than_thirty_days(houses: Correspondents) -> None:
    offer = latest("access-offer")
    assert offer is not None
    with pytest.raises(SchemaMismatch, match=r"body\.days: 31"):
        houses.letter("access-offer", {**offer.example, "days": 31})


def test_an_embargo_message_without_its_end_is_refused(houses: Correspondents) -> None:
    message = latest("case-message")
    assert message is not None
    body = {name: value for name, value in message.example.items() if name != "embargo_until"}
    with pytest.raises(SchemaMismatch, match="embargo_until"):
        houses.letter("case-message", body)


@pytest.mark.parametrize("end", ["\n", "\n\n", "\x00", "\u202e"])
def test_a_digest_or_a_line_cannot_smuggle_a_character_at_its_end(houses: Correspondents, end: str) -> None:
    inquiry = latest("inquiry")
    assert inquiry is not None
    with pytest.raises(SchemaMismatch):
        houses.letter("inquiry", {**inquiry.example, "model": {"name": f"Example{end}"}})
    with pytest.raises(SchemaMismatch):
        houses.letter("inquiry", {**inquiry.example, "inquiry": inquiry.example["inquiry"] + end})


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)


def _words(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            yield str(name)
            if name != "pattern":
                yield from _words(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _words(value)
    elif isinstance(schema, str):
        yield schema
