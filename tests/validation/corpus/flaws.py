# SPDX-License-Identifier: Apache-2.0
"""Kinds of memory errors and undefined behaviour, each with two ways in, inputs that show it, and its fixes.

A flaw is text with holes; `draw` fills them with names and sizes from a seed. The common subset of C and C++ is
written, so that most flaws stand in both; two are C++ only.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from string import Template

Edit = tuple[str, str]
"""Text before and after; the text before stands exactly once in the program."""

HEAP, STACK, GLOBAL = "heap-buffer-overflow", "stack-buffer-overflow", "global-buffer-overflow"


@dataclass(frozen=True)
class Show:
    """Lines that make a flaw show itself, and the words that the sanitizer may use for it."""

    lines: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Half:
    """A fix of a part, and which of the flaw's proofs (by place) it stops."""

    edits: tuple[Edit, ...]
    stops: frozenset[int]


@dataclass(frozen=True)
class Flaw:
    """One error of one program.

    Attributes:
        name: prefix of its functions and commands.
        kind: which of the templates it was drawn from.
        code: its functions.
        commands: command word → the function that takes its arguments.
        proofs: ways to show it.
        benign: lines and what the program prints for them.
        good: fixes of all of it, each by itself.
        halves: fixes of a part.
        sink: head of the function where it shows.
        entry: head of the function that the first command calls.
        known: (function head, arguments) of each proof that a patch could recognise instead of mending.
        undefined: it needs the checks of undefined behaviour.
    """

    name: str
    kind: str
    code: str
    commands: dict[str, str]
    proofs: tuple[Show, ...]
    benign: tuple[tuple[str, str], ...]
    good: tuple[tuple[Edit, ...], ...]
    halves: tuple[Half, ...]
    sink: str
    entry: str
    known: tuple[tuple[str, str], ...] = ()
    undefined: bool = False


@dataclass
class _Names:
    """Draws the holes of one flaw."""

    chance: random.Random
    name: str
    holes: dict[str, object] = field(default_factory=dict)

    def text(self, template: str) -> str:
        return Template(template).substitute(self.holes, n=self.name)

    def edits(self, *pairs: Edit) -> tuple[Edit, ...]:
        return tuple((self.text(before), self.text(after)) for before, after in pairs)


def _entry(name: str, suffix: str) -> str:
    return f"NOINLINE void {name}_{suffix}(const char *args, char *out)\n{{\n"


def _letters(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(count))


def heap_copy(chance: random.Random, name: str) -> Flaw:
    """A copy into a cell of fixed size on the heap."""
    size = chance.randrange(8, 24)
    made = _Names(chance, name, {"size": size})
    long, longer, tagged = (_letters(chance, size + extra) for extra in (2, 40, 9))
    pack = "NOINLINE char *${n}_pack(const char *text)\n{\n"
    return Flaw(
        name,
        "heap_copy",
        made.text(
            pack
            + """\
    char *cell = (char *)malloc($size);
    strcpy(cell, text);
    return cell;
}

NOINLINE void ${n}_plain(const char *args, char *out)
{
    char *cell = ${n}_pack(args);
    snprintf(out, OUT, "${n} %s", cell);
    free(cell);
}

NOINLINE void ${n}_tagged(const char *args, char *out)
{
    char text[OUT];
    snprintf(text, sizeof text, "#%.200s", args);
    char *cell = ${n}_pack(text);
    snprintf(out, OUT, "${n} %s", cell);
    free(cell);
}
"""
        ),
        {f"{name}": f"{name}_plain", f"{name}tag": f"{name}_tagged"},
        (
            Show((f"{name} {long}",), (HEAP,)),
            Show((f"{name}tag {tagged}",), (HEAP,)),
            Show((f"{name} {longer}",), (HEAP,)),
        ),
        ((f"{name} abc", f"{name} abc"), (f"{name}tag xy", f"{name} #xy")),
        (
            made.edits(("malloc($size)", "malloc(strlen(text) + 1)")),
            made.edits(
                (
                    "    char *cell = (char *)malloc($size);",
                    '    if (strlen(text) >= $size)\n        text = "";\n    char *cell = (char *)malloc($size);',
                )
            ),
        ),
        (
            Half(
                made.edits(
                    (
                        "    char *cell = ${n}_pack(args);",
                        '    if (strlen(args) >= $size)\n        args = "";\n    char *cell = ${n}_pack(args);',
                    )
                ),
                frozenset({0, 2}),
            ),
            Half(made.edits(("malloc($size)", "malloc($size + 16)")), frozenset({0, 1})),
        ),
        made.text(pack),
        _entry(name, "plain"),
        (
            (_entry(name, "plain"), long),
            (_entry(name, "tagged"), tagged),
            (_entry(name, "plain"), longer),
        ),
    )


