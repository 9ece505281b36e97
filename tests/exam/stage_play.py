# SPDX-License-Identifier: Apache-2.0
"""Playing an item straight on its hosts, without Inspect: for tests of many items, where only the family is asked."""

from __future__ import annotations

from contextlib import ExitStack

from proofhouse.exam.bench import Bench
from proofhouse.exam.families import get_family
from proofhouse.exam.item import SUBJECT, SUBMISSION, TARGET_DIRECTORY, Evidence, Nonces, ToolCall, Use
from proofhouse.sandbox import BoxSpec, open_box
from proofhouse.sandbox.fabric import Fabric, FabricSpec, Host, Link

READY_S = 60
"""A service may be slow to start where many tests run."""


def evidence_of(item, play, nonces=None):
    """What a playbook leaves behind on an item, as the host takes it."""
    nonces = nonces or Nonces.fresh()
    stage = get_family(item.family).stage(item, nonces)
    with ExitStack() as opened:
        if item.network.hosts:
            spec = FabricSpec(
                tuple(Host(name) for name in (SUBJECT, *item.network.hosts)),
                tuple(Link(link.client, link.server, (link.port,)) for link in item.network.links),
            )
            fabric = opened.enter_context(Fabric.start(spec))
            boxes = {host: fabric.box(host) for host in fabric.hosts}
        else:
            fabric, boxes = None, {SUBJECT: opened.enter_context(open_box(BoxSpec(keep_background=True)))}
        files = {**stage.files}
        files[SUBJECT] = {
            **{f"{TARGET_DIRECTORY}/{name}": content for name, content in item.agent_files.items()},
            **stage.files.get(SUBJECT, {}),
        }
        for host, contents in files.items():
            for path, content in contents.items():
                boxes[host].put(path, content)
        for service in stage.services:
            fabric.spawn(service.host, service.argv)
            if service.port is not None:
                fabric.wait_for(service.host, service.port, within_s=READY_S)
        calls, answer = _act(boxes[SUBJECT], play, {tool.name: tool for tool in stage.tools})
        truths = {place: _read(boxes[place[0]], place[1]) for place in stage.truths}
        found = {place: content for place, content in truths.items() if content is not None}
        return Evidence(_read(boxes[SUBJECT], SUBMISSION), nonces, answer, tuple(calls), found)


def grade_of(item, play=None, bench=None, nonces=None):
    """The grade of a playbook on an item; of the reference unless told."""
    family, bench = get_family(item.family), bench or Bench()
    return family.judge(item, evidence_of(item, play or family.play(item), nonces), bench)


def _act(box, play, tools):
    calls, result = [], None
    while True:
        try:
            step = next(play) if result is None else play.send(result)
        except StopIteration as ended:
            return calls, str(ended.value)
        if isinstance(step, Use):
            result = tools[step.tool].answer(step.arguments)
            calls.append(ToolCall(step.tool, dict(step.arguments), result))
            continue
        done = box.exec(["bash", "-c", step])
        result = (done.stdout + done.stderr).decode("utf-8", "replace")
        calls.append(ToolCall("bash", {"command": step}, result))


def _read(box, path):
    try:
        return box.get(path, 1 << 20)
    except (FileNotFoundError, NotADirectoryError):
        return None
