# SPDX-License-Identifier: Apache-2.0
"""Whole validations of small programs, in real boxes with the real compiler."""

import json
from pathlib import Path

import pytest

from proofhouse.attest import Signer, verify_statement
from proofhouse.sandbox import Box, BoxSpec, open_box
from proofhouse.validation import (
    EXTENSION,
    PREDICATE_TYPE,
    BuildFailed,
    Cell,
    PatchDoesNotApply,
    PatchVerdict,
    Progress,
    SourceUnavailable,
    ToolMissing,
    ValidationResult,
    Verdict,
    load_recipe,
    validate,
)
from validation.programs import PROOFS, THREE_BUGS, diff, fix, write

pytestmark = pytest.mark.sandbox
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(directory: Path, cache: Path, *arguments: object, **changes: object) -> ValidationResult:
    return validate(load_recipe(write(directory, *arguments, **changes)), cache_dir=cache)  # type: ignore[arg-type]  # the builder's own arguments pass through


def test_three_bugs_with_a_patch_each_and_one_that_mends_two(tmp_path: Path, cache: Path) -> None:
    patches = {
        "mend-overflow": fix(THREE_BUGS, "overflow"),
        "mend-stale": fix(THREE_BUGS, "stale"),
        "mend-wild": fix(THREE_BUGS, "wild"),
        "mend-two": fix(THREE_BUGS, "overflow", "stale"),
    }
    stops = {
        "mend-overflow": ["overflow"],
        "mend-stale": ["stale"],
        "mend-wild": ["wild"],
        "mend-two": ["overflow", "stale"],
    }
    result = run(tmp_path, cache, THREE_BUGS, patches, PROOFS, stops)
    assert [proof.verdict for proof in result.proofs] == [Verdict.REPRODUCED] * 3
    assert [(proof.crashes, proof.runs) for proof in result.proofs] == [(3, 3)] * 3
    assert [proof.crash and proof.crash.state[0] for proof in result.proofs] == ["overflow", "stale", "wild"]
    stopped, fires = Cell.STOPPED, Cell.FIRES
    assert result.kill_matrix.cells == (
        (stopped, fires, fires, stopped),
        (fires, stopped, fires, stopped),
        (fires, fires, stopped, fires),
    )
    assert [patch.verdict for patch in result.patches] == [PatchVerdict.PROVED] * 4
    assert [group.proofs for group in result.groups] == [("overflow",), ("stale",), ("wild",)]
    assert result.ok
    assert not result.real