def stack_fill(chance: random.Random, name: str) -> Flaw:
    """A loop that fills a local array up to a comma that never comes."""
    size = chance.randrange(12, 40)
    made = _Names(chance, name, {"size": size})
    long, longer, second = (_letters(chance, size + extra) for extra in (1, 30, 12))
    sink = "NOINLINE void ${n}_split(const char *text, char *out)\n{\n"
    return Flaw(
        name,
        "stack_fill",
        made.text(
            sink
            + """\
    char part[$size];
    size_t at = 0;
    while (text[at] != 0 && text[at] != ',') {
        part[at] = text[at];
        at++;
    }
    part[at] = 0;
    snprintf(out, OUT, "${n} %s", part);
}

NOINLINE void ${n}_head(const char *args, char *out)
{
    ${n}_split(args, out);
    strcat(out, ".");
}

NOINLINE void ${n}_tail(const char *args, char *out)
{
    const char *from = strchr(args, ',');
    ${n}_split(from ? from + 1 : args, out);
    strcat(out, "!");
}
"""
        ),
        {f"{name}": f"{name}_head", f"{name}rest": f"{name}_tail"},
        (
            Show((f"{name} {long}",), (STACK, "index-out-of-bounds")),
            Show((f"{name}rest a,{second}",), (STACK, "index-out-of-bounds")),
            Show((f"{name} {longer}",), (STACK, "index-out-of-bounds")),
        ),
        ((f"{name} ab,cd", f"{name} ab."), (f"{name}rest ab,cd", f"{name} cd!")),
        (made.edits(("while (text[at] != 0", "while (at < sizeof part - 1 && text[at] != 0")),),
        (
            Half(
                made.edits(
                    (
                        "    ${n}_split(args, out);\n",
                        "    if (strlen(args) < $size)\n        ${n}_split(args, out);\n",
                    )
                ),
                frozenset({0, 2}),
            ),
            Half(made.edits(("char part[$size];", "char part[$size + 16];")), frozenset({0, 1})),
        ),
        made.text(sink),
        _entry(name, "head"),
        (
            (_entry(name, "head"), long),
            (_entry(name, "tail"), f"a,{second}"),
            (_entry(name, "head"), longer),
        ),
    )


