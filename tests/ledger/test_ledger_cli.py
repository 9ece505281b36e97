# SPDX-License-Identifier: Apache-2.0
"""The command line of the ledger: answers and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.makers import LOG_KEY, ORIGIN, make_leaf, make_leaves, open_log, serving
from proofhouse.ledger.cli import cli


def run(*argv: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in argv])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with serving(tmp_path / "witness") as witness, open_log(tmp_path / "log", witness) as log:
        receipts = log.append(make_leaves(0, 5))
        (tmp_path / "policy").write_bytes(bytes(log.policy))
        (tmp_path / "receipt.tlog-proof").write_bytes(bytes(receipts[3]))
    return tmp_path


def test_an_audit_says_yes_or_no(log: Path) -> None:
    answer = run("audit", log / "log", "--policy", log / "policy", "--json")
    facts = json.loads(answer.stdout)
    assert (answer.exit_code, facts["ok"], facts["size"], facts["origin"]) == (0, True, 5, ORIGIN)
    assert "is whole: 5 entries" in run("audit", log / "log", "--policy", log / "policy").stdout
    tile = log / "log/tile/0/000.p/5"
    tile.write_bytes(bytes(160))
    answer = run("audit", log / "log", "--policy", log / "policy", "--json")
    assert answer.exit_code == 1
    assert "tile/0/000.p/5" in json.loads(answer.stdout)["reason"]
    assert run("audit", log / "log", "--policy", log / "policy").exit_code == 1


def test_a_receipt_is_verified_offline(log: Path) -> None:
    argv = ("proof", "verify", log / "receipt.tlog-proof", "--policy", log / "policy", "--leaf")
    answer = run(*argv, bytes(make_leaf(3)).hex(), "--json")
    facts = json.loads(answer.stdout)
    assert (answer.exit_code, facts["ok"], facts["index"]) == (0, True, 3)
    assert list(facts["cosigned_s"]) == ["witness.example/10"]
    answer = run(*argv, bytes(make_leaf(2)).hex(), "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["ok"]) == (1, False)
    assert run(*argv, bytes(make_leaf(2)).hex()).exit_code == 1


def test_wrong_use_and_missing_files_have_their_own_codes(log: Path) -> None:
    receipt, policy = log / "receipt.tlog-proof", log / "policy"
    assert run("proof", "verify", receipt, "--policy", policy, "--leaf", "zz").exit_code == 2
    assert run("proof", "verify", receipt, "--policy", policy, "--leaf", "00").exit_code == 2
    assert run("proof", "verify", receipt, "--policy", receipt, "--leaf", "00" * 50).exit_code == 2
    assert run("audit", log / "log").exit_code == 2
    leaf = bytes(make_leaf(3)).hex()
    assert run("proof", "verify", log / "gone", "--policy", policy, "--leaf", leaf).exit_code == 3
    assert run("audit", log / "log", "--policy", log / "gone").exit_code == 3
    assert run("show", log / "gone").exit_code == 3
    assert run("witness", "--dir", log / "w", "--log-key", "nonsense").exit_code == 2
    assert run("witness", "--dir", policy, "--log-key", LOG_KEY).exit_code == 3


def test_a_log_is_shown_as_it_is_written(log: Path) -> None:
    facts = json.loads(run("show", log / "log", "--json").stdout)
    assert (facts["size"], facts["pending"]) == (5, 0)
    assert facts["signatures"] == [ORIGIN, "witness.example/10"]
    assert ORIGIN in run("show", log / "log").stdout


def test_every_command_explains_itself() -> None:
    for argv in ((), ("witness",), ("audit",), ("proof",), ("proof", "verify"), ("show",)):
        answer = run(*argv, "--help")
        assert answer.exit_code == 0
        assert len(answer.stdout) > 200
