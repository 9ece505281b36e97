# SPDX-License-Identifier: Apache-2.0
"""A recipe is somebody's data: it is read strictly and refused by the name of the field at fault."""

import copy
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.validation import RecipeError, load_recipe
from proofhouse.validation._reading import _Reader
from proofhouse.validation._table import Table, relative_path
from validation.programs import PROOFS, THREE_BUGS, document, fix, toml, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("recipe")
    write(directory, THREE_BUGS, {"stale": fix(THREE_BUGS, "stale")}, PROOFS)
    return directory


def load(place: Path, content: dict[str, Any]) -> Any:
    path = place / "changed.toml"
    path.write_text(toml(content))
    return load_recipe(path)


GOOD = document({"stale": ["stale"]}, PROOFS)


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        del content[path[-1]]

    return change


def test_a_good_recipe_loads_whole(place: Path) -> None:
    recipe = load(place, GOOD)
    assert recipe.identifiers == ("TEST-0", "TEST-1", "TEST-2")
    assert recipe.patches[0].stops == ("stale",)
    assert recipe.build.sanitizers == ("address",)


@pytest.mark.parametrize("name", ["example.toml", "libxml2-2025-49794.toml"])
def test_the_shipped_recipes_load(name: str) -> None:
    assert load_recipe(ROOT / "recipes" / name).proofs


