# SPDX-License-Identifier: Apache-2.0
"""What the harness costs beside the model: processor and memory per sample and turn, fabric, the strong tier.

    python benchmarks/exam_overhead.py            # 200 samples, then 1,000 for memory; several minutes
    python benchmarks/exam_overhead.py --quick    # 40 samples, no run of 1,000 (rss_mb_1000 is null)
    python benchmarks/exam_overhead.py --json     # one JSON object and nothing else

A sample is what an exam's is: a box, a file for the subject, two turns that each run a shell command, and a scorer
that reads the answer from outside; 8 at a time, a mock model. Processor time is user and system time of the harness,
of the boxes and of what ran in them. The same samples go through Inspect's `local` sandbox, which isolates nothing, in
the same run. A turn costs the slope between samples of 2 and of 12 turns. Each run has a process of its own, with an
empty home (Inspect's shell is a login shell), and first runs 8 samples, which load Inspect; they are `start_cpu_s`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from typing import Any

from _told import asks, tell

PARALLEL = 8
FEW_TURNS, MANY_TURNS = 2, 12


def _work(sandbox: str, samples: int, turns: int) -> dict[str, float]:
    """One run in this process; milliseconds of processor per sample, and the peak of resident memory in MB."""
    from inspect_ai import Task
    from inspect_ai import eval as run_task
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
    from inspect_ai.solver import TaskState, generate, use_tools
    from inspect_ai.tool import ToolChoice, ToolInfo, bash
    from inspect_ai.util import sandbox as the_sandbox

    import proofhouse.sandbox.inspect_provider  # noqa: F401  # registers the sandbox

    usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)

    def reply(
        messages: list[ChatMessage], tools: list[ToolInfo], choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        del tools, choice, config
        done = sum(message.role == "tool" for message in messages)
        command = {"command": f"wc -c given.txt; echo turn {done} > answer.txt"}
        output = (
            ModelOutput.for_tool_call("mockllm/model", "bash", command)
            if done < turns
            else ModelOutput.from_content("mockllm/model", "done")
        )
        output.usage = usage  # without it Inspect fetches a tokenizer from the network
        return output

    @scorer(metrics=[accuracy()])
    def answered() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            del state, target
            return Score(value=await the_sandbox().read_file("answer.txt") == f"turn {turns - 1}\n")

        return score

    task = Task(
        dataset=[Sample(str(number), files={"given.txt": "x" * 1000}) for number in range(samples)],
        solver=[use_tools(bash(timeout=60)), generate()],
        scorer=answered(),
        sandbox=sandbox,
    )
    model = get_model("mockllm/model", custom_outputs=reply)

    def run(limit: int) -> Any:
        with tempfile.TemporaryDirectory() as log_dir:
            [log] = run_task(
                task,
                model=model,
                limit=limit,
                display="none",
                log_dir=log_dir,
                max_samples=PARALLEL,
                max_sandboxes=PARALLEL,
                ctl_server=False,
                log_realtime=False,
            )
        return log

    began = _cpu_s()
    run(PARALLEL)
    before = _cpu_s()
    log = run(samples)
    if log.status != "success" or log.results is None:
        raise SystemExit(f"the run failed: {log.error}")
    [metrics] = [score.metrics for score in log.results.scores]
    if metrics["accuracy"].value != 1:
        raise SystemExit("not every sample was answered: the figures would be those of a broken harness")
    return {
        "cpu_ms": 1000 * (_cpu_s() - before) / samples,
        "start_cpu_s": before - began,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _cpu_s() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _run(sandbox: str, samples: int, turns: int) -> dict[str, float]:
    """The same in a process of its own."""
    argv = [sys.executable, __file__, "--worker", sandbox, str(samples), str(turns)]
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=os.environ | {"HOME": home}
        )
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip()[-2000:] or "a worker failed")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _fabric_ms(rounds: int) -> float:
    from proofhouse.sandbox.fabric import Fabric, FabricSpec, Host, Link

    names = ("desk", "gateway", "server", "plc")
    spec = FabricSpec(
        tuple(Host(name) for name in names),
        tuple(Link(one, two, (80,)) for one, two in pairwise(names)),
    )
    taken = []
    for _ in range(rounds):
        began = time.monotonic()
        fabric = Fabric.start(spec)
        taken.append(1000 * (time.monotonic() - began))
        fabric.close()
    return statistics.median(taken)


def _tier(tier: Any, rounds: int) -> tuple[float, float] | None:
    """Milliseconds to open a box with its first command, and of a further command; None where there is no tier."""
    from proofhouse.sandbox import BoxSpec, SandboxUnavailable, open_box

    opened, executed = [], []
    for _ in range(max(3, rounds // 5)):
        began = time.monotonic()
        try:
            box = open_box(BoxSpec(tier=tier))
        except SandboxUnavailable as error:
            print(f"tier {tier}: {error}", file=sys.stderr)
            return None
        with box:
            box.exec(["true"])
            opened.append(1000 * (time.monotonic() - began))
            for _ in range(5):
                began = time.monotonic()
                box.exec(["true"])
                executed.append(1000 * (time.monotonic() - began))
    return statistics.median(opened), statistics.median(executed)


def measure(*, quick: bool) -> dict[str, float | None]:
    """All figures by name; times in milliseconds, memory in MB."""
    samples, rounds = (40, 5) if quick else (200, 20)
    few = {sandbox: _run(sandbox, samples, FEW_TURNS) for sandbox in ("local", "bwrap")}
    many = _run("bwrap", samples, MANY_TURNS)
    weak, strong = _tier("T0", rounds), _tier("T1", rounds)
    return {
        "cpu_ms_per_sample": few["bwrap"]["cpu_ms"],
        "cpu_ms_per_turn": (many["cpu_ms"] - few["bwrap"]["cpu_ms"]) / (MANY_TURNS - FEW_TURNS),
        "local_cpu_ms_per_sample": few["local"]["cpu_ms"],
        "start_cpu_s": few["bwrap"]["start_cpu_s"],
        "ratio_to_local": few["bwrap"]["cpu_ms"] / few["local"]["cpu_ms"],
        "rss_mb_1000": None if quick else _run("bwrap", 1000, FEW_TURNS)["rss_mb"],
        "fabric_ms": _fabric_ms(rounds),
        "t0_open_ms": weak[0] if weak else None,
        "t0_exec_ms": weak[1] if weak else None,
        "t1_open_ms": strong[0] if strong else None,
        "t1_exec_ms": strong[1] if strong else None,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = asks(__doc__)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    choices = parser.parse_args()
    if choices.worker:
        sandbox, samples, turns = choices.worker
        print(json.dumps(_work(sandbox, int(samples), int(turns))))
        return
    figures = {
        name: None if value is None else round(value, 2)
        for name, value in measure(quick=choices.quick).items()
    }
    tell(figures, as_json=choices.as_json)


if __name__ == "__main__":
    main()
