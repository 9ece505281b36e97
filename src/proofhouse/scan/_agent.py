# SPDX-License-Identifier: Apache-2.0
"""An Inspect agent with any model: it reads the source, tries the program in its box, and hands in inputs.

The model is asked from outside the box; in the box there is no network. What the agent says is no evidence: only the
files that it hands in are tried, elsewhere, like any other candidate.
"""

from __future__ import annotations

import base64
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from proofhouse.sandbox import SandboxError
from proofhouse.scan._engine import Candidate, Count, EngineMissing, Method, Seen, Terms, plain
from proofhouse.scan._target import Target
from proofhouse.scan._toolbox import MAX_FIND_BYTES, regular_files

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog

FOUND = "/work/found"
MESSAGES = 80
COMMAND_S = 120
FOUND_BYTES = 16 << 20
PROMPT = """\
/work/source.tar.gz holds the source of {product}, /work/program.tar the same program built with clang and a \
sanitizer. Look for memory errors in it that an input can set off, and prove each by an input that makes the \
program crash.

    mkdir program; cd program; tar xf ../program.tar
    {command}

/work/sample{suffix} is an input that it takes without harm. Write every input that crashes it into the directory \
{found}, one file each, at most {most} bytes. They are tried elsewhere on the same program; what you say counts for \
nothing. There is no network. Call submit() when you are done.
"""


class Agent:
    """A model with a shell and Python in a box of its own."""

    name = "agent"
    method = Method.AI_AGENT
    means = "ai-system"
    limits = "as good as its model; its box shares the host's kernel (T0)"
    last_resort = False

    def version(self) -> str:
        """See `Engine.version`."""
        try:
            return f"Inspect agent {importlib.metadata.version('inspect-ai')}"
        except importlib.metadata.PackageNotFoundError:
            raise EngineMissing("inspect-ai is not installed; install proofhouse[exam]") from None

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """See `Engine.search`."""
        if not terms.model:
            raise EngineMissing("an agent needs a model: --model, any of Inspect's, such as openai/NAME")
        from inspect_ai import eval as inspect_eval

        handed_in: list[bytes] = []
        terms.tell(f"agent: {plain(terms.model, 60)} at work")
        with tempfile.TemporaryDirectory(prefix="scan-agent-") as logs:
            [log] = inspect_eval(
                task_for(target, handed_in),
                model=terms.model,
                display="none",
                log_dir=str(Path(logs)),
                log_level="error",
                fail_on_error=False,
                score_display=False,
                ctl_server=False,
                log_realtime=False,
                message_limit=MESSAGES,
                time_limit=max(1, int(terms.seconds)),
            )
            failed = _problem(log)  # the log is read from its file
        yield Count(len(handed_in))
        for content in handed_in:
            yield Candidate(content)
        if failed:
            raise EngineMissing(f"the agent's run ended early: {plain(failed, 200)}")


def _problem(log: EvalLog) -> str:
    """Why a run did not come to its end; empty when it did."""
    if log.status != "success":
        return log.error.message if log.error else "it was interrupted"
    return next((sample.error.message for sample in log.samples or [] if sample.error), "")


def task_for(target: Target, handed_in: list[bytes]) -> Task:
    """The Inspect task of one program; what the agent hands in is appended to `handed_in`."""
    from inspect_ai import Task
    from inspect_ai.agent import as_solver, react
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.solver import Generate, Solver, TaskState, solver
    from inspect_ai.tool import bash, python
    from inspect_ai.util import SandboxEnvironmentSpec, sandbox

    from proofhouse.sandbox.inspect_provider import BwrapConfig, BwrapSandboxEnvironment

    def enclosed(content: bytes) -> str:
        return "data:application/octet-stream;base64," + base64.b64encode(content).decode("ascii")

    @solver
    def look() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            tools = [bash(timeout=COMMAND_S), python(timeout=COMMAND_S)]
            try:
                return await as_solver(react(tools=tools))(state, generate)
            finally:
                box = sandbox().as_type(BwrapSandboxEnvironment).box
                handed_in.extend(taken(lambda: box.get_tree(FOUND, FOUND_BYTES)))

        return solve

    command = " ".join(target.argv("INPUT_FILE")) + (
        " < INPUT_FILE" if target.run.stdin == target.input else ""
    )
    fixed = {
        f"/work/program/input/{name}{path.suffix}": enclosed(content)
        for name, (path, content) in target.inputs.items()
    }
    sample = Sample(
        input=PROMPT.format(
            product=plain(target.recipe.title, 200),
            command=command,
            suffix=target.suffix,
            found=FOUND,
            most=MAX_FIND_BYTES,
        ),
        files={
            "/work/source.tar.gz": enclosed(target.source()),
            "/work/program.tar": enclosed(target.program),
            f"/work/sample{target.suffix}": enclosed(target.seeds[0]),
            **fixed,
        },
    )
    config = BwrapConfig(memory_bytes=3 << 30, disk_bytes=1 << 30)
    return Task(
        dataset=MemoryDataset([sample]), solver=look(), sandbox=SandboxEnvironmentSpec("bwrap", config)
    )


def taken(directory: Callable[[], bytes]) -> list[bytes]:
    """The files of a directory in an agent's box, hostile as all that comes from there; none where there is none."""
    try:
        content = directory()
    except (OSError, SandboxError):
        return []
    return [found for _, found in sorted(regular_files(content).items())]
