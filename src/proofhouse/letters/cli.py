# SPDX-License-Identifier: Apache-2.0
"""`proofhouse letters`: show and verify letters, and list what they can say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from proofhouse.letters._errors import LetterRefused
from proofhouse.letters._letter import Letter, Limits, parse_letter
from proofhouse.letters._open import open_letter
from proofhouse.letters._time import from_wire, to_wire
from proofhouse.letters.introductions import Introductions
from proofhouse.letters.types import LETTER_TYPES

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class CannotRead(click.ClickException):
    """A file is not readable, or not what it should be."""

    exit_code = 3


@click.group()
def cli() -> None:
    """Letters between houses: typed, signed statements.

    A letter is a DSSE envelope around an in-toto Statement; docs/spec/letter.md says exactly how.
    """


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(file: Path, as_json: bool) -> None:
    """Show what the letter in FILE says. Nobody's signature is checked."""
    try:
        letter = parse_letter(_read(file))
    except LetterRefused as error:
        raise CannotRead(f"{file}: {error}") from error
    if as_json:
        click.echo(json.dumps(_record(letter), indent=2))
        return
    click.echo("NOT VERIFIED: use `proofhouse letters verify` to check who signed.")
    _print(letter)


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--introductions", required=True, type=_FILE, help="Whose key is believed for what (JSON).")
@click.option("--recipient", help="House that the letter must be for [default: the one that it names].")
@click.option("--at", help="Instant of arrival, as 2026-11-24T09:30:00.000000Z [default: now].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(file: Path, introductions: Path, recipient: str | None, at: str | None, as_json: bool) -> None:
    """Verify the letter in FILE. Exits 1 where it is refused, with the reason."""
    data = _read(file)
    try:
        known = Introductions.from_json(_read(introductions))
    except LetterRefused as error:
        raise CannotRead(f"{introductions}: {error}") from error
    try:
        now = datetime.now(UTC) if at is None else from_wire(at)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error
    try:
        letter = open_letter(data, known, recipient or parse_letter(data).recipient, now=now)
    except LetterRefused as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "code": error.code, "reason": str(error)}))
        else:
            click.echo(f"REFUSED ({error.code}): {error}")
        raise click.exceptions.Exit(1) from error
    if as_json:
        click.echo(json.dumps({"ok": True, **_record(letter)}, indent=2))
        return
    click.echo(f"VERIFIED: signed by {letter.sender}, key {letter.key_id}, introduced for {letter.type}.")
    _print(letter)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print every type with its JSON Schema and an example.")
def types(as_json: bool) -> None:
    """List the letter types."""
    if as_json:
        listed = [
            {
                "name": spec.name,
                "version": spec.version,
                "predicate_type": spec.predicate_type,
                "summary": spec.summary,
                "sequenced": spec.sequenced,
                "body": spec.body,
                "example": spec.example,
            }
            for spec in LETTER_TYPES.values()
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    for spec in LETTER_TYPES.values():
        click.echo(f"{spec.name} v{spec.version}\n    {spec.summary}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(Limits().letter_bytes + 1)
    except OSError as error:
        raise CannotRead(f"{path}: {error.strerror}") from error


def _record(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "type": letter.type,
        "version": letter.spec.version,
        "thread": letter.thread,
        "sequence": letter.sequence,
        "in_reply_to": letter.in_reply_to,
        "sender": letter.sender,
        "recipient": letter.recipient,
        "sent_at": to_wire(letter.sent_at),
        "key_id": letter.key_id,
        "ledger_checkpoint": letter.ledger_checkpoint,
        "body": letter.body,
        "enclosures": [
            {
                "name": each.name,
                "media_type": each.media_type,
                "sha256": each.sha256,
                "size_bytes": each.size_bytes,
                "carried": each.content is not None,
            }
            for each in letter.enclosures
        ],
    }


def _print(letter: Letter) -> None:
    click.echo(f"{letter.type} v{letter.spec.version}  {letter.sender} → {letter.recipient}")
    click.echo(f"  sent     {to_wire(letter.sent_at)}")
    click.echo(f"  letter   {letter.id}")
    click.echo(f"  thread   {letter.thread}, number {letter.sequence}")
    if letter.in_reply_to:
        click.echo(f"  answers  {letter.in_reply_to}")
    for each in letter.enclosures:
        how = "enclosed" if each.content is not None else "referred to"
        click.echo(f"  {how}  {each.name} ({each.media_type}, {each.size_bytes} bytes, {each.sha256})")
    click.echo(json.dumps(letter.body, indent=2, ensure_ascii=False))
