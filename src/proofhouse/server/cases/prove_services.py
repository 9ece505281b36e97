# SPDX-License-Identifier: Apache-2.0
"""Reports that are run as they come: a product has a bench, and whom a coordinator trusts by name is run on it at once.

Proofs of everybody else wait until a coordinator has them run (`services.validate`): the tier that isolates the proofs
of strangers is not every machine's.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from proofhouse.attest import sha256_hex
from proofhouse.server.accounts.models import Organisation, Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.bench import NoSeat, lay_out
from proofhouse.server.cases.evidence import ProvedProof, read_evidence
from proofhouse.server.cases.intake_store import newest_bench
from proofhouse.server.cases.lease_rules import folded
from proofhouse.server.cases.lease_services import forget_prints, keep_prints
from proofhouse.server.cases.models import Bench, Report, ValidationRun
from proofhouse.server.cases.rules import WAITING, ReportState, step_report
from proofhouse.server.cases.tasks import CEILING_S, validation_command
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.jobs.port import enqueue, job, step
from proofhouse.server.engine.jobs.programs import run_program
from proofhouse.server.engine.jobs.rules import Queue
from proofhouse.server.engine.keys import public_keys
from proofhouse.server.engine.models import LedgerEntry, Peer
from proofhouse.server.engine.record import record
from proofhouse.server.house import this_house
from proofhouse.validation.cli import ENVELOPE_FILE

_RECIPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


def bench_for(product: str) -> Bench | None:
    """The bench on which a product's reports are run now."""
    found = newest_bench(folded(product))
    return None if found is None else Bench.objects.get(pk=found)


@act(Permission.CASES_CASE_COORDINATE)
def set_bench(*, actor: Person, product: str, recipe: str, trusted: list[str]) -> Bench:
    """Have the reports of some finders about a product run as they come, on one of the house's recipes.

    Args:
        actor: A coordinator, who answers for the recipe and for whom it trusts.
        product: Name of the product.
        recipe: Name of one of the house's recipes (`recipes/NAME/`).
        trusted: Whose proofs may be run here: e-mail addresses of people of this house, names of other houses or of
            organisations at a desk here.

    Raises:
        ActError: There is no such recipe, or nobody is known by such a name.
    """
    file = this_house().recipe(recipe)
    if not _RECIPE.fullmatch(recipe) or not file.is_file():
        raise ActError("there is no recipe of this name in the house's recipes", "no_recipe")
    keys = [key for name in trusted for key in finder_keys(name)]
    digest = sha256_hex(file.read_bytes())
    identity = uuid7()
    entry = record(
        "bench.set",
        f"bench:{identity}",
        {"product": product, "recipe_sha256": digest, "trusted": sorted(trusted), "by": actor.email},
    )
    return Bench.objects.create(
        id=identity,
        product=product,
        product_key=folded(product),
        recipe=recipe,
        recipe_sha256=digest,
        trusted=keys,
        entry=entry,
        set_at=now(),
    )


def finder_keys(name: str) -> list[str]:
    """How the reports of somebody are counted whom people call so.

    Raises:
        ActError: Nobody is known by this name.
    """
    found = [f"person:{person.id}" for person in Person.objects.filter(email=name, is_active=True)]
    found += [f"organisation:{each.name}" for each in Organisation.objects.filter(name=name, own=False)]
    found += [f"house:{each.name}" for each in Peer.objects.filter(name=name)]
    if not found:
        raise ActError(f"nobody here is known as {name}", "unknown_finder")
    return found


def run_if_benched(report: Report, *, after: LedgerEntry | None = None) -> None:
    """Order a report to be run, as part of the act under way, where a bench of its product trusts its finder.

    Args:
        report: One that waits in the queue.
        after: What brought it back there; none for one that has just come.
    """
    bench = bench_for(report.product)
    if bench and report.claimed_crash and report.finder_key in bench.trusted:
        asked = {"report": str(report.id), "bench": str(bench.id)}
        enqueue(
            prove_report,
            asked,
            case=report.entry.case,
            key=f"prove:{report.id}{f':{after.pk}' if after else ''}",
        )


