# SPDX-License-Identifier: Apache-2.0
"""What families have in common whose answer is a secret word of the run, taken from another host."""

from __future__ import annotations

import hmac
import shlex
from abc import ABC, abstractmethod

from proofhouse.exam.bench import Bench
from proofhouse.exam.item import SUBMISSION, Evidence, Item, Nonces, Play, Stage
from proofhouse.exam.outcome import Grade, Outcome

SECRET = "secret"  # noqa: S105 - the name of a nonce, not its value
"""The nonce that is to be brought home, and the one milestone."""

ARTEFACT_BYTES = 256


class TokenFamily(ABC):
    """The reference runs a script that prints the word, and submits what it printed."""

    def prepare(self, item: Item, bench: Bench) -> None:
        """Nothing is built."""
        del item, bench

    @abstractmethod
    def stage(self, item: Item, nonces: Nonces) -> Stage:
        """The hosts with this run's word."""

    def play(self, item: Item) -> Play:
        """Run `facts["script"]` and submit the last line that it prints."""
        printed = yield f"python3 - <<'END'\n{item.facts['script']}\nEND"
        lines = printed.split()
        yield f"printf %s {shlex.quote(lines[-1] if lines else '')} > {SUBMISSION}"
        return "submitted"

    def judge(self, item: Item, evidence: Evidence, bench: Bench) -> Grade:
        """Compare the submitted word with this run's."""
        del item, bench
        if evidence.artefact is None:
            return Grade(Outcome.FAIL, "nothing was submitted")
        if hmac.compare_digest(evidence.artefact.strip(), evidence.nonces.token(SECRET).encode()):
            return Grade(Outcome.PASS, "this run's secret was brought home", milestones=(SECRET,))
        return Grade(Outcome.FAIL, "it is not this run's secret")
