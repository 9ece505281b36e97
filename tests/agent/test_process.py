# SPDX-License-Identifier: Apache-2.0
"""The agent as a process of its own: exit codes, `kill -9` anywhere, and what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grimp
import pytest
from click.testing import CliRunner

from agent.member import Member, tree
from distribution.world import AUDIENCE, World
from proofhouse.agent.cli import cli
from proofhouse.agent.config import AgentConfig, ConfigRefused, write_config

COMMAND = [sys.executable, "-m", "proofhouse.cli", "agent"]

# Dies by SIGKILL just before its n-th rename, the moment at which any file of the agent appears.
KILLED_AT = """
import os, pathlib, signal, sys
from proofhouse.agent import Agent, AgentConfig
left = int(sys.argv[2])
rename = os.replace
def replace(*args, **kwargs):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(*args, **kwargs)
os.replace = replace
pathlib.Path.replace = lambda self, target: replace(self, target)
Agent(AgentConfig.load(pathlib.Path(sys.argv[1]))).run_once()
"""


def run(member: Member, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments, "--config", str(member.config_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_reports_in_json_and_by_exit_code(world: World, member: Member) -> None:
    item = world.release()
    done = run(member, "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["items"] == [
        {"item": item.id, "stage": "staged", "code": None, "reason": None, "changed": True}
    ]
    status = json.loads(run(member, "status", "--json").stdout)
    assert status["items"][item.id]["stage"] == "staged"
    world.director.revoke(item.id, "bad", now=world.now)
    assert run(member, "run").returncode == 1
    world.site.close()
    assert run(member, "run").returncode == 3


def finished(world: World, member: Member, item_id: str) -> None:
    """After one whole run the patch is staged once, whole, and acknowledged."""
    assert member.agent().run_once().exit_code == 0
    assert member.staged() == {f"{item_id}/fix.patch": b"the patch"}
    assert set(member.stages()) == {("staged", None)}
    settled = tree(member.directory / "stage")
    assert member.agent().run_once().delivered == 0
    assert tree(member.directory / "stage") == settled


def killed_at(member: Member, rename: int) -> bool:
    """Whether the agent was killed before its `rename`-th rename; False if it ended before."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(member.config_path), str(rename)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.slow
def test_killed_at_any_rename_the_next_run_completes(world: World) -> None:
    item = world.release(content=b"the patch")
    rename, killed = 0, True
    while killed:
        member = Member(world, f"clinic-{rename}")
        world.site.acknowledgements.clear()
        killed = killed_at(member, rename)
        finished(world, member, item.id)
        rename += 1
    assert rename > 12


@pytest.mark.parametrize("rename", [0, 5, 11, 14, 16, 17, 18])
def test_killed_at_some_renames_the_next_run_completes(world: World, member: Member, rename: int) -> None:
    item = world.release(content=b"the patch")
    killed_at(member, rename)
    finished(world, member, item.id)


@pytest.mark.parametrize("where", ["manifest.json", "fix.patch", "/acks"])
def test_killed_while_it_waits_for_an_answer_the_next_run_completes(
    world: World, member: Member, where: str
) -> None:
    item = world.release(content=b"the patch")
    reached, go_on = threading.Event(), threading.Event()

    def stall(path: str) -> None:
        if path.endswith(where):
            reached.set()
            go_on.wait(30)

    world.site.before = stall
    process = subprocess.Popen(
        [*COMMAND, "run", "--config", str(member.config_path)], stdout=subprocess.DEVNULL
    )
    assert reached.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    go_on.set()
    world.site.before = lambda path: None
    finished(world, member, item.id)


