# SPDX-License-Identifier: Apache-2.0
"""What the text of a patch shows before it is run."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.validation import Refusal
from proofhouse.validation._diff import changed_lines, read_diff, rewritten_test
from proofhouse.validation._refusal import asks_a_person, read_patch
from validation.programs import diff

BODY = "".join(f"line {number};\n" for number in range(30))


def changed(path: str, before: str, after: str) -> bytes:
    return diff(before, after, path).encode()


def classes(content: bytes, *declared: str) -> list[Refusal]:
    return [finding.refusal for finding in read_patch(content, 1, [PurePosixPath(path) for path in declared])]


def test_lines_are_numbered_as_they_stood_before() -> None:
    (change,) = read_diff(changed("src/a.c", BODY, BODY.replace("line 9;", "line nine;\nmore;")))
    assert change.path == "src/a.c"
    assert change.removed == [(10, b"line 9;")]
    assert change.added == [(11, b"line nine;"), (11, b"more;")]
    assert change.lines == {10, 11}


def test_a_hunk_of_removed_lines_that_look_like_a_header_is_no_header() -> None:
    before = "a\n-- old\nb\n"
    (change,) = read_diff(changed("a.sql", before, "a\nb\n"))
    assert change.removed == [(2, b"-- old")]


@pytest.mark.parametrize(
    "line",
    [
        '__attribute__((no_sanitize("address"))) void f(void);',
        "CFLAGS += -fno-sanitize=address",
        'putenv("ASAN_OPTIONS=detect_odr_violation=0");',
        "const char *__asan_default_options(void) { return 0; }",
        "#if __has_feature(address_sanitizer)",
        "signal(SIGSEGV, leave);",
        "#pragma clang attribute push",
    ],
)
def test_a_patch_that_speaks_to_the_sanitizer_or_the_signal_masks(line: str) -> None:
    assert classes(changed("a.c", BODY, f"{BODY}{line}\n")) == [Refusal.MASKING]


def test_a_name_that_merely_sounds_like_it_does_not() -> None:
    assert classes(changed("a.c", BODY, f"{BODY}path = sanitize_path(path);\nint sanitized = 1;\n")) == []


def test_a_line_that_was_there_before_is_not_held_against_a_patch() -> None:
    before = BODY + "signal(SIGSEGV, leave);\n"
    assert classes(changed("a.c", before, "  signal(SIGSEGV, leave);\n" + BODY)) == []


@pytest.mark.parametrize(
    "path", ["tests/cases.txt", "t/one.t", "src/test_parse.c", "parse_test.c", "src/Testing/a.in"]
)
def test_a_test_that_gets_shorter_is_a_removed_test(path: str) -> None:
    assert classes(changed(path, BODY, BODY.replace("line 4;\n", ""))) == [Refusal.TEST_REMOVED]
    assert classes(changed(path, BODY, BODY + "line 31;\n")) == []


def test_a_test_that_the_recipe_names_counts_wherever_it_lies() -> None:
    shorter = changed("data/cases/1.in", BODY, BODY.replace("line 4;\n", ""))
    assert classes(shorter) == []
    assert classes(shorter, "data/cases") == [Refusal.TEST_REMOVED]


def test_a_deleted_test_and_one_struck_from_the_makefile_are_removed() -> None:
    gone = diff(BODY, "", "tests/a.sh").replace("+++ b/tests/a.sh", "+++ /dev/null").encode()
    assert classes(gone) == [Refusal.TEST_REMOVED]
    makefile = "check: a b\nTESTS = parse \\\n  overflow_test\nall: x\n"
    struck = changed(
        "Makefile.am", makefile, makefile.replace("TESTS = parse \\\n  overflow_test\n", "TESTS = parse\n")
    )
    assert classes(struck) == [Refusal.TEST_REMOVED]


def test_a_rewritten_test_is_for_a_person() -> None:
    weaker = changed("tests/a.c", "assert(f(9) == 3);\n", "assert(1);\n")
    assert classes(weaker) == []
    assert rewritten_test(read_diff(weaker)) == "rewrites the test tests/a.c"
    assert asks_a_person(weaker, 1, ())


def test_an_endless_patch_is_not_a_fix() -> None:
    long = changed("a.c", BODY, BODY + "x;\n" * 2001)
    assert classes(long) == [Refusal.UNBOUNDED]
    many = b"".join(changed(f"{number}.c", BODY, BODY + "x;\n") for number in range(41))
    assert classes(many) == [Refusal.UNBOUNDED]


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from([b"--- a/x", b"+++ b/x", b"@@ -1 +1 @@", b"-a", b"+b"])).map(b"\n".join)
)
def test_hostile_bytes_are_read_without_complaint(content: bytes) -> None:
    assert changed_lines(read_diff(content)) <= content.count(b"\n") + 1
