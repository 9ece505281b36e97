# SPDX-License-Identifier: Apache-2.0
"""A proof that works, against something that the product never promised, is out of its model, and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proofhouse.validation import Cell, Crash, Exclusion, RecipeError, Verdict, load_recipe, validate
from proofhouse.validation._verdict import is_left_out
from validation.programs import diff, toml

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static int fill(const char *text, int room)
{
    char *copy = malloc(room);
    memset(copy, 0, room);
    strcpy(copy, text);
    int first = copy[0];
    free(copy);
    return first;
}
__attribute__((noinline)) static int debug(void)
{
    volatile int table[2] = {1, 2};
    volatile int index = 2;
    return table[index];
}
int main(int argc, char **argv)
{
    char line[64] = "", setting[64] = "";
    FILE *settings = fopen(argv[1], "r");
    fgets(setting, sizeof setting, settings);
    fgets(line, sizeof line, stdin);
    printf("result %d\n", line[0] == 'd' ? debug() : fill(line, atoi(setting)));
    return argc != 2;
}
"""
MENDED = PROGRAM.replace("strcpy(copy, text)", 'snprintf(copy, room, "%s", text)')
PROOFS = {
    "by-setting": ("1", "ab\n", "heap-buffer-overflow"),
    "by-line": ("32", "a" * 40, "heap-buffer-overflow"),
    "by-debug": ("32", "d", "stack-buffer-overflow"),
}
EXCLUSIONS = [
    {"name": "settings", "reason": "who runs it writes the settings", "trusts": ["setting"]},
    {"name": "debugging", "reason": "built for developers only", "frames": ["debug"]},
]


def recipe(directory: Path, exclusions: list[dict[str, Any]]) -> Path:
    (directory / "program").mkdir()
    (directory / "program" / "program.c").write_text(PROGRAM)
    (directory / "mend.patch").write_text(diff(PROGRAM, MENDED))
    for name, (setting, line, _) in {**PROOFS, "plain": ("32", "ab\n", "")}.items():
        (directory / f"{name}.setting").write_text(setting)
        (directory / f"{name}.line").write_text(line)

    def inputs(name: str) -> dict[str, Any]:
        return {"setting": {"file": f"{name}.setting"}, "line": {"file": f"{name}.line"}}

    content = {
        "format": 1,
        "name": "settings",
        "title": "a program with settings",
        "source": {"kind": "directory", "path": "program"},
        "build": {"steps": [["make", "program"]], "outputs": ["program"], "timeout_s": 60},
        "run": {"argv": ["./program", "{setting}"], "stdin": "line", "timeout_s": 10},
        "patch": [{"name": "mend", "file": "mend.patch", "stops": ["by-setting", "by-line"]}],
        "proof": [
            {
                "name": name,
                "identifiers": [f"TEST-{number}"],
                "inputs": inputs(name),
                "crash": {"classes": [crash_class]},
                "fixed": {"exit": 0},
            }
            for number, (name, (_, _, crash_class)) in enumerate(PROOFS.items())
        ],
        "control": [{"name": "plain", "inputs": inputs("plain"), "exit": 0, "stdout_contains": "result 97"}],
        "exclusion": exclusions,
    }
    path = directory / "recipe.toml"
    path.write_text(toml(content))
    return path


@pytest.mark.sandbox
def test_a_proof_that_needs_what_the_product_trusts_is_out_of_its_model_once_it_has_run(
    tmp_path: Path,
) -> None:
    result = validate(load_recipe(recipe(tmp_path, EXCLUSIONS)), cache_dir=tmp_path / "cache")
    assert {proof.name: (proof.verdict, proof.crashes, proof.reason) for proof in result.proofs} == {
        "by-setting": (Verdict.OUT_OF_MODEL, 3, "settings: who runs it writes the settings"),
        "by-line": (Verdict.REPRODUCED, 3, ""),
        "by-debug": (Verdict.OUT_OF_MODEL, 3, "debugging: built for developers only"),
    }
    assert [row[0] for row in result.kill_matrix.cells] == [Cell.STOPPED, Cell.STOPPED, Cell.FIRES]
    assert result.patches[0].verdict == "proved"  # a fix of what is out of the model is a fix nevertheless
    assert [group.proofs for group in result.groups] == [("by-setting",), ("by-line",), ("by-debug",)]
    assert not result.ok
    assert "failedTests" in result.to_statement()["predicate"]


CRASH = Crash("address", "SEGV", "READ", ("parse", "main"), "debug.c:7")


@pytest.mark.parametrize(
    ("conditions", "left_out"),
    [
        ({"classes": ("SEGV",)}, True),
        ({"classes": ("double-free",)}, False),
        ({"frames": ("main",)}, True),
        ({"frames": ("mai",)}, False),
        ({"files": ("debug.c",)}, True),
        ({"files": ("bug.c",)}, False),
        ({"classes": ("SEGV",), "frames": ("other",)}, False),
        ({"classes": ("SEGV",), "frames": ("parse",), "files": ("debug.c",)}, True),
    ],
)
def test_every_condition_of_an_exclusion_must_hold(conditions: dict[str, Any], left_out: bool) -> None:
    none: dict[str, tuple[str, ...]] = {"classes": (), "frames": (), "files": (), "trusts": ()}
    assert is_left_out(Exclusion("x", "y", **{**none, **conditions}), CRASH) is left_out
    assert not is_left_out(Exclusion("x", "y", **{**none, **conditions}), None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"trusts": ["line", "other"]}, "exclusion[0].trusts[1]"),
        ({"trusts": []}, "exclusion[0]"),
        ({"files": ["src/a.c"]}, "exclusion[0].files[0]"),
        ({"reason": ""}, "exclusion[0].reason"),
        ({"verdict": "fine"}, "exclusion[0].verdict"),
    ],
)
def test_an_exclusion_of_everything_or_of_nothing_known_is_refused(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        load_recipe(recipe(tmp_path, [{**EXCLUSIONS[0], **change}]))
    assert refused.value.field == field
