#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/house_lint.py [FILE…]  Rules of this house that no general linter knows; without files, the whole server.

    read     what shows rows takes them from `visible` or `access`: no `.objects`, no related manager's `.all()`
    write    rows are written in `services.py`, by acts
    act      an act and a question take keyword-only arguments, an actor among them
    fetch    an act fetches what it is told of through the gate, as its actor
    sql      locks, transactions and SQL of one's own belong to the engine
    template a template asks no manager

An exception stands in `EXCEPTIONS` with its reason; one that no longer meets anything is refused as well.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "src" / "proofhouse" / "server"

MANAGERS = frozenset({"objects", "_default_manager", "_base_manager"})
WRITES = frozenset(
    {
        "acreate", "adelete", "asave", "aupdate", "bulk_create", "bulk_update", "create", "delete", "get_or_create",
        "save", "update", "update_or_create",
    }
)  # fmt: skip
OF_MANY = frozenset({"update", "delete", "create"})
"""Names that other things bear as well (a dictionary is updated); they count where a chain of rows ends in one."""
ROWS = frozenset({"all", "exclude", "filter", "order_by", "select_related", "visible", *MANAGERS})
READS = frozenset(
    {"all", "exclude", "filter", "first", "get", "in_bulk", "last", "latest", "order_by", "values"}
)
ENGINE_ONLY = frozenset({"atomic", "cursor", "extra", "raw", "select_for_update"})


class Finding(NamedTuple):
    """One place where a rule is broken."""

    file: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.what}"


class Exempt(NamedTuple):
    """An exception: files, the rule, a part of what is found there (empty for all), and the reason."""

    files: str
    rule: str
    part: str
    reason: str


EXCEPTIONS: tuple[Exempt, ...] = (
    Exempt(
        "engine/*", "write", "", "the engine carries acts: entries, letters, deadlines, marks of time, jobs"
    ),
    Exempt("engine/*", "sql", "", "the engine gives an act its turn and its transaction"),
    Exempt(
        "correspondence/queries.py",
        "read",
        "Thread.objects",
        "a rule of the gate itself: who is party to a case",
    ),
    Exempt("accounts/casefiles.py", "write", "", "part of other desks' acts; refuses to run outside of one"),
    Exempt(
        "accounts/openings.py",
        "write",
        "",
        "the audit of reading: written by whoever looks, outside of any act",
    ),
    Exempt(
        "accounts/models.py", "write", "", "enters the own organisation the first time that it is asked for"
    ),
    Exempt("opening.py", "*", "", "enters the first people of a new house, before anybody can act in it"),
    Exempt(
        "obligations/running.py", "write", "", "what deadlines and acts of the desk compute from its records"
    ),
    Exempt(
        "obligations/views.py", "read", "objects", "a calendar program has no session: the token is the key"
    ),
    Exempt(
        "accounts/emergencies.py",
        "write",
        "",
        "who enters by a broken glass has no session yet; deadline's handler",
    ),
    Exempt(
        "accounts/entering.py",
        "*",
        "",
        "who takes up an invitation is nobody yet: an act of the house itself",
    ),
    Exempt("accounts/sessions.py", "write", "", "ends sessions: part of acts, and of one's own signing out"),
    Exempt("accounts/tokens.py", "write", "", "notes when a token was last used, outside of any act"),
    Exempt("accounts/views.py", "read", "objects", "sign-in: there is no person yet whose eyes it could be"),
    Exempt("obligations/*_views.py", "read", ".all()", "the desk is open to a person wholly or not at all"),
    Exempt("obligations/views.py", "read", ".all()", "the desk is open to a person wholly or not at all"),
    Exempt(
        "obligations/running.py", "sql", "atomic", "runs in the sweeper's turn when the law's edition changed"
    ),
    Exempt("obligations/*services.py", "fetch", "", "the desk is open to a person wholly or not at all"),
    Exempt("obligations/templates/*", "template", "", "the desk is open to a person wholly or not at all"),
    Exempt(
        "accounts/services.py", "fetch", "", "whether a recusal or a grant stands, whoever may know of it"
    ),
    Exempt("exams/services.py", "fetch", "Seal", "a second seal is refused whoever made the first"),
    Exempt(
        "members/services.py", "fetch", "", "every member is told of what touches it, once, whoever matches"
    ),
    Exempt(
        "releases/services.py", "fetch", "", "keys, houses and repositories of the house itself, of no case"
    ),
    Exempt("*/tasks.py", "write", "", "a step of a job, in the transaction of the engine's marker"),
    Exempt(
        "oversight/services.py", "fetch", "Job", "whether a job for this request is under way, whoever asked"
    ),
    Exempt("correspondence/services.py", "fetch", "", "whether a name is taken, whoever may know of it"),
    Exempt(
        "engine/services.py", "fetch", "", "houses, and the row that access gave already, locked for the act"
    ),
    Exempt("reviews/services.py", "fetch", "Inquiry", "the notice goes to the developer, whoever decides"),
    Exempt("*services.py", "write", "", "acts"),
)


