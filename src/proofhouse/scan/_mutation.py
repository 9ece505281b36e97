# SPDX-License-Identifier: Apache-2.0
"""Changing ordinary inputs at random, without looking at what the program does: needs no tool, and finds little."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from proofhouse.sandbox import Box, BoxSpec, Limits, SandboxDead, open_box
from proofhouse.scan._engine import Candidate, Count, Method, Seen, Terms
from proofhouse.scan._target import Target
from proofhouse.scan._toolbox import PLACE
from proofhouse.validation import EXIT_CODE, mutate, sanitizer_environment

RUNS_A_BOX = 200
RUN_S = 5


class Mutation:
    """Blind changes of bytes."""

    name = "mutation"
    method = Method.FUZZING
    means = "fuzzer"
    limits = "sees nothing of the program; finds only what a few wrong bytes set off"
    last_resort = True

    def version(self) -> str:
        """See `Engine.version`: it is part of this package."""
        return "proofhouse mutation"

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        """See `Engine.search`."""
        chance = random.Random(terms.seed)  # noqa: S311 - repeatability is wanted
        ends_s = time.monotonic() + terms.seconds
        spec = BoxSpec(limits=Limits(wall_s=RUN_S, cpu_s=8 * RUN_S), profile="build")
        tried = 0
        while time.monotonic() < ends_s:
            try:
                with open_box(spec) as box:
                    box.put_tree(target.program, PLACE)
                    for _ in range(RUNS_A_BOX):
                        if time.monotonic() >= ends_s:
                            break
                        content = mutate(chance.choice(target.seeds), chance)
                        tried += 1
                        if _suspicious(box, target, content):
                            yield Candidate(content)
            except SandboxDead:
                continue
            yield Count(tried)


def _suspicious(box: Box, target: Target, content: bytes) -> bool:
    """Whether an input ends the program as a sanitizer would; in a box that is used many times, a hint only."""
    command = target.command(content)
    for path, put in command.files.items():
        box.put(f"{PLACE}/{path}", put)
    options = sanitizer_environment("stderr")
    return (
        box.exec(command.argv, stdin=command.stdin, cwd=PLACE, env=options, wall_s=RUN_S).exit_code
        == EXIT_CODE
    )
