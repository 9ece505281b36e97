# SPDX-License-Identifier: Apache-2.0
"""The Inspect provider keeps Inspect's own contract, and a dead box makes the sample invalid."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from inspect_ai import Task
from inspect_ai import eval as run_task
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver, use_tools
from inspect_ai.tool import bash, python
from inspect_ai.util import SandboxEnvironmentSpec, SandboxUserUnsupportedError, sandbox
from inspect_ai.util._sandbox import self_check

from proofhouse.sandbox import SandboxUnavailable, _selftest
from proofhouse.sandbox.inspect_provider import (
    DEATH_KEY,
    BwrapConfig,
    BwrapSandboxEnvironment,
    sandbox_death,
)

pytestmark = pytest.mark.sandbox

_CONTRACT = {name: each for name, each in vars(self_check).items() if name.startswith("test_")}
_SLEEPS_FIVE_SECONDS = {"test_exec_timeout_kills_process", "test_exec_timeout_kills_child_processes"}
_ONE_USER_ONLY = "test_exec_as_user"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in _SLEEPS_FIVE_SECONDS else ())
        for name in _CONTRACT
        if name != _ONE_USER_ONLY
    ],
)
def test_inspects_own_contract_holds(name: str) -> None:
    _in_environment(_CONTRACT[name])


def test_another_user_is_refused() -> None:
    async def as_root(environment: BwrapSandboxEnvironment) -> None:
        with pytest.raises(SandboxUserUnsupportedError):
            await environment.exec(["id"], user="root")

    _in_environment(as_root)


def test_planted_traps_are_errors_that_a_model_may_see() -> None:
    async def trap(environment: BwrapSandboxEnvironment) -> None:
        await environment.exec(["sh", "-c", "ln -s /etc/passwd link; mkfifo fifo"])
        for name in ("link", "fifo"):
            with pytest.raises(PermissionError, match="not a regular file"):
                await environment.read_file(name)
            with pytest.raises(PermissionError, match="not a regular file"):
                await environment.write_file(name, "x")

    _in_environment(trap)


def test_bash_and_python_tools_work_and_background_lives_on(tmp_path: Path) -> None:
    log = _run(
        tmp_path,
        [
            ("bash", {"command": "id -u; echo kept > file; sleep 60 &"}),
            ("python", {"code": "print(open('/work/file').read(), 6 * 7)"}),
            ("bash", {"command": "pgrep -c sleep"}),
            ("bash", {"command": "sleep 9"}),
        ],
    )
    assert log.status == "success"
    assert log.samples is not None
    said = [message for message in log.samples[0].messages if message.role == "tool"]
    assert [message.text.split() for message in said[:3]] == [["1000"], ["kept", "42"], ["1"]]
    assert said[3].error is not None
    assert said[3].error.type == "timeout"
    assert log.samples[0].store.get(DEATH_KEY) is None


def test_a_dead_box_marks_the_sample(tmp_path: Path) -> None:
    log = _run(tmp_path, [("bash", {"command": "echo never"})], killer())
    assert log.samples is not None
    sample = log.samples[0]
    assert sample.store[DEATH_KEY] == "killed by the test"
    assert sample.scores is not None
    assert sample.scores["death_scorer"].value == "killed by the test"
    errors = [message.error.type for message in sample.messages if message.role == "tool" and message.error]
    assert errors == ["sandbox_unavailable"]


def test_a_failed_self_test_stops_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_selftest, "_FROM_PROBE", ("a check that never comes",))
    with pytest.raises(SandboxUnavailable, match="never comes"):
        anyio.run(BwrapSandboxEnvironment.task_init, "task", None)


def test_a_configuration_survives_the_log() -> None:
    config = BwrapConfig(memory_bytes=1 << 28, profile="build")
    spec = SandboxEnvironmentSpec("bwrap", config)
    assert SandboxEnvironmentSpec.model_validate_json(spec.model_dump_json()).config == config
    assert config.to_spec().limits.memory_bytes == 1 << 28
    assert config.to_spec().keep_background


def test_a_configuration_file_is_refused() -> None:
    with pytest.raises(TypeError, match="BwrapConfig"):
        anyio.run(BwrapSandboxEnvironment.sample_init, "task", "compose.yaml", {})


def test_importing_the_sandbox_does_not_import_inspect() -> None:
    script = "import sys, proofhouse.sandbox, proofhouse.sandbox.cli; sys.exit('inspect_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def _in_environment(check: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        environments = await BwrapSandboxEnvironment.sample_init("task", None, {})
        try:
            await check(environments["default"])
        finally:
            await BwrapSandboxEnvironment.sample_cleanup("task", None, environments, False)

    anyio.run(run)


@scorer(metrics=[accuracy()])
def death_scorer() -> Scorer:
    """The reason for the box's death as the score."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score(value=sandbox_death() or "alive")

    return score


@solver
def killer() -> Solver:
    """Kills the sample's box, as the host may at any time."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        sandbox().as_type(BwrapSandboxEnvironment).box.kill("killed by the test")
        return state

    return solve


def _run(log_dir: Path, calls: list[tuple[str, dict[str, Any]]], *before: Solver) -> EvalLog:
    usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    outputs = [ModelOutput.for_tool_call("mockllm/model", name, arguments) for name, arguments in calls]
    outputs.append(ModelOutput.from_content("mockllm/model", "done"))
    for output in outputs:
        output.usage = usage  # without it Inspect fetches a tokenizer from the network
    task = Task(
        dataset=[Sample("go")],
        solver=[*before, use_tools(bash(timeout=2), python(timeout=2)), generate()],
        scorer=death_scorer(),
        sandbox="bwrap",
    )
    model = get_model("mockllm/model", custom_outputs=outputs)
    return run_task(task, model=model, display="none", log_dir=str(log_dir))[0]
