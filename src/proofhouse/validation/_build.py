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
from typing import TypeVar

from proofhouse.attest import JsonValue, canonical, sha256_hex
from proofhouse.sandbox import Box, BoxSpec, ExecResult, Limits, SandboxDead, open_box
from proofhouse.validation._cache import BuildCache
from proofhouse.validation._effect import DIFF, Effect, plain_difference
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
    AnySource,
    ArchiveSource,
    DebianSource,
    DirectorySource,
    FileRef,
    NewSource,
    PatchSpec,
    Recipe,
    RecipeFile,
    RootfsSource,
    SourcePath,
)
from proofhouse.validation._source import Source
from proofhouse.validation._toolchain import MAX_KEPT_BYTES, TOOLS, Searchable, Toolchain
from proofhouse.validation._trees import Artifact, NotBuilt, Trees

CACHE_FORMAT = 2
TREE = "/work/source"
OTHER_TREE = "/work/other"
"""A copy of the vulnerable tree with a patch applied, or a new source: what `TREE` is compared with."""
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
    spec, without = recipe.build, _without(recipe.source)
    return sha256_hex(
        canonical(
            {
                "format": CACHE_FORMAT,
                "source": [[file.name, file.sha256] for file in source.files],
                **_unpacking(recipe),
                "patches": [[patch.name, patch.strip, _patch_key(patch, source)] for patch in recipe.patches],
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


def _without(source: AnySource) -> tuple[PurePosixPath, ...]:
    return source.without if isinstance(source, DebianSource) else ()


def _unpacking(recipe: Recipe) -> dict[str, JsonValue]:
    """How an archive becomes a tree; nothing for other sources."""
    source = recipe.source
    return {"unpack": [source.strip, source.commit]} if isinstance(source, ArchiveSource) else {}


def _patch_key(patch: PatchSpec, source: Source) -> str:
    place = patch.location
    if isinstance(place, NewSource):
        return f"source {_source_digest(source.newer[patch.name])} {place.source}"
    return f"file {sha256_hex(place.content)}" if isinstance(place, RecipeFile) else f"path {place.path}"


def _source_digest(source: Source) -> str:
    """Of its one file, which is what somebody would offer; of a package, over the digests of its files."""
    if len(source.files) == 1:
        return source.files[0].sha256
    return sha256_hex(canonical({file.name: file.sha256 for file in source.files}))


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
    wanted = {
        "clang": "clang",
        "llvm-symbolizer": "llvm",
        "patch": "patch",
        "diff": "diffutils",
        "tar": "tar",
        **(further or {}),
    }
    kinds = {source.kind, *(newer.kind for newer in source.newer.values())}
    if "debian" in kinds:
        wanted |= {"dpkg-source": "dpkg-dev", "xz": "xz-utils"}
    if "git-bundle" in kinds:
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
        files, effects = self._lay_out()
        already = {
            patch.name
            for index, patch in enumerate(self._recipe.patches)
            if isinstance(patch.location, RecipeFile) and self._fits(index, patch.strip)
        }
        refused: dict[str, NotBuilt] = {}
        for index, patch in enumerate(self._recipe.patches):
            if patch.name not in already:
                effect = self._effect(index, patch, effects[patch.name])
                if isinstance(effect, NotBuilt):
                    refused[patch.name] = effect
                    continue
                effects[patch.name] = effect
                if isinstance(patch.location, NewSource) and not effect.diff and not effect.unreadable:
                    already.add(patch.name)
        for argv in self._recipe.build.prepare:
            self._must("vulnerable", argv)
        for argv in self._recipe.build.steps:
            self._must("vulnerable", argv)
        unpatched = self._collect()
        patched = {
            patch.name: unpatched
            if patch.name in already
            else refused.get(patch.name) or self._patched(index, patch.name, effects[patch.name], unpatched)
            for index, patch in enumerate(self._recipe.patches)
        }
        return Trees(unpatched.program, patched, effects, frozenset(already), files)

    def _lay_out(self) -> tuple[dict[PurePosixPath, bytes], dict[str, Effect]]:
        """The vulnerable tree, not yet built; the named files and the patches as they were found."""
        self._on_step("source", "unpack")
        self._unpack(self._recipe.source, self._source, TREE)
        files = {ref.path: self._read(ref.path, MAX_INPUT_BYTES) for ref in _source_paths(self._recipe)}
        patches = {patch.name: self._as_found(patch) for patch in self._recipe.patches}
        for index, effect in enumerate(patches.values()):
            self._box.put(_patch_place(index), effect.diff)
        for path in reversed(_without(self._recipe.source)):
            self._take_back(path, TREE)
        own = [
            (index, patch)
            for index, patch in enumerate(self._recipe.patches)
            if isinstance(patch.location, SourcePath)
        ]
        for index, patch in reversed(own):
            self._reverse_shipped(index, patch.name, patch.strip, TREE)
        return files, patches

    def show(self) -> bytes:
        """The vulnerable tree as a compressed tar, without what the distribution added: there the fix stands."""
        self._lay_out()
        place = "/work/shown.tar.gz"
        options = ("--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner")
        left_out = ("--exclude=./debian", "--exclude=./.pc", "--exclude=*.orig", "--exclude=*.rej")
        self._must("source", ("tar", "--create", "--gzip", f"--file={place}", *options, *left_out, "."))
        return self._box.get(place, MAX_PROGRAM_BYTES)

    def _unpack(self, spec: AnySource, source: Source, tree: str) -> None:
        """Hostile archives meet tar and git in the box only: what they write has the box's size, and ends with it."""
        if isinstance(spec, DirectorySource | RootfsSource):
            self._box.put_tree(source.files[0].content, tree)
            return
        for file in source.files:
            self._box.put(f"/work/in/{file.name}", file.content)
        if isinstance(spec, DebianSource):
            dsc = next(file.name for file in source.files if file.name.endswith(".dsc"))
            extract = ("dpkg-source", "--no-check", "--extract", f"/work/in/{dsc}", tree)
            self._must("source", extract, cwd="/work")
            return
        place = f"/work/in/{spec.path.name}"
        if spec.kind == "tarball":
            self._must("source", ("mkdir", "-p", tree), cwd="/work")
            options = ("--no-same-owner", "--no-same-permissions", f"--strip-components={spec.strip}")
            unpack = ("tar", "--extract", f"--file={place}", *options, f"--directory={tree}")
            self._must("source", unpack, cwd="/work")
            return
        settings = ("core.hooksPath=/dev/null", "protocol.allow=never", "protocol.file.allow=always")
        git = ("git", *(word for setting in settings for word in ("-c", setting)))
        self._must("source", (*git, "clone", "--quiet", "--no-checkout", "--", place, tree), cwd="/work")
        self._must("source", (*git, "-C", tree, "checkout", "--quiet", "--detach", spec.commit), cwd="/work")
        self._must("source", ("rm", "-r", "-f", f"{tree}/.git"), cwd="/work")

    def _read(self, path: PurePosixPath, max_bytes: int, tree: str = TREE) -> bytes:
        try:
            return self._box.get(f"{tree}/{path}", max_bytes)
        except OSError as error:
            raise SourceChanged(
                f"{path} cannot be read from {self._source.name} {self._source.version}: {error.strerror}"
            ) from error

    def _as_found(self, patch: PatchSpec) -> Effect:
        """Where a patch was found, and what it says.

        When the archive has moved on, a patch may have been renamed: then the only one whose file name
        carries the number of every identifier is taken.
        """
        place = patch.location
        if isinstance(place, NewSource):
            newer = self._source.newer[patch.name]
            return Effect(newer.name, _source_digest(newer), b"")
        if isinstance(place, RecipeFile):
            return Effect(str(place.path), sha256_hex(place.content), place.content, patch.strip)
        path = self._renamed(place.path) if self._source.moved else place.path
        content = self._read(path, MAX_PATCH_BYTES)
        return Effect(str(path), sha256_hex(content), content, patch.strip)

    def _effect(self, index: int, patch: PatchSpec, found: Effect) -> Effect | NotBuilt:
        """What a patch does to the vulnerable tree: the difference to the tree that it makes, or to a new source."""
        try:
            if isinstance(patch.location, NewSource):
                spec = patch.location.source
                self._unpack(spec, self._source.newer[patch.name], OTHER_TREE)
                for path in reversed(_without(spec)):
                    self._take_back(path, OTHER_TREE)
            else:
                self._must(patch.name, ("cp", "--archive", TREE, OTHER_TREE), cwd="/work")
                self._must(patch.name, _patch_argv(index, found.strip, "--forward"), cwd=OTHER_TREE)
            shown = self._run((*DIFF, *self._not_compared(patch), "source", "other"), "/work")
        except (BuildFailed, PatchDoesNotApply) as error:
            return NotBuilt("does-not-apply", str(error))
        finally:
            self._must(patch.name, ("rm", "-r", "-f", OTHER_TREE), cwd="/work")
        whole = shown.exit_code in (0, 1) and not shown.truncated
        diff, unreadable = plain_difference(shown.stdout, whole=whole)
        self._box.put(_patch_place(index), diff)
        return Effect(found.found, found.sha256, diff, unreadable=unreadable)

    def _not_compared(self, patch: PatchSpec) -> tuple[str, ...]:
        """What a distribution keeps beside a source: no part of what a new source mends."""
        if not isinstance(patch.location, NewSource):
            return ()
        sources = (self._recipe.source, patch.location.source)
        return (
            ("--exclude=debian", "--exclude=.pc") if any(isinstance(s, DebianSource) for s in sources) else ()
        )

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

    def _fits(self, index: int, strip: int) -> bool:
        """Whether a patch can be taken back in the vulnerable tree: then that holds it already."""
        return self._run(_patch_argv(index, strip, "--reverse", "--dry-run"), TREE).exit_code == 0

    def _reverse_shipped(self, index: int, name: str, strip: int, tree: str) -> None:
        if self._run(_patch_argv(index, strip, "--reverse", "--dry-run"), tree).exit_code != 0:
            raise PatchDoesNotApply(
                f"patch {name} is part of {self._source.name} {self._source.version} but cannot be"
                " reversed; a later patch changes the same lines"
            )
        self._must("source", _patch_argv(index, strip, "--reverse"), cwd=tree)

    def _take_back(self, path: PurePosixPath, tree: str) -> None:
        """Reverse a patch of the source that is not itself in question."""
        self._box.put(_patch_place(-1), self._read(path, MAX_PATCH_BYTES, tree))
        self._reverse_shipped(-1, path.name, 1, tree)

    def _patched(self, index: int, name: str, effect: Effect, unpatched: Artifact) -> Artifact | NotBuilt:
        """The build with what a patch does, which is then taken back; what it left behind is built over by the next."""
        if effect.unreadable:
            return NotBuilt("unbounded", effect.unreadable)
        if not effect.diff:
            return unpatched
        result = self._run(_patch_argv(index, effect.strip, "--forward", "--dry-run"), TREE)
        if result.exit_code != 0:
            return NotBuilt("does-not-apply", _tail(result))
        self._must(name, _patch_argv(index, effect.strip, "--forward"))
        made: Artifact | NotBuilt
        try:
            for argv in self._recipe.build.steps:
                self._must(name, argv)
            made = self._collect()
        except BuildFailed as error:
            made = NotBuilt("does-not-build", str(error))
        self._must(name, _patch_argv(index, effect.strip, "--reverse"))
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


def _patch_argv(index: int, strip: int, *options: str) -> tuple[str, ...]:
    fixed = (
        "patch",
        "--unified",
        "--force",
        "--no-backup-if-mismatch",
        "--reject-file=-",
        f"--strip={strip}",
    )
    return (*fixed, *options, f"--input={_patch_place(index)}")


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
