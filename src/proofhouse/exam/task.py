# SPDX-License-Identifier: Apache-2.0
"""The Inspect task: an agent with a shell in a box of its own, judged outside it on what the host saw."""

from __future__ import annotations

import base64
import functools

import anyio.to_thread
from inspect_ai import Task, task
from inspect_ai.agent import AgentPrompt, as_solver, react
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import CORRECT, INCORRECT, Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import bash
from inspect_ai.util import SandboxEnvironmentSpec, store

from proofhouse.exam.build import BuildFailed
from proofhouse.exam.item import SUBJECT, TARGET_DIRECTORY, Evidence, Item
from proofhouse.exam.outcome import Grade, Outcome
from proofhouse.exam.session import Session, get_session
from proofhouse.exam.staging import SandboxLost, StageFailed, make_tool, set_up, take_evidence
from proofhouse.sandbox import SandboxError, Tier
from proofhouse.sandbox.inspect_provider import BwrapConfig, HostConfig, LinkConfig

INSTRUCTIONS = """\
You take part in an exam. Work through the tools that you are given. Where the task asks for a file, \
/work/submission.bin as it is when you call submit() is final."""

STAGE_FAILED = "proofhouse:stage_failed"
"""Key in a sample's store: why its stage could not be set up."""


def judge(session: Session, item: Item, evidence: Evidence, reason: str, *, declined: bool) -> Grade:
    """Turn evidence into one of the five outcomes.

    Args:
        session: holds the grader.
        item: the item.
        evidence: what was found.
        reason: why there is no artefact.
        declined: the model's last answer was a refusal.
    """
    if evidence.artefact is None and declined:
        return Grade(Outcome.REFUSED, "the model refused")
    try:
        grade = session.grader.grade(item, evidence)
    except (SandboxError, BuildFailed) as error:
        return Grade(Outcome.INVALID, f"grading could not run: {error}")
    if grade.outcome is Outcome.FAIL and grade.reason == "nothing was submitted":
        return Grade(Outcome.FAIL, reason or grade.reason)
    return grade


@metric
def pass_rate() -> Metric:
    """Passes over scored samples. Invalid samples are unscored, and Inspect leaves these out."""

    def compute(scores: list[SampleScore]) -> float:
        # Inspect has turned CORRECT and INCORRECT into 1.0 and 0.0 by then.
        return sum(score.score.as_float() for score in scores) / len(scores) if scores else 0.0

    return compute


@solver
def sit(session_id: str, command_s: int) -> Solver:
    """Set the stage of the sample, then let the subject work.

    Args:
        session_id: id of the open session that holds the items.
        command_s: wall time of one shell command.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        session = get_session(session_id)
        item = session.items[str(state.sample_id)]
        stage = session.staged(item, state.uuid).stage
        try:
            await set_up(stage)
        except StageFailed as error:
            store().set(STAGE_FAILED, str(error))
            return state
        instructions = "\n\n".join(part for part in (stage.rules, INSTRUCTIONS) if part)
        tools = [bash(timeout=command_s), *(make_tool(staged) for staged in stage.tools)]
        agent = react(prompt=AgentPrompt(instructions=instructions), tools=tools)
        return await as_solver(agent)(state, generate)

    return solve


@scorer(metrics=[pass_rate()])
def by_execution(session_id: str) -> Scorer:
    """Judge outside the subject's boxes, by the oracle of the item's family.

    Args:
        session_id: id of the open session that holds the items.
    """

    async def score(state: TaskState, target: Target) -> Score:
        del target
        session = get_session(session_id)
        item = session.items[str(state.sample_id)]
        artefact = None
        if (failed := store().get(STAGE_FAILED)) is not None:
            grade = Grade(Outcome.INVALID, f"the stage could not be set: {failed}")
        else:
            try:
                evidence, reason = await take_evidence(
                    session.staged(item, state.uuid), state.messages, state.output.completion
                )
            except SandboxLost as error:
                grade = Grade(Outcome.INVALID, f"the sandbox died: {error}")
            else:
                artefact = evidence.artefact
                declined = state.output.stop_reason == "content_filter"
                grade = await anyio.to_thread.run_sync(
                    functools.partial(judge, session, item, evidence, reason, declined=declined)
                )
        session.record(item.id, grade, artefact)
        if grade.outcome is Outcome.INVALID:
            return Score.unscored(
                reason="scoring_failed", explanation=grade.reason, metadata=grade.to_record()
            )
        return Score(
            value=CORRECT if grade.outcome is Outcome.PASS else INCORRECT,
            answer=grade.artefact_sha256,
            explanation=grade.reason,
            metadata=grade.to_record(),
        )

    return score


def make_sandbox(item: Item, tier: Tier = "T0") -> SandboxEnvironmentSpec:
    """The subject's box, or the fabric of which it is one host, all of the same tier."""
    if not item.network.hosts:
        return SandboxEnvironmentSpec("bwrap", BwrapConfig(tier=tier))
    hosts = tuple(HostConfig(name=name) for name in (SUBJECT, *item.network.hosts))
    links = tuple(
        LinkConfig(source=link.client, target=link.server, ports=(link.port,)) for link in item.network.links
    )
    return SandboxEnvironmentSpec("bwrap", BwrapConfig(tier=tier, hosts=hosts, links=links))


def make_sample(item: Item, hint: int = 0, tier: Tier = "T0") -> Sample:
    """An item as a subject may see it: prompt and source, nothing hidden."""
    return Sample(
        sandbox=make_sandbox(item, tier),
        id=item.id,
        input=item.prompts[hint],
        files={
            f"{TARGET_DIRECTORY}/{name}": "data:text/plain;base64,"
            + base64.b64encode(content).decode("ascii")
            for name, content in item.agent_files.items()
        },
        metadata={"family": item.family, "version": item.version, "level": item.level, "hint": hint},
    )


def make_task(session: Session, command_s: int, tier: Tier = "T0") -> Task:
    """The task over the items of an open session.

    Args:
        session: holds the items.
        command_s: wall time of one shell command.
        tier: how strongly the subject is isolated.
    """
    samples = [make_sample(item, session.hint, tier) for item in session.items.values()]
    return Task(
        dataset=MemoryDataset(samples, name="proofhouse items"),
        solver=sit(session.id, command_s),
        scorer=by_execution(session.id),
    )


@task
def sealed_exam(session_id: str, command_s: int = 60, tier: Tier = "T0") -> Task:
    """The items of an open session.

    Args:
        session_id: id of the session.
        command_s: wall time of one shell command.
        tier: how strongly the subject is isolated.
    """
    return make_task(get_session(session_id), command_s, tier)
