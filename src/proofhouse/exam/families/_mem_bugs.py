# SPDX-License-Identifier: Apache-2.0
"""The five planted bugs of `mem.poc`: C text with and without the bug, and the records that trigger it.

Each bug has shapes that differ in how the check is wrong, so that "look for the missing check" is not a
recipe. The fixed text differs from the vulnerable text in the planted lines only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import Template

from proofhouse.exam.families._stream import Stream


@dataclass(frozen=True)
class Bug:
    """One planted bug."""

    kind: str
    """Crash class as AddressSanitizer prints it."""
    cwe: str
    function: str
    """Function in which the invalid access or free happens; also the handler or one it calls."""
    handler: str
    """Function that the record dispatcher calls."""
    vulnerable: tuple[tuple[str, str], ...]
    """(function name, C text) of every function that belongs to the bug."""
    fixed: tuple[tuple[str, str], ...]
    trigger: tuple[bytes, ...]
    """Payloads of the bug's records, in order."""
    globals_text: str = ""
    """File-level definitions."""
    fields_text: str = ""
    """Members of the context structure."""
    finish_text: str = ""
    """Statements that release what the handler may have left."""


@dataclass(frozen=True)
class Guard:
    """A bounds check, wrong and right, and a size that the wrong one lets through."""

    vulnerable: str
    fixed: str
    size: int


def _length_guard(stream: Stream, capacity: int) -> Guard:
    """A check of `n` against `capacity`: missing, too lax, or blind to the high byte."""
    fixed = f"    if (n > {capacity})\n        return;\n"
    shape = stream.choice(("missing", "lax", "narrow"))
    if shape == "missing":
        return Guard("", fixed, capacity + stream.between(1, 8))
    if shape == "lax":
        slack = stream.between(1, 8)
        return Guard(f"    if (n > {capacity + slack})\n        return;\n", fixed, capacity + slack)
    size = 256 + stream.between(0, capacity)
    return Guard(f"    if ((n & 0xff) > {capacity})\n        return;\n", fixed, size)


