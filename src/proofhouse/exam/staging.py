# SPDX-License-Identifier: Apache-2.0
"""Putting a stage into the boxes of a sample, and taking the evidence out of them. Host side only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio.to_thread
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool
from inspect_ai.tool import Tool, ToolDef
from inspect_ai.util import OutputLimitExceededError, SandboxUnavailableError, sandbox

from proofhouse.exam.item import SUBJECT, SUBMISSION, Evidence, Service, Stage, StagedTool, ToolCall
from proofhouse.exam.session import Staged
from proofhouse.sandbox import SandboxError
from proofhouse.sandbox.inspect_provider import BwrapSandboxEnvironment, sandbox_death

READY_S = 20.0
"""How long a service of a stage may take until it listens."""


class SandboxLost(Exception):
    """A box of the sample cannot be used or read any more; the sample is invalid."""


class StageFailed(Exception):
    """The stage could not be set up; the sample is invalid."""


async def set_up(stage: Stage) -> None:
    """Write the files of a stage and start its services.

    Raises:
        StageFailed: a service did not start.
    """
    for host, files in stage.files.items():
        for path, content in files.items():
            await sandbox(host).write_file(path, content)
    for service in stage.services:
        await _start(service)


async def _start(service: Service) -> None:
    fabric = sandbox(service.host).as_type(BwrapSandboxEnvironment).fabric
    if fabric is None:
        raise StageFailed(f"{service.argv[0]}: services run on hosts of their own, and the item has none")

    def start() -> None:
        fabric.spawn(service.host, service.argv)
        if service.port is not None:
            fabric.wait_for(service.host, service.port, within_s=READY_S)

    try:
        await anyio.to_thread.run_sync(start)
    except (TimeoutError, OSError) as error:
        log = await sandbox(service.host).exec(["tail", "-c", "300", "/tmp/service.log"], timeout=10)  # noqa: S108 - inside the box
        raise StageFailed(f"{service.argv[0]} on {service.host}: {error}; {log.stdout}") from error


def make_tool(staged: StagedTool) -> Tool:
    """A tool of the operator's as Inspect wants it: text arguments in, text out."""

    async def execute(**arguments: str) -> str:
        return staged.answer(arguments)

    from inspect_ai.tool import ToolParams
    from inspect_ai.util import JSONSchema

    parameters = ToolParams(
        properties={
            name: JSONSchema(type="string", description=said) for name, said in staged.parameters.items()
        },
        required=list(staged.parameters),
    )
    return ToolDef(execute, name=staged.name, description=staged.description, parameters=parameters).as_tool()


async def take_evidence(staged: Staged, messages: Sequence[ChatMessage], answer: str) -> tuple[Evidence, str]:
    """What the sample left behind, read from the host side.

    Returns:
        The evidence, and why there is no artefact (empty if there is one).

    Raises:
        SandboxLost: a box is dead or was at some time.
    """
    artefact, reason = await _guarded(_read_submission)
    truths = {}
    for host, path in staged.stage.truths:
        content, _ = await _guarded(lambda host=host, path=path: _read(host, path))  # type: ignore[misc]  # bound now
        if content is not None:
            truths[host, path] = content
    evidence = Evidence(artefact, staged.nonces, answer, tool_calls(messages), truths)
    return evidence, reason


async def _guarded(read: Callable[[], Awaitable[tuple[bytes | None, str]]]) -> tuple[bytes | None, str]:
    try:
        found = await read()
    except (SandboxUnavailableError, SandboxError, TimeoutError) as error:
        raise SandboxLost(str(error)) from error
    if (death := sandbox_death()) is not None:
        raise SandboxLost(death)
    return found


async def _read_submission() -> tuple[bytes | None, str]:
    return await _read(SUBJECT, SUBMISSION)


async def _read(host: str, path: str) -> tuple[bytes | None, str]:
    try:
        return await sandbox(host).read_file(path, text=False), ""
    except FileNotFoundError:
        return None, "nothing was submitted"
    except OutputLimitExceededError:
        return None, "the submission is too large to read"
    except TimeoutError:
        raise
    except OSError as error:
        return None, f"the submission is no regular, readable file: {error.strerror}"


def tool_calls(messages: Sequence[ChatMessage]) -> tuple[ToolCall, ...]:
    """Every use of a tool in a conversation, in order, with what came back."""
    results = {m.tool_call_id: m.text for m in messages if isinstance(m, ChatMessageTool)}
    return tuple(
        ToolCall(
            call.function,
            {name: str(value) for name, value in call.arguments.items()},
            results.get(call.id, ""),
        )
        for message in messages
        if isinstance(message, ChatMessageAssistant)
        for call in message.tool_calls or ()
    )