DEBIAN = {
    "kind": "debian",
    "package": "tool",
    "version": "1.0-1",
    "release": "bookworm",
    "files": [{"name": "tool_1.0-1.dsc", "sha256": "0" * 64}],
}


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        (drop("format"), "format", "missing"),
        (put("format", value=2), "format", "from 1 to 1"),
        (put("format", value=True), "format", "whole number"),
        (put("name", value="../x"), "name", "form"),
        (put("title", value="a\nb"), "title", "control characters"),
        (put("surprise", value=1), "surprise", "not a field"),
        (put("source", value="here"), "source", "table"),
        (put("source", "kind", value="git"), "source.kind", "none of"),
        (put("source", "path", value="/etc"), "source.path", "relative"),
        (put("source", "path", value="program/../.."), "source.path", "relative"),
        (put("source", "path", value="nowhere"), "source.path", "does not exist"),
        (put("source", value={**DEBIAN, "package": "Tool;"}), "source.package", "form"),
        (put("source", value={**DEBIAN, "version": "-o"}), "source.version", "form"),
        (put("source", value={**DEBIAN, "release": "book worm"}), "source.release", "form"),
        (put("source", value={**DEBIAN, "files": []}), "source.files", "empty"),
        (
            put("source", value={**DEBIAN, "files": [{"name": "tool_1.0.tar.gz", "sha256": "0" * 64}]}),
            "source.files",
            "exactly one .dsc",
        ),
        (
            put("source", value={**DEBIAN, "files": [{"name": "../t.dsc", "sha256": "0" * 64}]}),
            "source.files[0].name",
            "form",
        ),
        (
            put("source", value={**DEBIAN, "files": [{"name": "t_1.dsc", "sha256": "AB"}]}),
            "source.files[0].sha256",
            "form",
        ),
        (put("build", "steps", value=[["sh", "-c", "id"]]), "build.steps[0][0]", "interprets"),
        (put("build", "steps", value=[["/usr/bin/make"]]), "build.steps[0][0]", "bare program"),
        (put("build", "steps", value=[["../make"]]), "build.steps[0][0]", "bare program"),
        (put("build", "steps", value=["make"]), "build.steps[0]", "list of 1 to 256"),
        (put("build", "steps", value=[]), "build.steps", "empty"),
        (put("build", "outputs", value=["../../etc/passwd"]), "build.outputs[0]", "relative"),
        (put("build", "env", value={"CC": "gcc"}), "build.env.CC", "set by the runner"),
        (put("build", "env", value={"LD_PRELOAD": "x.so"}), "build.env.LD_PRELOAD", "not an allowed"),
        (put("build", "env", value={"a=b": "c"}), "build.env.a=b", "not an allowed"),
        (put("build", "timeout_s", value=10**6), "build.timeout_s", "from 1 to 3600"),
        (put("build", "sanitizers", value=["thread"]), "build.sanitizers[0]", "none of"),
        (put("run", "argv", value=["bash", "{line}"]), "run.argv[0]", "interprets"),
        (put("run", value={"argv": ["./program"]}), "run.argv", "uses no input"),
        (put("run", "argv", value=["./program", "{A}"]), "run.argv", "form of an input's name"),
        (put("proof", value=[]), "proof", "empty"),
        (put("proof", 0, "name", value="stale"), "proof[1].name", "used twice"),
        (put("proof", 0, "identifiers", value=["cve 1"]), "proof[0].identifiers[0]", "form"),
        (drop("proof", 0, "inputs", "line"), "proof[0].inputs.line", "missing"),
        (put("proof", 0, "inputs", "more", value={"file": "x"}), "proof[0].inputs.more", "not used"),
        (put("proof", 0, "inputs", "line", value={}), "proof[0].inputs.line", "exactly one"),
        (put("proof", 0, "inputs", "line", "file", value="../x"), "proof[0].inputs.line.file", "relative"),
        (put("proof", 0, "inputs", "line", "file", value="gone"), "proof[0].inputs.line.file", "exist"),
        (put("proof", 0, "crash", "classes", value=[]), "proof[0].crash.classes", "empty"),
        (put("proof", 0, "crash", "frame", value="f();"), "proof[0].crash.frame", "form"),
        (put("proof", 0, "fixed", "exit", value=256), "proof[0].fixed.exit", "from 0 to 255"),
        (put("patch", 0, "stops", value=["other"]), "patch[0].stops[0]", "no proof named"),
        (put("patch", 0, "strip", value=-1), "patch[0].strip", "from 0 to 4"),
        (put("control", value=[{}] * 65), "control", "at most 64"),
        (drop("control"), "control", "missing"),
        (put("mutation", value={"seconds": 10**9}), "mutation.seconds", "from 0 to 120"),
    ],
)
def test_a_bad_field_is_named(
    place: Path, change: Callable[[dict[str, Any]], None], field: str, reason: str
) -> None:
    content = copy.deepcopy(GOOD)
    change(content)
    with pytest.raises(RecipeError) as refused:
        load(place, content)
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_a_link_out_of_the_root_is_refused(place: Path) -> None:
    (place / "out.in").unlink(missing_ok=True)
    (place / "out.in").symlink_to("/etc/hostname")
    content = copy.deepcopy(GOOD)
    content["proof"][0]["inputs"]["line"]["file"] = "out.in"
    with pytest.raises(RecipeError, match="symbolic link"):
        load(place, content)


def test_sizes_are_bounded(place: Path) -> None:
    (place / "large.in").write_bytes(b"a" * ((2 << 20) + 1))
    content = copy.deepcopy(GOOD)
    content["proof"][0]["inputs"]["line"]["file"] = "large.in"
    with pytest.raises(RecipeError, match="larger than 2097152 bytes"):
        load(place, content)
    (place / "large.toml").write_text("# " + "a" * (64 << 10))
    with pytest.raises(RecipeError, match="larger than 65536 bytes"):
        load_recipe(place / "large.toml")


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"[" * 5000, b""])
def test_what_is_not_toml_or_empty_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        load_recipe(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*GOOD]), json_like)
def test_any_value_anywhere_is_loaded_or_refused_and_never_breaks(key: str, value: object) -> None:
    with suppress(RecipeError):
        _Reader(ROOT).recipe(Table({**GOOD, key: value}), "0" * 64)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_a_relative_path_never_leaves_its_root(text: str) -> None:
    try:
        path = relative_path(text, "x")
    except RecipeError:
        return
    resolved = (Path("/root/of/recipe") / path).resolve(strict=False)
    assert resolved.is_relative_to("/root/of/recipe")
