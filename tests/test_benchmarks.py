# SPDX-License-Identifier: Apache-2.0
"""`make bench` and scripts ask every benchmark the same way."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda path: path.stem)
def test_every_benchmark_has_a_quick_form_and_answers_in_json(benchmark):
    told = subprocess.run(
        [sys.executable, benchmark, "--help"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    assert "--quick" in told
    assert "--json" in told
