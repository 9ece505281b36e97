# SPDX-License-Identifier: Apache-2.0
"""`proofhouse scan run`: look for flaws under a scan lease, in the sandbox, and report what was found with its proof.

The house is asked for the lease first. A target that the lease does not name, a method that it does not name, a time
outside of it: nothing is built and nothing is run. What is found enters intake like everybody's reports.
"""

from __future__ import annotations

import base64
import json
import random
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from proofhouse.cli import CouldNot
from proofhouse.sandbox import Box, BoxSpec, Limits, SandboxDead, SandboxError, open_box
from proofhouse.server.cases.lease_rules import LeaseState, Method, folded
from proofhouse.server.report_cli import answer, ask, checked, signed_in
from proofhouse.validation import (
    EXIT_CODE,
    Crash,
    DebianSource,
    Pair,
    Recipe,
    RecipeError,
    ValidationError,
    build_pair,
    load_recipe,
    mutate,
    sanitizer_environment,
    try_pair,
)
from proofhouse.validation.cli import default_cache

RUNS_A_BOX = 200
PLACE, INPUT = "program", "scan-input"
RUN_S = 5


class Refused(click.ClickException):
    """The lease does not cover what was asked."""


@dataclass(frozen=True)
class Find:
    """An input that crashed the program three times out of three, each in a fresh box."""

    content: bytes
    crash: Crash


@click.group()
def cli() -> None:
    """Look for flaws under a scan lease, in the sandbox."""


@cli.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--lease", required=True, type=click.UUID, help="A running lease of yours, for fuzzing.")
@click.option("--to", "address", required=True, help="Address of the house that gave it, https://….")
@click.option(
    "--token-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds a token for the scopes api:read and cases:report:submit.",
)
@click.option("--seconds", default=300, show_default=True, type=click.IntRange(1, 86_400))
@click.option("--seed", default=0, help="The same seed tries the same inputs in the same order.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="For sources and builds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(
    recipe: Path,
    lease: UUID,
    address: str,
    token_file: Path,
    seconds: int,
    seed: int,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Fuzz the program of RECIPE from its benign input, and report each crash that repeats, with its proof.

    RECIPE has one patch, one proof and one control; the program is built without the patch, and only the control is
    where the search starts.

    Exit code 0: something was found and reported. 1: nothing was found, or the lease does not cover it. 2: wrong use.
    3: it could not be tried.
    """
    try:
        target = load_recipe(recipe)
        require_lease(_lease(address, lease, token_file), product_of(target), datetime.now(UTC))
        place = cache or default_cache()
        pair = build_pair(target, place / "sources", place / "builds")
        found = list(finds(pair, seconds, random.Random(seed)))  # noqa: S311 - repeatability is wanted
    except RecipeError as wrong:
        raise click.UsageError(f"{recipe}: {wrong}") from None
    except (ValidationError, SandboxError) as wrong:
        raise CouldNot(str(wrong)) from None
    told = [ask(address, "submissions", report_of(find, target, lease), token_file) for find in found]
    if as_json:
        click.echo(json.dumps({"lease": str(lease), "found": told}))
    else:
        for find, each in zip(found, told, strict=True):
            click.echo(f"{find.crash.crash_class} in {' < '.join(find.crash.state)}: {each['slip']}")
    if not found:
        click.echo(f"nothing found in {seconds} s", err=True)
        raise click.exceptions.Exit(1)


def product_of(recipe: Recipe) -> str:
    """What is scanned, as a lease names it: the source package, or the recipe where there is none."""
    return recipe.source.package if isinstance(recipe.source, DebianSource) else recipe.name


def require_lease(lease: Mapping[str, Any], product: str, at: datetime) -> None:
    """Refuse what a lease does not cover.

    Args:
        lease: As the house shows it to its holder.
        product: What is to be scanned.
        at: Now.

    Raises:
        Refused: Another product, another method, another time, or no receipt yet.
    """
    if folded(str(lease["product"])) != folded(product):
        raise Refused(f"the lease is for {lease['product']}, not for {product}")
    if lease["method"] != Method.FUZZING:
        raise Refused(f"the lease is for {lease['method']}, not for fuzzing")
    starts_at, ends_at = (datetime.fromisoformat(str(lease[name])) for name in ("starts_at", "ends_at"))
    if lease["state"] != LeaseState.ACTIVE or not starts_at <= at < ends_at:
        raise Refused(f"the lease is {lease['state']}, from {lease['starts_at']} until {lease['ends_at']}")
    if not lease["in_force"]:
        raise Refused("the lease has no receipt of the ledger yet; try again in a moment")


def _lease(address: str, lease: UUID, token_file: Path) -> Any:
    where = f"{checked(address).rstrip('/')}/api/v1/leases/{lease}"
    return answer(urllib.request.Request(where, headers=signed_in(token_file)))  # noqa: S310 - checked


def finds(pair: Pair, seconds: float, chance: random.Random) -> Iterator[Find]:
    """Change the benign input at random for some seconds; each different crash that repeats, once.

    Raises:
        SandboxUnavailable: No box can be opened.
    """
    seen: set[tuple[str, tuple[str, ...]]] = set()
    ends_s = time.monotonic() + seconds
    spec = BoxSpec(limits=Limits(wall_s=RUN_S, cpu_s=8 * RUN_S), profile="build")
    while time.monotonic() < ends_s:
        try:
            with open_box(spec) as box:
                box.put_tree(pair.vulnerable, PLACE)
                for _ in range(RUNS_A_BOX):
                    if time.monotonic() >= ends_s:
                        return
                    content = mutate(pair.sample, chance)
                    if _suspicious(box, pair, content):
                        crash = _repeating(pair, content)
                        if crash is not None and (crash.crash_class, crash.state[:1]) not in seen:
                            seen.add((crash.crash_class, crash.state[:1]))
                            yield Find(content, crash)
        except SandboxDead:
            continue


def _suspicious(box: Box, pair: Pair, content: bytes) -> bool:
    """Whether an input ends the program as a sanitizer would; in a box that is used many times, a hint only."""
    run = pair.recipe.run
    box.put(f"{PLACE}/{INPUT}", content)
    argv = [each.format(**dict.fromkeys(run.inputs, INPUT)) for each in run.argv]
    options = sanitizer_environment("stderr")
    ended = box.exec(argv, stdin=content if run.stdin else b"", cwd=PLACE, env=options)
    return ended.exit_code == EXIT_CODE


def _repeating(pair: Pair, content: bytes) -> Crash | None:
    """The crash of an input that crashes alike three times, each in a fresh box."""
    crashes = try_pair(pair, content).crashes
    alike = len({(each.crash_class, each.state) for each in crashes}) == 1
    return crashes[0] if len(crashes) == 3 and alike else None


def report_of(find: Find, recipe: Recipe, lease: UUID) -> dict[str, Any]:
    """What is told of a find, as a submission."""
    frame = find.crash.state[0] if find.crash.state else ""
    return {
        "title": f"{find.crash.crash_class} in {frame or 'unknown code'}"[:200],
        "product": product_of(recipe),
        "description": f"Found by changing a benign input at random, under the scan lease {lease}. "
        f"Crashed three times of three at {find.crash.location or frame or 'unknown code'}.",
        "version": recipe.source.version if isinstance(recipe.source, DebianSource) else "",
        "claimed_crash": find.crash.crash_class,
        "location": frame,
        "provenance": {"means": "fuzzer", "tool": "proofhouse scan"},
        "files": [{"name": "proof.bin", "content": base64.b64encode(find.content).decode("ascii")}],
    }
