# SPDX-License-Identifier: Apache-2.0
"""`proofhouse demo`: play the nine steps, show what each proved, leave a record."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from proofhouse.cli import CouldNot as CommandCouldNot
from proofhouse.demo import late_steps, steps
from proofhouse.demo.clocks import lines as clock_lines
from proofhouse.demo.stage import CouldNot, open_stage
from proofhouse.demo.steps import Facts, Play
from proofhouse.sandbox import WATCHDOG, can_hold_memory
from proofhouse.server.engine.wire import ControlError
from proofhouse.server.house import HouseError
from proofhouse.validation import ValidationError

STATE = "demo-state.json"
_STEPS = (
    ("Open the houses", steps.open_houses),
    ("Review", steps.review),
    ("Exam", steps.exam),
    ("Determination", steps.determination),
    ("Report and validation", late_steps.validation),
    ("Case and advisory", late_steps.advisory),
    ("Match", late_steps.match),
    ("Release and agent", late_steps.release),
    ("Verify", late_steps.verify),
)


class _State:
    """What is done so far; written after each step, so that a killed demo goes on where it stood."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / STATE
        kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.memory: dict[str, Any] = kept.get("memory", {})
        self.done: dict[str, dict[str, Any]] = kept.get("done", {})

    def save(self) -> None:
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps({"memory": self.memory, "done": self.done}, indent=1))
        temporary.replace(self.file)


def _prepare(directory: Path, fresh: bool) -> _State:
    directory = directory.resolve()
    if directory.exists() and any(directory.iterdir()) and not (directory / STATE).exists():
        raise CommandCouldNot(f"{directory} holds something else than a demo; choose another --house")
    if fresh and (directory / STATE).exists():
        raise CommandCouldNot(
            f"{directory} holds a demo already; remove it yourself, or leave out --fresh to continue it"
        )
    directory.mkdir(parents=True, exist_ok=True)
    state = _State(directory)
    state.save()
    return state


def _play(play: Play, state: _State, console: Console) -> None:
    if "1" in state.done:
        steps.open_doors(play)
    for number, (name, step) in enumerate(_STEPS, 1):
        key = str(number)
        if key in state.done:
            console.print(f"[dim]{number}/9 {name}: done before[/dim]")
            continue
        console.print(f"[bold]{number}/9 {name}[/bold]")
        began = time.monotonic()
        play.stage.begin(number)
        facts: Facts = step(play)
        seconds = round(time.monotonic() - began, 2)
        state.done[key] = {"seconds": seconds, "facts": facts}
        state.save()
        console.print(f"    [green]proved[/green] in {seconds} s: {facts['proved']}", highlight=False)


@click.command()
@click.option(
    "--house",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("house"),
    show_default=True,
    help="Where the seven houses lie; a demo that was interrupted there is continued.",
)
@click.option("--model", default=steps.DEFAULT_MODEL, show_default=True, help="Any Inspect model string.")
@click.option("--fresh", is_flag=True, help="Refuse to continue: there must be no demo in the directory yet.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="Write what was proved to this file.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Where builds and sources are kept. Default: ~/.cache/proofhouse.",
)
def cli(directory: Path, model: str, fresh: bool, report: Path | None, cache: Path | None) -> None:
    """One line through seven houses: a model goes in, an installed patch comes out, on a real CVE.

    Nine steps, each real: a lab inquires, an office seals an exam and runs it in a sandbox, an authority labels the
    model; two reports on libxml2 are proved by execution and become one case; an advisory, a match, a signed patch that
    a member's agent verifies; and a bundle that an inspector checks offline.
    """
    console = Console(stderr=True)
    state = _prepare(directory, fresh)
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "proofhouse"
    began = time.monotonic()
    if state.memory.get("model", model) != model:
        raise CommandCouldNot(
            f"this demo reviews {state.memory['model']}; continue it with that --model, or choose another --house"
        )
    if WATCHDOG not in os.environ and not can_hold_memory():
        os.environ[WATCHDOG] = "1"  # our own items and recipes; for anything else the operator decides
        console.print("[dim]No control groups for this user: a watchdog holds the sandboxes' memory.[/dim]")
    try:
        with open_stage(directory.resolve(), cache) as stage:
            _play(Play(stage, model, state.memory, _saying(console)), state, console)
    except (CouldNot, HouseError, ControlError, ValidationError) as stopped:
        _write(report, state, time.monotonic() - began)
        raise CommandCouldNot(f"{stopped}\nRun the same command again to continue from here.") from None
    except OSError as broken:
        raise CommandCouldNot(
            f"{broken.strerror or broken} ({broken.filename or directory}); make room or set it right, "
            "then run the same command again to continue from here."
        ) from None
    _write(report, state, time.monotonic() - began)
    real = bool(state.memory.get("real"))
    console.print(
        f"\n[bold]Nine steps done[/bold] in {time.monotonic() - began:.0f} s"
        + ("" if real else "; step 5 used our example program, not a real CVE")
    )
    console.print(
        f"The inspector's bundle: {state.memory['bundle']}\n"
        f"Look around: proofhouse up --house {directory} --as office\n"
    )
    for line in clock_lines(state.done["9"]["facts"]["incident_clocks"]):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _saying(console: Console) -> Any:
    return lambda text: console.print(f"    [dim]{text}[/dim]", highlight=False)


def _write(report: Path | None, state: _State, seconds: float) -> None:
    if report is None:
        return
    told = [
        {"n": number, "name": name, "ok": True, **state.done[str(number)]}
        for number, (name, _) in enumerate(_STEPS, 1)
        if str(number) in state.done
    ]
    record = {
        "ok": len(told) == len(_STEPS),
        "real": bool(state.memory.get("real")),
        "seconds": round(seconds, 2),
        "steps": told,
    }
    report.write_text(json.dumps(record, indent=1) + "\n")
