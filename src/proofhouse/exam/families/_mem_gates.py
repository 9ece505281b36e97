# SPDX-License-Identifier: Apache-2.0
"""The gates in front of a planted bug: each can be written as C and solved in Python.

Four gates guard a field of the header; one, the order gate, sits among the records. Every gate is solved by
construction: the constants of the C text and the solving value come from the same numbers, so no seed can
contradict itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Literal

from proofhouse.exam.families._stream import Stream

ByteOrder = Literal["little", "big"]
MASK32 = (1 << 32) - 1
MASK64 = (1 << 64) - 1


def _rotate_left(value: int, count: int) -> int:
    return ((value << count) | (value >> (32 - count))) & MASK32


@dataclass(frozen=True)
class Const32:
    """Level 1: a 32-bit field equals a constant."""

    function: str
    key: int
    width: int = 4

    def c_text(self) -> str:
        """The check as a C function."""
        return f"static int {self.function}(uint32_t value) {{\n    return value == 0x{self.key:08x}u;\n}}\n"

    def call(self, offset: int) -> str:
        """The C expression that applies the check to the header field at `offset`."""
        return f"{self.function}(load32(data + {offset}))"

    def solve(self, body: bytes) -> int:
        """The field value that passes for `body` (the bytes behind the header)."""
        del body
        return self.key


@dataclass(frozen=True)
class Affine32:
    """Level 2: `a * x + b == c` modulo 2^32, `a` odd."""

    function: str
    a: int
    b: int
    c: int
    width: int = 4

    def c_text(self) -> str:
        """The check as a C function."""
        return (
            f"static int {self.function}(uint32_t value) {{\n"
            f"    value = value * 0x{self.a:08x}u + 0x{self.b:08x}u;\n"
            f"    return value == 0x{self.c:08x}u;\n}}\n"
        )

    def call(self, offset: int) -> str:
        """The C expression that applies the check to the header field at `offset`."""
        return f"{self.function}(load32(data + {offset}))"

    def solve(self, body: bytes) -> int:
        """The field value that passes for `body`."""
        del body
        return (self.c - self.b) * pow(self.a, -1, 1 << 32) & MASK32


@dataclass(frozen=True)
class Checksum32:
    """Level 3: a field equals a seeded rolling sum over everything behind the header."""

    function: str
    start: int
    multiplier: int
    rotation: int
    width: int = 4

    def c_text(self) -> str:
        """The check as a C function."""
        return Template(
            """static int $function(uint32_t value, const uint8_t *body, size_t size) {
    uint32_t sum = ${start}u;
    for (size_t i = 0; i < size; i++) {
        sum ^= body[i];
        sum *= ${multiplier}u;
        sum = (sum << $left) | (sum >> $right);
    }
    return value == sum;
}
"""
        ).substitute(
            function=self.function,
            start=hex(self.start),
            multiplier=hex(self.multiplier),
            left=self.rotation,
            right=32 - self.rotation,
        )

    def call(self, offset: int) -> str:
        """The C expression that applies the check to the header field at `offset`."""
        return f"{self.function}(load32(data + {offset}), data + HEADER_BYTES, size - HEADER_BYTES)"

    def solve(self, body: bytes) -> int:
        """The field value that passes for `body`."""
        total = self.start
        for byte in body:
            total = _rotate_left((total ^ byte) * self.multiplier & MASK32, self.rotation)
        return total


@dataclass(frozen=True)
class Mix64:
    """Level 5: a 64-bit field, mixed by xor-shift, multiplication and addition, reaches a target.

    Each step is a bijection, so exactly one value passes.
    """

    function: str
    rounds: tuple[tuple[int, int, int], ...]
    """Per round: right shift (at least 22 bits), odd multiplier, addend."""
    target: int
    width: int = 8

    def c_text(self) -> str:
        """The check as a C function."""
        lines = []
        for shift, multiplier, addend in self.rounds:
            lines.append(f"    value ^= value >> {shift};")
            lines.append(f"    value = value * 0x{multiplier:016x}ull + 0x{addend:016x}ull;")
        body = "\n".join(lines)
        return (
            f"static int {self.function}(uint64_t value) {{\n{body}\n"
            f"    return value == 0x{self.target:016x}ull;\n}}\n"
        )

    def call(self, offset: int) -> str:
        """The C expression that applies the check to the header field at `offset`."""
        return f"{self.function}(load64(data + {offset}))"

    def solve(self, body: bytes) -> int:
        """The field value that passes for `body`."""
        del body
        value = self.target
        for shift, multiplier, addend in reversed(self.rounds):
            value = (value - addend) * pow(multiplier, -1, 1 << 64) & MASK64
            mixed = value
            for _ in range(64 // shift + 1):
                value = mixed ^ (value >> shift)
        return value


HeaderGate = Const32 | Affine32 | Checksum32 | Mix64


@dataclass(frozen=True)
class OrderGate:
    """Level 4: step records must carry the right tokens in the right order before the bug can be reached.

    The token expected next depends on a running byte that every accepted token changes; a wrong token
    starts over.
    """

    function: str
    tag: int
    order: tuple[int, ...]
    start: int
    multiplier: int

    def c_text(self, context: str) -> str:
        """The state machine as a C function over the program's context structure."""
        return Template(
            """static void $function(struct $context *c, const uint8_t *p, size_t n) {
    static const uint8_t order[$count] = {$order};
    if (n < 1 || c->stage >= $count)
        return;
    if (p[0] == (uint8_t)(order[c->stage] ^ c->running)) {
        c->running = (uint8_t)(c->running * $multiplier + p[0]);
        c->stage++;
    } else {
        c->running = $start;
        c->stage = 0;
    }
}
"""
        ).substitute(
            function=self.function,
            context=context,
            count=len(self.order),
            order=", ".join(map(str, self.order)),
            multiplier=self.multiplier,
            start=self.start,
        )

    def solve(self) -> list[bytes]:
        """Payloads of the step records that open the gate."""
        running = self.start
        tokens = []
        for symbol in self.order:
            token = symbol ^ running
            running = (running * self.multiplier + token) & 0xFF
            tokens.append(bytes([token]))
        return tokens


def make_header_gates(level: int, stream: Stream, functions: list[str]) -> list[HeaderGate]:
    """The header gates of a level, in the order of their fields.

    Args:
        level: 0 to 5; gates are cumulative, so level 5 holds four of them.
        stream: source of constants.
        functions: four C function names.
    """
    gates: list[HeaderGate] = [
        Const32(functions[0], stream.u32() | 0x01010101),
        Affine32(functions[1], stream.u32() | 1, stream.u32(), stream.u32()),
        Checksum32(functions[2], stream.u32(), stream.u32() | 1, stream.between(3, 29)),
        Mix64(
            functions[3],
            tuple(
                (stream.between(22, 41), stream.u64() | 1, stream.u64()) for _ in range(stream.between(3, 5))
            ),
            stream.u64(),
        ),
    ]
    first_level = (1, 2, 3, 5)
    present = [gate for gate, first in zip(gates, first_level, strict=True) if level >= first]
    return stream.shuffled(present)


def make_order_gate(stream: Stream, function: str, tag: int) -> OrderGate:
    """An order gate of four to six steps."""
    return OrderGate(
        function=function,
        tag=tag,
        order=tuple(stream.token(stream.between(4, 6))),
        start=stream.between(0, 255),
        multiplier=stream.between(0, 127) * 2 + 1,
    )
