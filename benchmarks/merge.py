# SPDX-License-Identifier: Apache-2.0
"""What validation merges and accepts wrongly, on programs whose truth is known, and what likeness alone is worth.

    python benchmarks/merge.py            # the whole corpus, 40 programs, and the OSS-Fuzz set
    python benchmarks/merge.py --quick    # a small sample of four programs, and the OSS-Fuzz set
    python benchmarks/merge.py --json     # one JSON object

PROOFHOUSE_DATA names the directory that holds `osv-oss-fuzz.jsonl.zst`; without it the last figures are left out.

`wrong_merges`, `missed_merges` count pairs of proofs, `accepted_nonfixes`, `refused_fixes` patches; each ought to be 0.
Their truth is how the corpus was made (`tests/validation/corpus`).

`t1_precision` and `t1_recall` are of the candidates that T1 proposes among OSS-Fuzz's bugs of one project (crash type
and three frames stand in each record; there are no patches and no lines). Truth there: two bugs are one when they share
a fixing commit. OSS-Fuzz has already removed what is plainly equal, and some commits mend several bugs. This measures
what is left, and both figures are low for everybody; `stack_precision` and `stack_recall` are of the stack alone, the
way ClusterFuzz compares it. No merge is ever made by T1.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

from _told import asks, tell
from proofhouse.validation import Crash, Seen, Sign, candidates, load_recipe, validate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the corpus and its truth stand beside the tests that use them

from formats.corpus import unpacked  # noqa: E402
from validation.corpus.program import corpus, generate  # noqa: E402
from validation.corpus.score import score  # noqa: E402

QUICK = (3, 4, 11, 21)
COUNTS = ("wrong_merges", "missed_merges", "accepted_nonfixes", "refused_fixes", "misfiled", "unproved")
_CRASH = re.compile(r"Crash type: (?P<type>[^\n]+)\nCrash state:\n(?P<state>(?:[^\n`]+\n){0,3})")


def judge_corpus(*, quick: bool) -> dict[str, Any]:
    """Validate corpus programs and count what is wrong."""
    counts = dict.fromkeys(COUNTS, 0)
    started = time.perf_counter()
    programs = [generate(seed).sample(fakes=4) for seed in QUICK] if quick else list(corpus())
    for program in programs:
        with tempfile.TemporaryDirectory() as scratch:
            recipe = load_recipe(program.write(Path(scratch)))
            found = score(program, validate(recipe, cache_dir=Path(scratch) / "cache"))
        for name in COUNTS:
            counts[name] += len(getattr(found, name))
    return {
        **counts,
        "programs": len(programs),
        "patches": sum(len(program.patches) for program in programs),
        "proofs": sum(len(program.proofs) for program in programs),
        "corpus_s": round(time.perf_counter() - started, 1),
    }


def read_oss_fuzz() -> dict[str, list[tuple[Seen, frozenset[str]]]]:
    """Project → its bugs with the commits that fixed each."""
    projects: dict[str, list[tuple[Seen, frozenset[str]]]] = defaultdict(list)
    for line in unpacked("osv-oss-fuzz.jsonl.zst").splitlines():
        record = json.loads(line)
        found = _CRASH.search(record.get("details", ""))
        fixes = frozenset(
            event["fixed"]
            for affected in record.get("affected", ())
            for span in affected.get("ranges", ())
            for event in span.get("events", ())
            if "fixed" in event
        )
        if found and fixes and "withdrawn" not in record:
            state = tuple(frame.strip() for frame in found["state"].splitlines() if frame.strip())
            crash = Crash(
                "", found["type"].split(" READ")[0].split(" WRITE")[0].strip().lower(), "", state, ""
            )
            projects[record["affected"][0]["package"]["name"]].append((Seen(record["id"], "", crash), fixes))
    return projects


def judge_likeness() -> dict[str, Any]:
    """Precision and recall of the candidates against shared fixing commits."""
    truth: set[tuple[str, str]] = set()
    proposed: dict[str, set[tuple[str, str]]] = {"t1": set(), "stack": set()}
    bugs = pairs = 0
    for members in read_oss_fuzz().values():
        bugs += len(members)
        pairs += len(members) * (len(members) - 1) // 2
        truth |= {(a.name, b.name) for (a, fixed), (b, other) in combinations(members, 2) if fixed & other}
        for each in candidates([seen for seen, _ in members]):
            proposed["t1"].add((each.left, each.right))
            if Sign.STACK in each.signs:
                proposed["stack"].add((each.left, each.right))
    figures: dict[str, Any] = {"bugs": bugs, "pairs": pairs, "true_pairs": len(truth)}
    for name, found in proposed.items():
        figures[f"{name}_proposed"] = len(found)
        figures[f"{name}_precision"] = round(len(found & truth) / len(found), 3) if found else 0.0
        figures[f"{name}_recall"] = round(len(found & truth) / len(truth), 3) if truth else 0.0
    return figures


def main() -> int:
    """Run the benchmark; exit status 1 when a count is not 0."""
    arguments = asks(__doc__).parse_args()
    figures = judge_corpus(quick=arguments.quick)
    figures |= judge_likeness() if os.environ.get("PROOFHOUSE_DATA") else {}
    tell(figures, as_json=arguments.as_json)
    return int(any(figures[name] for name in COUNTS))


if __name__ == "__main__":
    raise SystemExit(main())
