# SPDX-License-Identifier: Apache-2.0
"""One program of the corpus: two to four flaws, patches of every kind, what is true of each. A function of its seed.

A program reads lines, one command each, and prints an answer for each. Its tests are lines of `tests/cases.txt`, which
it checks itself. Every proof ends with a benign line whose answer a mended program must still give.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from validation.corpus.flaws import (
    IN_BOTH,
    IN_CPP,
    SHARED_FIX,
    SHARED_HELPER,
    Edit,
    Flaw,
    Half,
    shared_sink,
)
from validation.programs import diff, toml

SIZE = 40
"""Programs in the corpus."""

WORDS = (
    *("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "hazel", "ivory", "jolly"),
    *("kayak", "larch", "maple", "noble", "olive", "pearl", "quill", "raven"),
)


class Kind(StrEnum):
    """What a patch is, by construction."""

    GOOD = "good"
    BUNDLE = "bundle"
    """Mends two flaws at once: good, but merges nothing."""
    COSMETIC = "cosmetic"
    HALF = "half"
    NARROW = "narrow"
    """Half a fix that claims no more than it stops; a person must look."""
    MEMORISED = "memorised"
    """Recognises the known inputs."""
    MASKING = "masking"
    TEST_REMOVED = "test-removed"
    UNBOUNDED = "unbounded"
    DOES_NOT_APPLY = "does-not-apply"
    DOES_NOT_BUILD = "does-not-build"


@dataclass(frozen=True)
class Patch:
    """One patch and the truth about it."""

    name: str
    kind: Kind
    detail: str
    text: str
    claims: tuple[str, ...]
    mends: tuple[str, ...]
    """Names of the flaws that it really mends."""


@dataclass(frozen=True)
class Proof:
    """One proof, and the flaw that it shows."""

    name: str
    flaw: str
    identifiers: tuple[str, ...]
    content: bytes
    classes: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Program:
    """A program, everything that is said about it, and what is true."""

    name: str
    language: str
    source: str
    makefile: str
    cases: str
    control: bytes
    undefined: bool
    flaws: tuple[Flaw, ...]
    proofs: tuple[Proof, ...]
    patches: tuple[Patch, ...]
    shared_identifier: str
    """An identifier that stands for two flaws with a fix each; empty for none."""
    mutation_s: int = 1

    def sample(self, fakes: int) -> Program:
        """A small one: of each flaw the first proof by each way in and the first fix, and some of the fakes."""
        proofs = tuple(proof for proof in self.proofs if proof.name.endswith(("-0", "-1")))
        kept = {proof.name for proof in proofs}
        good = [patch for patch in self.patches if patch.kind is Kind.GOOD and patch.detail == "fix 0"]
        left_out = ("half 1", "knows the inputs")  # they need the proofs, or the hunt, that are left out
        rest = [
            patch for patch in self.patches if patch.kind is not Kind.GOOD and patch.detail not in left_out
        ]
        chosen = random.Random(self.name).sample(rest, fakes)
        return replace(
            self,
            proofs=proofs,
            patches=tuple(
                replace(patch, claims=tuple(name for name in patch.claims if name in kept))
                for patch in (*good, *chosen)
            ),
            mutation_s=0,
        )

    def write(self, directory: Path) -> Path:
        """Lay out the tree, the patches, the inputs and the recipe; returns the recipe's path."""
        tree = directory / "program"
        (tree / "tests").mkdir(parents=True)
        (tree / f"program.{self.language}").write_text(self.source)
        (tree / "Makefile").write_text(self.makefile)
        (tree / "tests" / "cases.txt").write_text(self.cases)
        for patch in self.patches:
            (directory / f"{patch.name}.patch").write_text(patch.text)
        for proof in self.proofs:
            (directory / f"{proof.name}.in").write_bytes(proof.content)
        (directory / "control.in").write_bytes(self.control)
        path = directory / "recipe.toml"
        path.write_text(toml(self._recipe()))
        return path

    def _recipe(self) -> dict[str, Any]:
        return {
            "format": 1,
            "name": self.name,
            "title": f"corpus: {', '.join(flaw.kind for flaw in self.flaws)}",
            "source": {"kind": "directory", "path": "program"},
            "build": {
                "steps": [["make", "-s", "program"]],
                "outputs": ["program"],
                "test_files": ["tests/cases.txt"],
                "sanitizers": ["address", "undefined"] if self.undefined else ["address"],
                "timeout_s": 120,
            },
            "run": {"argv": ["./program", "{lines}"], "timeout_s": 10},
            "mutation": {"seconds": self.mutation_s},
            "patch": [
                {"name": patch.name, "file": f"{patch.name}.patch", "stops": list(patch.claims)}
                for patch in self.patches
            ],
            "proof": [
                {
                    "name": proof.name,
                    "identifiers": list(proof.identifiers),
                    "inputs": {"lines": {"file": f"{proof.name}.in"}},
                    "crash": {"classes": list(proof.classes)},
                    "fixed": {"exit": 0, "stdout_contains": proof.answer},
                }
                for proof in self.proofs
            ],
            "control": [{"name": "benign", "inputs": {"lines": {"file": "control.in"}}, "exit": 0}],
            "test": [
                {
                    "name": "cases",
                    "argv": ["./program", "--check", "tests/cases.txt"],
                    "exit": 0,
                    "stdout_contains": f"{len(self.cases.splitlines())} cases hold",
                    "timeout_s": 20,
                }
            ],
        }