def stale_slot(chance: random.Random, name: str) -> Flaw:
    """A table whose entries are freed and stay in it."""
    slots = chance.randrange(4, 8)
    made = _Names(chance, name, {"slots": slots})
    sink = "NOINLINE int ${n}_letter(const char *cell)\n{\n"
    used = ("heap-use-after-free",)
    return Flaw(
        name,
        "stale_slot",
        made.text(
            """\
static char *${n}_slots[$slots];

"""
            + sink
            + """\
    return cell == NULL ? '-' : cell[0];
}

NOINLINE void ${n}_set(const char *args, char *out)
{
    unsigned slot = (unsigned)atoi(args) % $slots;
    ${n}_slots[slot] = (char *)malloc(OUT);
    snprintf(${n}_slots[slot], OUT, "%s", args);
    snprintf(out, OUT, "${n} set");
}

NOINLINE void ${n}_drop(const char *args, char *out)
{
    unsigned slot = (unsigned)atoi(args) % $slots;
    free(${n}_slots[slot]);
    snprintf(out, OUT, "${n} drop");
}

NOINLINE void ${n}_show(const char *args, char *out)
{
    snprintf(out, OUT, "${n} %c", ${n}_letter(${n}_slots[(unsigned)atoi(args) % $slots]));
}

NOINLINE void ${n}_first(const char *args, char *out)
{
    int letter = ${n}_letter(${n}_slots[(unsigned)atoi(args) % $slots]);
    snprintf(out, OUT, "${n} first %d", letter);
}
"""
        ),
        {f"{name}": f"{name}_show", f"{name}set": f"{name}_set", f"{name}drop": f"{name}_drop"}
        | {f"{name}first": f"{name}_first"},
        (
            Show((f"{name}set 0", f"{name}drop 0", f"{name} 0"), used),
            Show((f"{name}set 2", f"{name}drop 2", f"{name}first 2"), used),
            Show((f"{name}set 1", f"{name}set 3", f"{name}drop 1", f"{name} 3", f"{name} 1"), used),
        ),
        ((f"{name} 3", f"{name} -"), (f"{name}set 1", f"{name} set"), (f"{name}first 1", f"{name} first 49")),
        (
            made.edits(
                (
                    "    free(${n}_slots[slot]);\n",
                    "    free(${n}_slots[slot]);\n    ${n}_slots[slot] = NULL;\n",
                )
            ),
        ),
        (
            Half(
                made.edits(
                    (
                        "    free(${n}_slots[slot]);\n",
                        "    free(${n}_slots[slot]);\n    if (slot == 0)\n        ${n}_slots[slot] = NULL;\n",
                    )
                ),
                frozenset({0}),
            ),
        ),
        made.text(sink),
        _entry(name, "show"),
    )


def no_entry(chance: random.Random, name: str) -> Flaw:
    """A search that finds nothing, and callers that do not ask."""
    made = _Names(chance, name, {"a": chance.randrange(2, 90), "b": chance.randrange(2, 90)})
    sink = "NOINLINE int ${n}_weight(const struct ${n}_entry *entry)\n{\n"
    null = ("SEGV", "null-pointer")
    return Flaw(
        name,
        "no_entry",
        made.text(
            """\
struct ${n}_entry {
    const char *word;
    int weight;
};

static const struct ${n}_entry ${n}_entries[] = {{"alpha", $a}, {"beta", $b}};

NOINLINE const struct ${n}_entry *${n}_find(const char *word)
{
    for (size_t at = 0; at < sizeof ${n}_entries / sizeof ${n}_entries[0]; at++)
        if (strcmp(${n}_entries[at].word, word) == 0)
            return &${n}_entries[at];
    return NULL;
}

"""
            + sink
            + """\
    return entry->weight;
}

NOINLINE void ${n}_value(const char *args, char *out)
{
    snprintf(out, OUT, "${n} %d", ${n}_weight(${n}_find(args)));
}

NOINLINE void ${n}_double(const char *args, char *out)
{
    const struct ${n}_entry *entry = ${n}_find(args);
    int twice = 2 * ${n}_weight(entry);
    snprintf(out, OUT, "${n} twice %d", twice);
}
"""
        ),
        {f"{name}": f"{name}_value", f"{name}two": f"{name}_double"},
        (
            Show((f"{name} {_letters(chance, 9)}",), null),
            Show((f"{name}two {_letters(chance, 7)}",), null),
            Show((f"{name}two {_letters(chance, 3)}",), null),
        ),
        (
            (f"{name} beta", made.text("$n $b")),
            (f"{name}two alpha", f"{name} twice {2 * int(str(made.holes['a']))}"),
        ),
        (
            made.edits(("    return entry->weight;\n", "    return entry == NULL ? 0 : entry->weight;\n")),
            made.edits(
                (
                    "            return &${n}_entries[at];\n    return NULL;\n",
                    "            return &${n}_entries[at];\n    return &${n}_entries[0];\n",
                )
            ),
        ),
        (
            Half(
                made.edits(
                    (
                        "    int twice = 2 * ${n}_weight(entry);",
                        "    int twice = entry == NULL ? 0 : 2 * ${n}_weight(entry);",
                    )
                ),
                frozenset({1, 2}),
            ),
        ),
        made.text(sink),
        _entry(name, "value"),
    )


