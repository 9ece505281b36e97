# SPDX-License-Identifier: Apache-2.0
"""`proofhouse house`: open and run one organisation's installation."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import click

from proofhouse.cli import CouldNot
from proofhouse.server.accounts.minting import Kind, link_of, mint
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.wire import ControlError, request
from proofhouse.server.house import Desk, House, HouseError, load_house
from proofhouse.server.process import enter
from proofhouse.server.process import run as run_house
from proofhouse.server.process import work as run_worker


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
    secret = mint(Kind.INVITATION)
    try:
        house = open_house(
            directory,
            name=name,
            title=title,
            desks=frozenset(Desk(desk) for desk in desks),
            address=f"http://localhost:{port}",
            people=[NewPerson(email or person, person, ["steward"])],
            demo=False,
            invitation=secret.text,
        )
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    click.echo(f"{directory} is the house {name}; start it with: proofhouse house run {directory}")
    click.echo(f"Then {person} comes in by this link, once and within seven days:")
    click.echo(link_of(house.address, secret.text, Kind.INVITATION))


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
def run(directory: Path) -> None:
    """Serve the house in DIRECTORY until interrupted."""
    try:
        house = load_house(directory)
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    click.echo(f"{house.title}: {house.address}", err=True)
    try:
        run_house(directory)
    except HouseError as refused:
        raise CouldNot(str(refused)) from None


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(directory: Path, as_json: bool) -> None:
    """Compare the rows of the house in DIRECTORY with its log; the house may be running.

    Recomputes the log from its tiles, each record's commitment, and each receipt. Exit code 1 means that they differ.
    """
    try:
        enter(directory)
        from proofhouse.server.engine.check import check_house

        checked = check_house()
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    if as_json:
        click.echo(json.dumps(checked.to_record()))
    else:
        for each in checked.differences:
            click.echo(f"{each.code}: {each.what}", err=True)
        click.echo(checked.message)
    if checked.differences:
        raise SystemExit(1)


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


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--queues", default="", help="Names with commas between; default: all that this machine can do."
)
def work(directory: Path, queues: str) -> None:
    """Be a worker of the house in DIRECTORY until interrupted.

    The house process is a worker too. Further ones may run beside it, on PostgreSQL on other machines. When told to
    stop (once), a worker takes no more jobs, lets those that run go on for half a minute, and hands the rest back.
    """
    try:
        run_worker(directory, [name for name in queues.split(",") if name])
    except HouseError as refused:
        raise CouldNot(str(refused)) from None


def _ask(directory: Path, message: dict[str, Any]) -> Any:
    try:
        return request(load_house(directory).control_socket, message)
    except HouseError as refused:
        raise CouldNot(str(refused)) from None
    except ControlError as refused:
        if refused.code == "not_running":
            raise CouldNot(str(refused)) from None
        raise click.ClickException(str(refused)) from None


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--as", "actor", required=True, help="E-mail address of who asks; the steward sees all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def standing(directory: Path, actor: str, as_json: bool) -> None:
    """Say how the running house in DIRECTORY stands: entries, letters, jobs, workers."""
    told = _ask(directory, {"ask": "engine.standing", "actor": actor})
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    for name, count in told.items():
        click.echo(f"{name:<16} {count}")


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--as", "actor", required=True, help="E-mail address of who asks; the steward sees all.")
@click.option("--state", "states", multiple=True, help="Only these states; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def jobs(directory: Path, actor: str, states: tuple[str, ...], as_json: bool) -> None:
    """List the background work of the running house in DIRECTORY, newest first."""
    told = _ask(directory, {"ask": "engine.jobs", "actor": actor, "with": {"states": list(states)}})
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    for row in told:
        said = row["problem"] or row["text"]
        click.echo(
            f"{row['id']}  {row['state']:<9}  {row['percent']:>3} %  {row['attempts']}/{row['ceiling']}  "
            f"{row['name']}  {row['case']}{'  ' + said if said else ''}"
        )


@cli.command("cancel-job")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("job")
@click.option("--as", "actor", required=True, help="E-mail address of a steward.")
def cancel_job(directory: Path, job: str, actor: str) -> None:
    """Stop JOB of the running house in DIRECTORY for good."""
    _ask(directory, {"do": "engine.cancel_job", "actor": actor, "with": {"job": job}})
    click.echo(f"{job} is cancelled")


@cli.command("requeue-job")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("job")
@click.option("--as", "actor", required=True, help="E-mail address of a steward.")
def requeue_job(directory: Path, job: str, actor: str) -> None:
    """Try JOB of the running house in DIRECTORY again; steps that were done stay done."""
    _ask(directory, {"do": "engine.requeue_job", "actor": actor, "with": {"job": job}})
    click.echo(f"{job} is queued again")


_ROLES = click.Choice([role.value for role in Role])
_STEWARD = click.option("--steward", required=True, help="E-mail of the steward who does it.")


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_STEWARD
@click.option("--email", required=True, help="Where the invitation goes.")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", "roles", multiple=True, type=_ROLES, help="May be repeated; none is a way back in.")
@click.option("--organisation", default="", help="An organisation hosted here; the house's own if left out.")
def invite(
    directory: Path, steward: str, email: str, name: str, roles: tuple[str, ...], organisation: str
) -> None:
    """Invite somebody to the running house in DIRECTORY, and print the link, once."""
    secret = mint(Kind.INVITATION)
    told = {
        "secret": secret.text,
        "email": email,
        "name": name,
        "roles": list(roles),
        "organisation": organisation,
    }
    house = _do(directory, "accounts.invite", steward, told)
    click.echo(link_of(house.address, secret.text, Kind.INVITATION))


@cli.command("break-glass")
@click.argument("directory", type=click.Path(path_type=Path))
@_STEWARD
@click.option("--person", required=True, help="E-mail of who is to have the role.")
@click.option("--role", required=True, type=_ROLES)
@click.option("--reason", required=True, help="Every steward and inspector reads it.")
@click.option(
    "--minutes", default=60, show_default=True, type=click.IntRange(1, 480), help="It ends by itself."
)
@click.option(
    "--session", is_flag=True, help="Print a link that opens one session, for who lost their passkey."
)
def break_glass(
    directory: Path, steward: str, person: str, role: str, reason: str, minutes: int, session: bool
) -> None:
    """Lend somebody a role of the running house in DIRECTORY, for an emergency, on the record."""
    secret = mint(Kind.EMERGENCY)
    told = {
        "person": person,
        "role": role,
        "reason": reason,
        "minutes": minutes,
        "secret": secret.text if session else "",
    }
    house = _do(directory, "accounts.break_glass", steward, told)
    click.echo(f"{person} is {role} for {minutes} minutes; every steward and inspector is told", err=True)
    if session:
        click.echo(link_of(house.address, secret.text, Kind.EMERGENCY))


@cli.command("enrol-agent")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--operator", required=True, help="E-mail of the operator who does it.")
@click.option("--agent", required=True, help="What the agent is called.")
def enrol_agent(directory: Path, operator: str, agent: str) -> None:
    """Let an agent of the running house in DIRECTORY enrol its own key; print the code for it, which works once."""
    secret = mint(Kind.ENROLMENT)
    _do(directory, "releases.make_enrolment", operator, {"agent": agent, "secret": secret.text})
    click.echo(secret.text)


def _do(directory: Path, act: str, actor: str, told: dict[str, Any]) -> House:
    """Have an act done by the running house; only the owner of its directory can."""
    _ask(directory, {"do": act, "actor": actor, "with": told})
    return load_house(directory)
