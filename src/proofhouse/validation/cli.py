# SPDX-License-Identifier: Apache-2.0
"""The verb `proofhouse validate`."""

import json
import os
from pathlib import Path

import click

from proofhouse.attest import KeyProblem, Signer
from proofhouse.sandbox import SandboxError, Tier
from proofhouse.validation._bench import Progress
from proofhouse.validation._cache import storage_errors
from proofhouse.validation._errors import RecipeError, ValidationError
from proofhouse.validation._reading import load_recipe
from proofhouse.validation._result import ValidationResult
from proofhouse.validation._validate import validate

RESULT_FILE = "validation.json"
ENVELOPE_FILE = "validation.dsse.json"


class CouldNot(click.ClickException):
    """Something outside the question stood in the way: no network, no compiler, no sandbox, no space."""

    exit_code = 3


class BadRecipe(click.ClickException):
    """The recipe breaks a rule."""

    exit_code = 2


def default_cache() -> Path:
    """Where sources and builds are kept when nobody says: `$XDG_CACHE_HOME/proofhouse`."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "proofhouse"


@click.command(name="validate")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Write {RESULT_FILE} here, and {ENVELOPE_FILE} when --signer is given.",
)
@click.option(
    "--signer",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Key file that signs the result as an in-toto test result.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for sources and builds; default $XDG_CACHE_HOME/proofhouse.",
)
@click.option(
    "--tier",
    type=click.Choice(["T0", "T1"]),
    default="T0",
    show_default=True,
    help="How strong every sandbox is; T1 for proofs from strangers. A recipe can raise it.",
)
@click.option("--offline", is_flag=True, help="Use only sources that are in the cache.")
def cli(
    recipe: Path,
    as_json: bool,
    out: Path | None,
    signer: Path | None,
    cache: Path | None,
    tier: Tier,
    offline: bool,
) -> None:
    """Prove RECIPE by running it.

    The program is built from its source without and with each patch. Every proof must crash the first as
    claimed, three times out of three, each in a fresh sandbox, and be silent in the second; the program's own
    tests and benign inputs must still answer as before. The kill matrix shows which patch stops which proof.

    Exit status: 0 every proof reproduced and every patch proved; 1 one of them was not; 2 the recipe is
    wrong; 3 it could not be tried (no source archive, compiler, sandbox or space).
    """
    if signer is not None and out is None:
        raise click.UsageError("--signer needs --out, where the signed statement goes")
    try:
        key = Signer.load(signer) if signer else None
        result = validate(
            load_recipe(recipe),
            cache_dir=cache or default_cache(),
            signer=key,
            on_progress=None if as_json else _show,
            offline=offline,
            tier=tier,
        )
        if out is not None:
            _write(result, out)
    except RecipeError as error:
        raise BadRecipe(f"{recipe}: {error}") from error
    except (ValidationError, SandboxError, KeyProblem) as error:
        raise CouldNot(str(error)) from error
    click.echo(json.dumps(result.to_record(), indent=2) if as_json else summary(result))
    if not result.ok:
        raise click.exceptions.Exit(1)


def _show(progress: Progress) -> None:
    click.echo(f"  {progress.stage:<7} {progress.detail}", err=True)


def _write(result: ValidationResult, out: Path) -> None:
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / RESULT_FILE).write_text(json.dumps(result.to_record(), indent=2) + "\n")
        if result.envelope is not None:
            (out / ENVELOPE_FILE).write_bytes(result.envelope.to_json())


def summary(result: ValidationResult) -> str:
    """The result in a few lines for a person."""
    source = result.source
    lines = [f"{result.recipe}: {source.name} {source.version}".rstrip()]
    if source.moved:
        lines.append(f"  the archive no longer has {source.pinned_version}; {source.version} was used")
    if not result.real:
        lines.append("  this is an example of ours, not a real program")
    for proof in result.proofs:
        crash = f", {proof.crash.crash_class} in {' < '.join(proof.crash.state)}" if proof.crash else ""
        why = f" ({proof.reason})" if proof.reason else ""
        names = ", ".join(proof.identifiers)
        lines.append(
            f"  proof {proof.name} [{names}]: {proof.verdict} {proof.crashes}/{proof.runs}{crash}{why}"
        )
        lines += [
            f"    {each.input}: {each.after_bytes} of its {each.before_bytes} bytes are enough"
            for each in proof.minimised
        ]
    for patch in result.patches:
        stopped = ", ".join(patch.stopped) or "nothing"
        why = f" ({patch.refusal})" if patch.refusal else ""
        lines.append(f"  patch {patch.name}: {patch.verdict}{why}, stops {stopped}")
        lines += [f"    {reason}" for reason in patch.reasons]
    lines += [f"  version {v.version}: {v.standing} by {v.proof}" for v in result.other_versions]
    for group in result.groups:
        lines.append(f"  bug: {', '.join(group.identifiers)} ({', '.join(group.proofs)})")
    lines.append(f"  {result.seconds['total']:.1f} s, {result.versions['compiler']}, sandbox {result.tier}")
    return "\n".join(lines)
