# SPDX-License-Identifier: Apache-2.0
"""What counts as a sanitizer's report, and how a crash gets its signature."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.validation import similar
from proofhouse.validation._crash import CodeAddress, Frame, Report, name_crash, normalise, read_report

USE_AFTER_FREE = b"""\
=================================================================
==2==ERROR: AddressSanitizer: heap-use-after-free on address 0x6040000009d8 at pc 0x5644 bp 0x7ffd sp 0x7ffd
READ of size 8 at 0x6040000009d8 thread T0
    #0 0x564482b577ea  (/work/tool+0x43c7ea) (BuildId: d7e2b654)
    #1 0x564482b562d5  (/work/tool+0x43b2d5)
    #2 0x7f806b0c2249  (/lib/x86_64-linux-gnu/libc.so.6+0x27249) (BuildId: 93ac)

0x6040000009d8 is located 8 bytes inside of 37-byte region [0x6040000009d0,0x6040000009f5)
freed by thread T0 here:
    #0 0x56448286b062  (/work/tool+0x150062)
"""
WILD_READ = b"""\
==7==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000017 (pc 0x558df4989053 bp 0x7 sp 0x7 T0)
==7==The signal is caused by a READ memory access.
    #0 0x558df4989053  (/work/tool+0x43c053)
"""
SIGNED_OVERFLOW = b"""\
calc.c:3:45: runtime error: signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'
    #0 0x556c0b5a901a  (/work/calc+0xdf01a)
"""


def test_the_first_stack_is_where_it_crashed_not_where_memory_was_freed() -> None:
    assert read_report({"report.2": USE_AFTER_FREE}) == Report(
        "address",
        "heap-use-after-free",
        "READ 8",
        (
            CodeAddress("/work/tool", 0x43C7EA),
            CodeAddress("/work/tool", 0x43B2D5),
            CodeAddress("/lib/x86_64-linux-gnu/libc.so.6", 0x27249),
        ),
    )


def test_a_signal_is_classed_with_its_direction() -> None:
    report = read_report({"report.7": WILD_READ})
    assert report is not None
    assert (report.crash_class, report.access) == ("SEGV", "READ")


def test_undefined_behaviour_is_classed_by_its_message() -> None:
    report = read_report({"report.9": SIGNED_OVERFLOW})
    assert report is not None
    assert (report.sanitizer, report.crash_class) == ("undefined", "signed-integer-overflow")


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ("attempting double-free on 0x602000000010 in thread T0:", "double-free"),
        ("attempting free on address which was not malloc()-ed: 0x7ffe in thread T0", "bad-free"),
        ("requested allocation size 0xffffffff exceeds maximum", "allocation-size-too-big"),
        ("stack-overflow on address 0x7ffc3bf14f60 (pc 0x5)", "stack-overflow"),
        ("FPE on unknown address 0x55 (pc 0x55)", "FPE"),
        ("negative-size-param: (size=-1)", "negative-size-param"),
    ],
)
def test_headlines_give_the_runtimes_own_class(headline: str, expected: str) -> None:
    report = read_report({"report.1": f"==1==ERROR: AddressSanitizer: {headline}\n".encode()})
    assert report is not None
    assert report.crash_class == expected


@pytest.mark.parametrize(
    "name", ["report", "report.3", "report.2.txt", "../report.2", "stdout", "report.2\n", "Report.2"]
)
def test_a_report_under_another_name_than_its_own_process_id_is_forged(name: str) -> None:
    assert read_report({name: USE_AFTER_FREE}) is None


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["report.1", "report.2", "x"]), st.binary(max_size=400)))
def test_no_bytes_break_the_parser(logs: dict[str, bytes]) -> None:
    read_report(logs)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_noise_around_a_report_never_makes_another_class_of_it(before: bytes, after: bytes) -> None:
    report = read_report({"report.2": before.replace(b"==", b"") + b"\n" + USE_AFTER_FREE + after})
    assert report is not None
    assert report.sanitizer in ("address", "undefined")
    if b"AddressSanitizer" not in before:
        assert report.crash_class == "heap-use-after-free"


def test_the_signature_is_the_top_three_frames_of_the_programs_own_code() -> None:
    stack = tuple(CodeAddress("/work/tool", offset) for offset in range(4))
    frames = {
        stack[0]: [Frame("__asan_memcpy", "", 0)],
        stack[1]: [
            Frame("copy(char*, int)", "copy.c", 7),
            Frame("(anonymous namespace)::take()", "copy.c", 9),
        ],
        stack[2]: [Frame("free", "", 0), Frame("walk.isra.0", "walk.c", 3)],
        stack[3]: [Frame("main", "main.c", 1)],
    }
    crash = name_crash(Report("address", "SEGV", "READ", stack), frames)
    assert crash.state == ("copy", "take", "walk")
    assert crash.location == "copy.c:7"


def test_addresses_and_long_numbers_do_not_split_signatures() -> None:
    assert normalise("jit_0x7ffe12_stub") == normalise("jit_0xabcd_stub")
    assert normalise("lambda_1234567") == normalise("lambda_7654321")
    assert len(normalise("f" * 500)) == 80


def test_likeness_follows_clusterfuzz() -> None:
    assert similar(("a", "b", "c"), ("a", "b", "c"))
    assert similar(("a", "b", "c"), ("a", "x", "c"))
    assert similar(("parse_object_v1",), ("parse_object_v2",))
    assert not similar(("alpha", "beta", "gamma"), ("alpha", "delta", "epsilon"))
    assert not similar((), ())


@settings(max_examples=200, deadline=None)
@given(*[st.lists(st.sampled_from(["a", "bb", "parse_one", "parse_two"]), max_size=3)] * 2)
def test_likeness_is_symmetric(left: list[str], right: list[str]) -> None:
    assert similar(left, right) == similar(right, left)
