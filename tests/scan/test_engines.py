# SPDX-License-Identifier: Apache-2.0
"""What tools say and leave behind is read as hostile text; a missing tool is named; a lease's method decides."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from proofhouse import scan
from proofhouse.scan import (
    ENGINES,
    Candidate,
    Count,
    EngineMissing,
    EngineRun,
    Find,
    Method,
    NotCovered,
    Remark,
    Seen,
    Target,
    Terms,
    chosen,
    plain,
)
from proofhouse.scan import _afl as afl
from proofhouse.scan import _libfuzzer as libfuzzer
from proofhouse.scan import _run as run
from proofhouse.scan._toolbox import MAX_FIND_BYTES, MAX_FINDS, regular_files
from proofhouse.scan._tools import version_of
from proofhouse.server.cases.lease_rules import Method as Leased
from proofhouse.validation import Crash, RecipeError, load_recipe, mutate

ROOT = Path(__file__).parents[2]


class Fake:
    """An engine that sees what it is told to see."""

    limits = means = ""
    last_resort = False

    def __init__(self, *seen: Seen, name: str = "fake", method: Method = Method.FUZZING) -> None:
        self.seen, self.name, self.method = seen, name, method

    def version(self) -> str:
        if self.name == "missing":
            raise EngineMissing("missing is not installed; install the Debian package missing")
        return f"{self.name} 1.0"

    def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
        yield from self.seen


class Proving:
    """A bench that believes every candidate whose first byte is new."""

    def __init__(self, *_: Any) -> None:
        self.known: set[bytes] = set()

    def prove(self, content: bytes) -> tuple[bytes, Crash] | None:
        if content[:1] in self.known:
            return None
        self.known.add(content[:1])
        return content, Crash("address", "SEGV", "READ", (content[:1].decode(),), "a.c:1")


def outcomes(monkeypatch: pytest.MonkeyPatch, *engines: Fake, **how: Any) -> list[Any]:
    monkeypatch.setattr(run, "Bench", Proving)
    target: Any = type("Program", (), {"seeds": ()})()
    return list(scan.scan(target, engines, seconds=10, tell=lambda line: None, **how))


def test_the_methods_of_engines_are_those_of_leases() -> None:
    assert {each.value for each in Method} <= {each.value for each in Leased}
    assert len({each.name for each in ENGINES}) == len(ENGINES)


def test_a_lease_covers_the_engines_of_its_method_and_no_other() -> None:
    for each in ENGINES:
        for method in Leased:
            if each.method == method:
                assert each in chosen(ENGINES, method.value, [each.name])
            else:
                with pytest.raises(NotCovered):
                    chosen(ENGINES, method.value, [each.name])
    for method in ("by-hand", "other", ""):
        with pytest.raises(NotCovered):
            chosen(ENGINES, method)


def test_blind_mutation_runs_by_itself_only_where_nothing_else_is_installed() -> None:
    blind = next(each for each in ENGINES if each.last_resort)
    assert blind not in chosen([Fake(), blind], "fuzzing")
    assert chosen([Fake(name="missing"), blind], "fuzzing") == (blind,)
    assert chosen([Fake(), blind], "fuzzing", [blind.name]) == (blind,)


def test_a_missing_tool_is_named_with_its_package_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(EngineMissing, match="install the Debian package nothing-of-this-name"):
        version_of("no-such-fuzzer", "nothing-of-this-name", "--version")
    first, find, second = outcomes(monkeypatch, Fake(name="missing"), Fake(Candidate(b"a")))
    assert isinstance(first, EngineRun)
    assert "Debian package missing" in first.problem
    assert isinstance(find, Find)
    assert (second.candidates, second.finds, second.problem) == (1, 1, "")


def test_each_crash_is_one_find_and_what_does_not_repeat_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = (Candidate(b"a1"), Count(7), Candidate(b"a2"), Candidate(b"b"), Count(9))
    one, two, account = outcomes(monkeypatch, Fake(*seen))
    assert [one.content, two.content] == [b"a1", b"b"]
    assert (account.candidates, account.finds, account.executions) == (3, 2, 9)
    found, account = outcomes(monkeypatch, Fake(*seen), Fake(Candidate(b"c")), first=True)
    assert (found.content, account.finds) == (b"a1", 1), "the first is enough"


def test_static_findings_are_bounded_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    remarks = [Remark(PurePosixPath("a.c"), line, "rule", "CWE-1", "error", "x") for line in range(500)]
    *noted, account = outcomes(monkeypatch, Fake(*remarks))
    assert (len(noted), account.remarks) == (scan.MAX_REMARKS, 500)


def test_what_tools_say_becomes_one_printable_line_of_bounded_length() -> None:
    hostile = "a\x1b[31m\x00b\n\u202ec" + "x" * 10_000
    told = plain(hostile, 50)
    assert told.isprintable()
    assert len(told) == 50
    assert plain("") == ""


def test_counts_are_read_from_hostile_logs_and_never_fail() -> None:
    assert afl.executions(b"start : 1\nexecs_done        : 1234\n") == 1234
    assert libfuzzer.executions("#2 INITED\n#512: cov: 3 ft: 9\n#99 NEW") == 512
    for junk in (b"", b"\xff\xfe", b"execs_done : " + b"9" * 5000, b"execs_done : -1", b"execs_done"):
        assert afl.executions(junk) == 0
    for text in ("", "#", "#" * 100_000, "#" + "9" * 5000):
        assert libfuzzer.executions(text) == 0
    assert afl.reason("x\n[-] PROGRAM ABORT : \x1b[1mno shm") == "[-] PROGRAM ABORT : [1mno shm"


def test_a_dictionary_holds_short_words_once() -> None:
    words = b'"magic"\n"magic"\n""\nnot quoted\n"' + b"x" * 5000 + b'"\n'
    assert afl.dictionary(words) == b'"magic"\n'
    many = b"".join(b'"w%d"\n' % number for number in range(5000))
    assert afl.dictionary(many).count(b"\n") == 1000


def archive(*members: tuple[str, bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
            made.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_of_a_directory_of_finds_only_small_regular_files_are_taken() -> None:
    hostile = archive(
        ("./id:000000,sig:06\n\x1b", tarfile.REGTYPE, b"crash"),
        ("./README.txt", tarfile.REGTYPE, b"Command line used"),
        ("./link", tarfile.SYMTYPE, b""),
        ("./hard", tarfile.LNKTYPE, b""),
        ("./pipe", tarfile.FIFOTYPE, b""),
        ("./large", tarfile.REGTYPE, b"x" * (MAX_FIND_BYTES + 1)),
    )
    assert list(regular_files(hostile).values()) == [b"crash"]
    many = archive(*((f"./{number}", tarfile.REGTYPE, b"x") for number in range(5 * MAX_FINDS)))
    assert len(regular_files(many)) <= 2 * MAX_FINDS
    for broken in (b"", b"no tar", hostile[:700]):
        regular_files(broken)


def test_any_bytes_are_changed_into_bytes_and_a_seed_repeats_them() -> None:
    for content in (b"", b"\0", b"abc" * 100):
        one, other = (mutate(content, random.Random(7)) for _ in range(2))
        assert one == other


# --- where a search starts --------------------------------------------------------------------------------------------


def recipe(tmp_path: Path, table: str) -> Path:
    for name in ("src", "a", "b", "p"):
        (tmp_path / name).mkdir() if name == "src" else (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "src" / "x").write_bytes(b"x")
    (tmp_path / "r.toml").write_text(
        f"""format = 1
