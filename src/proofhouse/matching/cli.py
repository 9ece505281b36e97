# SPDX-License-Identifier: Apache-2.0
"""``proofhouse match``: does an advisory mean something in an SBOM?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from proofhouse.formats import FormatError, JsonObject, Sbom, read_osv, read_sbom
from proofhouse.matching._affected import affected_in_osv
from proofhouse.matching._match import Answer, ComponentMatch, SbomMatch, match_sbom

_EXIT = {Answer.NO: 0, Answer.YES: 1, Answer.UNKNOWN: 3}


class CannotMatch(click.ClickException):
    """The comparison could not be made."""

    exit_code = 3


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotMatch(f"{path}: {error.strerror}") from None


def _load(sbom: Path, advisory: Path) -> tuple[Sbom, JsonObject]:
    try:
        parts = read_sbom(_read(sbom))
    except FormatError as error:
        raise CannotMatch(f"{sbom}: {error}") from None
    try:
        return parts, read_osv(_read(advisory))
    except FormatError as error:
        raise CannotMatch(f"{advisory}: {error}") from None


def _row(one: ComponentMatch) -> dict[str, object]:
    return {
        "name": one.component.name,
        "version": one.component.version,
        "purl": one.component.purl,
        "bom_ref": one.component.bom_ref,
        "answer": one.match.answer.value,
        "reason": one.match.reason.value,
        "explanation": one.match.explanation,
        "evidence": dict(one.match.evidence),
    }


def _print_json(result: SbomMatch, record: JsonObject) -> None:
    counts = {answer.value: len(result.having(answer)) for answer in Answer}
    rows = [_row(one) for one in (*result.affected, *result.unknown)]
    document = {
        "advisory": record["id"],
        "answer": result.answer.value,
        "counts": counts,
        "components": rows,
        "summary": result.summary,
    }
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))


@click.command("match")
@click.argument("sbom", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("advisory", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of sentences.")
def cli(sbom: Path, advisory: Path, as_json: bool) -> None:
    r"""Say which components of SBOM (CycloneDX 1.4 to 1.6, JSON) are meant by ADVISORY (OSV, JSON).

    Each component is affected (yes), not affected (no) or unknown. Unknown never counts as no: a component
    with the right name but an unusable version, or without a package URL, is listed with what to ask for.

    \b
    Exit code:
      0  no component is affected, and none is unknown
      1  at least one component is affected
      2  wrong use
      3  could not say: components are unknown and none is affected, or a file cannot be read
    """
    parts, record = _load(sbom, advisory)
    result = match_sbom(parts, affected_in_osv(record))
    if as_json:
        _print_json(result, record)
    else:
        for one in (*result.affected, *result.unknown):
            click.echo(f"{one.match.answer.value:8} {one.match.explanation}")
        click.echo(f"{record['id']}: {result.summary}")
    raise SystemExit(_EXIT[result.answer])