def small_product(chance: random.Random, name: str) -> Flaw:
    """A product that does not fit the type that the size is kept in."""
    made = _Names(chance, name, {"fill": chance.choice("xyz#")})
    wide, high = chance.randrange(17, 40), chance.randrange(17, 40)
    side, sides = chance.randrange(17, 22), chance.randrange(24, 31)
    sink = "NOINLINE int ${n}_fill(unsigned wide, unsigned high)\n{\n"
    return Flaw(
        name,
        "small_product",
        made.text(
            sink
            + """\
    unsigned char need = (unsigned char)(wide * high);
    char *cells = (char *)malloc(need);
    for (unsigned at = 0; at < wide * high; at++)
        cells[at] = '$fill';
    int last = wide * high ? cells[wide * high - 1] : 0;
    free(cells);
    return last;
}

NOINLINE void ${n}_grid(const char *args, char *out)
{
    unsigned wide = 0, high = 0;
    sscanf(args, "%3ux%3u", &wide, &high);
    snprintf(out, OUT, "${n} %d", ${n}_fill(wide % 64, high % 64));
}

NOINLINE void ${n}_square(const char *args, char *out)
{
    unsigned side = (unsigned)atoi(args) % 64;
    int last = ${n}_fill(side, side);
    snprintf(out, OUT, "${n} square %d", last);
}
"""
        ),
        {f"{name}": f"{name}_grid", f"{name}sq": f"{name}_square"},
        (
            Show((f"{name} {wide}x{high}",), (HEAP,)),
            Show((f"{name}sq {side}",), (HEAP,)),
            Show((f"{name}sq {sides}",), (HEAP,)),
        ),
        (
            (f"{name} 4x5", f"{name} {ord(str(made.holes['fill']))}"),
            (f"{name}sq 3", f"{name} square {ord(str(made.holes['fill']))}"),
        ),
        (
            made.edits(
                ("unsigned char need = (unsigned char)(wide * high);", "unsigned need = wide * high;")
            ),
            made.edits(
                (
                    "    unsigned char need",
                    "    if (wide * high > 255)\n        return 0;\n    unsigned char need",
                )
            ),
        ),
        (
            Half(
                made.edits(
                    ("(unsigned)atoi(args) % 64;\n    int last", "(unsigned)atoi(args) % 16;\n    int last")
                ),
                frozenset({1, 2}),
            ),
        ),
        made.text(sink),
        _entry(name, "grid"),
        (
            (_entry(name, "grid"), f"{wide}x{high}"),
            (_entry(name, "square"), str(side)),
            (_entry(name, "square"), str(sides)),
        ),
    )


def twice_freed(chance: random.Random, name: str) -> Flaw:
    """Two error paths that end what the common end ends again."""
    made = _Names(chance, name, {"mark": chance.choice("-+=")})
    mark = str(made.holes["mark"])
    sink = "NOINLINE void ${n}_end(char **cell)\n{\n"
    freed = ("double-free",)
    return Flaw(
        name,
        "twice_freed",
        made.text(
            sink
            + """\
    free(*cell);
}

NOINLINE void ${n}_plain(const char *args, char *out)
{
    char *cell = strdup(args);
    if (args[0] == '$mark')
        ${n}_end(&cell);
    snprintf(out, OUT, "${n} %d", (int)strlen(args));
    ${n}_end(&cell);
}

NOINLINE void ${n}_even(const char *args, char *out)
{
    char *cell = strdup(args);
    int odd = (int)(strlen(args) % 2);
    if (odd)
        ${n}_end(&cell);
    snprintf(out, OUT, "${n} odd %d", odd);
    ${n}_end(&cell);
}
"""
        ),
        {f"{name}": f"{name}_plain", f"{name}even": f"{name}_even"},
        (
            Show((f"{name} {mark}{_letters(chance, 6)}",), freed),
            Show((f"{name}even {_letters(chance, 5)}",), freed),
            Show((f"{name} {mark}",), freed),
        ),
        ((f"{name} word", f"{name} 4"), (f"{name}even word", f"{name} odd 0")),
        (made.edits(("    free(*cell);\n}\n\nNOINLINE void ${n}_plain", FREED_ONCE)),),
        (
            Half(
                made.edits(
                    (
                        '        ${n}_end(&cell);\n    snprintf(out, OUT, "${n} %d"',
                        '        out[0] = 0;\n    snprintf(out, OUT, "${n} %d"',
                    )
                ),
                frozenset({0, 2}),
            ),
        ),
        made.text(sink),
        _entry(name, "plain"),
    )


