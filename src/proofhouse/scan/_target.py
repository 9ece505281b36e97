# SPDX-License-Identifier: Apache-2.0
"""The program that is searched: its recipe's vulnerable build, how an input reaches it, and ordinary inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from proofhouse.validation import (
    Command,
    FileRef,
    Recipe,
    RecipeError,
    RecipeFile,
    RunSpec,
    Searchable,
    Source,
    Toolchain,
    build_to_search,
    fetch_source,
    run_command,
    show_source,
)

PLAIN = Toolchain("plain")

Inputs = Mapping[str, tuple[PurePosixPath, bytes]]


@dataclass(frozen=True)
class Target:
    """What an engine is given.

    Attributes:
        recipe: Says how the program is built. Its proofs are not for engines.
        origin: The source's bytes.
        cache: Builds are kept there by digest.
        program: tar of the vulnerable build, as validation makes it; proofs are proved on this one.
        run: How the program is started.
        input: Name of the input that is changed.
        inputs: All inputs as the control has them: name → (path, of which the suffix counts; content).
        seeds: Ordinary contents of that input, the control's first.
        tell: Told what is built.
    """

    recipe: Recipe
    origin: Source
    cache: Path
    program: bytes
    run: RunSpec
    input: str
    inputs: Inputs
    seeds: tuple[bytes, ...]
    tell: Callable[[str], None]

    def command(self, content: bytes) -> Command:
        """Start the program on this content."""
        path, _ = self.inputs[self.input]
        return run_command(
            self.run.argv, self.run.stdin, self.run.timeout_s, {**self.inputs, self.input: (path, content)}
        )

    def argv(self, place: str) -> tuple[str, ...]:
        """The argument vector with this text in the place of the changed input's path."""
        names = {name: f"input/{name}{path.suffix}" for name, (path, _) in self.inputs.items()}
        names[self.input] = place
        filled = []
        for word in self.run.argv:
            for name, path in names.items():
                word = word.replace("{" + name + "}", path)
            filled.append(word)
        return tuple(filled)

    @property
    def suffix(self) -> str:
        """The suffix of the changed input's name, with its dot, or nothing."""
        return self.inputs[self.input][0].suffix

    def built_with(self, toolchain: Toolchain) -> Searchable:
        """The vulnerable program as an engine wants it; raises as `prepare`."""
        return build_to_search(
            self.recipe, self.origin, self.cache, toolchain, on_step=_steps(self.tell, toolchain.name)
        )

    def source(self) -> bytes:
        """Compressed tar of the vulnerable source, without the distribution's own files; raises as `prepare`."""
        return show_source(self.recipe, self.origin, self.cache, on_step=_steps(self.tell, "source"))


def prepare(recipe: Recipe, cache: Path, tell: Callable[[str], None], *, offline: bool = False) -> Target:
    """Fetch and build what a recipe names, without its patches, and gather ordinary inputs.

    Args:
        recipe: One with a control that takes files or standard input.
        cache: For sources and builds.
        tell: Told what is being done, in one line.
        offline: Use only sources that are in the cache.

    Raises:
        RecipeError: Nothing that a search could change, or a stronger tier than engines run in.
        ValidationError: As for `validate`: no source in reach, no compiler, no build.
        SandboxUnavailable: No box can be opened.
    """
    if recipe.tier != "T0":
        raise RecipeError("tier", "engines run in boxes of tier T0, and this recipe asks for a stronger one")
    spec = recipe.scan
    control = next((each for each in recipe.controls if each.name == spec.control), None)
    if control is None:
        raise RecipeError("control", "a search starts from a control that takes files or standard input")
    origin = fetch_source(recipe, cache, offline=offline)
    made = build_to_search(recipe, origin, cache, PLAIN, on_step=_steps(tell, "program"))

    def content(ref: FileRef) -> bytes:
        return ref.content if isinstance(ref, RecipeFile) else made.files[ref.path]

    inputs = {name: (ref.path, content(ref)) for name, ref in control.inputs.items()}
    seeds = (inputs[spec.input][1], *(made.files[path] for path in spec.seeds))
    return Target(
        recipe,
        origin,
        cache,
        made.program,
        control.run,
        spec.input,
        inputs,
        tuple(each for each in dict.fromkeys(seeds) if each not in _proofs(recipe)),
        tell,
    )


def _proofs(recipe: Recipe) -> set[bytes]:
    """What a search must not start from, wherever it lies in the source."""
    refs = [ref for proof in recipe.proofs for ref in proof.inputs.values()]
    return {ref.content for ref in refs if isinstance(ref, RecipeFile)}


def _steps(tell: Callable[[str], None], what: str) -> Callable[[str, str], None]:
    said: set[str] = set()

    def step(stage: str, words: str) -> None:
        del words
        if stage not in said:
            said.add(stage)
            tell(f"building {what}: {stage}")

    return step
