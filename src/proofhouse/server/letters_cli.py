# SPDX-License-Identifier: Apache-2.0
"""`proofhouse letters export` and `import`: letters of a running house as files, beside reading and verifying them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from proofhouse.cli import CouldNot
from proofhouse.letters.batch import BATCH_SUFFIX
from proofhouse.letters.cli import cli
from proofhouse.server.engine.wire import ControlError, request
from proofhouse.server.house import HouseError, load_house

__all__ = ["cli"]

PATIENCE_S = 3600.0
_HOUSE = click.argument("house", type=click.Path(path_type=Path))
_AS = click.option("--as", "actor", required=True, help="E-mail of the steward who asks.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@cli.command("export")
@_HOUSE
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to", "peer", required=True, help="Name of the house that the letters are for.")
@_AS
@_JSON
def export_(house: Path, file: Path, peer: str, actor: str, as_json: bool) -> None:
    """Write what the running house in HOUSE has for another house into FILE, to be carried there.

    Letters wait here until their acknowledgements come back; a file that was lost is exported again.
    """
    told = _ask(house, "engine.export_letters", actor, peer=peer, file=str(file.absolute()))
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    left = f"; {told['left']} did not fit, export again" if told["left"] else ""
    click.echo(f"{file}: {told['letters']} letters for {peer}{left}")


@cli.command("import")
@_HOUSE
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--answer",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the acknowledgements go that are to be carried back [default: FILE.answer.letters].",
)
@_AS
@_JSON
def import_(house: Path, file: Path, answer: Path | None, actor: str, as_json: bool) -> None:
    """Take FILE, which was carried here, into the running house in HOUSE. Exits 1 where a letter is refused.

    A file that is cut short or altered is refused as a whole. Importing a file twice changes nothing.
    """
    answer = answer or file.with_name(f"{file.name.removesuffix(BATCH_SUFFIX)}.answer{BATCH_SUFFIX}")
    told = _ask(
        house, "engine.import_letters", actor, file=str(file.absolute()), answer=str(answer.absolute())
    )
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(told["taken"].items()))
        click.echo(f"{file}, from {told['from']}: {counts or 'nothing taken'}")
        for each in told["refused"]:
            click.echo(f"REFUSED ({each['code']}): letter {each['letter']}: {each['reason']}")
        if told["answer"]:
            click.echo(f"carry back: {told['answer']}")
    if told["refused"]:
        raise click.exceptions.Exit(1)


def _ask(directory: Path, act: str, actor: str, **arguments: Any) -> Any:
    try:
        socket = load_house(directory).control_socket
        return request(socket, {"do": act, "actor": actor, "with": arguments}, timeout_s=PATIENCE_S)
    except (HouseError, ControlError) as refused:
        raise CouldNot(str(refused)) from None
