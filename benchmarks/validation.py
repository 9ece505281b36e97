# SPDX-License-Identifier: Apache-2.0
"""How many reports a house takes, and how many proofs it runs.

    python benchmarks/validation.py                  # every figure
    python benchmarks/validation.py accepted_per_s   # some of them; --quick: fewer of each

`accepted_per_s`: reports a second that are committed and in their queue (goal: 200), each with a proof of its own and
each an act, a transaction and a ledger entry; beside it `accepted_per_cpu_s`, which does not count the disk's `fsync`,
and `document_per_s`, results of SARIF logs of fifty, one transaction a log.

`validated_per_s_t0`, `validated_per_s_t1`: proofs a second with three runs each in fresh boxes of that tier, two boxes
at once (goal at T0 on 2 cores: 10); T1 is left out where no box of it opens. `overhead_ratio`: a run of a
validation, one at a time, in boxes of T0 that are opened ahead, over the same run bare (goal: at most 3; `alone_ms` is
one box with nothing opened ahead).
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _proving import overhead_ratio, validated_per_s_t0, validated_per_s_t1
from _told import asks, tell

FINDERS = 40
OF_EACH = 50
"""What a finder may send in a day of whom nothing is known yet."""
QUICK_OF_EACH = 5


def accepted_per_s(quick: bool) -> dict[str, float]:
    """Reports that are taken, one by one and by the document, from forty finders in one process."""
    of_each = QUICK_OF_EACH if quick else OF_EACH
    with tempfile.TemporaryDirectory(prefix="proofhouse-validation.") as scratch:
        people = _open(Path(scratch) / "house")
        single = _measured(_submit, people, of_each)
        document = _measured(_scan, people, of_each)
        _close()
    return {
        "accepted_per_s": single[0],
        "accepted_per_cpu_s": single[1],
        "document_per_s": document[0],
        "document_per_cpu_s": document[1],
    }


def _open(directory: Path) -> list[Any]:
    """A house of its own with every table, and forty people who report."""
    from proofhouse.server.house import Desk
    from proofhouse.server.opening import NewPerson, open_house, prepare_database

    house = open_house(
        directory,
        name="clearing",
        title="Clearing",
        desks=frozenset({Desk.CLEARINGHOUSE}),
        address="http://localhost:8193",
        people=[
            NewPerson(f"finder{number}@clearing.example", f"Finder {number}", ["operator"])
            for number in range(2 * FINDERS)
        ],
        demo=True,
    )
    os.environ["PROOFHOUSE_HOUSE"] = str(directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    prepare_database(house)
    from proofhouse.server.accounts.models import Person

    return list(Person.objects.filter(email__startswith="finder").order_by("email"))


def _close() -> None:
    from django.db import connections

    connections.close_all()


def _measured(work: Callable[[list[Any], int], int], people: list[Any], of_each: int) -> tuple[float, float]:
    began_s, used_s = time.perf_counter(), time.process_time()
    done = work(people, of_each)
    return (
        round(done / (time.perf_counter() - began_s), 1),
        round(done / (time.process_time() - used_s), 1),
    )


def _submit(people: list[Any], of_each: int) -> int:
    from proofhouse.server.cases.intake_services import submit_report

    for number in range(of_each):
        for place, person in enumerate(people[:FINDERS]):
            proof = f"{number} {place} ".encode() * 50
            submit_report(
                actor=person,
                title=f"Flaw {number} of {place}",
                product="tally",
                description="A length is believed, and it reads past the end.",
                claimed_crash="heap-buffer-overflow",
                provenance={"means": "fuzzer", "tool": "libFuzzer"},
                files=[{"name": "proof.rec", "content": base64.b64encode(proof).decode()}],
            )
    return of_each * FINDERS


def _scan(people: list[Any], of_each: int) -> int:
    from proofhouse.server.cases.intake_services import submit_document

    for place, person in enumerate(people[FINDERS:]):
        results = [
            {"ruleId": "CWE-416", "message": {"text": f"Freed in line {number} of file {place}"}}
            for number in range(of_each)
        ]
        log = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "a scanner"}}, "results": results}]}
        content = base64.b64encode(json.dumps(log).encode()).decode()
        submit_document(actor=person, format="sarif", content=content, product="tally")
    return of_each * FINDERS


FIGURES: dict[str, Callable[[bool], dict[str, float]]] = {
    "accepted_per_s": accepted_per_s,
    "validated_per_s_t0": validated_per_s_t0,
    "validated_per_s_t1": validated_per_s_t1,
    "overhead_ratio": overhead_ratio,
}
"""What is measured, by its name; each leaves nothing behind."""


def main() -> int:
    """Measure; exit code 0."""
    parser = asks(__doc__)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], help="default: all")
    asked = parser.parse_args()
    report: dict[str, float] = {}
    for name in asked.figures or FIGURES:
        report |= FIGURES[name](asked.quick)
    tell(report, as_json=asked.as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
