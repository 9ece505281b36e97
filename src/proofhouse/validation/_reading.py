# SPDX-License-Identifier: Apache-2.0
"""The reader of recipes: strict, and it refuses by the name of the field at fault."""

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Set
from pathlib import Path, PurePosixPath
from typing import TypeVar

from proofhouse.sandbox import Tier
from proofhouse.validation._errors import RecipeError
from proofhouse.validation._recipe import (
    MAX_INPUT_BYTES,
    MAX_PATCH_BYTES,
    MAX_RECIPE_BYTES,
    AnySource,
    ArchiveSource,
    BuildSpec,
    CheckSpec,
    ControlSpec,
    CrashClaim,
    DebianSource,
    DirectorySource,
    Exclusion,
    Expected,
    FileRef,
    HttpSpec,
    NewSource,
    OtherVersion,
    PatchSpec,
    PinnedFile,
    ProofSpec,
    Recipe,
    RecipeFile,
    RootfsSource,
    RunSpec,
    SourcePath,
)
from proofhouse.validation._scan_table import read_scan
from proofhouse.validation._table import NAME, Table, relative_path

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,63}")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+:~-]{0,127}")
_RELEASE = re.compile(r"[a-z]{2,32}")
_SOURCE_FILE = re.compile(r"[a-z0-9][A-Za-z0-9.+~_-]{1,200}\.(dsc|tar\.(gz|xz|bz2)|diff\.gz)(\.asc)?")
_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_IDENTIFIER = re.compile(r"[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+){1,5}")
_CRASH_CLASS = re.compile(r"[A-Za-z][A-Za-z-]{2,63}")
_FRAME = re.compile(r"[A-Za-z_~][A-Za-z0-9_:~<>,&* ]{0,199}")
_BASE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_URL_PATH = re.compile(r"/[A-Za-z0-9._~/?&=%-]{0,255}")
_INPUT_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")

SANITIZERS = ("address", "undefined")
OWN_ENV = frozenset(
    {"ASAN_OPTIONS", "CC", "CFLAGS", "CXX", "CXXFLAGS", "HOME", "LANG", "LDFLAGS", "MAKEFLAGS", "PATH"}
    | {"UBSAN_OPTIONS"}
)
"""Names that the runner sets itself; a recipe may not."""

T = TypeVar("T")


def recipe_root(path: Path) -> Path:
    """Where a recipe's relative paths start.

    The directory above, when the recipe lies in one called `recipes`; the recipe's own directory otherwise.
    """
    here = path.resolve().parent
    return here.parent if here.name == "recipes" else here


def load_recipe(path: Path) -> Recipe:
    """Read a recipe and the files beside it.

    Args:
        path: a TOML file of at most 64 KiB.

    Raises:
        RecipeError: unreadable, not TOML, or a field breaks a rule; the message names the field.
    """
    content = _read_bounded(path, MAX_RECIPE_BYTES, path.name)
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(path.name, f"is not TOML: {error}") from error
    return _Reader(recipe_root(path)).recipe(Table(document), hashlib.sha256(content).hexdigest())


def _read_bounded(path: Path, max_bytes: int, where: str) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise RecipeError(where, f"cannot be read: {error.strerror}") from error
    if len(content) > max_bytes:
        raise RecipeError(where, f"is larger than {max_bytes} bytes")
    return content