FREED_ONCE = "    free(*cell);\n    *cell = NULL;\n}\n\nNOINLINE void ${n}_plain"


def table_index(chance: random.Random, name: str) -> Flaw:
    """An index into a global table that nobody compares with its length."""
    count = chance.choice((5, 7, 9, 11))
    values = [chance.randrange(1, 99) for _ in range(count)]
    made = _Names(chance, name, {"count": count, "values": ", ".join(map(str, values))})
    sink = "NOINLINE int ${n}_at(int index)\n{\n"
    over = (GLOBAL, "index-out-of-bounds")
    return Flaw(
        name,
        "table_index",
        made.text(
            """\
static int ${n}_table[$count] = {$values};

"""
            + sink
            + """\
    return ${n}_table[index];
}

NOINLINE void ${n}_pick(const char *args, char *out)
{
    ${n}_table[0] += 0 * (int)strlen(args);
    snprintf(out, OUT, "${n} %d", ${n}_at(atoi(args)));
}

NOINLINE void ${n}_pair(const char *args, char *out)
{
    int index = atoi(args);
    int sum = ${n}_at(index) + ${n}_at(index + 1);
    snprintf(out, OUT, "${n} sum %d", sum);
}
"""
        ),
        {f"{name}": f"{name}_pick", f"{name}sum": f"{name}_pair"},
        (
            Show((f"{name} {count}",), over),
            Show((f"{name}sum {count - 1}",), over),
            Show((f"{name} {count + 2}",), over),
        ),
        ((f"{name} 2", f"{name} {values[2]}"), (f"{name}sum 0", f"{name} sum {values[0] + values[1]}")),
        (
            made.edits(
                (
                    "    return ${n}_table[index];\n",
                    "    if (index < 0 || index >= $count)\n        return 0;\n    return ${n}_table[index];\n",
                )
            ),
        ),
        (
            Half(
                made.edits(
                    (
                        "    return ${n}_table[index];\n",
                        "    if (index < 0 || index > $count)\n        return 0;\n    return ${n}_table[index];\n",
                    )
                ),
                frozenset({2}),
            ),
        ),
        made.text(sink),
        _entry(name, "pick"),
    )


