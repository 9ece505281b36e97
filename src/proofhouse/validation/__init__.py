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
from proofhouse.validation._execution import sanitizer_environment
from proofhouse.validation._matrix import Cell, Group, KillMatrix, merge_groups, minimal_patches
from proofhouse.validation._mutation import mutate
from proofhouse.validation._pair import Pair, Trial, build_pair, try_pair
from proofhouse.validation._recipe import (
    ArchiveSource,
    DebianSource,
    DirectorySource,
    FileRef,
    Recipe,
    RecipeFile,
    RootfsSource,
    load_recipe,
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
from proofhouse.validation._source import Source, fetch_source
from proofhouse.validation._validate import validate
from proofhouse.validation._verdict import Verdict

__all__ = [
    "EXIT_CODE",
    "EXTENSION",
    "PREDICATE_TYPE",
    "ArchiveSource",
    "BuildFailed",
    "Candidate",
    "Cell",
    "Crash",
    "DebianSource",
    "DirectorySource",
    "FileRef",
    "Group",
    "GroupResult",
    "KillMatrix",
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
    "Seen",
    "Sign",
    "Source",
    "SourceChanged",
    "SourceResult",
    "SourceUnavailable",
    "StorageFull",
    "ToolMissing",
    "Trial",
    "ValidationError",
    "ValidationResult",
    "Verdict",
    "build_pair",
    "candidates",
    "fetch_source",
    "load_recipe",
    "merge_groups",
    "minimal_patches",
    "mutate",
    "sanitizer_environment",
    "similar",
    "try_pair",
    "validate",
    "weakness",
]
