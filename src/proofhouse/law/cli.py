# SPDX-License-Identifier: Apache-2.0
"""``proofhouse law``: what appears to apply, which clocks run, what changed, and if the data holds up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click

from proofhouse.law.assessment import WORDS, Assessment, Result
from proofhouse.law.book import LawBook
from proofhouse.law.deadlines import Due, DueState, Meaning
from proofhouse.law.difference import Change, Viewpoint, compare
from proofhouse.law.errors import FactRefused, LawError, LawMalformed
from proofhouse.law.facts import Incident, Profile
from proofhouse.law.linting import Severity, lint
from proofhouse.law.predicates import Explanation, Truth
from proofhouse.law.reading import Document, parse
from proofhouse.law.records import (
    check_record,
    difference_record,
    incident_record,
    lint_record,
    local_text,
    value_text,
)

P = ParamSpec("P")
_HEADINGS: tuple[tuple[str, frozenset[Result]], ...] = (
    ("Appears to apply", frozenset({Result.APPLIES})),
    ("Cannot tell: answer the questions", frozenset({Result.UNKNOWN})),
    (
        "Not binding on that day",
        frozenset(
            {
                Result.NOT_YET_EFFECTIVE,
                Result.PROPOSED,
                Result.ENJOINED,
                Result.PRE_EMPTED,
                Result.SUPERSEDED,
                Result.FAILED,
            }
        ),
    ),
    ("Does not appear to apply", frozenset({Result.DOES_NOT_APPLY})),
)
_MEANINGS = {
    Meaning.DUE: "due",
    Meaning.KEEP_UNTIL: "keep until",
    Meaning.ALLOWED_UNTIL: "use allowed until",
    Meaning.OPENS: "opens no earlier than",
}


class CouldNot(click.ClickException):
    """The question could not be answered here."""

    exit_code = 3


class Day(click.ParamType[date]):
    """A day such as 2027-01-05."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read the day.

        Raises:
            click.BadParameter: it is none.
        """
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2027-01-05", param, ctx)


def _today() -> date:
    return datetime.now(UTC).date()


def _refusing(verb: Callable[P, None]) -> Callable[P, None]:
    """Turn typed refusals into exit codes: wrong facts are wrong use (2), unusable data is could-not (3)."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except FactRefused as error:
            raise click.UsageError(str(error)) from error
        except LawError as error:
            raise CouldNot(str(error)) from error

    return run


