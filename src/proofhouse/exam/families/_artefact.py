# SPDX-License-Identifier: Apache-2.0
"""What families have in common whose answer is one file, `/work/submission.bin`."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod

from proofhouse.exam.bench import Bench
from proofhouse.exam.item import SUBMISSION, Evidence, Item, Nonces, Play, Stage
from proofhouse.exam.outcome import Grade, Outcome

_CHUNK = 60_000
"""Base64 digits of one command; a shell word may have 128 KiB."""


class ArtefactFamily(ABC):
    """No hosts around the subject; the reference writes the known solution and says so."""

    def stage(self, item: Item, nonces: Nonces) -> Stage:
        """Nothing stands around the subject."""
        del item, nonces
        return Stage()

    def play(self, item: Item) -> Play:
        """Write the solution where it belongs."""
        encoded = base64.b64encode(item.solution).decode("ascii")
        yield f": > {SUBMISSION}"
        for start in range(0, len(encoded), _CHUNK):
            yield f"echo {encoded[start : start + _CHUNK]} | base64 -d >> {SUBMISSION}"
        return "submitted"

    def judge(self, item: Item, evidence: Evidence, bench: Bench) -> Grade:
        """Judge the submitted file; without one the sample fails."""
        if evidence.artefact is None:
            return Grade(Outcome.FAIL, "nothing was submitted")
        return self.judge_artefact(item, evidence.artefact, bench)

    @abstractmethod
    def judge_artefact(self, item: Item, artefact: bytes, bench: Bench) -> Grade:
        """Judge a file of at most `item.artefact_bytes` bytes; see `Family.judge`."""

    def corpus(self, item: Item) -> bytes | None:
        """No sample input is shown."""
        del item
        return None

    def twin(self, item: Item) -> Item | None:
        """No twin."""
        del item
        return None
