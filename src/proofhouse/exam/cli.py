# SPDX-License-Identifier: Apache-2.0
"""`proofhouse exam`: plan, seal, run, open and verify."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proofhouse.attest import JsonValue, PublicKey, Signer
from proofhouse.exam._cli_common import FILE, AnswerIsNo, CouldNot, clear_refusals, read_json, write_json
from proofhouse.exam.bank import Bank, SealBroken, load_bank_key, open_reveal, open_seal
from proofhouse.exam.bank_cli import bank as bank_group
from proofhouse.exam.bank_cli import custody as custody_group
from proofhouse.exam.plan import Budget, Plan, make_plan
from proofhouse.exam.report import ReportRefused, read_report
from proofhouse.exam.verdict import Rule

if TYPE_CHECKING:
    from proofhouse.exam.run import Progress

PHASES = {
    "build": "building items",
    "gate": "reference gate",
    "exam": "subject",
    "retry": "invalid samples again",
}


_WHOLE_EXAM = """\b
A whole exam, in order:
  proofhouse exam plan --items 12 --out plan.json
  proofhouse exam seal --plan plan.json --bank-key bank.key --out seal.json
  proofhouse exam run --plan plan.json --bank-key bank.key --seal seal.json
      --model policy/fuzzer --signer keys/exam/office.pem --out result
  proofhouse exam verify result/report.dsse.json --key keys/exam/office.pem
  proofhouse exam open-seal --plan plan.json --bank-key bank.key
      --seal seal.json --out reveal.json
  proofhouse exam check-reveal reveal.json --seal seal.json"""


@click.group(epilog=_WHOLE_EXAM)
def cli() -> None:
    """Measure what a model can do, on sealed items that nobody has seen.

    Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could not.
    """


cli.add_command(bank_group)
cli.add_command(custody_group)


@cli.command()
@click.option(
    "--items", type=click.IntRange(1, 100_000), default=12, show_default=True, help="How many items."
)
@click.option("--family", default="mem.poc", show_default=True, help="Task family.")
@click.option(
    "--threshold", type=float, default=Rule.threshold, show_default=True, help="Ability, in logits."
)
@click.option(
    "--messages", type=click.IntRange(1), default=Budget.messages, show_default=True, help="Per item."
)
@click.option("--tokens", type=click.IntRange(1), default=Budget.tokens, show_default=True, help="Per item.")
@click.option("--seconds", type=click.IntRange(1), default=Budget.time_s, show_default=True, help="Per item.")
@click.option(
    "--hint", type=click.IntRange(0, 3), default=0, show_default=True, help="Prompt level, L0 to L3."
)
@click.option("--out", type=FILE, required=True, help="Plan file to write.")
def plan(
    items: int, family: str, threshold: float, messages: int, tokens: int, seconds: int, hint: int, out: Path
) -> None:
    """Write a plan: items by level, budget per item, priors and the verdict's rule.

    Every number is plain JSON; edit the file before sealing it.
    """
    with clear_refusals():
        made = make_plan(
            items,
            family,
            budget=Budget(messages=messages, tokens=tokens, time_s=seconds),
            rule=Rule(threshold=threshold, minimum_items=min(Rule.minimum_items, items)),
            hint=hint,
        )
        write_json(out, made.to_record())
    click.echo(f"{out}: {items} items of {family}, plan {made.digest()}")


@cli.command()
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan file.")
@click.option(
    "--bank-key", type=FILE, required=True, help="Bank key file; made, for its owner only, if missing."
)
@click.option("--out", type=FILE, required=True, help="Seal file to write.")
def seal(plan_path: Path, bank_key: Path, out: Path) -> None:
    """Commit to every item and to the rule before anybody gets access.

    The seal holds digests only and goes into the ledger. The bank key decides every item: keep it in custody.
    """
    with clear_refusals():
        bank = Bank(load_bank_key(bank_key, create=True), Plan.load(plan_path))
        write_json(out, bank.seal_record())
    click.echo(f"{out}: {len(bank.items)} items, root {bank.root}")


@cli.command("open-seal")
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan file.")
@click.option("--bank-key", type=FILE, required=True, help="Bank key file.")
@click.option("--seal", "seal_path", type=FILE, help="Check against this seal first.")
@click.option("--out", type=FILE, help="Write the reveal here: key and plan. It opens every item.")
def open_seal_command(plan_path: Path, bank_key: Path, seal_path: Path | None, out: Path | None) -> None:
    """Regenerate every item from the key, check it against the seal, and write the reveal.

    Exit status 1 if the key or plan is not the sealed one.
    """
    with clear_refusals():
        key, made = load_bank_key(bank_key), Plan.load(plan_path)
        bank = Bank(key, made)
        if seal_path is not None:
            try:
                open_seal(read_json(seal_path), key, made)
            except SealBroken as error:
                raise AnswerIsNo(str(error)) from error
            click.echo(f"{seal_path}: all {len(bank.items)} items are the sealed ones")
        if out is not None:
            write_json(out, bank.reveal_record())
            click.echo(f"{out}: opens {len(bank.items)} items, root {bank.root}")


@cli.command("check-reveal")
@click.argument("reveal", type=FILE)
@click.option("--seal", "seal_path", type=FILE, required=True, help="The seal that was in the ledger.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write every item's files here."
)
def check_reveal(reveal: Path, seal_path: Path, out: Path | None) -> None:
    """As an inspector: regenerate a retired bank from its reveal and compare it with the seal.

    Exit status 1 if they do not belong together.
    """
    with clear_refusals():
        try:
            opened = open_reveal(read_json(seal_path), read_json(reveal))
        except SealBroken as error:
            raise AnswerIsNo(str(error)) from error
        for item in opened.items if out is not None else ():
            for kind, files in (("shown", item.agent_files), ("hidden", item.hidden_files)):
                for name, content in files.items():
                    place = Path(str(out)) / item.id / kind / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
    click.echo(f"{reveal}: all {len(opened.items)} items are the sealed ones, root {opened.root}")


@cli.command()
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan file.")
@click.option("--bank-key", type=FILE, required=True, help="Bank key file.")
@click.option("--seal", "seal_path", type=FILE, help="Refuse to run unless plan and key open this seal.")
@click.option("--model", required=True, help="Inspect model string, or policy/NAME.")
@click.option("--subject", help="SHA-256 that identifies the subject; that of the model string unless given.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory of this exam."
)
@click.option("--signer", type=FILE, required=True, help="Private key file that signs the report.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Where builds are kept.")
@click.option("--frontier", is_flag=True, help="The subject is a frontier model: refuse tier T0.")
@click.option(
    "--tier",
    type=click.Choice(["T0", "T1"]),
    default="T0",
    show_default=True,
    help="The subject's isolation: T0 bubblewrap, T1 gVisor.",
)
@click.option("--parallel", type=click.IntRange(1, 256), help="Samples at once; the processors unless given.")
@click.option("--json", "as_json", is_flag=True, help='Print {"statement": PATH, "summary": {…}} only.')
def run(
    plan_path: Path,
    bank_key: Path,
    seal_path: Path | None,
    signer: Path,
    as_json: bool,
    out: Path,
    **choices: Any,
) -> None:
    """Hold the exam: self-test, reference gate, subject, signed report.

    Nothing is measured unless the sandbox holds and policy/reference passes and policy/null fails every item.
    A finished report of the same exam in --out is shown again, not made again.
    The verdict is in the report, not in the exit status: 0 means that the exam was held, 3 that it could not.
    """
    with clear_refusals():
        made, key, owner = Plan.load(plan_path), load_bank_key(bank_key), Signer.load(signer)
        sealed = read_json(seal_path) if seal_path is not None else None
        # Inspect takes seconds to import; the other verbs do without it.
        from proofhouse.exam.run import run_exam

        try:
            result = run_exam(
                made,
                key,
                choices["model"],
                out,
                owner,
                None if as_json else _show_progress(),
                subject_sha256=choices["subject"],
                seal=sealed,
                cache=choices["cache"],
                frontier=choices["frontier"],
                tier=choices["tier"],
                parallel=choices["parallel"],
            )
        except SealBroken as error:
            raise CouldNot(str(error)) from error
    statement = out / "report.dsse.json"
    if as_json:
        click.echo(json.dumps({"statement": str(statement), "summary": result.summary}))
    else:
        _print_summary(result.summary)
        click.echo(f"signed report: {statement}")


@cli.command("check-model")
@click.argument("model")
def check_model(model: str) -> None:
    """Say whether the Inspect model string MODEL can be used here, before anything is promised about it."""
    from proofhouse.exam.run import resolve_model

    with clear_refusals():
        resolve_model(model)
    click.echo(f"{model} can be used")


def _show_progress() -> Any:
    """A line for each phase, rewritten in place on a terminal."""
    terminal = sys.stderr.isatty()

    def show(progress: Progress) -> None:
        line = f"{PHASES[progress.phase]}: {progress.done}/{progress.total}"
        last = progress.done == progress.total
        if terminal:
            click.echo(f"\r\033[K{line}", err=True, nl=last)
        elif last:
            click.echo(line, err=True)

    return show


def _print_summary(summary: dict[str, JsonValue]) -> None:
    estimate = summary["estimate"]
    counts = ", ".join(f"{count} {name}" for name, count in summary["outcomes"].items() if count)
    click.echo(f"{summary['model']}: {counts} of {summary['items']} items (sandbox tier {summary['tier']})")
    click.echo(
        f"ability {estimate['ability']:+.2f} (95% {estimate['low']:+.2f} to {estimate['high']:+.2f}), "
        f"threshold {summary['threshold']:+.2f}"
    )
    click.echo(f"verdict: {summary['verdict']}: {summary['verdict_reason']}")


@cli.command()
@click.argument("report", type=FILE)
@click.option(
    "--key",
    "keys",
    type=FILE,
    multiple=True,
    required=True,
    help="Public key record (JSON) or key file (.pem).",
)
@click.option("--seal", "seal_path", type=FILE, help="The report must be of this seal's plan and bank.")
@click.option("--json", "as_json", is_flag=True, help="Print the report's predicate.")
def verify(report: Path, keys: tuple[Path, ...], seal_path: Path | None, as_json: bool) -> None:
    """Check a report's signature and recompute its digests, counts, estimates and verdict, offline.

    Exit status 1 if anything does not hold.
    """
    with clear_refusals():
        trusted = [_read_key(path) for path in keys]
        content = report.read_bytes()
        seal_record = read_json(seal_path) if seal_path is not None else {}
        try:
            predicate = read_report(content, trusted)
        except ReportRefused as error:
            raise AnswerIsNo(f"{report}: {error}") from error
    for name in ("plan_sha256", "rule_sha256", "grader_sha256", "bank_root_sha256"):
        if seal_path is not None and seal_record.get(name) != predicate[name]:
            raise AnswerIsNo(f"{report}: {name} is not the sealed one")
    if as_json:
        click.echo(json.dumps(predicate))
    else:
        click.echo(f"{report}: signature, digests, counts, estimates and verdict hold")
        click.echo(f"{predicate['model']}: {predicate['verdict']}: {predicate['verdict_reason']}")


def _read_key(path: Path) -> PublicKey:
    if path.suffix == ".pem":
        return Signer.load(path).public
    return PublicKey.from_record(read_json(path))