# --- what counts ------------------------------------------------------------------------------------------------------


def shows(file: str) -> bool:
    """Whether a file of the server hands rows to people or programs."""
    path = Path(file)
    rooms = {"api", "rest", "templatetags"}
    return (
        bool(rooms & set(path.parts))
        or path.stem in {"api", "queries", "views"}
        or path.stem.endswith("_views")
    )


def chain(node: ast.AST) -> list[str]:
    """The names along a chain of attributes and calls, outermost first: `a.filter().update` is update, filter, a."""
    names = []
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return [*names, node.id] if isinstance(node, ast.Name) else names


def reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Rows that are reached past the gate."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
            yield node.lineno, f"{ast.unparse(node)}: take rows from visible(actor, …)"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, *before = chain(node)
            if name == "all" and not {"visible", *MANAGERS} & set(before):
                yield node.lineno, f"{ast.unparse(node)}: a related manager asks no gate"


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Rows that are written."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, *before = chain(node)
        if name in WRITES and (name not in OF_MANY or ROWS & set(before)) and not _is_a_key(node):
            yield node.lineno, f".{name}(…): an act in services.py writes"
        elif name == "delete" and not node.args and not node.keywords:
            yield node.lineno, ".delete(): an act in services.py writes"


def _is_a_key(node: ast.Call) -> bool:
    """Whether it is a key or another file that is saved somewhere, and no row."""
    return chain(node)[0] == "save" and bool(node.args)


def acts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Acts and questions without a keyword-only actor."""
    for node in _decorated(tree, {"act", "question"}):
        arguments = node.args
        loose = arguments.posonlyargs or arguments.args or arguments.vararg or arguments.kwarg
        if loose or "actor" not in {each.arg for each in arguments.kwonlyargs}:
            yield node.lineno, f"{node.name}: keyword-only arguments, an actor among them"


def fetches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Acts that read rows behind the gate's back."""
    for node in _decorated(tree, {"act", "question"}):
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                name, *before = chain(call)
                if name in READS and before[:1] and before[0] in MANAGERS:
                    yield (
                        call.lineno,
                        f"{node.name}: {ast.unparse(call)[:80]}: take rows from visible(actor, …)",
                    )


def engine_only(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Transactions, locks and SQL."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ENGINE_ONLY
        ):
            yield node.lineno, f".{node.func.attr}(…): the engine does that"


def _decorated(tree: ast.AST, names: set[str]) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for each in node.decorator_list:
                called = each.func if isinstance(each, ast.Call) else each
                if isinstance(called, ast.Name) and called.id in names:
                    yield node


# --- looking ----------------------------------------------------------------------------------------------------------


def broken(file: str, text: str) -> list[Finding]:
    """Every rule that a file of the server breaks, before exceptions.

    Args:
        file: Its path below `src/proofhouse/server`.
        text: What stands in it.
    """
    if file.endswith(".html"):
        return [
            Finding(
                file,
                text[: found.start()].count("\n") + 1,
                "template",
                f"{found.group()}: a view asks, not a page",
            )
            for found in re.finditer(r"{[{%][^}%]*\.(?:objects|all|_default_manager)\b[^}%]*[}%]}", text)
        ]
    tree = ast.parse(text)
    rules = [("write", writes), ("act", acts), ("fetch", fetches), ("sql", engine_only)]
    if shows(file):
        rules.append(("read", reads))
    return [Finding(file, line, rule, what) for rule, look in rules for line, what in look(tree)]


def exempt(finding: Finding) -> list[Exempt]:
    """The exceptions that a finding falls under."""
    return [
        each
        for each in EXCEPTIONS
        if fnmatchcase(finding.file, each.files)
        and each.rule in (finding.rule, "*")
        and each.part in finding.what
    ]


def files() -> Iterator[Path]:
    """Everything of the server that people write."""
    for path in sorted(SERVER.rglob("*")):
        if path.suffix in {".py", ".html"} and "migrations" not in path.parts:
            yield path


def look(paths: Iterable[Path]) -> tuple[list[Finding], set[Exempt]]:
    """What is broken in some files without an exception, and the exceptions that were needed."""
    bad: list[Finding] = []
    used: set[Exempt] = set()
    for path in paths:
        for finding in broken(path.relative_to(SERVER).as_posix(), path.read_text(encoding="utf-8")):
            excused = exempt(finding)
            used.update(excused)
            if not excused:
                bad.append(finding)
    return bad, used


def main(arguments: list[str]) -> int:
    """Print what is broken; 0 is nothing."""
    bad, used = look([Path(each).resolve() for each in arguments] or files())
    idle = [] if arguments else [each for each in EXCEPTIONS if each not in used]
    for finding in bad:
        sys.stdout.write(f"src/proofhouse/server/{finding}\n")
    for each in idle:
        sys.stdout.write(
            f"scripts/house_lint.py: exception without use: {each.files} {each.rule} ({each.reason})\n"
        )
    return 1 if bad or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