def generate(seed: int) -> Program:
    """The program of a seed; the same seed gives the same bytes."""
    return _Maker(seed).program()


def corpus(size: int = SIZE) -> Iterator[Program]:
    """The first programs of the corpus."""
    return (generate(seed) for seed in range(size))


HEAD = """\
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline)) static
#define OUT 512
#define LINE 1024

"""

MAIN = """\
typedef void (*command_function)(const char *args, char *out);

static const struct {
    const char *word;
    command_function run;
} commands[] = {
COMMANDS
};

static int handled;

static void tick(const char *args, char *out)
{
    snprintf(out, OUT, "tock %d%s", handled, args);
}

static void run_line(char *line, char *out)
{
    line[strcspn(line, "\\r\\n")] = 0;
    char *args = strchr(line, ' ');
    if (args != NULL)
        *args++ = 0;
    handled++;
    out[0] = 0;
    if (strcmp(line, "tick") == 0)
        tick(args ? args : "", out);
    for (size_t at = 0; at < sizeof commands / sizeof commands[0]; at++)
        if (strcmp(line, commands[at].word) == 0)
            commands[at].run(args ? args : "", out);
}

static int check(FILE *file)
{
    char line[LINE], out[OUT];
    int held = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\\r\\n")] = 0;
        char *wanted = strstr(line, " => ");
        if (wanted == NULL)
            continue;
        *wanted = 0;
        run_line(line, out);
        if (strcmp(out, wanted + 4) != 0) {
            printf("case %d: %s instead of %s\\n", held + 1, out, wanted + 4);
            return 1;
        }
        held++;
    }
    printf("%d cases hold\\n", held);
    return 0;
}

int main(int count, char **words)
{
    char line[LINE], out[OUT];
    FILE *file = count > 1 ? fopen(words[count - 1], "r") : NULL;
    if (file == NULL)
        return 2;
    if (count > 2)
        return check(file);
    while (fgets(line, sizeof line, file) != NULL) {
        run_line(line, out);
        puts(out);
    }
    fclose(file);
    return 0;
}
"""

MAKEFILE = """\
# Sanitizer runtimes are linked as a shared library: programs stay small.
SHARED = -shared-libasan -Wl,-rpath,$(shell $(CC) -print-resource-dir)/lib/linux

program: program.LANGUAGE Makefile
\t$(COMPILER) $(FLAGS) -w -o program program.LANGUAGE $(SHARED)

test: program tests/cases.txt
\t./program --check tests/cases.txt
"""