def long_echo(chance: random.Random, name: str) -> Flaw:
    """An echo as long as the sender says it is."""
    made = _Names(chance, name)
    counts = [chance.randrange(40, 100) for _ in range(3)]
    words = [_letters(chance, chance.randrange(3, 9)) for _ in range(3)]
    sink = "NOINLINE void ${n}_take(const char *cell, size_t count, char *out)\n{\n"
    return Flaw(
        name,
        "long_echo",
        made.text(
            sink
            + """\
    memcpy(out, cell, count);
    out[count] = 0;
}

NOINLINE void ${n}_echo(const char *args, char *out)
{
    size_t count = (size_t)atoi(args) % 120;
    const char *text = strchr(args, ' ');
    char *cell = strdup(text ? text + 1 : "");
    ${n}_take(cell, count, out);
    free(cell);
}

NOINLINE void ${n}_mirror(const char *args, char *out)
{
    size_t count = (size_t)atoi(args) % 120;
    const char *text = strchr(args, ' ');
    char *cell = strdup(text ? text + 1 : "");
    for (char *a = cell, *b = cell + strlen(cell); a < b--; a++) {
        char kept = *a;
        *a = *b;
        *b = kept;
    }
    ${n}_take(cell, count, out);
    free(cell);
}
"""
        ),
        {f"{name}": f"{name}_echo", f"{name}back": f"{name}_mirror"},
        (
            Show((f"{name} {counts[0]} {words[0]}",), (HEAP,)),
            Show((f"{name}back {counts[1]} {words[1]}",), (HEAP,)),
            Show((f"{name} {counts[2]} {words[2]}",), (HEAP,)),
        ),
        ((f"{name} 3 abc", "abc"), (f"{name}back 2 abc", "cb")),
        (
            made.edits(
                (
                    "    memcpy(out, cell, count);\n",
                    "    if (count > strlen(cell))\n        count = strlen(cell);\n    memcpy(out, cell, count);\n",
                )
            ),
            made.edits(
                (
                    "    memcpy(out, cell, count);\n",
                    "    count = strnlen(cell, count);\n    memcpy(out, cell, count);\n",
                )
            ),
        ),
        (
            Half(
                made.edits(
                    (
                        "    }\n    ${n}_take(cell, count, out);",
                        "    }\n    if (count > strlen(cell))\n        count = 0;\n    ${n}_take(cell, count, out);",
                    )
                ),
                frozenset({1}),
            ),
        ),
        made.text(sink),
        _entry(name, "echo"),
        (
            (_entry(name, "echo"), f"{counts[0]} {words[0]}"),
            (_entry(name, "mirror"), f"{counts[1]} {words[1]}"),
            (_entry(name, "echo"), f"{counts[2]} {words[2]}"),
        ),
    )


def _arithmetic(
    name: str, kind: str, body: str, mended: str, cases: Sequence[str], value: int, crash_class: str
) -> Flaw:
    """A flaw of two numbers: three pairs that show it, and one that does not, with what it gives."""
    made = _Names(random.Random(), name)
    sink = "NOINLINE int ${n}_work(int left, int right)\n{\n"
    pair = cases[3].split()
    return Flaw(
        name,
        kind,
        made.text(
            sink
            + f"    {body}\n"
            + """\
}

NOINLINE void ${n}_plain(const char *args, char *out)
{
    int left = 0, right = 1;
    sscanf(args, "%d %d", &left, &right);
    snprintf(out, OUT, "${n} %d", ${n}_work(left, right));
}

NOINLINE void ${n}_turned(const char *args, char *out)
{
    int left = 1, right = 0;
    sscanf(args, "%d %d", &right, &left);
    int made = ${n}_work(left, right);
    snprintf(out, OUT, "${n} turned %d", made);
}
"""
        ),
        {f"{name}": f"{name}_plain", f"{name}turn": f"{name}_turned"},
        (
            Show((f"{name} {cases[0]}",), (crash_class,)),
            Show((f"{name}turn {' '.join(reversed(cases[1].split()))}",), (crash_class,)),
            Show((f"{name} {cases[2]}",), (crash_class,)),
        ),
        (
            (f"{name} {cases[3]}", f"{name} {value}"),
            (f"{name}turn {pair[1]} {pair[0]}", f"{name} turned {value}"),
        ),
        (made.edits((f"    {body}\n", f"    {mended}\n    {body}\n")),),
        (
            Half(
                made.edits(
                    (
                        "    int made = ${n}_work(left, right);\n",
                        f"    int made = 0;\n    {mended.replace('return 0', 'left = right = 1')}\n"
                        "    made = ${n}_work(left, right);\n",
                    )
                ),
                frozenset({1}),
            ),
        ),
        made.text(sink),
        _entry(name, "plain"),
        undefined=True,
    )


def wide_shift(chance: random.Random, name: str) -> Flaw:
    """A shift by more bits than there are."""
    bits = chance.sample(range(32, 60), 3)
    return _arithmetic(
        name,
        "wide_shift",
        "return left << right;",
        "if (left < 0 || left > 255 || right < 0 || right > 20)\n        return 0;",
        (*(f"1 {each}" for each in bits), "3 4"),
        48,
        "bad-shift",
    )