class _Reader:
    def __init__(self, root: Path) -> None:
        self._root = root

    def recipe(self, document: Table, sha256: str) -> Recipe:
        document.integer("format", 1, 1)
        name = document.text("name", NAME)
        title = document.text("title", max_chars=200)
        source = self._source(document.table("source"))
        build = self._build(document.table("build"), prebuilt=isinstance(source, RootfsSource))
        run = self._run(document.table("run"))
        proofs = self._named(document, "proof", lambda table: self._proof(table, run), lambda p: p.name)
        known = tuple(proof.name for proof in proofs)
        patches = self._named(document, "patch", lambda table: self._patch(table, known), lambda p: p.name)
        controls = self._named(document, "control", lambda table: self._control(table, run), lambda c: c.name)
        tests = self._named(document, "test", self._test, lambda t: t.name, optional=True)
        given = {name for proof in proofs for name in proof.inputs}
        given |= {name for control in controls for name in control.inputs}
        exclusions = self._named(
            document, "exclusion", lambda table: _exclusion(table, given), lambda e: e.name, optional=True
        )
        mutation_s, minimise_s = document.seconds("mutation"), document.seconds("minimise")
        scan = read_scan(document.table("scan", optional=True), controls)
        versions = self._named(document, "version", self._version, lambda v: v.name, optional=True)
        tier = self._tier(document)
        document.done()
        return Recipe(
            name=name,
            title=title,
            source=source,
            patches=patches,
            build=build,
            run=run,
            proofs=proofs,
            controls=controls,
            tests=tests,
            exclusions=exclusions,
            versions=versions,
            minimise_s=minimise_s,
            tier=tier,
            mutation_s=mutation_s,
            scan=scan,
            root=self._root,
            sha256=sha256,
        )

    def _version(self, table: Table) -> OtherVersion:
        version = OtherVersion(table.text("name", NAME), self._source(table.table("source")))
        table.done()
        return version

    def _tier(self, document: Table) -> Tier:
        named = document.text("tier") if document.has("tier") else "T0"
        if named == "T0":
            return "T0"
        if named == "T1":
            return "T1"
        raise RecipeError(document.name("tier"), f"{named!r} is neither 'T0' nor 'T1'")

    def _source(self, table: Table) -> AnySource:
        kind = table.text("kind")
        source: AnySource
        if kind == "debian":
            source = _debian(table)
        elif kind in ("directory", "rootfs"):
            place = table.path("path")
            self._inside(place, table.name("path"))
            source = DirectorySource(place) if kind == "directory" else RootfsSource(place)
        elif kind in ("tarball", "git-bundle"):
            source = self._archive(kind, table)
        else:
            known = "'debian', 'directory', 'rootfs', 'tarball', 'git-bundle'"
            raise RecipeError(table.name("kind"), f"{kind!r} is none of {known}")
        table.done()
        return source

    def _archive(self, kind: str, table: Table) -> ArchiveSource:
        path = table.path("file")
        self._inside(path, table.name("file"))
        sha256 = table.text("sha256", _SHA256)
        if kind == "tarball":
            return ArchiveSource(kind, path, sha256, strip=table.integer("strip", 0, 4, 1))
        return ArchiveSource(kind, path, sha256, commit=table.text("commit", _COMMIT))

    def _patch(self, table: Table, proofs: tuple[str, ...]) -> PatchSpec:
        whole = table.has("source")
        patch = PatchSpec(
            name=table.text("name", NAME),
            location=self._new_source(table) if whole else self._file_ref(table, MAX_PATCH_BYTES),
            strip=1 if whole else table.integer("strip", 0, 4, 1),
            stops=table.texts("stops") if table.has("stops") else proofs,
        )
        for index, stopped in enumerate(patch.stops):
            if stopped not in proofs:
                raise RecipeError(f"{table.name('stops')}[{index}]", f"there is no proof named {stopped!r}")
        table.done()
        return patch

    def _new_source(self, table: Table) -> NewSource:
        for other in ("path", "file", "strip"):
            if table.has(other):
                raise RecipeError(
                    table.name(other), "does not go with source, which is the whole of a fixed source"
                )
        source = self._source(table.table("source"))
        if isinstance(source, RootfsSource):
            raise RecipeError(table.name("source.kind"), "an image holds no source that could be compared")
        return NewSource(source)

    def _build(self, table: Table, *, prebuilt: bool) -> BuildSpec:
        env_table = table.table("env", optional=True)
        env: dict[str, str] = {}
        for key in tuple(env_table):
            if not _ENV_NAME.fullmatch(key) or key.startswith("LD_"):
                raise RecipeError(env_table.name(key), "is not an allowed variable name")
            if key in OWN_ENV:
                raise RecipeError(env_table.name(key), "is set by the runner")
            env[key] = env_table.text(key)
        sanitizers = table.texts("sanitizers") if table.has("sanitizers") else ("address",)
        for index, sanitizer in enumerate(sanitizers):
            if sanitizer not in SANITIZERS:
                raise RecipeError(
                    f"{table.name('sanitizers')}[{index}]",
                    f"{sanitizer!r} is none of {', '.join(SANITIZERS)}",
                )
        build = BuildSpec(
            sanitizers=sanitizers,
            env=env,
            prepare=table.argument_vectors("prepare", optional=True),
            steps=table.argument_vectors("steps", optional=prebuilt),
            outputs=table.paths("outputs"),
            test_files=table.paths("test_files", optional=True),
            timeout_s=table.integer("timeout_s", 1, 3600, 600),
        )
        table.done()
        return build

    def _run(self, table: Table) -> RunSpec:
        argv = table.argv("argv")
        named = {name for argument in argv for name in _PLACEHOLDER.findall(argument)}
        for name in sorted(named):
            if not _INPUT_NAME.fullmatch(name):
                raise RecipeError(table.name("argv"), f"{{{name}}} does not have the form of an input's name")
        stdin = table.text("stdin", _INPUT_NAME) if table.has("stdin") else None
        http = self._http(table.table("http")) if table.has("http") else None
        inputs = frozenset(named | ({stdin} if stdin else set()) | set(http.requests if http else ()))
        if not inputs:
            raise RecipeError(table.name("argv"), "uses no input: write {name} or set run.stdin")
        run = RunSpec(argv, stdin, table.integer("timeout_s", 1, 600, 20), inputs, http)
        table.done()
        return run

    def _http(self, table: Table) -> HttpSpec:
        http = HttpSpec(
            port=table.integer("port", 1024, 65535),
            requests=table.texts("requests", _INPUT_NAME),
            ask=table.text("ask", _URL_PATH),
        )
        table.done()
        return http

    def _proof(self, table: Table, run: RunSpec) -> ProofSpec:
        run = self._run(table.table("run")) if table.has("run") else run
        if table.has("crash") == table.has("shows"):
            raise RecipeError(
                table.where, "needs exactly one of crash (a sanitizer's report) and shows (what is seen)"
            )
        crash = self._crash(table.table("crash")) if table.has("crash") else None
        shows = None
        if table.has("shows"):
            shows_table = table.table("shows")
            shows = self._expected(shows_table)
            shows_table.done()
        fixed_table = table.table("fixed")
        fixed = self._expected(fixed_table)
        fixed_table.done()
        proof = ProofSpec(
            name=table.text("name", NAME),
            identifiers=table.texts("identifiers", _IDENTIFIER),
            inputs=self._inputs(table, run),
            crash=crash,
            shows=shows,
            fixed=fixed,
            run=run,
        )
        table.done()
        return proof

    def _crash(self, table: Table) -> CrashClaim:
        claim = CrashClaim(
            classes=table.texts("classes", _CRASH_CLASS),
            frame=table.text("frame", _FRAME) if table.has("frame") else None,
        )
        table.done()
        return claim

    def _control(self, table: Table, run: RunSpec) -> ControlSpec:
        run = self._run(table.table("run")) if table.has("run") else run
        control = ControlSpec(table.text("name", NAME), self._inputs(table, run), self._expected(table), run)
        table.done()
        return control

    def _test(self, table: Table) -> CheckSpec:
        test = CheckSpec(
            name=table.text("name", NAME),
            argv=table.argv("argv"),
            expected=self._expected(table),
            timeout_s=table.integer("timeout_s", 1, 600, 60),
        )
        table.done()
        return test

    def _expected(self, table: Table) -> Expected:
        def whole(key: str) -> FileRef | None:
            if not table.has(key):
                return None
            inner = table.table(key)
            ref = self._file_ref(inner, MAX_INPUT_BYTES)
            inner.done()
            return ref

        def part(key: str) -> str | None:
            return table.text(key) if table.has(key) else None

        files_table = table.table("files", optional=True)
        files = {
            str(relative_path(name, files_table.name(name))): files_table.text(name)
            for name in tuple(files_table)
        }
        return Expected(
            exit_codes=table.integers("exit", 0, 255),
            stdout=whole("stdout"),
            stderr=whole("stderr"),
            stdout_contains=part("stdout_contains"),
            stderr_contains=part("stderr_contains"),
            files=files,
            absent=tuple(str(path) for path in table.paths("absent", optional=True)),
            http_status=table.integer("http_status", 100, 599) if table.has("http_status") else None,
        )

    def _inputs(self, table: Table, run: RunSpec) -> Mapping[str, FileRef]:
        inner = table.table("inputs")
        given = tuple(inner)
        for name in sorted(run.inputs ^ set(given)):
            raise RecipeError(
                inner.name(name),
                "is missing" if name in run.inputs else "is not used by run.argv or run.stdin",
            )
        inputs: dict[str, FileRef] = {}
        for name in given:
            item = inner.table(name)
            inputs[name] = self._file_ref(item, MAX_INPUT_BYTES)
            item.done()
        return inputs

    def _file_ref(self, table: Table, max_bytes: int) -> FileRef:
        if table.has("path") == table.has("file"):
            raise RecipeError(
                table.where, "needs exactly one of path (inside the source) and file (beside the recipe)"
            )
        if table.has("path"):
            return SourcePath(table.path("path"))
        path = table.path("file")
        where = table.name("file")
        return RecipeFile(path, _read_bounded(self._inside(path, where), max_bytes, where))

    def _inside(self, path: PurePosixPath, where: str) -> Path:
        target = (self._root / path).resolve()
        if not target.is_relative_to(self._root.resolve()):
            raise RecipeError(where, "leads out of the recipe's root by a symbolic link")
        if not target.exists():
            raise RecipeError(where, f"{path} does not exist")
        return target

    def _named(
        self,
        document: Table,
        key: str,
        read: Callable[[Table], T],
        name_of: Callable[[T], str],
        *,
        optional: bool = False,
    ) -> tuple[T, ...]:
        items = tuple(read(table) for table in document.tables(key, optional=optional))
        names = [name_of(item) for item in items]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise RecipeError(f"{key}[{index}].name", f"{name!r} is used twice")
        return items


