# SPDX-License-Identifier: Apache-2.0
"""The vulnerable program alone, built as a search wants it: the same source, steps and box, other compilers."""

from pathlib import Path

from proofhouse.attest import JsonValue, canonical, sha256_hex
from proofhouse.sandbox import open_box
from proofhouse.validation._build import OnStep, build_key, in_fresh_box, installed_compiler
from proofhouse.validation._cache import BuildCache
from proofhouse.validation._execution import OpenBox
from proofhouse.validation._recipe import Recipe
from proofhouse.validation._source import Source
from proofhouse.validation._toolchain import Searchable, Toolchain


def build_to_search(
    recipe: Recipe,
    source: Source,
    cache_dir: Path,
    toolchain: Toolchain,
    *,
    on_step: OnStep,
    opener: OpenBox = open_box,
) -> Searchable:
    """Build the vulnerable tree alone, with a search's own compilers before the ordinary ones, or load it.

    No proof of the recipe is looked at. Raises as `build`, and `ToolMissing` for a program that the toolchain wants.
    """
    compiler = installed_compiler(recipe, source, toolchain.wants)
    seeds = recipe.scan.seeds
    cache = BuildCache(cache_dir / "builds")
    tools: dict[str, JsonValue] = {
        "search": build_key(recipe, source, compiler),
        "toolchain": toolchain.name,
        "files": {name: sha256_hex(content) for name, content in toolchain.files.items()},
        "env": dict(toolchain.env),
        "keeps": list(toolchain.keeps),
        "prepare": [list(argv) for argv in toolchain.prepare],
        "seeds": [str(path) for path in seeds],
    }
    key = sha256_hex(canonical(tools))
    loaded = cache.load(key)
    if loaded is not None:
        blobs = loaded[1]
        files = {path: blobs[f"file/{path}"] for path in seeds}
        return Searchable(blobs["program"], files, {name: blobs[f"kept/{name}"] for name in toolchain.keeps})
    made = in_fresh_box(recipe, source, on_step, opener, lambda workshop: workshop.search(toolchain, seeds))
    blobs = {"program": made.program}
    blobs |= {f"file/{path}": content for path, content in made.files.items()}
    blobs |= {f"kept/{name}": content for name, content in made.kept.items()}
    cache.store(key, {}, blobs)
    return made
