# SPDX-License-Identifier: Apache-2.0
"""What a validated proof costs: proofs a second at each tier, and the box beside the bare program.

Three runs a proof, each in a fresh box; two boxes at once, the build at hand, a program of the corpus.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from proofhouse.sandbox import SandboxError, Tier, open_box
from proofhouse.validation import Recipe, Verdict, fetch_source, load_recipe
from proofhouse.validation._bench import Bench
from proofhouse.validation._build import Builds, build
from proofhouse.validation._crash import REPORT_STEM, read_report
from proofhouse.validation._execution import execute, run_command, sanitizer_environment
from proofhouse.validation._validate import at_tier

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the corpus stands beside the tests that use it

from validation.corpus.program import generate

SEED = 11
WORKERS = 2


def _validated_per_s(recipe: Recipe, builds: Builds, tier: Tier, rounds: int) -> float:
    proved = 0
    with Bench(recipe, builds, _nothing, at_tier(open_box, tier), WORKERS) as bench:
        bench.prove_all()  # symbols are made once for a build; a validator meets a build many times
        started = time.perf_counter()
        for _ in range(rounds):
            proved += sum(proof.verdict is Verdict.REPRODUCED for proof in bench.prove_all())
        seconds = time.perf_counter() - started
    return round(proved / seconds, 2)


def _overhead(recipe: Recipe, builds: Builds, rounds: int) -> dict[str, float]:
    """One run after another as a validation does them, its boxes opened ahead by a second thread; and bare.

    `alone_ms` is one box from opening to closing, with nothing opened ahead.
    """
    proof = recipe.proofs[0]
    inputs = {name: (ref.path, builds.content(ref)) for name, ref in proof.inputs.items()}
    command = run_command(proof.run.argv, proof.run.stdin, proof.run.timeout_s, inputs)
    alone = _median_ms(lambda: execute(builds.trees.base, command), rounds)
    with Bench(recipe, builds, _nothing, at_tier(open_box, "T0"), workers=1) as bench:
        started = time.perf_counter()
        bench.run_all([(builds.trees.base, command)] * rounds)
        boxed = (time.perf_counter() - started) * 1000 / rounds
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        with tarfile.open(fileobj=BytesIO(builds.trees.base)) as archive:
            archive.extractall(place, filter="data")

        def bare() -> None:
            logs = place / "logs"
            logs.mkdir(exist_ok=True)
            for path, content in command.files.items():
                (place / path).parent.mkdir(exist_ok=True)
                (place / path).write_bytes(content)
            options = sanitizer_environment(str(logs / REPORT_STEM))
            subprocess.run(
                command.argv,
                cwd=place,
                env={**os.environ, **options},
                capture_output=True,
                check=False,
                timeout=60,
            )
            reports = {path.name: path.read_bytes() for path in logs.iterdir()}
            for report in logs.iterdir():
                report.unlink()
            if read_report(reports) is None:
                raise RuntimeError("the bare program did not crash")

        plain = _median_ms(bare, rounds)
    return {
        "overhead_ratio": round(boxed / plain, 2),
        "boxed_ms": round(boxed, 1),
        "alone_ms": round(alone, 1),
        "bare_ms": round(plain, 1),
    }


def _median_ms(run: Callable[[], object], rounds: int) -> float:
    run()
    times: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _nothing(_: object) -> None:
    """Tell nobody."""


def _bench() -> tuple[Recipe, Builds]:
    """A program of the corpus, built."""
    with tempfile.TemporaryDirectory() as scratch:
        recipe = load_recipe(generate(SEED).sample(fakes=0).write(Path(scratch)))
        source = fetch_source(recipe, Path(scratch))
        return recipe, build(recipe, source, Path(scratch), on_step=_say_nothing)


def _say_nothing(what: str, step: str) -> None:
    del what, step


def validated_per_s_t0(quick: bool) -> dict[str, float]:
    """Proofs a second in boxes of tier T0; goal on 2 cores: 10."""
    return {"validated_per_s_t0": _validated_per_s(*_bench(), "T0", rounds=3 if quick else 10)}


def validated_per_s_t1(quick: bool) -> dict[str, float]:
    """Proofs a second in boxes of tier T1, which proofs from strangers need; nothing where none opens."""
    try:
        return {"validated_per_s_t1": _validated_per_s(*_bench(), "T1", rounds=1 if quick else 3)}
    except SandboxError:
        return {}


def overhead_ratio(quick: bool) -> dict[str, float]:
    """A run of a validation in a box of tier T0 over the same run bare, input and report in both; goal: 3."""
    return _overhead(*_bench(), rounds=10 if quick else 50)