def _exclusion(table: Table, given: Set[str]) -> Exclusion:
    """What the product's model leaves out; it says of what kind, or everything would be out."""
    exclusion = Exclusion(
        name=table.text("name", NAME),
        reason=table.text("reason", max_chars=500),
        classes=table.texts("classes", _CRASH_CLASS, optional=True),
        frames=table.texts("frames", _FRAME, optional=True),
        files=table.texts("files", _BASE_NAME, optional=True),
        trusts=table.texts("trusts", _INPUT_NAME, optional=True),
    )
    for index, name in enumerate(exclusion.trusts):
        if name not in given:
            raise RecipeError(f"{table.name('trusts')}[{index}]", f"there is no input named {name!r}")
    if not (exclusion.classes or exclusion.frames or exclusion.files or exclusion.trusts):
        raise RecipeError(table.where, "needs at least one of classes, frames, files, trusts")
    table.done()
    return exclusion


def _debian(table: Table) -> DebianSource:
    source = DebianSource(
        package=table.text("package", _PACKAGE),
        version=table.text("version", _VERSION),
        release=table.text("release", _RELEASE),
        files=tuple(_pinned_file(item) for item in table.tables("files")),
        without=table.paths("without", optional=True),
    )
    if sum(file.name.endswith(".dsc") for file in source.files) != 1:
        raise RecipeError(table.name("files"), "must name exactly one .dsc file")
    return source


def _pinned_file(table: Table) -> PinnedFile:
    pinned = PinnedFile(table.text("name", _SOURCE_FILE), table.text("sha256", _SHA256))
    table.done()
    return pinned