name = "r"
title = "r"
source = {{ kind = "directory", path = "src" }}
patch = [{{ name = "fix", file = "p" }}]
build = {{ steps = [["make"]], outputs = ["x"] }}
run = {{ argv = ["./x", "{{schema}}", "{{document}}"] }}
{table}
[[proof]]
name = "proof"
identifiers = ["CVE-2026-0001"]
inputs = {{ schema.file = "a", document.file = "p" }}
crash = {{ classes = ["SEGV"] }}
fixed = {{ exit = 0 }}
[[control]]
name = "plain"
inputs = {{ schema.file = "a", document.file = "b" }}
exit = 0
[[control]]
name = "other"
run = {{ argv = ["./x"], stdin = "document" }}
inputs = {{ document.file = "b" }}
exit = 0
"""
    )
    return tmp_path / "r.toml"


def test_without_a_table_a_search_changes_the_last_input_of_the_first_control(tmp_path: Path) -> None:
    spec = load_recipe(recipe(tmp_path, "")).scan
    assert (spec.control, spec.input, spec.seeds) == ("plain", "document", ())


def test_a_recipe_says_which_control_which_input_and_which_ordinary_files(tmp_path: Path) -> None:
    table = '[scan]\ncontrol = "plain"\ninput = "schema"\nseeds = ["tests/a.xsd"]'
    spec = load_recipe(recipe(tmp_path, table)).scan
    assert (spec.control, spec.input) == ("plain", "schema")
    assert spec.seeds == (PurePosixPath("tests/a.xsd"),)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ('[scan]\ncontrol = "none"', "scan.control"),
        ('[scan]\ncontrol = "other"\ninput = "schema"', "scan.input"),
        ('[scan]\nseeds = ["../outside"]', "scan.seeds[0]"),
        ('[scan]\nproof = "proof"', "scan.proof"),
    ],
)
def test_a_wrong_table_is_refused_by_its_field(tmp_path: Path, table: str, field: str) -> None:
    with pytest.raises(RecipeError) as refused:
        load_recipe(recipe(tmp_path, table))
    assert refused.value.field == field
