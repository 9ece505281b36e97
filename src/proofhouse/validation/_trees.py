# SPDX-License-Identifier: Apache-2.0
"""What a build box gives: a program without the recipe's patches and with each, and what each patch does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from proofhouse.attest import JsonValue
from proofhouse.validation._effect import Effect


@dataclass(frozen=True)
class Artifact:
    """A build's outputs.

    Attributes:
        program: tar of `build.outputs`.
        tests: tar of `build.outputs` and `build.test_files`.
    """

    program: bytes
    tests: bytes


@dataclass(frozen=True)
class NotBuilt:
    """Why a patched build does not exist.

    Attributes:
        reason: `does-not-apply`, `does-not-build` or `unbounded`.
        output: the end of what was printed.
    """

    reason: str
    output: str


@dataclass(frozen=True)
class Trees:
    """Everything that one build box gave.

    Attributes:
        base: program of the vulnerable build, without any of the recipe's patches.
        patched: patch name → its build, or why there is none.
        effects: patch name → what it does to the vulnerable tree.
        already_applied: patches that the source as shipped already holds.
        files: paths inside the source that proofs, controls and tests name → content.
    """

    base: bytes
    patched: Mapping[str, Artifact | NotBuilt]
    effects: Mapping[str, Effect]
    already_applied: frozenset[str]
    files: Mapping[PurePosixPath, bytes]

    def to_store(self) -> tuple[dict[str, JsonValue], dict[str, bytes]]:
        """The record and blobs that `from_store` reads back."""
        blobs = {"base": self.base}
        not_built: dict[str, JsonValue] = {}
        for name, made in self.patched.items():
            if isinstance(made, NotBuilt):
                not_built[name] = {"reason": made.reason, "output": made.output}
            else:
                blobs |= {f"patched.program/{name}": made.program, f"patched.tests/{name}": made.tests}
        blobs |= {f"patch/{name}": effect.diff for name, effect in self.effects.items()}
        blobs |= {f"file/{path}": content for path, content in self.files.items()}
        return {
            "not_built": not_built,
            "effects": {
                name: {each: value for each, value in vars(effect).items() if each != "diff"}
                for name, effect in self.effects.items()
            },
            "already_applied": sorted(self.already_applied),
        }, blobs

    @classmethod
    def from_store(cls, record: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Trees:
        """Read back what `to_store` gave."""
        patched: dict[str, Artifact | NotBuilt] = {}
        for name in record["effects"]:
            if name in record["not_built"]:
                patched[name] = NotBuilt(**record["not_built"][name])
            else:
                patched[name] = Artifact(blobs[f"patched.program/{name}"], blobs[f"patched.tests/{name}"])
        return cls(
            blobs["base"],
            patched,
            {name: Effect(diff=blobs[f"patch/{name}"], **rest) for name, rest in record["effects"].items()},
            frozenset(record["already_applied"]),
            {
                PurePosixPath(name.removeprefix("file/")): content
                for name, content in blobs.items()
                if name.startswith("file/")
            },
        )
