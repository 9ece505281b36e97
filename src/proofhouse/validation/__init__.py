# SPDX-License-Identifier: Apache-2.0
"""Proof by execution: build a program with and without its fix, run proofs, measure which fix stops which.

Example:
    >>> from pathlib import Path
    >>> from proofhouse.validation import load_recipe, validate
    >>> result = validate(load_recipe(Path("recipes/example.toml")), cache_dir=Path("cache"))
    >>> [(proof.name, proof.verdict.value) for proof in result.proofs]
    [("long-value", "reproduced"), ("short-file", "reproduced")]
"""

from proofhouse.validation._bench import Progress
from proofhouse.validation._build import show_source
from proofhouse.validation._candidates import Candidate, Seen, Sign, candidates, weakness
from proofhouse.validation._crash import EXIT_CODE, Crash, similar
from proofhouse.validation._errors import (
    BuildFailed,
    PatchDoesNotApply,
    RecipeError,
    SourceChanged,
    SourceUnavailable,
    StorageFull,
    ToolMissing,
    ValidationError,
)
from proofhouse.validation._execution import (
    Command,
    Execution,
    Outcome,
    execute,
    run_command,
    sanitizer_environment,
)
from proofhouse.validation._matrix import Cell, Group, KillMatrix, merge_groups, minimal_patches
from proofhouse.validation._minimise import minimise
from proofhouse.validation._mutation import mutate
from proofhouse.validation._pair import Pair, Trial, build_pair, crash_of, repeating, try_pair
from proofhouse.validation._reading import load_recipe
from proofhouse.validation._recipe import (
    ArchiveSource,
    DebianSource,
    DirectorySource,
    Exclusion,
    FileRef,
    NewSource,
    Recipe,
    RecipeFile,
    RootfsSource,
    RunSpec,
)
from proofhouse.validation._refusal import Refusal
from proofhouse.validation._result import (
    EXTENSION,
    PREDICATE_TYPE,
    GroupResult,
    PatchResult,
    PatchVerdict,
    ProofResult,
    SourceResult,
    ValidationResult,
)
from proofhouse.validation._search_build import build_to_search
from proofhouse.validation._source import Source, fetch_source
from proofhouse.validation._toolchain import TOOLS, Searchable, Toolchain
from proofhouse.validation._validate import validate
from proofhouse.validation._verdict import Verdict

__all__ = [
    "EXIT_CODE",
    "EXTENSION",
    "PREDICATE_TYPE",
    "TOOLS",
    "ArchiveSource",
    "BuildFailed",
    "Candidate",
    "Cell",
    "Command",
    "Crash",
    "DebianSource",
    "DirectorySource",
    "Exclusion",
    "Execution",
    "FileRef",
    "Group",
    "GroupResult",
    "KillMatrix",
    "NewSource",
    "Outcome",
    "Pair",
    "PatchDoesNotApply",
    "PatchResult",
    "PatchVerdict",
    "Progress",
    "ProofResult",
    "Recipe",
    "RecipeError",
    "RecipeFile",
    "Refusal",
    "RootfsSource",
    "RunSpec",
    "Searchable",
    "Seen",
    "Sign",
    "Source",
    "SourceChanged",
    "SourceResult",
    "SourceUnavailable",
    "StorageFull",
    "ToolMissing",
    "Toolchain",
    "Trial",
    "ValidationError",
    "ValidationResult",
    "Verdict",
    "build_pair",
    "build_to_search",
    "candidates",
    "crash_of",
    "execute",
    "fetch_source",
    "load_recipe",
    "merge_groups",
    "minimal_patches",
    "minimise",
    "mutate",
    "repeating",
    "run_command",
    "sanitizer_environment",
    "show_source",
    "similar",
    "try_pair",
    "validate",
    "weakness",
]
