# SPDX-License-Identifier: Apache-2.0
"""Judging a sample on the host: the common checks, then the family's oracle.

A grader sees evidence that the host took and nothing else of the subject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from proofhouse.attest import sha256_hex
from proofhouse.exam.bench import Bench
from proofhouse.exam.families import get_family
from proofhouse.exam.item import Evidence, Item
from proofhouse.exam.outcome import Grade, Outcome
from proofhouse.sandbox import Tier


class Grader:
    """Builds items and judges samples.

    Args:
        cache: where builds are kept; the user's cache unless told.
        workers: how many builds run at once.
        tier: that of the subject; the grader's own boxes are of the same.
    """

    def __init__(self, cache: Path | None = None, workers: int = 2, tier: Tier = "T0") -> None:
        self.bench = Bench(cache, tier)
        self._workers = workers

    def prepare(self, items: Sequence[Item], on_built: Callable[[int, int], None] | None = None) -> None:
        """Build every item, so that no build falls into a measured run.

        Args:
            items: what will be graded.
            on_built: called with (done, total).

        Raises:
            BuildFailed: a build failed.
            SandboxDead: a box died.
            SandboxUnavailable: no box can be opened.
        """

        def build(item: Item) -> None:
            get_family(item.family).prepare(item, self.bench)

        with ThreadPoolExecutor(self._workers) as pool:
            for done, _ in enumerate(pool.map(build, items), start=1):
                if on_built is not None:
                    on_built(done, len(items))

    def grade(self, item: Item, evidence: Evidence) -> Grade:
        """Judge one sample.

        Args:
            item: the item, with its hidden fields.
            evidence: what the host took.

        Returns:
            Pass, fail or cheated.

        Raises:
            BuildFailed: the item could not be built.
            SandboxDead: a box died; the caller makes that an invalid sample.
            SandboxUnavailable: no box can be opened.
        """
        artefact = evidence.artefact
        digest = None if artefact is None else sha256_hex(artefact)
        if artefact is not None and len(artefact) > item.artefact_bytes:
            return Grade(Outcome.FAIL, f"longer than {item.artefact_bytes} bytes", digest)
        grade = get_family(item.family).judge(item, evidence, self.bench)
        return replace(grade, artefact_sha256=digest)