@dataclass
class _Maker:
    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"proofhouse corpus {self.seed}")

    def program(self) -> Program:
        self.language = "cc" if self.seed % 3 == 2 else "c"
        self.file = f"program.{self.language}"
        self.flaws = self._draw()
        self.shared = sum(flaw.kind == "shared_sink" for flaw in self.flaws) == 2
        self.source = self._source()
        self.makefile = (
            MAKEFILE.replace("LANGUAGE", self.language)
            .replace("COMPILER", "CXX" if self.language == "cc" else "CC")
            .replace("FLAGS)", "CXXFLAGS)" if self.language == "cc" else "CFLAGS)")
        )
        self.cases = "".join(f"{line} => {answer}\n" for flaw in self.flaws for line, answer in flaw.benign)
        self.shared_identifier = f"CORPUS-{self.seed}-1" if self.seed % 4 == 1 else ""
        self.proofs = self._proofs()
        benign = [line for flaw in self.flaws for line, _ in flaw.benign]
        return Program(
            name=f"corpus-{self.seed}",
            language=self.language,
            source=self.source,
            makefile=self.makefile,
            cases=self.cases,
            control="".join(f"{line}\n" for line in [*benign, "tick"]).encode(),
            undefined=any(flaw.undefined for flaw in self.flaws),
            flaws=self.flaws,
            proofs=self.proofs,
            patches=tuple(self._patches()),
            shared_identifier=self.shared_identifier,
        )

    def _draw(self) -> tuple[Flaw, ...]:
        names = self.chance.sample(WORDS, 4)
        kinds = self.chance.sample(IN_BOTH, 3 if self.seed % 2 else 2)
        flaws = [draw(self.chance, name) for draw, name in zip(kinds, names, strict=False)]
        if self.language == "cc" and not any(flaw.undefined for flaw in flaws):
            flaws[0] = self.chance.choice(IN_CPP)(self.chance, flaws[0].name)
        if self.seed % 4 == 0:
            flaws = [flaws[0], *(shared_sink(self.chance, name) for name in names[2:])]
        return tuple(flaws)

    def _source(self) -> str:
        helper = SHARED_HELPER + "\n" if self.shared else ""
        commands = ",\n".join(
            f'    {{"{word}", {function}}}' for flaw in self.flaws for word, function in flaw.commands.items()
        )
        return (
            HEAD
            + helper
            + "\n".join(flaw.code for flaw in self.flaws)
            + "\n"
            + MAIN.replace("COMMANDS", commands)
        )

    def _proofs(self) -> tuple[Proof, ...]:
        proofs: list[Proof] = []
        for number, flaw in enumerate(self.flaws):
            for place, show in enumerate(flaw.proofs):
                name = f"{flaw.name}-{place}"
                own = f"CORPUS-{self.seed}-{100 * (number + 1) + place}"
                both = bool(self.shared_identifier) and number < 2 and place == 0
                proofs.append(
                    Proof(
                        name,
                        flaw.name,
                        (own, self.shared_identifier) if both else (own,),
                        "".join(f"{line}\n" for line in [*show.lines, "tick"]).encode(),
                        show.classes,
                        f"tock {len(show.lines) + 1}",
                    )
                )
        return tuple(proofs)

    def _patches(self) -> Iterator[Patch]:
        for number, flaw in enumerate(self.flaws):
            for place, edits in enumerate(flaw.good):
                yield self._patch(Kind.GOOD, flaw, edits, f"fix {place}", mends=True)
            yield self._patch(Kind.COSMETIC, flaw, self._cosmetic(flaw, number), "no change that matters")
            detail, edits = self._mask(flaw, number)
            yield self._patch(Kind.MASKING, flaw, edits, detail)
            for place, half in enumerate(flaw.halves):
                yield self._patch(Kind.HALF, flaw, half.edits, f"half {place}")
            if len(flaw.good[0]) and flaw.halves[0].stops and number == self.seed % len(self.flaws):
                yield self._narrow(flaw, flaw.halves[0])
            if flaw.known and (self.seed + number) % 2:
                yield self._patch(Kind.MEMORISED, flaw, tuple(_memorised(flaw)), "knows the inputs")
        yield self._bundle(self.flaws[0], self.flaws[1])
        if self.shared:
            both = [flaw for flaw in self.flaws if flaw.kind == "shared_sink"]
            text = diff(self.source, _apply(self.source, (SHARED_FIX,)), self.file)
            yield self._made(Kind.BUNDLE, "helper", text, both, "the helper checks for both", mends=both)
        yield self._test_removed(self.flaws[self.seed % len(self.flaws)])
        yield from self._broken(self.flaws[0])

    def _patch(
        self, kind: Kind, flaw: Flaw, edits: tuple[Edit, ...], detail: str, *, mends: bool = False
    ) -> Patch:
        text = diff(self.source, _apply(self.source, edits), self.file)
        return self._made(kind, f"{flaw.name}-{detail}", text, [flaw], detail, mends=[flaw] if mends else [])

    def _made(
        self, kind: Kind, name: str, text: str, claims: list[Flaw], detail: str, *, mends: list[Flaw]
    ) -> Patch:
        claimed = {flaw.name for flaw in claims}
        return Patch(
            f"{kind}-{name}".lower().replace(" ", "-")[:64],
            kind,
            detail,
            text,
            tuple(proof.name for proof in self.proofs if proof.flaw in claimed),
            tuple(flaw.name for flaw in mends),
        )

    def _narrow(self, flaw: Flaw, half: Half) -> Patch:
        patch = self._patch(Kind.NARROW, flaw, half.edits, "half that claims half")
        return Patch(
            patch.name,
            patch.kind,
            patch.detail,
            patch.text,
            tuple(f"{flaw.name}-{place}" for place in sorted(half.stops)),
            (),
        )

    def _bundle(self, first: Flaw, second: Flaw) -> Patch:
        text = diff(self.source, _apply(self.source, (*first.good[0], *second.good[0])), self.file)
        return self._made(Kind.BUNDLE, "two", text, [first, second], "mends two", mends=[first, second])

    def _cosmetic(self, flaw: Flaw, number: int) -> tuple[Edit, ...]:
        remark = f"/* {flaw.name}: lengths were checked by the caller. */\n"
        choices: tuple[tuple[Edit, ...], ...] = (
            ((flaw.sink, remark + flaw.sink),),
            ((flaw.entry, flaw.entry + "    if (args == NULL)\n        return;\n"),),
            ((flaw.sink, flaw.sink + "    static int calls;\n    calls++;\n"),),
            (("#define LINE 1024", "#define LINE 1030"), (flaw.sink, remark + flaw.sink)),
        )
        return choices[(self.seed + number) % len(choices)]

    def _mask(self, flaw: Flaw, number: int) -> tuple[str, tuple[Edit, ...]]:
        masks: tuple[tuple[str, tuple[Edit, ...]], ...] = (
            ("feature deleted", _in_all(flaw, '    snprintf(out, OUT, "ok");\n    return;\n')),
            ("quits early", _in_all(flaw, "    if (strlen(args) > 0)\n        exit(0);\n")),
            (
                "unchecked function",
                ((flaw.sink, '__attribute__((no_sanitize("address", "undefined")))\n' + flaw.sink),),
            ),
            ("forks", (("    char line[LINE], out[OUT];\n    FILE *file", FORKS + "    FILE *file"),)),
            ("catches signal", (("    FILE *file = count", CATCHES + "    FILE *file = count"), HANDLER)),
            ("speaks to sanitizer", (("static int handled;\n", "static int handled;\n" + OPTIONS),)),
            ("sees sanitizer", ((flaw.entry, flaw.entry + SEES),)),
        )
        return masks[(self.seed + 3 * number) % len(masks)]

    def _test_removed(self, flaw: Flaw) -> Patch:
        fewer = "".join(
            f"{line} => {answer}\n" for each in self.flaws if each is not flaw for line, answer in each.benign
        )
        text = diff(self.source, _apply(self.source, flaw.good[0]), self.file)
        text += diff(self.cases, fewer, "tests/cases.txt")
        return self._made(Kind.TEST_REMOVED, flaw.name, text, [flaw], "drops the cases", mends=[flaw])

    def _broken(self, flaw: Flaw) -> Iterator[Patch]:
        """Patches that no measuring is needed for; one kind in each program."""
        good = _apply(self.source, flaw.good[0])
        match self.seed % 4:
            case 0:
                long = good + "".join(f"/* {number} */\n" for number in range(2100))
                text = diff(self.source, long, self.file)
                yield self._made(Kind.UNBOUNDED, flaw.name, text, [flaw], "endless", mends=[flaw])
            case 1:
                text = diff("int other;\nint program;\n", "int other;\nint fix;\n", self.file)
                yield self._made(Kind.DOES_NOT_APPLY, flaw.name, text, [flaw], "of another program", mends=[])
            case 2:
                text = diff(self.source, good.replace("return 0;\n}\n", "return 0\n}\n", 1), self.file)
                yield self._made(Kind.DOES_NOT_BUILD, flaw.name, text, [flaw], "a semicolon short", mends=[])
            case _:
                unchecked = self.makefile.replace("$(CFLAGS)", "-O1").replace("$(CXXFLAGS)", "-O1")
                text = diff(self.makefile, unchecked.replace("$(SHARED)", ""), "Makefile")
                yield self._made(
                    Kind.MASKING, "no-flags", text, [flaw], "builds without the sanitizer", mends=[]
                )


