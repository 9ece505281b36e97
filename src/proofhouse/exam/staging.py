# SPDX-License-Identifier: Apache-2.0
"""Putting a stage into the boxes of a sample, and taking the evidence out of them. Host side only."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import anyio
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool
from inspect_ai.tool import Tool, ToolDef
from inspect_ai.util import OutputLimitExceededError, SandboxUnavailableError, sandbox

from proofhouse.exam.item import SUBJECT, SUBMISSION, Evidence, Service, Stage, StagedTool, ToolCall
from proofhouse.exam.session import Staged
from proofhouse.sandbox import SandboxError
from proofhouse.sandbox.inspect_provider import sandbox_death

READY_S = 20.0
"""How long a service of a stage may take until it listens."""

_LISTENS = "import socket,sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1).close()"


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
    box = sandbox(service.host)
    shown = await box.exec(
        ["sh", "-c", 'setsid "$@" >/tmp/service.log 2>&1 </dev/null &', "sh", *service.argv], timeout=30
    )
    if not shown.success:
        raise StageFailed(f"{service.argv[0]} on {service.host}: {shown.stderr.strip()[-200:]}")
    if service.port is None:
        return
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        ready = await box.exec(["python3", "-c", _LISTENS, str(service.port)], timeout=10)
        if ready.success:
            return
        await anyio.sleep(0.05)
    log = await box.exec(["tail", "-c", "300", "/tmp/service.log"], timeout=10)  # noqa: S108 - inside the box
    raise StageFailed(f"{service.argv[0]} on {service.host} does not listen on {service.port}: {log.stdout}")


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
