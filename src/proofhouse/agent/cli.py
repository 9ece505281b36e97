# SPDX-License-Identifier: Apache-2.0
"""`proofhouse agent`: set up a member's agent, run it once, show where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import click

from proofhouse.agent._agent import Agent
from proofhouse.agent.config import AgentConfig, write_config
from proofhouse.agent.enrolment import EnrolmentFailed
from proofhouse.agent.enrolment import enrol as enrol_key
from proofhouse.agent.report import AgentReport
from proofhouse.attest import KeyProblem, Signer
from proofhouse.distribution.errors import DistributionError
from proofhouse.distribution.files import write_atomically

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_CONFIG = click.option(
    "--config",
    "config_path",
    type=_FILE,
    default=Path("agent.toml"),
    show_default=True,
    help="The agent.toml.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


class CouldNot(click.ClickException):
    """The agent could not do its work; the message says what to do."""

    exit_code = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """What a member installs: fetch, verify, stage and acknowledge patches.

    The agent trusts only what is pinned at `init`: the first roots of the director and image repositories,
    and the ledger policy. Run it from a timer; each run is complete in itself.
    """


@cli.command()
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--member", required=True, help="The member's identifier, as enrolled with the clearinghouse.")
@click.option("--audience", required=True, help="The director's audience, such as public or health.")
@click.option("--director", required=True, help="Address of the director repository.")
@click.option("--director-root", type=_FILE, required=True, help="Its 1.root.json, obtained out of band.")
@click.option("--image", required=True, help="Address of the image repository.")
@click.option("--image-root", type=_FILE, required=True, help="Its 1.root.json, obtained out of band.")
@click.option(
    "--ledger-policy", type=_FILE, required=True, help="C2SP tlog-policy of the clearinghouse's ledger."
)
@click.option(
    "--acknowledge", default=None, help="Where acknowledgements are posted; none keeps them as files."
)
@click.option("--ring", type=click.IntRange(0, 3), default=2, show_default=True, help="0 first, 3 last.")
@click.option("--product", "products", multiple=True, help="Package URL without version; may be repeated.")
@click.option("--demo", is_flag=True, help="Mark the new key as a demo key.")
@_JSON
def init(  # one parameter for each setting of agent.toml
    directory: Path,
    member: str,
    audience: str,
    director: str,
    director_root: Path,
    image: str,
    image_root: Path,
    ledger_policy: Path,
    acknowledge: str | None,
    ring: int,
    products: tuple[str, ...],
    demo: bool,
    as_json: bool,
) -> None:
    """Create the agent's directory, its key and agent.toml; print the key to enrol with the clearinghouse."""
    config_path = directory / "agent.toml"
    if config_path.exists():
        raise CouldNot(f"{config_path} exists; this directory holds an agent already")
    pinned = {
        "director-root.json": director_root,
        "image-root.json": image_root,
        "ledger.policy": ledger_policy,
    }
    settings: dict[str, dict[str, Any]] = {
        "member": {
            "id": member,
            "audience": audience,
            "ring": ring,
            "products": list(products),
            "key": "keys/agent/member.pem",
        },
        "director": {"url": director, "root": "director-root.json"},
        "image": {"url": image, "root": "image-root.json"},
        "ledger": {"policy": "ledger.policy"},
    }
    if acknowledge is not None:
        settings["acknowledge"] = {"url": acknowledge}
    signer = Signer.generate("agent", "member", demo=demo)
    draft = directory / "agent.toml.new"
    try:
        signer.save(directory / "keys")
        for name, source in pinned.items():
            write_atomically(directory / name, source.read_bytes())
        write_config(draft, settings)
        AgentConfig.load(draft)
        draft.replace(config_path)
    except (KeyProblem, DistributionError, OSError) as error:
        raise CouldNot(str(error)) from error
    if as_json:
        click.echo(json.dumps({"config": str(config_path), "key": signer.public.to_record()}))
    else:
        click.echo(f"Agent of {member} is ready: {config_path}\nEnrol this key with the clearinghouse:")
        click.echo(json.dumps(signer.public.to_record()))


@cli.command()
@_CONFIG
@click.option("--code", required=True, help="The code of the member's operator; it works once.")
def enrol(config_path: Path, code: str) -> None:
    """Enrol this agent's key with the member's house, at the address that takes its acknowledgements."""
    try:
        config = AgentConfig.load(config_path)
        if config.acknowledge_url is None:
            raise CouldNot(f"{config_path} names no [acknowledge] url; hand the key over by hand instead")
        told = enrol_key(urljoin(config.acknowledge_url, "/enrolments/"), code, config.signer)
    except (DistributionError, EnrolmentFailed, OSError) as error:
        raise CouldNot(str(error)) from error
    click.echo(f"{told['member']} knows this agent as {told['agent']}")


@cli.command()
@_CONFIG
@_JSON
@click.pass_context
def run(context: click.Context, config_path: Path, as_json: bool) -> None:
    """Do one run: refresh both repositories, verify, stage, acknowledge.

    Exit code 0: all is well. 1: something was refused or failed. 3: something could not be reached.
    """
    report = _do(config_path)
    if as_json:
        click.echo(json.dumps(report.to_record(), indent=1))
    else:
        _show(report)
    context.exit(report.exit_code)


@cli.command()
@_CONFIG
@_JSON
def status(config_path: Path, as_json: bool) -> None:
    """Show where each item stands, without any request."""
    try:
        agent = Agent(AgentConfig.load(config_path))
        state, waiting = agent.state, len(agent.outbox.waiting())
    except (DistributionError, OSError) as error:
        raise CouldNot(str(error)) from error
    record = {
        "member": agent.config.member.id,
        "manifest_version": state.manifest_version,
        "refused": state.refused,
        "waiting": waiting,
        "items": {
            item_id: {"stage": item.stage, "code": item.code, "file": item.path, "here": item.installed}
            for item_id, item in sorted(state.items.items())
        },
    }
    if as_json:
        click.echo(json.dumps(record, indent=1))
        return
    click.echo(
        f"{agent.config.member.id}: manifest {state.manifest_version}, {waiting} acknowledgement(s) waiting"
    )
    for name, code in state.refused.items():
        click.echo(f"  {name} repository refused: {code}")
    for item_id, item in sorted(state.items.items()):
        click.echo(f"  {item_id}  {item.stage:<14} {item.code or '-':<20} {item.path}")


def _do(config_path: Path) -> AgentReport:
    try:
        return Agent(AgentConfig.load(config_path)).run_once()
    except (DistributionError, OSError) as error:
        raise CouldNot(str(error)) from error


def _show(report: AgentReport) -> None:
    click.echo(f"manifest version {report.manifest_version or 'none'}, {len(report.items)} item(s)")
    for name, reason in report.refused.items():
        click.echo(f"  refused: {name}: {reason.text}")
    for outcome in report.items:
        mark = "*" if outcome.changed else " "
        click.echo(
            f"{mark} {outcome.item}  {outcome.stage}{f': {outcome.reason.text}' if outcome.reason else ''}"
        )
    for fault in report.faults:
        click.echo(f"  could not: {fault}")
    click.echo(f"acknowledgements: {report.delivered} delivered, {report.waiting} waiting")