_law = click.option(
    "--law",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="PROOFHOUSE_LAW",
    help="Directory of the law data. Default: the copy that came with the program.",
)
_facts = click.option(
    "--facts",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with org, model, system (facts), times (anchors) and sources (where a fact comes from).",
)
_as_of = click.option(
    "--as-of",
    type=Day(),
    default=_today,
    help="The day in law time, such as 2027-01-05. Default: today, UTC.",
)
_known_at = click.option("--known-at", type=Day(), help="Answer from what the data held on this day.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_why = click.option("--why", is_flag=True, help="Print why, as a tree.")


@click.group()
def cli() -> None:
    """Obligations as data: what appears to apply, by when, and which clocks an incident starts.

    Not legal advice. Answers are three-valued: a missing fact gives "cannot tell" and the question to answer.

    \b
    A facts file:
      org:
        nexus: [US-CA, US-NY]
        roles: [ai_developer]
        trained_or_initiated_training: true
        group_revenue_usd_prev_calendar_year: 2.0e+9
      model:
        training_ops: 2.1e+26
    """  # noqa: D301 - \b is click's mark for text that keeps its lines


@cli.command()
@_facts
@_as_of
@_known_at
@_law
@_json
@_why
@click.option("--all", "everything", is_flag=True, help="List what does not appear to apply, too.")
@_refusing
def check(
    facts: Path,
    as_of: date,
    known_at: date | None,
    directory: Path | None,
    as_json: bool,
    why: bool,
    everything: bool,
) -> None:
    """Say what appears to apply to a profile on a day.

    Exit code 0: answered. 2: the facts file is wrong. 3: the law data cannot be used.
    """
    book = LawBook.load(directory)
    profile = Profile.from_mapping(_read(facts), book.vocabulary)
    view = Viewpoint(as_of, known_at)
    assessments = book.check(profile, as_of, known_at)
    if as_json:
        _print_json(check_record(book, profile, view, assessments))
        return
    _head(book, view)
    if not assessments:
        click.echo(f"\nThe data held nothing on {known_at}; its first edition is of {book.edition.days[0]}.")
    for heading, results in _HEADINGS:
        rows = [one for one in assessments if one.result in results]
        click.echo(f"\n{heading}: {len(rows)}")
        if Result.DOES_NOT_APPLY in results and not everything:
            continue
        for one in rows:
            _print_assessment(one, book, profile.sources if why else None)


@cli.command()
@_facts
@click.option(
    "--incident",
    "incident_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with title, kinds (triggers), event (facts) and times (anchors).",
)
@_as_of
@_known_at
@_law
@_json
@_why
@_refusing
def incident(
    facts: Path,
    incident_file: Path,
    as_of: date,
    known_at: date | None,
    directory: Path | None,
    as_json: bool,
    why: bool,
) -> None:
    """Compute every clock that one incident starts, or may start, strictest first.

    Exit code 0: answered. 2: a file is wrong. 3: the law data cannot be used.
    """
    book = LawBook.load(directory)
    profile = Profile.from_mapping(_read(facts), book.vocabulary)
    event = Incident.from_mapping(_read(incident_file), book.vocabulary)
    view = Viewpoint(as_of, known_at)
    clocks = book.incident_clocks(profile, event, as_of, known_at)
    if as_json:
        _print_json(incident_record(book, profile, event.title, view, clocks))
        return
    _head(book, view)
    click.echo(f"\n{event.title or 'Incident'}: {len(clocks)} clocks, strictest first")
    for one in clocks:
        _print_assessment(one, book, profile.sources if why else None)


@cli.command()
@click.option("--from", "start", required=True, type=Day(), help="The earlier day in law time.")
@click.option(
    "--to", "end", type=Day(), default=_today, help="The later day in law time. Default: today, UTC."
)
@click.option("--known-from", type=Day(), help="What the data held on this day, for the earlier day.")
@click.option("--known-to", type=Day(), help="What the data held on this day, for the later day.")
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show only what matters to this profile, with its results.",
)
@_law
@_json
@_refusing
def diff(
    start: date,
    end: date,
    known_from: date | None,
    known_to: date | None,
    facts: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Say what changed between two days, in law time and in knowledge time.

    Exit code 0: answered. 2: the facts file is wrong. 3: the law data cannot be used.
    """
    book = LawBook.load(directory)
    profile = Profile.from_mapping(_read(facts), book.vocabulary) if facts else None
    before, after = Viewpoint(start, known_from), Viewpoint(end, known_to)
    changes = compare(book, before, after, profile)
    if as_json:
        _print_json(difference_record(book, before, after, changes))
        return
    _head(book, after)
    click.echo(f"\nChanges since {start}: {len(changes)}")
    for change in changes:
        _print_change(change)


@cli.command("lint")
@click.option("--today", type=Day(), help="The day against which re-checks are overdue. Default: today.")
@click.option("--release", is_flag=True, help="Fail also on findings that only hold back a release.")
@_law
@_json
@_refusing
def lint_command(today: date | None, release: bool, directory: Path | None, as_json: bool) -> None:
    """Check the law data: schemas, citations, history, wording, gaps, golden cases.

    Exit code 0: nothing found. 1: findings. 3: the data cannot be read at all.
    """
    day = today or _today()
    book = LawBook.load(directory)
    findings = lint(book, day)
    if as_json:
        _print_json(lint_record(book, day, findings))
    else:
        for one in findings:
            click.echo(f"{one.severity.value}: {one.place}: {one.rule}: {one.message}")
        click.echo(
            f"{len(book.instruments)} instruments, {len(book.obligation_ids)} obligations, "
            f"{len(book.cases)} golden cases, {len(book.gaps)} gaps, {len(findings)} findings"
        )
    if any(release or one.severity is Severity.ERROR for one in findings):
        raise SystemExit(1)


def _read(path: Path) -> Document:
    try:
        return parse(path.read_bytes(), str(path))
    except LawMalformed as error:
        raise click.UsageError(str(error)) from error


def _print_json(record: dict[str, Any]) -> None:
    click.echo(json.dumps(record, indent=2, ensure_ascii=False))


def _head(book: LawBook, view: Viewpoint) -> None:
    edition = book.edition
    click.echo(
        f"As of {view.as_of}"
        + (f", as known on {view.known_at}" if view.known_at else "")
        + f". Texts to {edition.horizon_statutes}, other sources to {edition.horizon_secondary}."
    )
    click.echo(edition.disclaimer)


def _print_assessment(one: Assessment, book: LawBook, sources: Mapping[str, str] | None) -> None:
    """Print one answer; with where the facts come from, also why."""
    obligation = one.obligation
    marks = f"{obligation.citation}; {obligation.grade.value}, confidence {obligation.confidence}"
    voluntary = "" if obligation.binding else " (not binding)"
    click.echo(f"  {obligation.title}{voluntary} [{obligation.id}]")
    click.echo(f"    {marks}")
    if one.result not in {Result.APPLIES, Result.UNKNOWN}:
        start = f", from {obligation.effective_from.value}" if obligation.effective_from else ""
        click.echo(f"    {one.standing.value.replace('_', ' ')}{start}")
    elif obligation.effective_from:
        end = f" until {obligation.effective_to.value}" if obligation.effective_to else ""
        click.echo(f"    {one.standing.value.replace('_', ' ')} since {obligation.effective_from.value}{end}")
    recipients = ", ".join(recipient.name for recipient in obligation.recipients)
    for due in one.dues:
        _print_due(due, recipients, book, sure=one.result is Result.APPLIES)
    if one.anchor_precedes_law:
        click.echo("    the anchor lies before the duty's first day: ask counsel whether it runs")
    for name in one.missing:
        click.echo(f"    ? {book.vocabulary.question(name)} ({name})")
    if sources is not None:
        for tree in one.explanations:
            _print_tree(tree, sources, 2)


def _print_due(due: Due, recipients: str, book: LawBook, *, sure: bool) -> None:
    to = f" to {recipients}" if recipients else ""
    what = f"{due.what}: " if due.what else ""
    condition = "" if sure and due.condition is Truth.TRUE else " (if it applies)"
    if due.state is DueState.DATED:
        click.echo(f"    {what}{_MEANINGS[due.meaning]} {local_text(due)}{to}{condition}")
    elif due.state in {DueState.UNCOUNTABLE, DueState.ENDED}:
        click.echo(f"    {what}{due.state.value}: {'; '.join(due.steps)}")
    if due.state in {DueState.DATED, DueState.UNDATED} and due.steps:
        click.echo(f"      {'; '.join(due.steps)}")
    for name in due.awaiting:
        click.echo(f"    ? {what}{book.vocabulary.times[name]} (times.{name}){condition}")
    for name in due.condition_asks:
        click.echo(f"    ? {what}{book.vocabulary.question(name)} ({name})")


def _print_tree(tree: Explanation, sources: Mapping[str, str], depth: int) -> None:
    sign = {Truth.TRUE: "yes", Truth.FALSE: "no", Truth.UNKNOWN: "?"}[tree.truth]
    held = "; ".join(
        f"{name} = {value_text(value)}" + (f", from {sources[name]}" if name in sources else "")
        for name, value in tree.facts
    )
    label = {"test": tree.text, "definition": f"definition {tree.name}"}.get(tree.kind, tree.kind)
    click.echo(f"{'  ' * depth}  [{sign}] {label}" + (f"  ({held})" if held else ""))
    for child in tree.children:
        _print_tree(child, sources, depth + 1)


def _print_change(change: Change) -> None:
    kinds = ", ".join(kind.value for kind in change.kinds)
    click.echo(f"  {change.title} [{change.obligation}]: {kinds}; grade {change.grade.value}")
    standings = (change.standing_before, change.standing_after)
    if standings[0] is not standings[1]:
        told = (one.value.replace("_", " ") if one else "none" for one in standings)
        click.echo(f"    standing: {' -> '.join(told)}")
    results = (change.result_before, change.result_after)
    if results[0] is not results[1]:
        click.echo(f"    answer: {' -> '.join(WORDS[one] if one else 'none' for one in results)}")
    for field in change.fields:
        click.echo(f"    {field.path}: {field.before!r} -> {field.after!r}")
