# SPDX-License-Identifier: Apache-2.0
"""`proofhouse exam bank` and `proofhouse exam custody`: admission, shards, exposure, reveal, and the key's holders."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from proofhouse.exam._cli_common import FILE, AnswerIsNo, CouldNot, clear_refusals, read_json, write_json
from proofhouse.exam.bank import Bank, SealBroken, check_shard, load_bank_key, open_seal
from proofhouse.exam.custody import Holder, join_key, key_commitment, make_holder, open_share, split_key
from proofhouse.exam.exposure import MOST_USES, BankSpent, ExposureBook, shard_plan
from proofhouse.exam.item import Item
from proofhouse.exam.plan import Plan, PlannedItem
from proofhouse.exam.public_bank import bank_page, public_items, public_plan
from proofhouse.exam.register import Register

DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.group()
def bank() -> None:
    """Keep a bank: admit items, draw shards for reviews, count exposure, retire and reveal."""


@bank.command()
@click.option("--plan", "plan_path", type=FILE, help="Plan of the bank.")
@click.option("--bank-key", type=FILE, help="Bank key file.")
@click.option("--public", is_flag=True, help="The public bank, instead of --plan and --bank-key.")
@click.option(
    "--out", type=FILE, required=True, help="Where the findings go, as JSON; what stands there is kept."
)
@click.option("--logs", type=DIRECTORY, required=True, help="Where Inspect's logs go; they hold solutions.")
@click.option("--cache", type=DIRECTORY, help="Where builds are kept.")
@click.option("--parallel", type=click.IntRange(1, 256), help="Samples at once; the processors unless given.")
@click.option(
    "--fuzz-runs",
    type=click.IntRange(0),
    default=400_000,
    show_default=True,
    help="Executions of the fuzz baseline; 0 leaves it out.",
)
def admit(out: Path, logs: Path, **choices: Any) -> None:
    """Put the items of a bank of which --out knows nothing through the admission gate.

    May be interrupted: the next run goes on where this one was. Exit status 1 if any item is rejected; the reasons
    stand in --out.
    """
    with clear_refusals():
        plan, items = _asked_items(
            **{name: choices.pop(name) for name in ("plan_path", "bank_key", "public")}
        )
        from proofhouse.exam.admission import admit_missing
        from proofhouse.exam.grader import Grader

        register = Register.open(out) if out.exists() else Register(out)
        register.plan_sha256 = plan.digest()
        parallel = choices["parallel"] or os.cpu_count() or 1
        findings = admit_missing(
            items,
            register,
            Grader(choices["cache"], workers=parallel),
            logs,
            lambda name, number, total: click.echo(f"{number}/{total} {name}", err=True),
            parallel=parallel,
            fuzz_runs=choices["fuzz_runs"],
        )
    rejected = [finding for finding in findings if not finding.admitted]
    click.echo(f"{out}: {len(findings) - len(rejected)} of {len(findings)} items admitted")
    for finding in rejected:
        click.echo(f"rejected {finding.item}: {finding.rejected[0]}")
    if rejected:
        raise AnswerIsNo(f"{len(rejected)} items are rejected")


def _asked_items(*, plan_path: Path | None, bank_key: Path | None, public: bool) -> tuple[Plan, list[Item]]:
    if public and not (plan_path or bank_key):
        return public_plan(), public_items()
    if public or plan_path is None or bank_key is None:
        raise click.UsageError("give --plan and --bank-key, or --public")
    plan = Plan.load(plan_path)
    return plan, list(Bank(load_bank_key(bank_key), plan).items)


@bank.command()
@click.argument("record", type=FILE)
@click.option("--out", type=FILE, required=True, help="The page, Markdown.")
def page(record: Path, out: Path) -> None:
    """Make the page about a bank from the RECORD of its admission."""
    with clear_refusals():
        out.write_text(bank_page(Register.open(record)))
    click.echo(str(out))


@bank.command()
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan of the bank.")
@click.option("--bank-key", type=FILE, required=True, help="Bank key file.")
@click.option("--seal", "seal_path", type=FILE, required=True, help="The bank's seal.")
@click.option("--book", type=FILE, required=True, help="Exposure book; made if missing.")
@click.option("--review", required=True, help="Whose shard it is.")
@click.option(
    "--items", "asked", multiple=True, required=True, metavar="FAMILY:LEVEL=COUNT", help="May be repeated."
)
@click.option(
    "--most-uses", type=click.IntRange(1), default=MOST_USES, show_default=True, help="For a new book."
)
@click.option("--out", type=DIRECTORY, required=True, help="Gets plan.json and seal.json of the shard.")
def shard(
    plan_path: Path,
    bank_key: Path,
    seal_path: Path,
    book: Path,
    review: str,
    asked: tuple[str, ...],
    **rest: Any,
) -> None:
    """Draw a review's shard: the items that were shown least, the first first. Nobody chooses.

    Exit status 1 if too few items may still be shown.
    """
    with clear_refusals():
        plan, key, seal = Plan.load(plan_path), load_bank_key(bank_key), read_json(seal_path)
        try:
            opened = open_seal(seal, key, plan)
        except SealBroken as error:
            raise AnswerIsNo(str(error)) from error
        history = (
            ExposureBook.from_record(read_json(book))
            if book.exists()
            else ExposureBook(opened.root, rest["most_uses"])
        )
        if history.bank_root != opened.root:
            raise CouldNot(f"{book} is the book of another bank")
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        try:
            history = history.draw(plan, review, _counts(asked), now)
        except BankSpent as error:
            raise AnswerIsNo(str(error)) from error
        except ValueError as error:
            raise CouldNot(str(error)) from error
        part = shard_plan(plan, history.shown[-1].places)
        out: Path = rest["out"]
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = Bank(key, part).seal_record()
        check_shard(seal, plan, sealed, part)
        write_json(book, history.to_record())
        write_json(out / "plan.json", part.to_record())
        write_json(out / "seal.json", sealed)
    click.echo(f"{out}: {len(part.items)} items for {review}, root {sealed['bank_root_sha256']}")


@bank.command("check-shard")
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan of the bank.")
@click.option("--seal", "seal_path", type=FILE, required=True, help="Seal of the bank.")
@click.option("--shard", "directory", type=DIRECTORY, required=True, help="Directory of the shard.")
def check_shard_command(plan_path: Path, seal_path: Path, directory: Path) -> None:
    """See from the seals alone that a shard is part of a bank. Exit status 1 if it is not."""
    with clear_refusals():
        part = Plan.load(directory / "plan.json")
        try:
            check_shard(read_json(seal_path), Plan.load(plan_path), read_json(directory / "seal.json"), part)
        except SealBroken as error:
            raise AnswerIsNo(str(error)) from error
    click.echo(f"{directory}: all {len(part.items)} items are the bank's")


@bank.command()
@click.option("--book", type=FILE, required=True, help="Exposure book.")
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan of the bank.")
@click.option("--leaked", multiple=True, metavar="FAMILY:LEVEL:INDEX", help="Retire this item at once.")
@click.option("--reason", help="Why, with --leaked.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def exposure(book: Path, plan_path: Path, leaked: tuple[str, ...], reason: str | None, as_json: bool) -> None:
    """Show how often items were shown and what is retired; with --leaked, retire items."""
    with clear_refusals():
        plan, history = Plan.load(plan_path), ExposureBook.from_record(read_json(book))
        if leaked:
            if not reason:
                raise click.UsageError("--leaked needs --reason")
            history = history.leak([_place(each) for each in leaked], reason)
            write_json(book, history.to_record())
        counts = {
            "items": len(plan.items),
            "shown": sum(history.uses(place) > 0 for place in plan.items),
            "retired": sum(history.retired(place) for place in plan.items),
            "reviews": len(history.shown),
            "spent": history.spent(plan),
        }
    if as_json:
        click.echo(json.dumps(counts))
    else:
        click.echo(
            f"{counts['items']} items, {counts['shown']} shown in {counts['reviews']} reviews, "
            f"{counts['retired']} retired"
            + ("; the bank is spent and may be revealed" if counts["spent"] else "")
        )


@bank.command()
@click.option("--plan", "plan_path", type=FILE, required=True, help="Plan of the bank.")
@click.option("--bank-key", type=FILE, required=True, help="Bank key file.")
@click.option("--seal", "seal_path", type=FILE, required=True, help="The bank's seal.")
@click.option("--book", type=FILE, help="Exposure book: refuse while items may still be shown.")
@click.option("--out", type=DIRECTORY, required=True, help="Gets reveal.json and items/.")
def reveal(plan_path: Path, bank_key: Path, seal_path: Path, book: Path | None, out: Path) -> None:
    """Reveal a retired bank: the key, the plan, every item and all of its files.

    Whoever gets the directory can check it with `check-reveal`, or with the one file reveal_check.py alone.
    """
    with clear_refusals():
        plan, key = Plan.load(plan_path), load_bank_key(bank_key)
        if book is not None and not ExposureBook.from_record(read_json(book)).spent(plan):
            raise AnswerIsNo("items of this bank may still be shown; retire them before you reveal it")
        try:
            opened = open_seal(read_json(seal_path), key, plan)
        except SealBroken as error:
            raise AnswerIsNo(str(error)) from error
        for item in opened.items:
            for kind, files in (("shown", item.agent_files), ("hidden", item.hidden_files)):
                for name, content in files.items():
                    place = out / "items" / item.id / kind / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
        write_json(out / "reveal.json", Bank(key, plan).reveal_record())
    click.echo(f"{out}: {len(opened.items)} items revealed, root {opened.root}")


@click.group()
def custody() -> None:
    """Split a bank key among holders, and bring it together again."""


@custody.command("make-holder")
@click.argument("name")
@click.option("--key", type=FILE, required=True, help="Private key file to make.")
@click.option("--out", type=FILE, required=True, help="Public record to hand over.")
def make_holder_command(name: str, key: Path, out: Path) -> None:
    """Make NAME's key pair, to which a share will be sealed."""
    with clear_refusals():
        write_json(out, make_holder(name, key).to_record())
    click.echo(f"{out}: hand this over; keep {key}")