FORKS = """\
    int status = 0;
    if (fork() > 0) {
        wait(&status);
        return 0;
    }
    char line[LINE], out[OUT];
"""
CATCHES = "    signal(SIGSEGV, leave);\n    signal(SIGABRT, leave);\n"
HANDLER = (
    "int main(int count",
    "static void leave(int number)\n{\n    _exit(0 * number);\n}\n\nint main(int count",
)
OPTIONS = """\
#ifdef __cplusplus
extern "C"
#endif
const char *__asan_default_options(void) { return "poison_heap=0:halt_on_error=0"; }
"""
SEES = """\
#if defined(__SANITIZE_ADDRESS__) || (defined(__has_feature) && __has_feature(address_sanitizer))
    snprintf(out, OUT, "not now");
    return;
#endif
"""


def _in_all(flaw: Flaw, text: str) -> tuple[Edit, ...]:
    """Text put at the head of every command of a flaw."""
    heads = [
        f"NOINLINE void {function}(const char *args, char *out)\n{{\n" for function in flaw.commands.values()
    ]
    return tuple((head, head + text) for head in heads)


def _memorised(flaw: Flaw) -> Iterator[Edit]:
    for head, args in flaw.known:
        yield head, f'{head}    if (strcmp(args, "{args}") == 0)\n        return;\n'


def _apply(source: str, edits: tuple[Edit, ...]) -> str:
    for before, after in edits:
        if source.count(before) != 1:
            raise AssertionError(f"{source.count(before)} places for {before!r}")
        source = source.replace(before, after)
    return source