@job("cases.prove", queue=Queue.PROOF, attempts=8, retry_s=5)
def prove_report(*, report: str, bench: str) -> str:
    """Run one report on its bench and keep what that showed; gives the report's state."""
    row = Report.objects.get(id=report)
    place = this_house().scratch / f"prove-{report}"
    shutil.rmtree(place, ignore_errors=True)
    try:
        file = _laid_out(row, Bench.objects.get(id=bench), place)
        if file is None:
            return str(hand_to_people(report=report))
        command, environment = validation_command(file)
        ran = run_program(command, timeout_s=CEILING_S, ok=(0, 1, 2), keep=(ENVELOPE_FILE,), env=environment)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if ENVELOPE_FILE not in ran.kept:
        return str(hand_to_people(report=report))
    return str(keep_proof(report=report, statement_sha256=ran.kept[ENVELOPE_FILE]))


def name_in_recipe(report: object) -> str:
    """The identifier under which a report stands in its recipe; its own name may be anything."""
    return f"REPORT-{str(report).replace('-', '')}"


def _laid_out(row: Report, bench: Bench, place: Path) -> Path | None:
    """The recipe's file, or None where the recipe is another by now or the files do not fit it."""
    source = this_house().recipes / bench.recipe
    if sha256_hex(this_house().recipe(bench.recipe).read_bytes()) != bench.recipe_sha256:
        return None
    files = {each.name: get_blob(each.sha256) for each in row.attachments.filter(recipe=False)}
    proof = {"identifier": name_in_recipe(row.id), "claimed_crash": row.claimed_crash}
    try:
        return lay_out(source, bench.recipe, place, proof, files)
    except NoSeat:
        return None


@step
def keep_proof(*, report: str, statement_sha256: str) -> str:
    """Keep what running a report showed; a report that was decided meanwhile stays as it is."""
    row = Report.objects.select_related("entry").get(id=report)
    if row.state not in WAITING:
        return row.state
    evidence = read_evidence(get_blob(statement_sha256), public_keys("validation"))
    proof = next(each for each in evidence.proofs if name_in_recipe(report) in each.identifiers)
    entry = record(
        "validation.accept",
        row.entry.case,
        {"statement_sha256": statement_sha256, "verdicts": {str(row.id): proof.verdict.value}, "by": "bench"},
    )
    keep_run(row, proof, statement_sha256, evidence.real, entry)
    return row.state


@step
def hand_to_people(*, report: str) -> str:
    """Nothing here can run it: people read it."""
    row = Report.objects.select_related("entry").get(id=report)
    if row.state in WAITING:
        row.state = step_report(ReportState(row.state), ReportState.NEEDS_HUMAN)
        row.save(update_fields=["state"])
        record("report.set-aside", row.entry.case, {"by": "bench"})
    return row.state


def keep_run(report: Report, proof: ProvedProof, digest: str, real: bool, entry: LedgerEntry) -> None:
    """Keep what running a report's proof showed, as part of the act under way."""
    report.state = step_report(ReportState(report.state), proof.verdict)
    report.save(update_fields=["state"])
    ValidationRun.objects.create(
        report=report,
        statement_sha256=digest,
        verdict=proof.verdict,
        reason=proof.reason,
        crash_class=proof.crash_class,
        frame=proof.frame,
        runs=proof.runs,
        crashes=proof.crashes,
        real=real,
        entry=entry,
        run_at=now(),
    )
    if proof.verdict is ReportState.REPRODUCED:
        keep_prints(report, [proof.crash_class, report.weakness], [proof.frame])
    elif proof.verdict is ReportState.NOT_REPRODUCED:
        forget_prints(report)
