# SPDX-License-Identifier: Apache-2.0
"""Small programs with several bugs, patches for them, and recipes that tie both together."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

THREE_BUGS = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static int overflow(const char *text)
{
    char *copy = malloc(8);
    strcpy(copy, text);
    int first = copy[0];
    free(copy);
    return first;
}

__attribute__((noinline)) static int stale(const char *text)
{
    char *copy = strdup(text);
    int keep = 0;
    if (copy[0] == '!')
        free(copy);
    int first = copy[0];
    if (copy[0] != '!' || keep)
        free(copy);
    return first;
}

__attribute__((noinline)) static int wild(const char *text)
{
    volatile int table[4] = {1, 2, 3, 4};
    volatile int index = atoi(text);
    return table[index];
}

int main(void)
{
    char line[256] = "";
    if (fgets(line, sizeof line, stdin) == NULL)
        return 2;
    line[strcspn(line, "\\n")] = 0;
    int result = 0;
    if (line[0] == 'o')
        result = overflow(line + 1);
    else if (line[0] == 's')
        result = stale(line + 1);
    else if (line[0] == 'w')
        result = wild(line + 1);
    printf("result %d\\n", result);
    return 0;
}
"""

FIXES = {
    "overflow": (
        "    char *copy = malloc(8);\n    strcpy",
        "    char *copy = malloc(strlen(text) + 1);\n    strcpy",
    ),
    "stale": ("    if (copy[0] == '!')\n        free(copy);\n", "    keep = 1;\n"),
    "wild": ("    return table[index];", "    return index < 0 || index > 3 ? 0 : table[index];"),
}

PROOFS = {
    "overflow": (b"oabcdefghijklmnop\n", "heap-buffer-overflow"),
    "stale": (b"s!x\n", "heap-use-after-free"),
    "wild": (b"w4\n", "stack-buffer-overflow"),
}


def fix(source: str, *names: str) -> str:
    """The source with some bugs mended."""
    for name in names:
        before, after = FIXES[name]
        assert before in source
        source = source.replace(before, after)
    return source


def diff(before: str, after: str, name: str = "program.c") -> str:
    """A unified diff between two texts."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
        )
    )


def document(
    patches: Mapping[str, list[str]], proofs: Mapping[str, tuple[bytes, str]], **changes: Any
) -> dict[str, Any]:
    """A recipe as the values that TOML would give: patch → the proofs it claims to stop."""
    content: dict[str, Any] = {
        "format": 1,
        "name": "three-bugs",
        "title": "a program with bugs",
        "source": {"kind": "directory", "path": "program"},
        "build": {"steps": [["make", "program"]], "outputs": ["program"], "timeout_s": 60},
        "run": {"argv": ["./program"], "stdin": "line", "timeout_s": 10},
        "patch": [{"name": name, "file": f"{name}.patch", "stops": stops} for name, stops in patches.items()],
        "proof": [
            {
                "name": name,
                "identifiers": [f"TEST-{index}"],
                "inputs": {"line": {"file": f"{name}.in"}},
                "crash": {"classes": [crash_class]},
                "fixed": {"exit": 0, "stdout_contains": "result"},
            }
            for index, (name, (_, crash_class)) in enumerate(proofs.items())
        ],
        "control": [
            {
                "name": "short-word",
                "inputs": {"line": {"file": "control.in"}},
                "exit": 0,
                "stdout_contains": "97",
            }
        ],
    }
    return {**content, **changes}


def write(
    directory: Path,
    source: str,
    patches: Mapping[str, str],
    proofs: Mapping[str, tuple[bytes, str]],
    stops: Mapping[str, list[str]] | None = None,
    **changes: Any,
) -> Path:
    """Lay out a program, patches (name → patched source or diff), proofs and the recipe; returns its path."""
    (directory / "program").mkdir()
    (directory / "program" / "program.c").write_text(source)
    for name, text in patches.items():
        (directory / f"{name}.patch").write_text(text if text.startswith("---") else diff(source, text))
    for name, (content, _) in proofs.items():
        (directory / f"{name}.in").write_bytes(content)
    (directory / "control.in").write_bytes(b"oab\n")
    claimed = stops or {name: list(proofs) for name in patches}
    path = directory / "recipe.toml"
    path.write_text(toml(document(claimed, proofs, **changes)))
    return path


def toml(content: Mapping[str, Any]) -> str:
    """A TOML document; JSON's strings, numbers and lists are TOML's, and tables are written inline."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in content.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
