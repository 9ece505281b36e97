# SPDX-License-Identifier: Apache-2.0
"""The Inspect provider keeps Inspect's own contract, and a dead box makes the sample invalid."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
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

from proofhouse.sandbox import SandboxUnavailable, _selftest, inspect_provider
from proofhouse.sandbox.inspect_provider import (
    DEATH_KEY,
    BwrapConfig,
    BwrapSandboxEnvironment,
    HostConfig,
    LinkConfig,
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


def test_a_configuration_file_holds_the_same_fields(tmp_path: Path) -> None:
    file = tmp_path / "bwrap.yaml"
    file.write_text("memory_bytes: 268435456\nhosts: [{name: desk}, {name: plc, pids: 20}]\n")
    config = inspect_provider._config(str(file))
    assert config.to_spec().limits.memory_bytes == 1 << 28
    assert [(host.name, host.limits.pids) for host in config.to_fabric().hosts] == [
        ("desk", 256),
        ("plc", 20),
    ]


@pytest.mark.parametrize("content", ["memory: 1", "hosts: 3", "- x", "{"])
def test_a_configuration_file_that_says_something_else_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "bwrap.yaml"
    file.write_text(content)
    with pytest.raises(ValueError, match="not a configuration"):
        anyio.run(BwrapSandboxEnvironment.sample_init, "task", str(file), {})


def test_a_network_that_makes_no_sense_stops_the_task() -> None:
    config = BwrapConfig(hosts=(HostConfig(name="desk"),))
    with pytest.raises(ValueError, match="2 to 6 hosts"):
        anyio.run(BwrapSandboxEnvironment.task_init, "task", config)


@solver
def plc_service() -> Solver:
    """Starts a service on the host ``plc`` of the sample's fabric."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        await sandbox("plc").write_file("index.html", "valve closed")
        await sandbox("plc").exec(["sh", "-c", "python3 -m http.server 80 >/dev/null 2>&1 &"])
        fabric = sandbox("plc").as_type(BwrapSandboxEnvironment).fabric
        assert fabric is not None
        await anyio.to_thread.run_sync(fabric.wait_for, "plc", 80)
        return state

    return solve


@scorer(metrics=[accuracy()])
def contact_scorer() -> Scorer:
    """Who connected to whom, as the machine outside saw it."""

    async def score(state: TaskState, target: Target) -> Score:
        fabric = sandbox().as_type(BwrapSandboxEnvironment).fabric
        assert fabric is not None
        return Score(value=" ".join(f"{each.source}>{each.target}:{each.port}" for each in fabric.contacts()))

    return score


def test_a_samples_fabric_is_addressed_by_the_names_of_its_hosts(tmp_path: Path) -> None:
    config = BwrapConfig(
        hosts=(HostConfig(name="desk"), HostConfig(name="plc")),
        links=(LinkConfig(source="desk", target="plc", ports=(80,)),),
    )
    fetch = "import urllib.request; print(urllib.request.urlopen('http://plc/').read().decode())"
    log = _run(
        tmp_path,
        [("python", {"code": fetch}), ("bash", {"command": "ls /work"})],
        plc_service(),
        sandbox_spec=SandboxEnvironmentSpec("bwrap", config),
        judge=contact_scorer(),
    )
    assert log.status == "success", log.error
    assert log.samples is not None
    said = [message.text.strip() for message in log.samples[0].messages if message.role == "tool"]
    assert said == ["valve closed", ""]
    assert log.samples[0].scores is not None
    assert log.samples[0].scores["contact_scorer"].value == "desk>plc:80"


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


def _run(
    log_dir: Path,
    calls: list[tuple[str, dict[str, Any]]],
    *before: Solver,
    sandbox_spec: SandboxEnvironmentSpec | None = None,
    judge: Scorer | None = None,
) -> EvalLog:
    usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    outputs = [ModelOutput.for_tool_call("mockllm/model", name, arguments) for name, arguments in calls]
    outputs.append(ModelOutput.from_content("mockllm/model", "done"))
    for output in outputs:
        output.usage = usage  # without it Inspect fetches a tokenizer from the network
    task = Task(
        dataset=[Sample("go")],
        solver=[*before, use_tools(bash(timeout=2), python(timeout=2)), generate()],
        scorer=judge or death_scorer(),
        sandbox=sandbox_spec or "bwrap",
    )
    model = get_model("mockllm/model", custom_outputs=outputs)
    return run_task(task, model=model, display="none", log_dir=str(log_dir))[0]
