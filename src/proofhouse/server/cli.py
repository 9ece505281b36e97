# SPDX-License-Identifier: Apache-2.0
"""`proofhouse house`: open and run one organisation's installation."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from proofhouse.cli import CouldNot
from proofhouse.server.house import Desk, HouseError, load_house
from proofhouse.server.process import run as run_house


@click.group()
def cli() -> None:
    """Open and run one organisation's installation."""


@cli.command("open")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Slug by which other houses write to it.")
@click.option("--title", required=True, help="The organisation's name.")
@click.option(
    "--desk", "desks", multiple=True, required=True, type=click.Choice([desk.value for desk in Desk])
)
@click.option("--port", default=8100, show_default=True, help="Loopback port of its web server.")
@click.option("--steward", required=True, help='Who introduces other houses: "Name <e-mail>".')
def open_(directory: Path, name: str, title: str, desks: tuple[str, ...], port: int, steward: str) -> None:
    """Lay out a new house in DIRECTORY with its keys and database."""
    from proofhouse.server.opening import NewPerson, open_house

    person, _, email = steward.rstrip(">").partition(" <")
    try:
        open_house(
            directory,
            name=name,
            title=title,
            desks=frozenset(Desk(desk) for desk in desks),
            address=f"http://localhost:{port}",
            people=[NewPerson(email or person, person, ["steward"])],
            demo=False,
        )
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    click.echo(f"{directory} is the house {name}; start it with: proofhouse house run {directory}")


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
def run(directory: Path) -> None:
    """Serve the house in DIRECTORY until interrupted."""
    try:
        house = load_house(directory)
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    click.echo(f"{house.title}: {house.address}", err=True)
    run_house(directory)


@cli.command()
def api() -> None:
    """Print the description of the REST interface, OpenAPI 3.1."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    from proofhouse.server.api import description

    click.echo(json.dumps(description(), indent=1, sort_keys=True))


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--week", help="Such as 2026-W48. Default: the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print the digest as JSON.")
def digest(directory: Path, week: str | None, as_json: bool) -> None:
    """Print what changed for the house in DIRECTORY in a week, from its mailbox: law, dates, open questions.

    Exit code 0: printed. 1: there is no such digest. 2: wrong use. 3: no house there.
    """
    if week and not re.fullmatch(r"\d{4}-W\d{2}", week):
        raise click.BadParameter(f"{week!r} is no week such as 2026-W48", param_hint="--week")
    try:
        box = load_house(directory).directory / "mailbox"
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    found = sorted(box.glob(f"obligations-{week or '*'}.{'json' if as_json else 'txt'}"))
    if not found:
        click.echo("No digest there; the running house makes one for each week that is over.", err=True)
        raise SystemExit(1)
    click.echo(found[-1].read_text(encoding="utf-8"), nl=False)