@custody.command()
@click.option("--bank-key", type=FILE, required=True, help="Bank key file to split.")
@click.option(
    "--holder", "holders", type=FILE, multiple=True, required=True, help="Public record; repeat it."
)
@click.option("--threshold", type=click.IntRange(2), required=True, help="How many must come together.")
@click.option("--out", type=DIRECTORY, required=True, help="Gets one sealed share for each holder.")
def split(bank_key: Path, holders: tuple[Path, ...], threshold: int, out: Path) -> None:
    """Split a bank key: any THRESHOLD holders can open the bank, fewer learn nothing.

    The bank key file is left where it is; destroy it when the shares are with their holders.
    """
    with clear_refusals():
        known = [Holder.from_record(read_json(path)) for path in holders]
        out.mkdir(parents=True, exist_ok=True)
        for share in split_key(load_bank_key(bank_key), known, threshold):
            write_json(out / f"{share['holder']}.share.json", share)
    click.echo(f"{out}: {len(known)} shares, any {threshold} of them open the bank")


@custody.command()
@click.argument("share", type=FILE)
@click.option("--key", type=FILE, required=True, help="The holder's private key file.")
@click.option("--out", type=FILE, required=True, help="Opened share, for the holder's own hands.")
def unseal(share: Path, key: Path, out: Path) -> None:
    """As a holder: open your sealed SHARE, to bring it to the others."""
    with clear_refusals():
        words = open_share(read_json(share), key)
        _write_secret(out, words + "\n")
    click.echo(f"{out}: bring this to the others")


