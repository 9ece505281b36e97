# SPDX-License-Identifier: Apache-2.0
"""Static tools and agents: their words are hostile, their findings no proof; an agent's files are only candidates."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from proofhouse.sandbox import SandboxDead
from proofhouse.scan import (
    Agent,
    Candidate,
    Cppcheck,
    EngineMissing,
    Find,
    Mutation,
    Semgrep,
    Target,
    Terms,
    prepare,
    scan,
)
from proofhouse.scan import _cppcheck as cppcheck
from proofhouse.scan import _semgrep as semgrep
from proofhouse.scan._agent import taken
from proofhouse.scan._source import place, weakness
from proofhouse.validation import load_recipe

ROOT = Path(__file__).parents[2]
SOURCE = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    char line[8] = {0}, all[64] = {0};
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) return 1;
    size_t size = fread(all, 1, sizeof(all) - 1, file);
    if (size > 1 && all[0] == 'B' && all[1] == 'G') strcpy(line, all);
    char *copy = malloc(4);
    free(copy);
    if (size == 63) free(copy);
    int numbers[4];
    if (size == 62) numbers[4] = (int)size;
    return line[0] == 'x';
}
"""
FLAWS = ("stack-buffer-overflow", "strcpy-param-overlap", "double-free")
"""What its sanitizer may call the flaws of that program that an input sets off."""
CRASHING = (
    "printf 'BG%060d' 0 > /work/found/one; printf B > /work/found/two; ln -s /etc/passwd /work/found/three"
)


def terms(model: str = "") -> Terms:
    return Terms(60, 0, lambda line: None, model)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "big.c").write_text(SOURCE)
    (tmp_path / "plain").write_bytes(b"AA")
    (tmp_path / "proof").write_bytes(b"BG" + b"1" * 40)
    (tmp_path / "fix.patch").write_text(
        "--- a/big.c\n+++ b/big.c\n@@ -1,1 +1,1 @@\n-#include <stdio.h>\n+#include <stdio.h> \n"
    )
    (tmp_path / "r.toml").write_text(
        """format = 1
name = "big"
title = "big"
source = { kind = "directory", path = "src" }
patch = [{ name = "fix", file = "fix.patch" }]
build = { steps = [["clang", "-O0", "-g1", "-fsanitize=address", "-o", "big", "big.c"]], outputs = ["big"] }
run = { argv = ["./big", "{input}"] }
[[proof]]
name = "proof"
identifiers = ["CVE-2026-0001"]
inputs.input.file = "proof"
crash = { classes = ["stack-buffer-overflow"] }
fixed = { exit = 0 }
[[control]]
name = "plain"
inputs.input.file = "plain"
exit = 0
"""
    )
    return prepare(load_recipe(tmp_path / "r.toml"), tmp_path / "cache", lambda line: None)


# --- what tools say ---------------------------------------------------------------------------------------------------


def line(*fields: str) -> bytes:
    return cppcheck.SEPARATOR.join(fields).encode() + b"\n"


def test_what_cppcheck_says_is_read_errors_first_and_each_once() -> None:
    warned = line("src/b.c", "7", "warning", "uninitvar", "457", "Uninitialised.")
    broken = line("./a.c", "3", "error", "arrayIndexOutOfBounds", "788", "Index 4.")
    one, two = cppcheck.remarks(warned + broken + broken)
    assert (str(one.path), one.line, one.weakness, one.severity) == ("a.c", 3, "CWE-788", "error")
    assert (str(two.path), two.rule, two.weakness) == ("src/b.c", "uninitvar", "CWE-457")


def test_hostile_names_and_words_of_cppcheck_are_passed_over_or_made_plain() -> None:
    hostile = b"".join(
        (
            line("/etc/passwd", "1", "error", "x", "1", "out"),
            line("../../up.c", "1", "error", "x", "1", "out"),
            line("a\x1b[31m.c", "1", "error", "x", "1", "control"),
            line("a.c", "1", "error", "x", "1", "too", "many"),
            line("", "1", "error", "x", "1", "none"),
            b"\xff\xfe nothing\n",
            line("a.c", "9" * 40, "error", "\x07" * 9, "many", "m\x1b[0m" * 5000),
        )
    )
    [left] = cppcheck.remarks(hostile)
    assert (left.line, left.weakness, left.rule) == (0, "", "unnamed")
    assert left.message.isprintable()
    assert len(left.message) <= 400
    assert len(cppcheck.remarks(line("a.c", "1", "error", "x", "1", "y") * 100_000)) == 1


