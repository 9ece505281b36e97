# SPDX-License-Identifier: Apache-2.0
"""The demo's machinery: the houses' processes, asking them, waiting for letters to arrive."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from proofhouse.attest import Signer
from proofhouse.demo.cast import CAST
from proofhouse.ledger import Policy, log_key, witness_key
from proofhouse.server.engine.wire import ControlError, request
from proofhouse.server.house import House, load_house

Say = Callable[[str], None]

START_S = 600
PATIENCE_S = 300
JOB_PATIENCE_S = 3600
WITNESS = "proofhouse.example/witness"


class CouldNot(Exception):
    """The demo cannot go on; the message says what to do. Exit code 3."""


def _log_signer(house: House) -> Signer:
    return Signer.load(house.keys / "log" / f"{house.name}.pem")


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stage:
    """All that the steps need: the directory, the houses and their processes."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.directory = directory
        self.cache = cache
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._step = 0
        self._acts = 0

    def house(self, name: str) -> House:
        """One of the seven houses."""
        return load_house(self.directory / name)

    def environment(self) -> dict[str, str]:
        """The environment of the programs that the demo starts."""
        return os.environ | {
            "PROOFHOUSE_CACHE": str(self.cache),
            "PROOFHOUSE_CUSTODY": str(self.directory / "custody"),
        }

    def start(self, name: str, argv: list[str]) -> subprocess.Popen[bytes]:
        """Start a long-running program; its output goes to `logs/NAME.log`."""
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def open_doors(self) -> None:
        """Start the process of each house and wait until it answers."""
        for name in CAST:
            self.start(
                name, [sys.executable, "-m", "proofhouse.cli", "house", "run", str(self.directory / name)]
            )
        for name, part in CAST.items():
            self.until(
                partial(self.ask, name, part.people[0].email, "engine.standing"),
                f"the house {name} to answer (see {self.directory / 'logs' / f'{name}.log'})",
                START_S,
            )

    def close_doors(self) -> None:
        """Stop everything that was started."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def open_witness(self, port: int) -> None:
        """Start the witness of all seven ledgers and write each house's policy, which asks for its cosignature."""
        keys = {
            name: log_key(self.house(name).log_origin, _log_signer(self.house(name)).public) for name in CAST
        }
        argv = [sys.executable, "-m", "proofhouse.cli", "ledger", "witness", "--demo"]
        argv += ["--dir", str(self.directory / "witness"), "--port", str(port), "--name", WITNESS]
        argv += [word for key in keys.values() for word in ("--log-key", str(key))]
        self.start("witness", argv)
        key_file = self.directory / "witness" / "keys" / "witness" / "witness.pem"
        self.until(key_file.exists, "the witness to make its key", START_S)
        witness = witness_key(WITNESS, Signer.load(key_file).public)
        for name, key in keys.items():
            policy = Policy.require(key, [witness])
            file = self.house(name).ledger_policy
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(bytes(replace(policy, urls={WITNESS: f"http://127.0.0.1:{port}"})))

    def begin(self, step: int) -> None:
        """Number the acts that follow within a step, so that a step that is played again repeats none of them."""
        self._step, self._acts = step, 0

    def do(self, name: str, actor: str, act: str, /, **arguments: Any) -> Any:
        """Have a person of a house do an act, once."""
        self._acts += 1
        key = f"demo/{self._step}/{self._acts}/{act}"
        return request(
            self.house(name).control_socket, {"do": act, "actor": actor, "with": arguments, "key": key}
        )

    def ask(self, name: str, actor: str, question: str, /, **arguments: Any) -> Any:
        """Ask a house what a person of it may see."""
        return request(self.house(name).control_socket, {"ask": question, "actor": actor, "with": arguments})

    def finished(self, name: str, actor: str, job: str, say: Say | None = None) -> Any:
        """Wait until a job of a house is done; returns its result.

        Args:
            name: The house.
            actor: Who asked for it.
            job: Its id.
            say: Told what it says of its progress.

        Raises:
            CouldNot: It ended otherwise; the message is its own.
        """
        told = ""

        def ended() -> Any:
            nonlocal told
            row = next(each for each in self.ask(name, actor, "engine.jobs") if each["id"] == job)
            if say is not None and row["text"] != told:
                told = row["text"]
                say(told)
            return row if row["state"] not in ("queued", "running") else None

        row = self.until(ended, f"the job {job} of {name}", JOB_PATIENCE_S)
        if row["state"] != "done":
            raise CouldNot(row["problem"] or f"the job {job} of {name} was {row['state']}")
        return row["result"]

    def blob(self, name: str, digest: str) -> bytes:
        """Bytes that a house keeps."""
        return (self.house(name).blobs / "sha256" / digest[:2] / digest).read_bytes()

    def until(self, ready: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """Wait until something holds.

        Raises:
            CouldNot: It did not within `patience_s`, or a process that it needs has ended.
        """
        deadline = time.monotonic() + patience_s
        problem = ""
        while time.monotonic() < deadline:
            try:
                value = ready()
            except ControlError as refused:
                if refused.code != "not_running":
                    raise
                problem = f" ({refused})"
            else:
                if value:
                    return value
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise CouldNot(
                        f"{name} has ended by itself; see {self.directory / 'logs' / f'{name}.log'}"
                    )
            time.sleep(0.05)
        raise CouldNot(f"waited {patience_s:.0f} s for {what}{problem}")

    def run(self, *arguments: str, ok: tuple[int, ...] = (0,), say: Say | None = None) -> str:
        """Run one of our own commands and return what it printed.

        Args:
            arguments: The command's words after `proofhouse`.
            ok: Exit codes that are an answer.
            say: Told each line of progress, as the command writes it to standard error.

        Raises:
            CouldNot: It ended with another exit code than those in `ok`.
        """
        with (
            tempfile.TemporaryFile() as printed,
            subprocess.Popen(
                [sys.executable, "-m", "proofhouse.cli", *arguments],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            ) as process,
        ):
            told = []
            for line in process.stderr or ():
                told.append(line)
                if say is not None and not line.startswith("Error: "):
                    say(line.strip())
            code = process.wait()
            printed.seek(0)
            output = printed.read().decode(errors="replace")
        if code not in ok:
            said = ("".join(told) or output).strip()
            raise CouldNot(said.removeprefix("Error: ") or f"proofhouse {arguments[0]} ended with {code}")
        return output

    def run_json(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> Any:
        """Run one of our own commands with `--json` and return what it said."""
        return json.loads(self.run(*arguments, "--json", ok=ok))


@contextmanager
def open_stage(directory: Path, cache: Path) -> Iterator[Stage]:
    """A stage whose processes end with the block."""
    stage = Stage(directory, cache)
    try:
        yield stage
    finally:
        stage.close_doors()