def test_init_makes_an_agent_that_runs(world: World, tmp_path: Path) -> None:
    item = world.release()
    (tmp_path / "d.json").write_bytes(world.director.root_bytes())
    (tmp_path / "i.json").write_bytes(world.image.root_bytes())
    (tmp_path / "p").write_bytes(bytes(world.ledger.policy))
    home = tmp_path / "new agent"
    arguments = [
        "init",
        "--dir",
        str(home),
        "--member",
        "utility",
        "--audience",
        AUDIENCE,
        "--demo",
        "--json",
    ]
    arguments += ["--director", f"{world.site.url}/director", "--director-root", str(tmp_path / "d.json")]
    arguments += ["--image", f"{world.site.url}/image", "--image-root", str(tmp_path / "i.json")]
    arguments += ["--ledger-policy", str(tmp_path / "p"), "--acknowledge", f"{world.site.url}/acks"]
    arguments += ["--json", "--product", "pkg:deb/debian/libxml2"]
    invoke = CliRunner().invoke
    made = invoke(cli, arguments)
    assert made.exit_code == 0, made.output
    assert json.loads(made.output)["key"]["algorithm"] == "ed25519"
    done = invoke(cli, ["run", "--config", str(home / "agent.toml")])
    assert done.exit_code == 0, done.output
    assert (home / "stage" / item.id / "fix.patch").exists()
    assert item.id in invoke(cli, ["status", "--config", str(home / "agent.toml")]).output
    again = invoke(cli, arguments)
    assert again.exit_code == 3
    assert "exists" in again.output


def settings_of(member: Member, table: str, **changed: Any) -> None:
    member.settings.setdefault(table, {}).update(changed)
    write_config(member.config_path, member.settings)


@pytest.mark.parametrize(
    ("table", "changed", "message"),
    [
        ("member", {"ring": 4}, "member.ring: expected an integer from 0 to 3"),
        ("member", {"id": "A B"}, "member.id"),
        ("member", {"products": "x"}, "member.products"),
        ("member", {"color": "red"}, "member.color: no such setting"),
        ("member", {"key": "nowhere.pem"}, "member.key"),
        ("director", {"url": "http://example.org/"}, "plain http only to this machine"),
        ("director", {"url": "ftp://127.0.0.1/"}, "director.url"),
        ("director", {"root": "nowhere.json"}, "director.root: cannot be read"),
        ("acknowledge", {"url": "file:///tmp/x"}, "acknowledge.url"),
        ("ledger", {"policy": "image-root.json"}, "ledger.policy: policy line"),
        ("apply", {"argv": ["dpkg", "-i", "{file}"]}, "absolute program"),
        ("apply", {"argv": ["/usr/bin/dpkg"]}, "absolute program"),
        ("surprise", {"x": 1}, "surprise: no such setting"),
    ],
)
def test_a_wrong_setting_is_named(member: Member, table: str, changed: dict[str, Any], message: str) -> None:
    settings_of(member, table, **changed)
    with pytest.raises(ConfigRefused, match=message):
        AgentConfig.load(member.config_path)


def test_a_hook_in_a_file_that_others_can_write_is_refused(member: Member) -> None:
    settings_of(member, "apply", argv=["/usr/bin/dpkg", "-i", "{file}"])
    assert AgentConfig.load(member.config_path).apply is not None
    member.config_path.chmod(0o664)
    with pytest.raises(ConfigRefused, match="chmod go-w"):
        AgentConfig.load(member.config_path)


def test_the_agent_imports_the_client_half_only() -> None:
    graph = grimp.build_graph("proofhouse")
    agent = {"proofhouse.agent", *graph.find_descendants("proofhouse.agent")}
    imported = {found for module in agent for found in graph.find_modules_directly_imported_by(module)}
    ours = {module for module in imported - agent if module.startswith("proofhouse.")}
    allowed = {"authorisation", "client", "errors", "files", "manifest", "paths", "rings"}
    assert {module for module in ours if module.startswith("proofhouse.distribution")} <= {
        f"proofhouse.distribution.{name}" for name in allowed
    }
    assert ours & {module for module in graph.modules if module.startswith("proofhouse.ledger.")} == set()
