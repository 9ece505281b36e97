# SPDX-License-Identifier: Apache-2.0
"""Looking for flaws in programs that can be built: engines behind one interface, all of them in boxes.

An engine is a tool of others (AFL++, libFuzzer, a static analyser, an agent) or blind mutation. What it takes for a
crash is a candidate; it becomes a find when the plain build crashes alike three times out of three in fresh boxes.
Whether somebody may look at all is a house's lease to say: `proofhouse.server.scan_cli` asks for it. Nothing here
knows houses. ``docs/scan.md`` is the essay.
"""

from proofhouse.scan._afl import Afl
from proofhouse.scan._agent import Agent
from proofhouse.scan._cppcheck import Cppcheck
from proofhouse.scan._engine import (
    Candidate,
    Count,
    Engine,
    EngineMissing,
    Method,
    Remark,
    Seen,
    Terms,
    plain,
)
from proofhouse.scan._libfuzzer import LibFuzzer
from proofhouse.scan._mutation import Mutation
from proofhouse.scan._prove import Bench, Find
from proofhouse.scan._run import MAX_REMARKS, EngineRun, NotCovered, Noted, Outcome, chosen, scan
from proofhouse.scan._semgrep import Semgrep
from proofhouse.scan._target import Target, prepare

ENGINES: tuple[Engine, ...] = (LibFuzzer(), Afl(), Mutation(), Cppcheck(), Semgrep(), Agent())
"""All that there are, in the order in which they are let loose."""

__all__ = [
    "ENGINES",
    "MAX_REMARKS",
    "Afl",
    "Agent",
    "Bench",
    "Candidate",
    "Count",
    "Cppcheck",
    "Engine",
    "EngineMissing",
    "EngineRun",
    "Find",
    "LibFuzzer",
    "Method",
    "Mutation",
    "NotCovered",
    "Noted",
    "Outcome",
    "Remark",
    "Seen",
    "Semgrep",
    "Target",
    "Terms",
    "chosen",
    "plain",
    "prepare",
    "scan",
]