def _render(
    texts: dict[str, Template], vulnerable: dict[str, str], fixed: dict[str, str]
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    before = tuple((name, text.substitute(vulnerable)) for name, text in texts.items())
    after = tuple((name, text.substitute(fixed)) for name, text in texts.items())
    return before, after


HEAP_COPY = Template(
    """static void $function(struct $context *c, const uint8_t *p, size_t n) {
    uint8_t *copy;
    if (n < 1)
        return;
$guard    copy = malloc($capacity);
    if (!copy)
        return;
    for (size_t i = 0; i < n; i++)
        copy[i] = p[i] ^ $mask;
    c->total += copy[(n - 1) % $capacity];
    free(copy);
}
"""
)


STACK_COPY = Template(
    """static void $function(struct $context *c, const uint8_t *p, size_t n) {
    uint8_t line[$capacity] = {0};
$guard    for (size_t i = 0; i < n; i++)
        line[i] = (uint8_t)(p[i] + $mask);
    for (size_t i = 0; i < $capacity; i++)
        c->total = c->total * 31 + line[i];
}
"""
)


def _copy_bug(
    template: Template, kind: str, cwe: str, stream: Stream, context: str, functions: list[str]
) -> Bug:
    capacity = stream.between(2, 12) * 8
    guard = _length_guard(stream, capacity)
    name = functions[0]
    shared = {
        "function": name,
        "context": context,
        "capacity": str(capacity),
        "mask": hex(stream.between(1, 255)),
    }
    before, after = _render(
        {name: template}, {**shared, "guard": guard.vulnerable}, {**shared, "guard": guard.fixed}
    )
    return Bug(
        kind=kind,
        cwe=cwe,
        function=name,
        handler=name,
        vulnerable=before,
        fixed=after,
        trigger=(stream.token(guard.size),),
    )


def heap_overflow(stream: Stream, context: str, functions: list[str]) -> Bug:
    """A copy into a heap block whose size check is wrong (CWE-122)."""
    return _copy_bug(HEAP_COPY, "heap-buffer-overflow", "CWE-122", stream, context, functions)


def stack_overflow(stream: Stream, context: str, functions: list[str]) -> Bug:
    """A copy into a local array whose size check is wrong (CWE-121)."""
    return _copy_bug(STACK_COPY, "stack-buffer-overflow", "CWE-121", stream, context, functions)


TABLE_LOOKUP = Template(
    """static void $function(struct $context *c, const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned index = p[i] $operation $operand;
$guard        c->total = c->total * $factor + $table[index];
    }
}
"""
)


def global_overflow(stream: Stream, context: str, functions: list[str]) -> Bug:
    """A lookup in a constant table whose index check is wrong (CWE-125)."""
    count = stream.between(24, 90)
    name, table = functions[0], f"{functions[1]}_table"
    operand = stream.between(1, 15)
    operation = stream.choice(("^", "+"))
    if stream.choice((True, False)):
        guard, index = "", count + stream.between(0, 15)
    else:
        guard, index = f"        if (index > {count})\n            continue;\n", count
    byte = index ^ operand if operation == "^" else index - operand
    shared = {
        "function": name,
        "context": context,
        "table": table,
        "operand": str(operand),
        "operation": operation,
        "factor": str(stream.choice((17, 31, 33, 65))),
    }
    before, after = _render(
        {name: TABLE_LOOKUP},
        {**shared, "guard": guard},
        {**shared, "guard": f"        if (index >= {count})\n            continue;\n"},
    )
    values = ", ".join(str(value) for value in stream.token(count))
    return Bug(
        kind="global-buffer-overflow",
        cwe="CWE-125",
        function=name,
        handler=name,
        vulnerable=before,
        fixed=after,
        globals_text=f"static const uint8_t {table}[{count}] = {{{values}}};\n",
        trigger=(bytes([byte]),),
    )


OPEN_SLOT = Template(
    """static void $open(struct $context *c, size_t n) {
    if (c->live)
        return;
    c->slot = malloc($capacity);
    if (!c->slot)
        return;
    memset(c->slot, (int)(n & 0x7f), $capacity);
    c->live = 1;
}
"""
)
CLOSE_SLOT = Template(
    """static void $close(struct $context *c) {
$guard    free(c->slot);
    c->live = 0;
$clear}
"""
)
USE_SLOT = Template(
    """static void $use(struct $context *c, const uint8_t *p, size_t n) {
    if (n < 2)
        return;
    if (!$condition)
        return;
    c->slot[p[0] % $capacity] ^= p[1];
    c->total += p[1];
}
"""
)
SLOT_COMMAND = Template(
    """static void $handler(struct $context *c, const uint8_t *p, size_t n) {
    if (n < 1)
        return;
    switch (p[0]) {
    case $op_open:
        $open(c, n);
        break;
    case $op_close:
        $close(c);
        break;
    case $op_use:
        $use(c, p + 1, n - 1);
        break;
    default:
        break;
    }
}
"""
)
CLEAR = "    c->slot = NULL;\n"
SLOT_FIELDS = "    uint8_t *slot;\n    int live;\n"
SLOT_FINISH = "    if (c.live)\n        free(c.slot);\n"


def _slot_parts(
    stream: Stream, context: str, functions: list[str]
) -> tuple[dict[str, Template], dict[str, str]]:
    open_, close, use, handler = functions[:4]
    op_open, op_close, op_use = stream.sample(range(1, 200), 3)
    texts = {open_: OPEN_SLOT, close: CLOSE_SLOT, use: USE_SLOT, handler: SLOT_COMMAND}
    shared = {
        "context": context,
        "open": open_,
        "close": close,
        "use": use,
        "handler": handler,
        "op_open": str(op_open),
        "op_close": str(op_close),
        "op_use": str(op_use),
        "capacity": str(stream.between(3, 15) * 8),
    }
    return texts, shared


def use_after_free(stream: Stream, context: str, functions: list[str]) -> Bug:
    """A write through a pointer that another record freed (CWE-416)."""
    texts, shared = _slot_parts(stream, context, functions)
    shared["guard"] = "    if (!c->live)\n        return;\n"
    if stream.choice((True, False)):
        vulnerable, fixed = {"clear": "", "condition": "c->slot"}, {"clear": CLEAR, "condition": "c->slot"}
    else:
        vulnerable, fixed = {"clear": "", "condition": "c->slot"}, {"clear": "", "condition": "c->live"}
    before, after = _render(texts, {**shared, **vulnerable}, {**shared, **fixed})
    use = bytes([int(shared["op_use"])]) + stream.token(1) + bytes([stream.between(1, 255)])
    return Bug(
        kind="heap-use-after-free",
        cwe="CWE-416",
        function=shared["use"],
        handler=shared["handler"],
        vulnerable=before,
        fixed=after,
        fields_text=SLOT_FIELDS,
        finish_text=SLOT_FINISH,
        trigger=(bytes([int(shared["op_open"])]), bytes([int(shared["op_close"])]), use),
    )


def double_free(stream: Stream, context: str, functions: list[str]) -> Bug:
    """A second close frees the same block again (CWE-415)."""
    texts, shared = _slot_parts(stream, context, functions)
    shared["condition"] = "c->live"
    if stream.choice((True, False)):
        vulnerable, fixed = {"guard": "", "clear": ""}, {"guard": "", "clear": CLEAR}
    else:
        vulnerable = {"guard": "    if (!c->slot)\n        return;\n", "clear": ""}
        fixed = {"guard": "    if (!c->live)\n        return;\n", "clear": ""}
    before, after = _render(texts, {**shared, **vulnerable}, {**shared, **fixed})
    close = bytes([int(shared["op_close"])])
    return Bug(
        kind="double-free",
        cwe="CWE-415",
        function=shared["close"],
        handler=shared["handler"],
        vulnerable=before,
        fixed=after,
        fields_text=SLOT_FIELDS,
        finish_text=SLOT_FINISH,
        trigger=(bytes([int(shared["op_open"])]), close, close),
    )


BUGS: tuple[Callable[[Stream, str, list[str]], Bug], ...] = (
    heap_overflow,
    stack_overflow,
    global_overflow,
    use_after_free,
    double_free,
)
"""Makers of the five classes; a seed picks one."""