def sum_overflow(chance: random.Random, name: str) -> Flaw:
    """A sum that does not fit."""
    big = [2147483000 + chance.randrange(600) for _ in range(3)]
    return _arithmetic(
        name,
        "sum_overflow",
        "return left + right;",
        "if (left > 1000000 || right > 1000000 || left < -1000000 || right < -1000000)\n        return 0;",
        (*(f"{each} {chance.randrange(700, 9000)}" for each in big), "30 12"),
        42,
        "signed-integer-overflow",
    )


def zero_divisor(chance: random.Random, name: str) -> Flaw:
    """A division by what came in."""
    over = [chance.randrange(2, 900) for _ in range(3)]
    return _arithmetic(
        name,
        "zero_divisor",
        "return left / right;",
        "if (right == 0 || right == -1)\n        return 0;",
        (*(f"{each} 0" for each in over), "42 6"),
        7,
        "division-by-zero",
    )


def counted_row(chance: random.Random, name: str) -> Flaw:
    """C++: an array made for one count and filled to another."""
    made = _Names(chance, name, {"spare": chance.randrange(1, 3)})
    first = chance.randrange(3, 9)
    sink = "NOINLINE int ${n}_row(int made, int asked)\n{\n"
    return Flaw(
        name,
        "counted_row",
        made.text(
            sink
            + """\
    int *row = new int[made];
    for (int at = 0; at < asked; at++)
        row[at] = at * $spare;
    int last = asked > 0 ? row[asked - 1] : 0;
    delete[] row;
    return last;
}

NOINLINE void ${n}_plain(const char *args, char *out)
{
    int made = 1, asked = 1;
    sscanf(args, "%3d %3d", &made, &asked);
    snprintf(out, OUT, "${n} %d", ${n}_row(made < 1 ? 1 : made, asked));
}

NOINLINE void ${n}_next(const char *args, char *out)
{
    int made = atoi(args) & 127;
    int last = ${n}_row(made + 1, made + 1 + (made > 20));
    snprintf(out, OUT, "${n} next %d", last);
}
"""
        ),
        {f"{name}": f"{name}_plain", f"{name}next": f"{name}_next"},
        (
            Show((f"{name} {first} {first + 1}",), (HEAP,)),
            Show((f"{name}next {chance.randrange(21, 99)}",), (HEAP,)),
            Show((f"{name} {first} {first + 40}",), (HEAP,)),
        ),
        (
            (f"{name} 5 5", f"{name} {4 * int(str(made.holes['spare']))}"),
            (f"{name}next 2", f"{name} next {2 * int(str(made.holes['spare']))}"),
        ),
        (
            made.edits(
                ("    int *row = new", "    if (asked > made)\n        asked = made;\n    int *row = new")
            ),
            made.edits(("new int[made]", "new int[made > asked ? made : asked]")),
        ),
        (Half(made.edits(("new int[made]", "new int[made + 1]")), frozenset({0, 1})),),
        made.text(sink),
        _entry(name, "plain"),
    )