def test_the_example_proves_two_reports_to_be_one_bug_and_signs_it(cache: Path) -> None:
    steps: list[Progress] = []
    signer = Signer.generate("clearinghouse", "runner", demo=True)
    result = validate(
        load_recipe(ROOT / "recipes/example.toml"), cache_dir=cache, signer=signer, on_progress=steps.append
    )
    assert result.ok
    assert [group.identifiers for group in result.groups] == [("EXAMPLE-2026-0001", "EXAMPLE-2026-0002")]
    assert {step.stage for step in steps} == {"source", "build", "prove", "patch"}
    assert all(hunt.executions > 10 and hunt.twin is None for hunt in result.patches[0].mutations)

    assert result.envelope is not None
    statement = verify_statement(result.envelope, [signer.public], predicate_type=PREDICATE_TYPE)
    predicate = statement["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["passedTests"] == ["proof/long-value", "proof/short-file", "patch/check-length"]
    assert predicate[EXTENSION] == json.loads(json.dumps(result.to_record()))
    assert [subject["name"] for subject in statement["subject"]] == [
        "source/examples/tally",
        "patch/check-length",
        "proof/long-value",
        "proof/short-file",
    ]


ONE = {"overflow": PROOFS["overflow"]}


def test_a_patch_that_blocks_only_the_known_input_is_refused(tmp_path: Path, cache: Path) -> None:
    cosmetic = THREE_BUGS.replace(
        "    char *copy = malloc(8);",
        '    if (strcmp(text, "abcdefghijklmnop") == 0)\n        return 0;\n    char *copy = malloc(8);',
    )
    result = run(tmp_path, cache, THREE_BUGS, {"cosmetic": cosmetic}, ONE, mutation={"seconds": 20})
    assert result.kill_matrix.cells == ((Cell.STOPPED,),)
    assert result.patches[0].verdict is PatchVerdict.NOT_PROVED
    assert result.patches[0].reasons == ("a change of overflow still crashes: heap-buffer-overflow",)
    assert not result.ok


def test_a_patch_that_breaks_the_feature_is_refused(tmp_path: Path, cache: Path) -> None:
    broken = THREE_BUGS.replace("result = overflow(line + 1)", "result = 0")
    result = run(tmp_path, cache, THREE_BUGS, {"broken": broken}, ONE)
    assert result.patches[0].verdict is PatchVerdict.NOT_PROVED
    assert "control short-word" in result.patches[0].reasons[0]


def test_a_patch_that_does_not_apply_or_build_is_refused_with_what_was_printed(
    tmp_path: Path, cache: Path
) -> None:
    patches = {
        "foreign": diff("int a;\nint b;\n", "int a;\nint c;\n"),
        "garbled": THREE_BUGS.replace("malloc(8)", "malloc(8"),
        "good": fix(THREE_BUGS, "overflow"),
    }
    result = run(tmp_path, cache, THREE_BUGS, patches, ONE)
    foreign, garbled, good = result.patches
    assert foreign.reasons[0].startswith("does-not-apply: ")
    assert garbled.reasons[0].startswith("does-not-build: ")
    assert "error: expected ')'" in garbled.reasons[0]
    assert good.verdict is PatchVerdict.PROVED
    assert result.kill_matrix.cells == ((Cell.UNKNOWN, Cell.UNKNOWN, Cell.STOPPED),)
    assert not result.ok


def test_printed_sanitizer_text_never_counts(tmp_path: Path, cache: Path) -> None:
    forger = r"""
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    int c = getchar();
    const char *report = "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1 at pc 0x2\n"
                         "    #0 0x1  (/work/program+0x1234)\n";
    if (c == 'f') {
        fputs(report, stdout);
        fputs(report, stderr);
        FILE *file = fopen("report.1", "w");
        fputs(report, file);
        fclose(file);
        exit(86);
    }
    printf("result 97\n");
    return 0;
}
"""
    mended = forger.replace("exit(86)", "exit(0)")
    result = run(tmp_path, cache, forger, {"mended": mended}, {"forged": (b"f", "heap-buffer-overflow")})
    assert result.proofs[0].verdict is Verdict.NOT_REPRODUCED
    assert result.proofs[0].crashes == 0
    assert result.patches[0].verdict is PatchVerdict.NOT_PROVED
    assert "shows nothing" in result.patches[0].reasons[0]


def test_a_claim_of_another_class_or_frame_goes_to_a_person(tmp_path: Path, cache: Path) -> None:
    mended = {"mended": fix(THREE_BUGS, "overflow")}
    result = run(tmp_path, cache, THREE_BUGS, mended, {"overflow": (PROOFS["overflow"][0], "double-free")})
    assert result.proofs[0].verdict is Verdict.NEEDS_HUMAN
    assert (
        result.proofs[0].reason
        == "crashed as heap-buffer-overflow in overflow, where double-free was claimed"
    )


def test_a_source_that_already_holds_the_fix_is_said_to_be_fixed(tmp_path: Path, cache: Path) -> None:
    fixed = fix(THREE_BUGS, "overflow")
    result = run(tmp_path, cache, fixed, {"mend": diff(THREE_BUGS, fixed)}, ONE)
    assert result.proofs[0].verdict is Verdict.ALREADY_FIXED


def test_a_program_that_hangs_on_its_proof_goes_to_a_person(tmp_path: Path, cache: Path) -> None:
    loop = "    while (strlen(text) > 3)\n        ;\n"
    hanging = THREE_BUGS.replace("    char *copy = malloc(8);", f"{loop}    char *copy = malloc(8);")
    result = run(
        tmp_path,
        cache,
        hanging,
        {"mend": hanging.replace(loop, "    if (strlen(text) > 3)\n        return 0;\n")},
        ONE,
        run={"argv": ["./program"], "stdin": "line", "timeout_s": 1},
    )
    assert result.proofs[0].verdict is Verdict.NEEDS_HUMAN
    assert result.proofs[0].reason == "no sanitizer report, but a run ended as timed-out"
    assert result.patches[0].verdict is PatchVerdict.NOT_PROVED


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm",
    [
        "for (;;) puts(text);",
        "for (;;) fork();",
        "for (;;) memset(malloc(1 << 24), 1, 1 << 24);",
        "raise(SIGKILL);",
    ],
)
def test_a_proof_that_floods_forks_fills_memory_or_kills_is_classed_and_harms_no_other(
    harm: str, tmp_path: Path, cache: Path
) -> None:
    head = "#include <signal.h>\n#include <unistd.h>\n"
    hostile = head + THREE_BUGS.replace(
        "    char *copy = malloc(8);", f"    {harm}\n    char *copy = malloc(8);"
    )
    (tmp_path / "quiet.in").write_bytes(b"x\n")
    result = run(
        tmp_path,
        cache,
        hostile,
        {"mend": hostile.replace(harm, ";")},
        {**ONE, "wild": PROOFS["wild"]},
        run={"argv": ["./program"], "stdin": "line", "timeout_s": 4},
        control=[{"name": "quiet", "inputs": {"line": {"file": "quiet.in"}}, "exit": 0}],
    )
    harmful, other = result.proofs
    assert harmful.verdict is Verdict.NEEDS_HUMAN
    assert harmful.reason.startswith("no sanitizer report, but a run ended as ")
    assert (other.verdict, other.crashes) == (Verdict.REPRODUCED, 3)


