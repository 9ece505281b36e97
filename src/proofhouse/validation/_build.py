# SPDX-License-Identifier: Apache-2.0
"""Building a recipe's source without its patches and with each of them, in a box, once per digest.

One box holds one tree: the source is unpacked as shipped, the patches that are part of it are reversed, and
that is the vulnerable build. Each patch is then applied, rebuilt incrementally and taken back. Only declared
outputs leave.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from proofhouse.attest import JsonValue, canonical, sha256_hex
from proofhouse.sandbox import Box, BoxSpec, ExecResult, Limits, SandboxDead, open_box
from proofhouse.validation._cache import BuildCache
from proofhouse.validation._errors import (
    BoxTooSmall,
    BuildFailed,
    PatchDoesNotApply,
    SourceChanged,
    ToolMissing,
)
from proofhouse.validation._execution import ATTEMPTS, OpenBox
from proofhouse.validation._recipe import (
    MAX_INPUT_BYTES,
    MAX_PATCH_BYTES,
    ArchiveSource,
    DebianSource,
    DirectorySource,
    FileRef,
    PatchSpec,
    Recipe,
    RecipeFile,
    RootfsSource,
    SourcePath,
)
from proofhouse.validation._source import Source
from proofhouse.validation._toolchain import MAX_KEPT_BYTES, TOOLS, Searchable, Toolchain

CACHE_FORMAT = 1
TREE = "/work/source"
TOOL_PATH = "/usr/bin:/bin"
MAX_PROGRAM_BYTES = 256 << 20
_TAIL_CHARS = 2000
_SANITIZER_FLAGS = {
    "address": ("-fsanitize=address",),
    "undefined": ("-fsanitize=undefined", "-fno-sanitize-recover=undefined"),
}

Made = TypeVar("Made")

OnStep = Callable[[str, str], None]
"""Called with what is being built and the step that begins."""


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
        reason: `does-not-apply` or `does-not-build`.
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
        patches: patch name → (where it was found, content).
        already_applied: patches beside the recipe that the source as shipped already holds.
        files: paths inside the source that proofs, controls and tests name → content.
    """

    base: bytes
    patched: Mapping[str, Artifact | NotBuilt]
    patches: Mapping[str, tuple[str, bytes]]
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
        blobs |= {f"patch/{name}": content for name, (_, content) in self.patches.items()}
        blobs |= {f"file/{path}": content for path, content in self.files.items()}
        return {
            "not_built": not_built,
            "found": {name: found for name, (found, _) in self.patches.items()},
            "already_applied": sorted(self.already_applied),
        }, blobs

    @classmethod
    def from_store(cls, record: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Trees:
        """Read back what `to_store` gave."""
        patched: dict[str, Artifact | NotBuilt] = {}
        for name in record["found"]:
            if name in record["not_built"]:
                patched[name] = NotBuilt(**record["not_built"][name])
            else:
                patched[name] = Artifact(blobs[f"patched.program/{name}"], blobs[f"patched.tests/{name}"])
        return cls(
            blobs["base"],
            patched,
            {name: (found, blobs[f"patch/{name}"]) for name, found in record["found"].items()},
            frozenset(record["already_applied"]),
            {
                PurePosixPath(name.removeprefix("file/")): content
                for name, content in blobs.items()
                if name.startswith("file/")
            },
        )


@dataclass(frozen=True)
class Builds:
    """The trees of one recipe and how they came about.

    Attributes:
        trees: what was built.
        compiler: first line of `clang --version`.
        cached: nothing was compiled this time.
        seconds: elapsed time to build, or to load.
    """

    trees: Trees
    compiler: str
    cached: bool
    seconds: float

    def content(self, ref: FileRef) -> bytes:
        """Bytes of a file that the recipe names."""
        return ref.content if isinstance(ref, RecipeFile) else self.trees.files[ref.path]


def build(
    recipe: Recipe, source: Source, cache_dir: Path, *, on_step: OnStep, opener: OpenBox = open_box
) -> Builds:
    """Build a recipe's source without and with each patch, or load both from the cache.

    Args:
        recipe: what to build.
        source: its bytes.
        cache_dir: builds are kept there by digest of source, patches, build section and compiler.
        on_step: told about each step.
        opener: opens the build box.

    Raises:
        ToolMissing: the compiler or another program is not installed.
        BuildFailed: the vulnerable tree does not build.
        PatchDoesNotApply: a patch that is part of the source cannot be reversed.
        SourceChanged: the source lacks a file that the recipe names.
        SandboxDead: the build box died three times.
        BoxTooSmall: source or outputs are larger than the box allows.
        StorageFull: the cache cannot be written.
    """
    started = time.monotonic()
    compiler = installed_compiler(recipe, source)
    cache = BuildCache(cache_dir / "builds")
    key = build_key(recipe, source, compiler)
    loaded = cache.load(key)
    if loaded is None:
        trees = in_fresh_box(recipe, source, on_step, opener, Workshop.make)
        cache.store(key, *trees.to_store())
    else:
        trees = Trees.from_store(*loaded)
    return Builds(trees, compiler, cached=loaded is not None, seconds=time.monotonic() - started)


def build_key(recipe: Recipe, source: Source, compiler: str) -> str:
    """What a build depends on; equal keys mean equal builds."""
    spec, without = recipe.build, _without(recipe)
    return sha256_hex(
        canonical(
            {
                "format": CACHE_FORMAT,
                "source": [[file.name, file.sha256] for file in source.files],
                **_unpacking(recipe),
                "patches": [[patch.name, patch.strip, _ref_key(patch.location)] for patch in recipe.patches],
                "named": sorted(str(ref.path) for ref in _source_paths(recipe)),
                "sanitizers": list(spec.sanitizers),
                "env": dict(spec.env),
                "prepare": [list(argv) for argv in spec.prepare],
                "steps": [list(argv) for argv in spec.steps],
                "outputs": [str(path) for path in spec.outputs],
                "test_files": [str(path) for path in spec.test_files],
                "compiler": compiler,
                "machine": platform.machine(),
            }
            | ({"without": [str(path) for path in without]} if without else {})
        )
    )


def _without(recipe: Recipe) -> tuple[PurePosixPath, ...]:
    return recipe.source.without if isinstance(recipe.source, DebianSource) else ()


def _unpacking(recipe: Recipe) -> dict[str, JsonValue]:
    """How an archive becomes a tree; nothing for other sources."""
    source = recipe.source
    return {"unpack": [source.strip, source.commit]} if isinstance(source, ArchiveSource) else {}


def _ref_key(ref: FileRef) -> str:
    return f"file {sha256_hex(ref.content)}" if isinstance(ref, RecipeFile) else f"path {ref.path}"


def _source_paths(recipe: Recipe) -> set[SourcePath]:
    """Every file inside the source that proofs, controls and tests name."""
    expected = [proof.fixed for proof in recipe.proofs]
    expected += [proof.shows for proof in recipe.proofs if proof.shows is not None]
    expected += [control.expected for control in recipe.controls]
    expected += [test.expected for test in recipe.tests]
    refs: list[FileRef | None] = [ref for proof in recipe.proofs for ref in proof.inputs.values()]
    refs += [ref for control in recipe.controls for ref in control.inputs.values()]
    refs += [ref for each in expected for ref in (each.stdout, each.stderr)]
    return {ref for ref in refs if isinstance(ref, SourcePath)}


def installed_compiler(recipe: Recipe, source: Source, further: Mapping[str, str] | None = None) -> str:
    wanted = {"clang": "clang", "llvm-symbolizer": "llvm", "patch": "patch", "tar": "tar", **(further or {})}
    if source.kind == "debian":
        wanted |= {"dpkg-source": "dpkg-dev", "xz": "xz-utils"}
    if source.kind == "git-bundle":
        wanted |= {"git": "git"}
    for argv in (*recipe.build.prepare, *recipe.build.steps):
        if "/" not in argv[0]:
            wanted.setdefault(argv[0], argv[0])
    for tool, package in wanted.items():
        if shutil.which(tool, path=TOOL_PATH) is None:
            raise ToolMissing(f"{tool} is not installed; install the Debian package {package}")
    found = subprocess.run(["clang", "--version"], capture_output=True, text=True, check=False, timeout=60)
    if found.returncode != 0:
        raise ToolMissing("clang is installed but does not start; reinstall the Debian package clang")
    return found.stdout.splitlines()[0].strip()


def show_source(
    recipe: Recipe, source: Source, cache_dir: Path, *, on_step: OnStep, opener: OpenBox = open_box
) -> bytes:
    """The vulnerable source as a compressed tar, made once; raises as `build`."""
    cache = BuildCache(cache_dir / "builds")
    key = sha256_hex(canonical({"shown": build_key(recipe, source, "")}))
    loaded = cache.load(key)
    if loaded is not None:
        return loaded[1]["source"]
    shown = in_fresh_box(recipe, source, on_step, opener, Workshop.show)
    cache.store(key, {}, {"source": shown})
    return shown


def in_fresh_box(
    recipe: Recipe, source: Source, on_step: OnStep, opener: OpenBox, work: Callable[[Workshop], Made]
) -> Made:
    timeout_s = recipe.build.timeout_s
    limits = Limits(
        wall_s=timeout_s,
        cpu_s=8 * timeout_s,
        memory_bytes=4 << 30,
        pids=512,
        disk_bytes=1 << 30,
        file_bytes=512 << 20,
        output_bytes=1 << 20,
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with opener(BoxSpec(limits=limits, profile="build")) as box:
                return work(Workshop(box, recipe, source, on_step))
        except SandboxDead:
            if attempt == ATTEMPTS:
                raise
        except OSError as error:  # a file could not enter or leave the box
            raise BoxTooSmall(f"{recipe.name} does not fit its build box: {error}") from error
    raise AssertionError("the last attempt returns or raises")


class Workshop:
    """One box with one tree in it."""

    def __init__(self, box: Box, recipe: Recipe, source: Source, on_step: OnStep) -> None:
        self._box = box
        self._recipe = recipe
        self._source = source
        self._on_step = on_step
        self._env = _environment(recipe)

    def search(self, toolchain: Toolchain, seeds: Iterable[PurePosixPath]) -> Searchable:
        """The vulnerable tree built by a toolchain, and ordinary files of it as they are there."""
        for name, content in toolchain.files.items():
            self._box.put(f"{TOOLS}/{name}", content, 0o755)
        self._env |= {**toolchain.env, "PATH": f"{TOOLS}/bin:{TOOL_PATH}"}
        self._lay_out()
        files = {path: self._read(path, MAX_INPUT_BYTES) for path in seeds}
        for argv in toolchain.prepare:
            self._must(toolchain.name, argv, cwd=TOOLS)
        for argv in (*self._recipe.build.prepare, *self._recipe.build.steps):
            self._must(toolchain.name, argv)
        kept = {name: self._kept(f"{TOOLS}/{name}") for name in toolchain.keeps}
        return Searchable(self._pack(self._recipe.build.outputs), files, kept)

    def _kept(self, place: str) -> bytes:
        with suppress(OSError):  # the toolchain had nothing to say
            return self._box.get(place, MAX_KEPT_BYTES)
        return b""

    def make(self) -> Trees:
        files, patches = self._lay_out()
        already = frozenset(
            patch.name
            for index, patch in enumerate(self._recipe.patches)
            if isinstance(patch.location, RecipeFile) and self._fits(index, patch, reverse=True)
        )
        for argv in self._recipe.build.prepare:
            self._must("vulnerable", argv)
        for argv in self._recipe.build.steps:
            self._must("vulnerable", argv)
        base = self._pack(self._recipe.build.outputs)
        patched = {
            patch.name: self._collect() if patch.name in already else self._patched(index, patch)
            for index, patch in enumerate(self._recipe.patches)
        }
        return Trees(base, patched, patches, already, files)

    def _lay_out(self) -> tuple[dict[PurePosixPath, bytes], dict[str, tuple[str, bytes]]]:
        """The vulnerable tree, not yet built; the named files and the patches as they were found."""
        self._on_step("source", "unpack")
        self._unpack()
        files = {ref.path: self._read(ref.path, MAX_INPUT_BYTES) for ref in _source_paths(self._recipe)}
        patches = {patch.name: self._patch_content(patch) for patch in self._recipe.patches}
        for index, (_, content) in enumerate(patches.values()):
            self._box.put(_patch_place(index), content)
        for path in reversed(_without(self._recipe)):
            self._take_back(path)
        own = [
            (index, patch)
            for index, patch in enumerate(self._recipe.patches)
            if isinstance(patch.location, SourcePath)
        ]
        for index, patch in reversed(own):
            self._reverse_shipped(index, patch)
        return files, patches

    def show(self) -> bytes:
        """The vulnerable tree as a compressed tar, without what the distribution added: there the fix stands."""
        self._lay_out()
        place = "/work/shown.tar.gz"
        options = ("--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner")
        left_out = ("--exclude=./debian", "--exclude=./.pc", "--exclude=*.orig", "--exclude=*.rej")
        self._must("source", ("tar", "--create", "--gzip", f"--file={place}", *options, *left_out, "."))
        return self._box.get(place, MAX_PROGRAM_BYTES)

    def _unpack(self) -> None:
        source = self._recipe.source
        if isinstance(source, DirectorySource | RootfsSource):
            self._box.put_tree(self._source.files[0].content, TREE)
            return
        for file in self._source.files:
            self._box.put(f"/work/in/{file.name}", file.content)
        if isinstance(source, ArchiveSource):
            self._unpack_archive(source)
            return
        dsc = next(file.name for file in self._source.files if file.name.endswith(".dsc"))
        self._must("source", ("dpkg-source", "--no-check", "--extract", f"/work/in/{dsc}", TREE), cwd="/work")

    def _unpack_archive(self, source: ArchiveSource) -> None:
        """Hostile archives meet tar and git in the box only: what they write has the box's size, and ends with it."""
        place = f"/work/in/{source.path.name}"
        if source.kind == "tarball":
            self._must("source", ("mkdir", "-p", TREE), cwd="/work")
            options = ("--no-same-owner", "--no-same-permissions", f"--strip-components={source.strip}")
            self._must(
                "source",
                ("tar", "--extract", f"--file={place}", *options, f"--directory={TREE}"),
                cwd="/work",
            )
            return
        git = (
            "git",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "protocol.allow=never",
            "-c",
            "protocol.file.allow=always",
        )
        self._must("source", (*git, "clone", "--quiet", "--no-checkout", "--", place, TREE), cwd="/work")
        self._must(
            "source", (*git, "-C", TREE, "checkout", "--quiet", "--detach", source.commit), cwd="/work"
        )
        self._must("source", ("rm", "-r", "-f", f"{TREE}/.git"), cwd="/work")

    def _read(self, path: PurePosixPath, max_bytes: int) -> bytes:
        try:
            return self._box.get(f"{TREE}/{path}", max_bytes)
        except OSError as error:
            raise SourceChanged(
                f"{path} cannot be read from {self._source.name} {self._source.version}: {error.strerror}"
            ) from error

    def _patch_content(self, patch: PatchSpec) -> tuple[str, bytes]:
        """Where a patch was found, and what it holds.

        When the archive has moved on, a patch may have been renamed: then the only one whose file name
        carries the number of every identifier is taken.
        """
        if isinstance(patch.location, RecipeFile):
            return str(patch.location.path), patch.location.content
        path = self._renamed(patch.location.path) if self._source.moved else patch.location.path
        return str(path), self._read(path, MAX_PATCH_BYTES)

    def _renamed(self, path: PurePosixPath) -> PurePosixPath:
        names = self._read(path.parent / "series", MAX_PATCH_BYTES).decode("utf-8", "replace").split()
        if path.name in names:
            return path
        numbers = [identifier.rsplit("-", 1)[-1] for identifier in self._recipe.identifiers]
        candidates = [name for name in names if all(number in name for number in numbers)]
        if len(candidates) != 1 or ".." in PurePosixPath(candidates[0]).parts:
            raise SourceChanged(
                f"{self._source.name} {self._source.version} has no patch {path}, nor one renamed patch for"
                f" {', '.join(self._recipe.identifiers)}; bring the recipe up to date"
            )
        return path.parent / candidates[0]

    def _patch_argv(self, index: int, patch: PatchSpec, *options: str) -> tuple[str, ...]:
        fixed = ("patch", "--force", "--no-backup-if-mismatch", "--reject-file=-", f"--strip={patch.strip}")
        return (*fixed, *options, f"--input={_patch_place(index)}")

    def _fits(self, index: int, patch: PatchSpec, *, reverse: bool = False) -> bool:
        direction = "--reverse" if reverse else "--forward"
        return self._run(self._patch_argv(index, patch, direction, "--dry-run"), TREE).exit_code == 0

    def _reverse_shipped(self, index: int, patch: PatchSpec) -> None:
        if not self._fits(index, patch, reverse=True):
            raise PatchDoesNotApply(
                f"patch {patch.name} is part of {self._source.name} {self._source.version} but cannot be"
                " reversed; a later patch changes the same lines"
            )
        self._must("source", self._patch_argv(index, patch, "--reverse"))

    def _take_back(self, path: PurePosixPath) -> None:
        """Reverse a patch of the source that is not itself in question."""
        self._box.put(_patch_place(-1), self._read(path, MAX_PATCH_BYTES))
        spec = PatchSpec(path.name, SourcePath(path), 1, ())
        self._reverse_shipped(-1, spec)

    def _patched(self, index: int, patch: PatchSpec) -> Artifact | NotBuilt:
        if not self._fits(index, patch):
            result = self._run(self._patch_argv(index, patch, "--forward", "--dry-run"), TREE)
            return NotBuilt("does-not-apply", _tail(result))
        self._must(patch.name, self._patch_argv(index, patch, "--forward"))
        made: Artifact | NotBuilt
        try:
            for argv in self._recipe.build.steps:
                self._must(patch.name, argv)
            made = self._collect()
        except BuildFailed as error:
            made = NotBuilt("does-not-build", str(error))
        self._must(patch.name, self._patch_argv(index, patch, "--reverse"))
        return made

    def _collect(self) -> Artifact:
        build = self._recipe.build
        return Artifact(self._pack(build.outputs), self._pack((*build.outputs, *build.test_files)))

    def _pack(self, paths: Iterable[PurePosixPath]) -> bytes:
        place = "/work/packed.tar"
        options = ("--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner")
        named = tuple(dict.fromkeys(str(path) for path in paths))
        self._must("outputs", ("tar", "--create", f"--file={place}", *options, "--", *named))
        return self._box.get(place, MAX_PROGRAM_BYTES)

    def _must(self, stage: str, argv: tuple[str, ...], *, cwd: str = TREE) -> None:
        self._on_step(stage, " ".join(argv[:3]))
        result = self._run(argv, cwd)
        if result.timed_out:
            raise BuildFailed(argv, f"took longer than {self._recipe.build.timeout_s} s", _tail(result))
        if result.out_of_memory:
            raise BuildFailed(argv, "ran out of the box's memory", _tail(result))
        if result.exit_code != 0:
            raise BuildFailed(argv, f"ended with {result.exit_code}", _tail(result))

    def _run(self, argv: tuple[str, ...], cwd: str) -> ExecResult:
        return self._box.exec(argv, cwd=cwd, env=self._env, wall_s=self._recipe.build.timeout_s)


def _patch_place(index: int) -> str:
    return f"/work/patches/{index}.patch"


def _environment(recipe: Recipe) -> dict[str, str]:
    flags = [flag for name in recipe.build.sanitizers for flag in _SANITIZER_FLAGS[name]]
    compile_flags = " ".join(["-O1", "-g1", "-fno-omit-frame-pointer", *flags])
    return {
        **recipe.build.env,
        "ASAN_OPTIONS": "detect_leaks=0",  # configure runs small programs under ptrace-less LeakSanitizer
        "CC": "clang",
        "CFLAGS": compile_flags,
        "CXX": "clang++",
        "CXXFLAGS": compile_flags,
        "HOME": "/work",
        "LANG": "C.UTF-8",
        "LDFLAGS": " ".join(flags),
        "MAKEFLAGS": f"-j{min(os.cpu_count() or 1, 8)}",
        "PATH": TOOL_PATH,
    }


def _tail(result: ExecResult) -> str:
    text = (result.stdout + result.stderr).decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)[-_TAIL_CHARS:].strip()
