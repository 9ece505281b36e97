# SPDX-License-Identifier: Apache-2.0
"""``proofhouse sandbox``: see whether the isolation holds here, and run one command in a box."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from proofhouse.sandbox._box import open_box
from proofhouse.sandbox._selftest import self_test
from proofhouse.sandbox.errors import SandboxError
from proofhouse.sandbox.limits import BoxSpec, Limits, Profile, Tier

_PROFILES = click.Choice(["agent", "build"])
_TIERS = click.Choice(["T0", "T1"])
_tier = click.option(
    "--tier", type=_TIERS, default="T0", show_default=True, help="How strong: T0 bubblewrap, T1 gVisor."
)


class CouldNot(click.ClickException):
    """The sandbox itself failed; exit status 3."""

    exit_code = 3


@click.group()
def cli() -> None:
    """Isolation for hostile programs: test it, use it."""


@cli.command("self-test")
@click.option("--profile", type=_PROFILES, default="agent", show_default=True, help="Which profile to test.")
@_tier
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def self_test_command(profile: Profile, tier: Tier, as_json: bool) -> None:
    """Open a fresh box of the tier, try to get out of it, and say what held.

    Exit status: 0 everything held, 1 something did not, 3 no box can be opened here.
    """
    try:
        outcome = self_test(profile, tier)
    except SandboxError as error:
        raise CouldNot(str(error)) from error
    if as_json:
        click.echo(json.dumps(outcome.to_record()))
    else:
        for check in outcome.checks:
            click.echo(f"{'held  ' if check.ok else 'FAILED'}  {check.name}: {check.detail}")
        held = len(outcome.checks) - len(outcome.failures)
        limits = outcome.enforcement
        by = "unknown"
        if limits:
            by = f"kernel {limits.kernel}, memory by {limits.memory}, processes by {limits.pids}, "
            by += f"processors by {limits.cpu}"
        took_ms = f"{outcome.seconds * 1000:.0f} ms"
        click.echo(f"{held} of {len(outcome.checks)} held, tier {outcome.tier}, {by}, {took_ms}")
    sys.exit(0 if outcome.ok else 1)


@cli.command("run", context_settings={"ignore_unknown_options": True})
@click.option(
    "--put", "puts", multiple=True, metavar="HOST:BOX", help="Copy a host file to a path in the box."
)
@click.option("--wall-s", type=float, default=60, show_default=True, help="Time limit in seconds.")
@click.option("--memory-mb", type=int, default=1024, show_default=True, help="Memory limit in MiB.")
@click.option("--profile", type=_PROFILES, default="agent", show_default=True, help="Which profile to use.")
@_tier
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_command(
    puts: tuple[str, ...],
    wall_s: float,
    memory_mb: int,
    profile: Profile,
    tier: Tier,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND in a fresh box and pass its output and exit status on.

    Nothing of the host is visible in the box but its read-only /usr and the files given by --put. A command
    that a signal ended gives 128 plus the signal's number, a sandbox that failed gives 3.

    Example: proofhouse sandbox run --put poc.bin:/work/poc.bin -- sha256sum poc.bin
    """
    copies = [_copy(put) for put in puts]
    try:
        spec = BoxSpec(Limits(wall_s=wall_s, memory_bytes=memory_mb << 20), profile, tier=tier)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        with open_box(spec) as box:
            for host, place in copies:
                try:
                    box.put(place, host.read_bytes(), mode=0o755 if host.stat().st_mode & 0o111 else 0o644)
                except OSError as error:
                    raise CouldNot(f"cannot copy {host} to {place} in the box: {error}") from error
            result = box.exec(command)
    except SandboxError as error:
        raise CouldNot(str(error)) from error
    if as_json:
        texts = {name: getattr(result, name).decode("utf-8", "replace") for name in ("stdout", "stderr")}
        click.echo(json.dumps({**asdict(result), **texts}))
    else:
        sys.stdout.buffer.write(result.stdout)
        sys.stdout.flush()
        sys.stderr.buffer.write(result.stderr)
        sys.stderr.flush()
        if result.timed_out:
            click.echo(f"killed after {wall_s:g} s", err=True)
        if result.out_of_memory:
            click.echo(f"killed at {memory_mb} MiB of memory", err=True)
        if result.truncated:
            click.echo("output cut", err=True)
    sys.exit(result.exit_code if result.exit_code is not None else 128 + (result.signal or 0))


def _copy(put: str) -> tuple[Path, str]:
    host, colon, place = put.rpartition(":")
    if not colon or not host or not place:
        raise click.UsageError(f"--put takes HOST:BOX, not {put!r}")
    path = Path(host)
    if not path.is_file():
        raise click.UsageError(f"--put: {host} is not a file")
    return path, place
