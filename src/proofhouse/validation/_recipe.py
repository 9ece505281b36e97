# SPDX-License-Identifier: Apache-2.0
"""Recipes: what to build, how to run it, what must happen. Data only; the format is `docs/spec/recipe.md`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from proofhouse.sandbox import Tier
from proofhouse.validation._scan_table import ScanSpec

MAX_RECIPE_BYTES = 64 << 10
MAX_PATCH_BYTES = 256 << 10
MAX_INPUT_BYTES = 2 << 20


@dataclass(frozen=True)
class PinnedFile:
    """One file of a Debian source package and the digest it must have."""

    name: str
    sha256: str


@dataclass(frozen=True)
class DebianSource:
    """A Debian source package at one version."""

    package: str
    version: str
    release: str
    """Code name of the Debian release, e.g. `bookworm`."""
    files: tuple[PinnedFile, ...]
    without: tuple[PurePosixPath, ...] = ()
    """Later patches of the source that are taken back as well, since they change the lines of one that is tried."""


@dataclass(frozen=True)
class DirectorySource:
    """A directory below the recipe's root: a program of our own."""

    path: PurePosixPath


@dataclass(frozen=True)
class RootfsSource:
    """A directory below the recipe's root that holds an unpacked OCI image: links are kept, nothing need be built."""

    path: PurePosixPath


@dataclass(frozen=True)
class ArchiveSource:
    """One file below the recipe's root that holds the whole source, unpacked in the build box."""

    kind: str
    """`tarball` or `git-bundle`."""
    path: PurePosixPath
    sha256: str
    strip: int = 0
    """Leading path parts that are taken off a tarball's names."""
    commit: str = ""
    """What is checked out of a bundle: forty hex digits."""


AnySource = DebianSource | DirectorySource | RootfsSource | ArchiveSource


@dataclass(frozen=True)
class SourcePath:
    """A file inside the source tree with all its patches applied."""

    path: PurePosixPath


@dataclass(frozen=True)
class RecipeFile:
    """A file that travels with the recipe."""

    path: PurePosixPath
    content: bytes


FileRef = SourcePath | RecipeFile


@dataclass(frozen=True)
class NewSource:
    """A fix that is given as the whole source with the fix in it, instead of a diff."""

    source: AnySource


@dataclass(frozen=True)
class PatchSpec:
    """One fix: a patch inside the source (then it is part of the shipped tree), beside the recipe, or a new source."""

    name: str
    location: FileRef | NewSource
    strip: int
    stops: tuple[str, ...]
    """Names of the proofs that it claims to stop."""


@dataclass(frozen=True)
class BuildSpec:
    """How the program is made. `prepare` runs once, `steps` again after each change of the tree."""

    sanitizers: tuple[str, ...]
    env: Mapping[str, str]
    prepare: tuple[tuple[str, ...], ...]
    steps: tuple[tuple[str, ...], ...]
    outputs: tuple[PurePosixPath, ...]
    """What a proof's box receives: files or directories of the tree."""
    test_files: tuple[PurePosixPath, ...]
    """What a test's box receives in addition."""
    timeout_s: int


@dataclass(frozen=True)
class HttpSpec:
    """How a server is talked to, on the loopback of its own box."""

    port: int
    requests: tuple[str, ...]
    """Names of inputs, sent as they are, each on a connection of its own."""
    ask: str
    """Path of the last question, a GET; its answer is what the run shows."""


@dataclass(frozen=True)
class RunSpec:
    """How an input reaches the program; `{name}` stands for the path of that input in the box."""

    argv: tuple[str, ...]
    stdin: str | None
    """Name of the input that is fed to standard input."""
    timeout_s: int
    inputs: frozenset[str]
    http: HttpSpec | None = None
    """The program is a server that is talked to; None for one that ends by itself."""


@dataclass(frozen=True)
class Expected:
    """What a run must look like. None means: not looked at."""

    exit_codes: tuple[int, ...]
    """Any of these."""
    stdout: FileRef | None = None
    """The whole standard output."""
    stderr: FileRef | None = None
    stdout_contains: str | None = None
    stderr_contains: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """Path below the working directory → text that the file must hold afterwards."""
    absent: tuple[str, ...] = ()
    """Paths at which no file may lie afterwards."""
    http_status: int | None = None
    """Status of the answer to the recipe's last question, where it asks one; the body stands as standard output."""

    @property
    def paths(self) -> frozenset[str]:
        """Files to look at after a run."""
        return frozenset((*self.files, *self.absent))


@dataclass(frozen=True)
class CrashClaim:
    """What the sanitizer must report."""

    classes: tuple[str, ...]
    frame: str | None
    """A function among the top three frames of the program's own code."""


@dataclass(frozen=True)
class ProofSpec:
    """Inputs that make the vulnerable build crash as claimed."""

    name: str
    identifiers: tuple[str, ...]
    inputs: Mapping[str, FileRef]
    crash: CrashClaim | None
    """What the sanitizer must report; None when `shows` says what must be seen instead."""
    shows: Expected | None
    fixed: Expected
    run: RunSpec
    """How its inputs reach the program: its own way, or the recipe's."""


@dataclass(frozen=True)
class ControlSpec:
    """Benign inputs: no build may crash, all builds must answer alike."""

    name: str
    inputs: Mapping[str, FileRef]
    expected: Expected
    run: RunSpec


@dataclass(frozen=True)
class CheckSpec:
    """A test of the program's own, run on each patched build."""

    name: str
    argv: tuple[str, ...]
    expected: Expected
    timeout_s: int


@dataclass(frozen=True)
class Exclusion:
    """What the security model of the product leaves out. Each condition that is given must hold."""

    name: str
    reason: str
    """Why, in the product's own words; it stands in the result."""
    classes: tuple[str, ...]
    """The crash is of one of these classes."""
    frames: tuple[str, ...]
    """One of these functions is among its top three frames."""
    files: tuple[str, ...]
    """It crashes in one of these files of the source, by base name."""
    trusts: tuple[str, ...]
    """Inputs that whoever runs the product writes: with those of any control in their place nothing is shown."""


@dataclass(frozen=True)
class OtherVersion:
    """Another version of the program, on which the proofs are tried as it stands."""

    name: str
    source: AnySource


@dataclass(frozen=True)
class Recipe:
    """A loaded recipe; every file beside it has been read."""

    name: str
    title: str
    source: AnySource
    patches: tuple[PatchSpec, ...]
    build: BuildSpec
    run: RunSpec
    proofs: tuple[ProofSpec, ...]
    controls: tuple[ControlSpec, ...]
    tests: tuple[CheckSpec, ...]
    exclusions: tuple[Exclusion, ...]
    versions: tuple[OtherVersion, ...]
    minimise_s: int
    """Seconds spent on making each reproduced proof smaller; 0 for none."""
    tier: Tier
    """The weakest isolation that its boxes may have."""
    mutation_s: int
    """Seconds spent on mutated proofs against each patched build; 0 for none."""
    scan: ScanSpec
    root: Path
    sha256: str
    """Digest of the recipe file's bytes."""

    @property
    def identifiers(self) -> tuple[str, ...]:
        """All identifiers of all proofs, in order, once each."""
        return tuple(dict.fromkeys(i for proof in self.proofs for i in proof.identifiers))