def test_a_box_that_dies_is_tried_again_and_never_counted(tmp_path: Path, cache: Path) -> None:
    opened: list[Box] = []

    def mortal(spec: BoxSpec) -> Box:
        box = open_box(spec)
        opened.append(box)
        if len(opened) % 2 == 0:
            box.kill("the test pulled the plug")
        return box

    recipe = load_recipe(write(tmp_path, THREE_BUGS, {"mend": fix(THREE_BUGS, "overflow")}, ONE))
    result = validate(recipe, cache_dir=cache, opener=mortal, workers=1)
    assert result.ok
    assert result.invalid_runs == 0


def test_a_machine_whose_boxes_always_die_yields_no_verdict(tmp_path: Path, cache: Path) -> None:
    recipe = load_recipe(write(tmp_path, THREE_BUGS, {"mend": fix(THREE_BUGS, "overflow")}, ONE))
    assert validate(recipe, cache_dir=cache).ok

    def doomed(spec: BoxSpec) -> Box:
        box = open_box(spec)
        box.kill("the test pulled the plug")
        return box

    result = validate(recipe, cache_dir=cache, opener=doomed)
    assert result.proofs[0].verdict is Verdict.NEEDS_HUMAN
    assert result.patches[0].verdict is not PatchVerdict.PROVED
    assert result.kill_matrix.cells == ((Cell.UNKNOWN,),)
    assert result.invalid_runs > 0
    assert not result.ok


def test_a_build_is_reused_while_its_bytes_are_whole(tmp_path: Path, cache: Path) -> None:
    recipe = load_recipe(write(tmp_path, THREE_BUGS, {"mend": fix(THREE_BUGS, "overflow")}, ONE))
    assert not validate(recipe, cache_dir=cache).build_cached
    assert validate(recipe, cache_dir=cache).build_cached
    (entry,) = (cache / "builds").iterdir()
    for path in entry.iterdir():
        if path.name != "record.json":
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = validate(recipe, cache_dir=cache)
    assert not result.build_cached
    assert result.ok


def test_a_proof_is_made_smaller_and_other_versions_are_tried(tmp_path: Path, cache: Path) -> None:
    for name, text in {
        "old": THREE_BUGS,
        "new": fix(THREE_BUGS, "overflow"),
        "odd": "int main(void) { return }",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "program.c").write_text(text)
    result = run(
        tmp_path,
        cache,
        THREE_BUGS,
        {"mend": fix(THREE_BUGS, "overflow")},
        ONE,
        minimise={"seconds": 20},
        version=[
            {"name": name, "source": {"kind": "directory", "path": name}} for name in ("old", "new", "odd")
        ],
    )
    assert result.ok
    (smaller,) = result.proofs[0].minimised
    assert (smaller.before_bytes, smaller.after_bytes) == (18, 9)
    assert [(each.version, each.standing) for each in result.other_versions] == [
        ("old", "affected"),
        ("new", "not-affected"),
        ("odd", "unknown"),
    ]
    assert "ended with 2" in result.other_versions[2].reason


def test_undefined_behaviour_is_proved_too(tmp_path: Path, cache: Path) -> None:
    source = THREE_BUGS.replace("return table[index];", "return 2147483600 + index;")
    mended = source.replace("return 2147483600 + index;", "return index;")
    result = run(
        tmp_path,
        cache,
        source,
        {"mend": mended},
        {"sum": (b"w99\n", "signed-integer-overflow")},
        build={
            "steps": [["make", "program"]],
            "outputs": ["program"],
            "sanitizers": ["address", "undefined"],
        },
    )
    assert result.proofs[0].verdict is Verdict.REPRODUCED
    assert result.proofs[0].crash is not None
    assert result.proofs[0].crash.state[0] == "wild"


def test_a_tree_that_does_not_build_says_which_step_and_why(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BuildFailed, match=r"`make program` ended with 2; it last printed:\n(?s:.*)error:"):
        run(tmp_path, cache, "int main(void) { return }\n", {"p": "int main(void) { return 0; }\n"}, ONE)


def test_a_missing_tool_is_named_with_its_package(tmp_path: Path, cache: Path) -> None:
    build = {"steps": [["no-such-builder"]], "outputs": ["program"]}
    with pytest.raises(ToolMissing, match="no-such-builder is not installed"):
        run(tmp_path, cache, THREE_BUGS, {"p": fix(THREE_BUGS, "wild")}, ONE, build=build)


def test_a_patch_of_the_source_that_cannot_be_taken_back_stops_everything(
    tmp_path: Path, cache: Path
) -> None:
    path = write(tmp_path, THREE_BUGS, {"p": fix(THREE_BUGS, "wild")}, ONE)
    (tmp_path / "program" / "own.patch").write_text(diff("x\n", "y\n"))
    text = (
        path.read_text()
        .replace('"file": "p.patch"', "")
        .replace('"file" = "p.patch"', '"path" = "own.patch"')
    )
    path.write_text(text)
    with pytest.raises(PatchDoesNotApply, match="cannot be reversed"):
        validate(load_recipe(path), cache_dir=cache)


def test_offline_without_a_cache_is_said_plainly(cache: Path) -> None:
    with pytest.raises(SourceUnavailable, match="not in the cache"):
        validate(load_recipe(ROOT / "recipes/libxml2-2025-49794.toml"), cache_dir=cache, offline=True)
