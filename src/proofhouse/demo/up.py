# SPDX-License-Identifier: Apache-2.0
"""`proofhouse up`: the portal of one house of the demo."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from proofhouse.cli import CouldNot
from proofhouse.demo.cast import CAST
from proofhouse.server.house import HouseError, load_house
from proofhouse.server.process import run


@click.command()
@click.option(
    "--house", "directory", type=click.Path(path_type=Path), default=Path("house"), show_default=True
)
@click.option(
    "--as", "name", type=click.Choice(list(CAST)), default="office", show_default=True, help="Whose house."
)
def cli(directory: Path, name: str) -> None:
    """Serve the portal of one house on 127.0.0.1 until interrupted.

    Run `proofhouse demo` first. In a demonstration house you choose who you are; nothing here is reachable from another
    machine.
    """
    try:
        house = load_house(directory / name)
    except HouseError as refused:
        raise CouldNot(f"{refused}; run `proofhouse demo --house {directory}` first") from None
    click.echo(f"{house.title}: {house.address}   (stop with Ctrl-C)")
    with contextlib.suppress(KeyboardInterrupt):
        run(house.directory)