def deleted_shape(chance: random.Random, name: str) -> Flaw:
    """C++: a method of an object that was deleted."""
    side = chance.randrange(2, 9)
    made = _Names(chance, name, {"side": side})
    sink = "NOINLINE int ${n}_measure(${n}_shape *shape)\n{\n"
    used = ("heap-use-after-free",)
    return Flaw(
        name,
        "deleted_shape",
        made.text(
            """\
struct ${n}_shape {
    int side;
    explicit ${n}_shape(int given) : side(given) {}
    virtual ~${n}_shape() {}
    virtual int area() { return side * side; }
};

static ${n}_shape *${n}_shapes[4];

"""
            + sink
            + """\
    return shape == NULL ? 0 : shape->area();
}

NOINLINE void ${n}_make(const char *args, char *out)
{
    ${n}_shapes[atoi(args) & 3] = new ${n}_shape($side);
    snprintf(out, OUT, "${n} made");
}

NOINLINE void ${n}_end(const char *args, char *out)
{
    delete ${n}_shapes[atoi(args) & 3];
    snprintf(out, OUT, "${n} ended");
}

NOINLINE void ${n}_area(const char *args, char *out)
{
    snprintf(out, OUT, "${n} %d", ${n}_measure(${n}_shapes[atoi(args) & 3]));
}

NOINLINE void ${n}_all(const char *args, char *out)
{
    int sum = (int)(0 * strlen(args));
    for (int at = 0; at < 4; at++)
        sum += ${n}_measure(${n}_shapes[at]);
    snprintf(out, OUT, "${n} all %d", sum);
}
"""
        ),
        {f"{name}": f"{name}_area", f"{name}make": f"{name}_make", f"{name}end": f"{name}_end"}
        | {f"{name}all": f"{name}_all"},
        (
            Show((f"{name}make 1", f"{name}end 1", f"{name} 1"), used),
            Show((f"{name}make 2", f"{name}end 2", f"{name}all"), used),
            Show((f"{name}make 3", f"{name}end 3", f"{name} 3"), used),
        ),
        (
            (f"{name}all", f"{name} all 0"),
            (f"{name}make 0", f"{name} made"),
            (f"{name} 0", f"{name} {side * side}"),
        ),
        (
            made.edits(
                (
                    "    delete ${n}_shapes[atoi(args) & 3];\n",
                    "    delete ${n}_shapes[atoi(args) & 3];\n    ${n}_shapes[atoi(args) & 3] = NULL;\n",
                )
            ),
        ),
        (
            Half(
                made.edits(
                    (
                        "    delete ${n}_shapes[atoi(args) & 3];\n",
                        "    delete ${n}_shapes[atoi(args) & 3];\n"
                        "    if ((atoi(args) & 3) == 1)\n        ${n}_shapes[1] = NULL;\n",
                    )
                ),
                frozenset({0}),
            ),
        ),
        made.text(sink),
        _entry(name, "area"),
    )


SHARED_HELPER = """\
NOINLINE void shared_put(char *cells, int index, char value)
{
    cells[index] = value;
}
"""
SHARED_FIX: Edit = (
    "    cells[index] = value;\n",
    "    if (index >= 0 && index < 16)\n        cells[index] = value;\n",
)


def shared_sink(chance: random.Random, name: str) -> Flaw:
    """One of two features that trust a helper with an index; each must check its own."""
    made = _Names(chance, name, {"value": chance.choice("oxz")})
    head = "NOINLINE void ${n}_mark(const char *args, char *out)\n{\n"
    return Flaw(
        name,
        "shared_sink",
        made.text(
            head
            + """\
    char *cells = (char *)calloc(16, 1);
    int index = atoi(args);
    shared_put(cells, index, '$value');
    snprintf(out, OUT, "${n} %d", cells[3]);
    free(cells);
}
"""
        ),
        {name: f"{name}_mark"},
        (Show((f"{name} 16",), (HEAP,)), Show((f"{name} {chance.randrange(17, 24)}",), (HEAP,))),
        ((f"{name} 3", f"{name} {ord(str(made.holes['value']))}"), (f"{name} 4", f"{name} 0")),
        (made.edits((UNGUARDED, GUARDED)),),
        (Half(made.edits((UNGUARDED, GUARDED.replace("< 16", "<= 16"))), frozenset({1})),),
        made.text(head),
        made.text(head),
    )


UNGUARDED = "    shared_put(cells, index, '$value');\n    snprintf(out, OUT, \"${n} %d\""
GUARDED = "    if (index >= 0 && index < 16)\n    " + UNGUARDED

Draw = Callable[[random.Random, str], Flaw]
IN_BOTH: tuple[Draw, ...] = (
    *(heap_copy, stack_fill, stale_slot, no_entry, small_product, twice_freed, table_index, long_echo),
    *(wide_shift, sum_overflow, zero_divisor),
)
IN_CPP: tuple[Draw, ...] = (counted_row, deleted_shape)
