# SPDX-License-Identifier: Apache-2.0
"""The command `proofhouse`: every noun teaches, and says in one sentence what it lacks."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import proofhouse
from proofhouse.cli import _NOUNS, main

BASE = ("click", "cryptography", "rfc8785", "securesystemslib", "tuf", "cffi", "pycparser", "urllib3")
"""What the base install brings, with what these need themselves."""

NEEDS_EXTRAS = frozenset({"demo", "exam", "house", "law", "letters", "match", "up"})
"""Nouns whose rooms come with an extra; all others must answer on the base install."""

BARE = f"""
import importlib.abc, sys

class BaseInstall(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top not in {{*sys.stdlib_module_names, *{BASE!r}, "proofhouse"}} and not top.startswith("_"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, BaseInstall())
from proofhouse.cli import main
main(prog_name="proofhouse")
"""


def on_the_base_install(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where nothing but the base install can be imported."""
    return subprocess.run(
        [sys.executable, "-c", BARE, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("noun", sorted(_NOUNS))
def test_every_noun_answers_help(noun: str) -> None:
    answer = CliRunner().invoke(main, [noun, "--help"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.startswith(f"Usage: main {noun}")
    assert "\n\n  " in answer.output, "help says what the noun is for"


def commands(command: click.Command, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every verb, by its words."""
    if not isinstance(command, click.Group):
        return [at]
    context = click.Context(command)
    return [
        words
        for name in command.list_commands(context)
        if (inner := command.get_command(context, name)) is not None
        for words in commands(inner, (*at, name))
    ]


def test_every_verb_answers_help_and_teaches() -> None:
    verbs = commands(main)
    assert len(verbs) > len(_NOUNS)
    for words in verbs:
        answer = CliRunner().invoke(main, [*words, "--help"])
        assert answer.exit_code == 0, words
        described = answer.output.split("\n\n")[1].strip()
        assert described, words
        assert not described.startswith("Options:"), words


def test_the_command_lists_all_its_nouns() -> None:
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0
    for noun, (_, summary) in _NOUNS.items():
        assert noun in answer.output
        assert summary.split()[0] in answer.output
    assert "3 could not" in answer.output


def test_the_command_tells_its_version() -> None:
    answer = CliRunner().invoke(main, ["--version"])
    assert answer.exit_code == 0
    assert proofhouse.__version__ in answer.output


@pytest.mark.parametrize(
    "wrong", [["approve"], ["--nonsense"], ["verify"], ["demo", "--nonsense"], ["house", "x"]]
)
def test_wrong_use_gives_exit_2(wrong: list[str]) -> None:
    answer = CliRunner().invoke(main, wrong)
    assert answer.exit_code == 2
    assert "Traceback" not in answer.output


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proofhouse.cli", "unknown-noun"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'unknown-noun'" in done.stderr


@pytest.mark.parametrize("noun", sorted(_NOUNS))
def test_without_the_extras_a_noun_answers_or_says_in_one_message_what_it_needs(noun: str) -> None:
    done = on_the_base_install(noun, "--help")
    if noun not in NEEDS_EXTRAS:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 3
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: `proofhouse {noun}` needs ")
    assert "pip install 'proofhouse[exam,server]'" in line


def test_without_the_extras_the_agent_and_the_verifier_work(tmp_path: object) -> None:
    for words in (
        ["verify", f"{tmp_path}/missing.zip"],
        ["agent", "run", "--config", f"{tmp_path}/missing.toml"],
    ):
        done = on_the_base_install(*words)
        assert done.returncode in (1, 2, 3)
        assert "Traceback" not in done.stderr
        assert "not installed" not in done.stderr


def test_a_fault_of_our_own_is_not_taken_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_NOUNS, "law", ("proofhouse.no_such_room", "A room that was forgotten."))
    answer = CliRunner().invoke(main, ["law"])
    assert isinstance(answer.exception, ModuleNotFoundError)
