# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.exam.sanitizer import (
    REPORT_BYTES,
    Frame,
    MalformedReport,
    Symbol,
    SymbolTable,
    parse_nm,
    parse_report,
)

RULE = "=" * 65
OVERFLOW = f"""\
{RULE}
==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x603000000058 at pc 0x5580ac458f91
WRITE of size 1 at 0x603000000058 thread T0
    #0 0x5580ac458f90  (/work/program+0xdef90) (BuildId: 8d02bc0c91d96c1a)
    #1 0x5580ac458f13  (/work/program+0xdef13)
    #2 0x7f9d0bf59249  (/lib/x86_64-linux-gnu/libc.so.6+0x27249) (BuildId: 93ac61ec5a8eb139)

0x603000000058 is located 0 bytes to the right of 24-byte region
allocated by thread T0 here:
    #0 0x5580ac41e14e  (/work/program+0xa414e) (BuildId: 8d02bc0c91d96c1a)
"""
DOUBLE_FREE = f"""\
{RULE}
==7==ERROR: AddressSanitizer: attempting double-free on 0x603000000040 in thread T0:
    #0 0x5627498eeea2  (/work/program+0xa3ea2)
    #1 0x562749929faf  (/work/program+0xdefaf)
"""
SEGV = f"""\
AddressSanitizer:DEADLYSIGNAL
{RULE}
==7==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x1 bp 0x2 sp 0x3 T0)
    #0 0x55d1 (/work/program+0xdef00)
"""
SYMBOLS = SymbolTable(
    [Symbol(0xDEF60, 0x40, "write_past"), Symbol(0xDEFA0, 0x20, "close_twice"), Symbol(0xDEEA0, 0x80, "main")]
)


def test_a_report_gives_class_and_first_stack():
    report = parse_report(OVERFLOW.encode(), 7)
    assert report.kind == "heap-buffer-overflow"
    assert report.frames[0] == Frame("/work/program", 0xDEF90)
    assert len(report.frames) == 3
    assert parse_report(SEGV.encode(), 7).kind == "SEGV"


def test_the_blamed_function_is_the_innermost_of_the_program_itself():
    assert SYMBOLS.blame(parse_report(OVERFLOW.encode(), 7), "/work/program") == "write_past"
    double = parse_report(DOUBLE_FREE.encode(), 7)
    assert double.kind == "double-free"
    assert SYMBOLS.blame(double, "/work/program") == "close_twice"
    assert SYMBOLS.blame(double, "/work/other") is None
    assert SYMBOLS.at(0xDEFC0) is None
    assert SYMBOLS.at(0) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "equals signs"),
        ("hello\n" + OVERFLOW, "equals signs"),
        (OVERFLOW + OVERFLOW, "exactly one"),
        (OVERFLOW + "==7==ERROR: AddressSanitizer: double-free on 0x1\n", "exactly one"),
        (OVERFLOW.replace("==7==", "==8=="), "another process"),
        (OVERFLOW.replace("==7==ERROR", "ERROR"), "second line"),
        (f"{RULE}\n\n" + OVERFLOW.split("\n", 1)[1], "second line"),
        (OVERFLOW.replace("#1 ", "#5 "), "in order"),
        (f"{RULE}\n==7==ERROR: AddressSanitizer: double-free on 0x1\nno stack\n", "no stack"),
        (OVERFLOW + "é", "ASCII"),
        (OVERFLOW + "x" * REPORT_BYTES, "longer"),
    ],
)
def test_anything_that_the_runtime_would_not_write_is_refused(text, says):
    with pytest.raises(MalformedReport, match=says):
        parse_report(text.encode(), 7)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.integers(0, len(OVERFLOW)))
def test_hostile_bytes_are_refused_or_read_never_an_accident(noise, at):
    for content in (noise, OVERFLOW[:at].encode() + noise + OVERFLOW[at:].encode()):
        try:
            report = parse_report(content, 7)
        except MalformedReport:
            continue
        assert report.frames


def test_functions_are_read_from_nm():
    lines = (
        "0000000000000010 0000000000000020 t inner",
        "0000000000000040 T start",
        "0000000000000050 0000000000000004 d x",
    )
    assert parse_nm("\n".join(lines)) == [Symbol(0x10, 0x20, "inner")]
