# SPDX-License-Identifier: Apache-2.0
"""`proofhouse scan run`: look for flaws under a scan lease, in the sandbox, and report what was found with its proof.

The house is asked for the lease first. A target that the lease does not name, a method that it does not name, a time
outside of it: nothing is fetched, built or run. What is found enters intake like everybody's reports.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from proofhouse.cli import CouldNot
from proofhouse.sandbox import SandboxError
from proofhouse.scan import (
    ENGINES,
    Engine,
    EngineMissing,
    EngineRun,
    Find,
    NotCovered,
    Noted,
    chosen,
    prepare,
    scan,
)
from proofhouse.server.cases.lease_rules import LeaseState, folded
from proofhouse.server.report_cli import answer, ask, checked, signed_in
from proofhouse.server.scan_reports import product_of, report_of, report_of_remark
from proofhouse.validation import Recipe, RecipeError, ValidationError, load_recipe
from proofhouse.validation.cli import default_cache

NAMES = [each.name for each in ENGINES]


class Refused(click.ClickException):
    """The lease does not cover what was asked."""


@dataclass
class Told:
    """What a scan has told its house and its caller so far."""

    finds: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[dict[str, Any]] = field(default_factory=list)
    engines: list[dict[str, Any]] = field(default_factory=list)


@click.group()
def cli() -> None:
    """Look for flaws under a scan lease, in the sandbox."""


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def engines(as_json: bool) -> None:
    """List the engines: how each looks, whether it is installed here, and what it cannot do."""
    rows = [
        {"engine": each.name, "method": each.method.value, "limits": each.limits, **_standing(each)}
        for each in ENGINES
    ]
    if as_json:
        click.echo(json.dumps({"engines": rows}))
        return
    for row in rows:
        click.echo(f"{row['engine']:<10} {row['method']:<16} {row['version'] or row['problem']}")
        click.echo(f"{'':<27} {row['limits']}")


def _standing(engine: Engine) -> dict[str, str]:
    try:
        return {"version": engine.version(), "problem": ""}
    except EngineMissing as missing:
        return {"version": "", "problem": str(missing)}


@cli.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--lease", required=True, type=click.UUID, help="A running lease of yours.")
@click.option("--to", "address", required=True, help="Address of the house that gave it, https://….")
@click.option(
    "--token-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds a token for the scopes api:read and cases:report:submit.",
)
@click.option(
    "--engine",
    "names",
    multiple=True,
    type=click.Choice(NAMES),
    help="Which engine; may be repeated. Without it: those installed that look as the lease says.",
)
@click.option(
    "--seconds", default=300, show_default=True, type=click.IntRange(1, 86_400), help="All searches together."
)
@click.option(
    "--seed", default=0, type=click.IntRange(0, 2**31 - 1), help="The same seed makes the same choices."
)
@click.option("--first", is_flag=True, help="Stop at the first crash that repeats.")
@click.option("--model", default="", help="For the engine agent: any model of Inspect, such as openai/NAME.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="For sources and builds.")
@click.option("--offline", is_flag=True, help="Use only sources that are in the cache.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(
    recipe: Path,
    lease: UUID,
    address: str,
    token_file: Path,
    names: tuple[str, ...],
    seconds: int,
    seed: int,
    first: bool,
    model: str,
    cache: Path | None,
    offline: bool,
    as_json: bool,
) -> None:
    r"""Look for flaws in the program of RECIPE, and report each crash that repeats, with its proof.

    RECIPE says where the source is (a Debian source package, a git bundle, a tarball, a directory), how it is built and
    how an input reaches the program. Its patches are left out; its proofs are not looked at. The search starts from
    the input of its first control and from ordinary files of the source that its [scan] table names.

    The lease must be yours, running, for this product, and its method decides which engines may run: `fuzzing`,
    `static-analysis` or `ai-agent`. `proofhouse scan engines` lists them. Everything runs in the sandbox; an input
    that seems to crash the program is run three times in fresh sandboxes, made smaller, and reported once. What a
    static engine says is reported without a proof and marked so, twenty findings at most. An agent needs --model.

    \b
    Examples:
      proofhouse scan run recipes/real/catdoc-2017-11110.toml --lease ID --to https://house --token-file token
      proofhouse scan run RECIPE --lease ID --to … --token-file token --engine afl --seconds 3600 --first

    Exit code 0: something was found and reported. 1: nothing was found, or the lease does not cover it. 2: wrong use.
    3: it could not be tried.
    """
    told = Told()
    try:
        target = load_recipe(recipe)
        held = _lease(address, lease, token_file)
        require_lease(held, product_of(target), datetime.now(UTC))
        selected = chosen(ENGINES, str(held["method"]), names)
        place = cache or default_cache()
        for outcome in _scanned(
            target, selected, place, seconds, seed, first=first, model=model, offline=offline
        ):
            _hand_in(outcome, told, target, held, address, token_file)
    except NotCovered as wrong:
        raise Refused(str(wrong)) from None
    except RecipeError as wrong:
        raise click.UsageError(f"{recipe}: {wrong}") from None
    except (ValidationError, SandboxError) as wrong:
        raise CouldNot(str(wrong)) from None
    _show(told, lease, seconds, as_json=as_json)
    if not told.finds and not told.remarks:
        if all(each["problem"] for each in told.engines):
            raise CouldNot("no engine could look")
        raise click.exceptions.Exit(1)


def _scanned(
    target: Recipe,
    selected: tuple[Engine, ...],
    cache: Path,
    seconds: int,
    seed: int,
    *,
    first: bool,
    model: str,
    offline: bool,
) -> Iterator[Find | Noted | EngineRun]:
    program = prepare(target, cache, _tell, offline=offline)
    _tell(
        f"{product_of(target)}: {', '.join(each.name for each in selected)} from {len(program.seeds)} ordinary inputs"
    )
    yield from scan(program, selected, seconds=seconds, seed=seed, first=first, model=model, tell=_tell)


def _tell(line: str) -> None:
    click.echo(f"  {line}", err=True)


def _hand_in(
    outcome: Find | Noted | EngineRun,
    told: Told,
    recipe: Recipe,
    lease: Mapping[str, Any],
    address: str,
    token_file: Path,
) -> None:
    """Report a find at once, so that a scan which is ended early has told what it had."""
    if isinstance(outcome, EngineRun):
        told.engines.append(vars(outcome))
        if outcome.problem:
            _tell(f"{outcome.engine}: {outcome.problem}")
        return
    body = (
        report_of(outcome, recipe, lease)
        if isinstance(outcome, Find)
        else report_of_remark(outcome, recipe, lease)
    )
    try:
        made = ask(address, "submissions", body, token_file)
    except click.ClickException as refused:
        if isinstance(outcome, Find) or isinstance(refused, CouldNot):
            raise
        _tell(
            f"{body['title']}: not taken ({refused.message})"
        )  # a quota that is used up must not end the scan
        return
    words = {"title": body["title"], "engine": outcome.engine, **made}
    if isinstance(outcome, Find):
        words |= {"after_s": round(outcome.after_s, 1), "bytes": len(outcome.content)}
        _tell(f"{outcome.engine}: {body['title']}, after {outcome.after_s:.0f} s; reported")
    (told.finds if isinstance(outcome, Find) else told.remarks).append(words)


def _show(told: Told, lease: UUID, seconds: int, *, as_json: bool) -> None:
    if as_json:
        found = {"found": told.finds, "static": told.remarks, "engines": told.engines}
        click.echo(json.dumps({"lease": str(lease), **found}))
        return
    for each in told.finds:
        click.echo(f"{each['title']}: {each['slip']}")
    for each in told.remarks:
        click.echo(f"{each['title']} (no proof): {each['slip']}")
    for each in told.engines:
        rest = each["remarks"] - sum(row["engine"] == each["engine"] for row in told.remarks)
        if rest:
            click.echo(f"{each['engine']}: {rest} further static findings are not reported", err=True)
    if not told.finds and not told.remarks:
        click.echo(f"nothing found in {seconds} s", err=True)


def require_lease(lease: Mapping[str, Any], product: str, at: datetime) -> None:
    """Refuse what a lease does not cover.

    Args:
        lease: As the house shows it to its holder.
        product: What is to be scanned.
        at: Now.

    Raises:
        Refused: Another product, another time, or no receipt yet.
    """
    if folded(str(lease["product"])) != folded(product):
        raise Refused(f"the lease is for {lease['product']}, not for {product}")
    starts_at, ends_at = (datetime.fromisoformat(str(lease[name])) for name in ("starts_at", "ends_at"))
    if lease["state"] != LeaseState.ACTIVE or not starts_at <= at < ends_at:
        raise Refused(f"the lease is {lease['state']}, from {lease['starts_at']} until {lease['ends_at']}")
    if not lease["in_force"]:
        raise Refused("the lease has no receipt of the ledger yet; try again in a moment")


def _lease(address: str, lease: UUID, token_file: Path) -> Any:
    where = f"{checked(address).rstrip('/')}/api/v1/leases/{lease}"
    return answer(urllib.request.Request(where, headers=signed_in(token_file)))  # noqa: S310 - checked
