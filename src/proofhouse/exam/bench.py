# SPDX-License-Identifier: Apache-2.0
"""The grader's workbench: builds from a cache and fresh boxes, all outside the subject's sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from proofhouse.exam.build import How, Program, build, default_cache
from proofhouse.sandbox import Box, BoxSpec, Tier, open_box


class Bench:
    """Where families build and run what judging needs.

    Args:
        cache: where builds are kept; the user's cache unless told.
        tier: that of the subject: what it had a hand in is built and run nowhere weaker than it was itself.
    """

    def __init__(self, cache: Path | None = None, tier: Tier = "T0") -> None:
        self.cache = default_cache() if cache is None else cache
        self.tier = tier

    def build(self, files: Mapping[str, bytes], how: How) -> Program:
        """A program from sources, or from the cache.

        Raises:
            BuildFailed: no compiler, or it refused.
            SandboxError: no box can be opened, or one died.
        """
        return build(files, how, self.cache, self.box)

    def box(self, spec: BoxSpec) -> Box:
        """A fresh box of the bench's tier; use it as a context manager.

        Raises:
            SandboxUnavailable: no box can be opened.
        """
        return open_box(replace(spec, tier=self.tier))