@custody.command()
@click.argument("shares", type=FILE, nargs=-1, required=True)
@click.option("--record", type=FILE, required=True, help="Any sealed share of the split, for its commitment.")
@click.option("--out", type=FILE, required=True, help="Bank key file to write.")
def join(shares: tuple[Path, ...], record: Path, out: Path) -> None:
    """Bring opened SHARES together into the bank key."""
    with clear_refusals():
        commitment = str(read_json(record).get("key_commitment_sha256"))
        key = join_key([path.read_text().strip() for path in shares], commitment)
        _write_secret(out, key.hex() + "\n")
    click.echo(f"{out}: the bank key, commitment {key_commitment(key)}")


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _counts(asked: tuple[str, ...]) -> dict[tuple[str, int], int]:
    counts = {}
    for each in asked:
        name, _, count = each.partition("=")
        family, _, level = name.rpartition(":")
        if not (family and level.isdigit() and count.isdigit() and int(count) > 0):
            raise click.UsageError(f"--items {each}: expected FAMILY:LEVEL=COUNT, for instance mem.poc:2=5")
        counts[family, int(level)] = int(count)
    return counts


def _place(text: str) -> PlannedItem:
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
        raise click.UsageError(f"--leaked {text}: expected FAMILY:LEVEL:INDEX")
    return PlannedItem(parts[0], int(parts[1]), int(parts[2]))