def test_an_answer_of_semgrep_that_is_cut_or_not_its_own_says_nothing() -> None:
    good = {
        "path": "./a.c", "start": {"line": 3}, "check_id": "unbounded-copy",
        "extra": {"metadata": {"cwe": "CWE-120"}, "severity": "ERROR", "message": "No bound."},
    }  # fmt: skip
    [found] = semgrep.remarks(
        json.dumps({"results": [good, {}, 7, {**good, "path": "/etc/passwd"}]}).encode()
    )
    assert (str(found.path), found.line, found.weakness, found.severity) == ("a.c", 3, "CWE-120", "error")
    for answer in (b"", b"{", b"[]", b'{"results": 3}', b'{"results": {}}', b"[" * 200_000, b"\xff"):
        assert semgrep.remarks(answer) == []


def test_our_rules_are_our_own_and_each_names_its_weakness() -> None:
    rules = json.loads(semgrep.RULES.read_bytes())["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == 8
    assert all(rule["metadata"]["cwe"].startswith("CWE-") for rule in rules)


def test_places_are_files_below_the_source_and_weaknesses_have_one_form() -> None:
    assert str(place("./src/a.c")) == "src/a.c"
    assert [place(each) for each in ("", ".", "/a.c", "a/../../b", "a\nb", "x" * 300)] == [None] * 6
    assert [weakness(each) for each in ("787", "CWE-787: x", "0", "", "none")] == [
        "CWE-787",
        "CWE-787",
        "",
        "",
        "",
    ]


def test_a_tool_that_is_not_installed_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(semgrep.INSTALLED, str(tmp_path))
    with pytest.raises(EngineMissing, match="environment of its own"):
        Semgrep().version()


def test_what_an_agent_leaves_behind_is_taken_as_small_regular_files_or_not_at_all() -> None:
    def dead() -> bytes:
        raise SandboxDead("gone")

    assert taken(dead) == []
    assert taken(lambda: b"no tar") == []


# --- in boxes ---------------------------------------------------------------------------------------------------------


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="Debian package cppcheck")
def test_cppcheck_reads_a_source_in_its_box(target: Target) -> None:
    found = list(Cppcheck().search(target, terms()))
    assert ("big.c", 14, "CWE-788") in [(str(each.path), each.line, each.weakness) for each in found]  # type: ignore[union-attr]


@pytest.mark.sandbox
@pytest.mark.slow
def test_semgrep_matches_our_rules_in_its_box(target: Target) -> None:
    try:
        Semgrep().version()
    except EngineMissing as missing:
        pytest.skip(str(missing))
    found = list(Semgrep().search(target, terms()))
    assert ("big.c", 9, "CWE-120") in [(str(each.path), each.line, each.weakness) for each in found]  # type: ignore[union-attr]


@pytest.mark.sandbox
@pytest.mark.slow
def test_an_agent_hands_in_files_and_only_what_repeats_elsewhere_is_a_find(target: Target) -> None:
    from inspect_ai.model import Model, ModelOutput, ModelUsage, get_model

    def said(tool: str, **arguments: str) -> ModelOutput:
        made = ModelOutput.for_tool_call("mockllm/model", tool, arguments)
        made.usage = ModelUsage(input_tokens=9, output_tokens=9, total_tokens=18)  # or a tokenizer is fetched
        return made

    steps = [
        said(
            "bash", command="mkdir program && cd program && tar xf ../program.tar && tar tzf ../source.tar.gz"
        ),
        said("bash", command=f"mkdir -p /work/found && {CRASHING}; ls /work/found"),
        said("submit", answer="It crashes, believe me."),
    ]
    model: Model = get_model("mockllm/model", custom_outputs=steps)
    handed = [each.content for each in Agent().search(target, terms(model)) if isinstance(each, Candidate)]  # type: ignore[arg-type]
    assert sorted(handed) == [b"B", b"BG" + b"0" * 60], "links are not followed"


@pytest.mark.sandbox
def test_without_a_model_an_agent_says_so(target: Target) -> None:
    with pytest.raises(EngineMissing, match="--model"):
        list(Agent().search(target, terms()))


@pytest.mark.sandbox
@pytest.mark.slow
def test_an_ordinary_file_that_crashes_the_program_is_itself_a_find(target: Target) -> None:
    crashing = b"BG" + b"0" * 30
    searched = replace(target, seeds=(b"AA", crashing))
    find, _ = scan(searched, [Mutation()], seconds=1, first=True, minimise_s=0, tell=str)
    assert isinstance(find, Find)
    assert (find.content, find.engine) == (crashing, "seeds")
    assert find.crash.crash_class in FLAWS


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["libfuzzer", "afl"])
def test_a_fuzzer_finds_what_it_must_and_its_proof_is_no_larger_than_what_was_found(
    target: Target, engine: str
) -> None:
    from proofhouse.scan import ENGINES

    chosen = [each for each in ENGINES if each.name == engine]
    [find] = [
        each
        for each in scan(target, chosen, seconds=60, seed=1, first=True, tell=str)
        if isinstance(each, Find)
    ]
    assert find.crash.crash_class in FLAWS
    assert (find.engine, find.before_bytes >= len(find.content)) == (engine, True)
