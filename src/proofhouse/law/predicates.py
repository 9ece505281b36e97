# SPDX-License-Identifier: Apache-2.0
"""Applicability tests: a small part of CEL, evaluated three-valued, that can explain itself.

A predicate is CEL text without functions, macros or arithmetic: facts, named values (``v.``), named
definitions (``d.``), comparisons, ``in``, ``&&``, ``||`` and ``!``. The Rust engine of
``common-expression-language`` decides. A missing fact is an error to CEL, and CEL's ``&&`` and ``||`` absorb
an error on either side when the other side decides; that is Kleene's logic, with the error as *unknown*,
whatever the order of the terms.
``has()`` is refused because it would turn a missing fact into *no*.

For the explanation each comparison is evaluated alone and joined by Kleene's rules; the two ways must agree.

Source: CEL specification, "Logical operators"; S. C. Kleene, *Introduction to Metamathematics* §64.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cel

from proofhouse.law.errors import PredicateRefused
from proofhouse.law.facts import FactSet, FactType, Vocabulary

MAX_LENGTH: Final = 1_000
MAX_NESTING: Final = 8
MAX_TESTS: Final = 64

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|\[|\]|,)
      |(?P<string>"[A-Za-z0-9_ .-]{0,80}")
      |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)
      |(?P<word>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?))""",
    re.VERBOSE,
)
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_ORDERED = frozenset({"<", "<=", ">", ">="})


class Truth(enum.StrEnum):
    """Three values; unknown is an answer of its own."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


def all_of(values: list[Truth]) -> Truth:
    """Kleene's *and*."""
    seen = set(values)
    if Truth.FALSE in seen:
        return Truth.FALSE
    return Truth.UNKNOWN if Truth.UNKNOWN in seen else Truth.TRUE


def any_of(values: list[Truth]) -> Truth:
    """Kleene's *or*."""
    seen = set(values)
    if Truth.TRUE in seen:
        return Truth.TRUE
    return Truth.UNKNOWN if Truth.UNKNOWN in seen else Truth.FALSE


def truth_of(said: bool | None) -> Truth:
    """Return what was said as a truth value; None, nothing said, is unknown."""
    if said is None:
        return Truth.UNKNOWN
    return Truth.TRUE if said else Truth.FALSE


def negation(value: Truth) -> Truth:
    """Kleene's *not*."""
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(value, Truth.UNKNOWN)


@dataclass(frozen=True)
class Explanation:
    """One node of the tree that says why a predicate came out as it did."""

    text: str
    """The expression, values written in."""
    kind: str
    """``and``, ``or``, ``not``, ``test`` or ``definition``."""
    truth: Truth
    facts: tuple[tuple[str, Any], ...] = ()
    """The facts that a test read, with their values; a missing one is absent."""
    missing: tuple[str, ...] = ()
    """The facts that a test lacked."""
    name: str = ""
    """Name of the definition that stands here."""
    children: tuple[Explanation, ...] = ()

    def open_questions(self) -> tuple[str, ...]:
        """Return the missing facts that could still decide this node, first come first, each once."""
        if self.truth is not Truth.UNKNOWN:
            return ()
        found = list(self.missing)
        for child in self.children:
            found.extend(child.open_questions())
        return tuple(dict.fromkeys(found))

    def decisive_facts(self) -> tuple[tuple[str, Any], ...]:
        """Return the facts behind the result: of the children that agree with it, each once."""
        found = dict(self.facts)
        for child in self.children:
            agrees = negation(child.truth) if self.kind == "not" else child.truth
            if agrees is self.truth:
                found.update(child.decisive_facts())
        return tuple(found.items())

    def to_record(self) -> dict[str, Any]:
        """Return the tree as JSON values."""
        record: dict[str, Any] = {"text": self.text, "kind": self.kind, "truth": self.truth.value}
        if self.name:
            record["name"] = self.name
        if self.facts:
            record["facts"] = dict(self.facts)
        if self.missing:
            record["missing"] = list(self.missing)
        if self.children:
            record["children"] = [child.to_record() for child in self.children]
        return record


@dataclass(frozen=True)
class _Node:
    kind: str
    text: str
    children: tuple[_Node, ...] = ()
    facts: tuple[str, ...] = ()
    name: str = ""

    def tests(self) -> Iterator[_Node]:
        if self.kind == "test":
            yield self
        for child in self.children:
            yield from child.tests()


@lru_cache(maxsize=8192)
def _program(text: str) -> cel.Program:
    return cel.compile(text)


def _run(text: str, facts: FactSet) -> Truth:
    try:
        result = _program(text).execute(facts.context)
    except KeyError:
        return Truth.UNKNOWN
    if not isinstance(result, bool):
        raise PredicateRefused(f"{text!r} gave {result!r}, not true or false")
    return truth_of(result)


def _not_first(truths: list[Truth]) -> Truth:
    return negation(truths[0])


def _explain(node: _Node, facts: FactSet) -> Explanation:
    if node.kind == "test":
        held = tuple((name, facts.get(name)) for name in node.facts if facts.has(name))
        missing = tuple(name for name in node.facts if not facts.has(name))
        return Explanation(node.text, "test", _run(node.text, facts), held, missing)
    children = tuple(_explain(child, facts) for child in node.children)
    join = {"not": _not_first, "or": any_of}.get(node.kind, all_of)  # a definition has one child
    truth = join([child.truth for child in children])
    return Explanation(node.text, node.kind, truth, name=node.name, children=children)


class Predicate:
    """A compiled test over facts.

    Args:
        source: the expression as the law file writes it.
        vocabulary: the facts that may be named, with their types.
        values: numbers that ``v.name`` stands for.
        definitions: predicates that ``d.name`` stands for.

    Raises:
        PredicateRefused: outside the language, too long or deep, an unknown name, or types that do not fit.
    """

    def __init__(
        self,
        source: str,
        vocabulary: Vocabulary,
        values: Mapping[str, float | int] | None = None,
        definitions: Mapping[str, Predicate] | None = None,
    ) -> None:
        self.source = source
        self._root = _Parser(source, vocabulary, values or {}, definitions or {}).parse()
        self.cel = self._root.text
        """The whole expression as plain CEL, values and definitions written in."""
        tests = list(self._root.tests())
        if len(tests) > MAX_TESTS:
            raise PredicateRefused(
                f"{source!r}: more than {MAX_TESTS} comparisons once definitions are written in"
            )
        self.facts = tuple(dict.fromkeys(name for test in tests for name in test.facts))
        """Dotted names of all facts that can matter."""
        try:
            _program(self.cel)
        except ValueError as error:
            raise PredicateRefused(f"{source!r}: {error}") from error

    def evaluate(self, facts: FactSet) -> Truth:
        """Decide; missing facts give ``UNKNOWN`` unless the rest decides without them."""
        return _run(self.cel, facts)

    def explain(self, facts: FactSet) -> Explanation:
        """Decide and say why, as a tree that mirrors the expression."""
        return _explain(self._root, facts)


class _Parser:
    def __init__(
        self,
        source: str,
        vocabulary: Vocabulary,
        values: Mapping[str, float | int],
        definitions: Mapping[str, Predicate],
    ) -> None:
        if len(source) > MAX_LENGTH:
            raise PredicateRefused(f"expression longer than {MAX_LENGTH} characters; use a definition")
        self._source = source
        self._vocabulary = vocabulary
        self._values = values
        self._definitions = definitions
        self._tokens = list(self._split())
        self._at = 0

    def _refuse(self, reason: str) -> PredicateRefused:
        return PredicateRefused(f"{self._source!r}: {reason}")

    def _split(self) -> Iterator[tuple[str, str]]:
        position = 0
        text = self._source.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._refuse(f"cannot read {text[position : position + 20]!r}")
            kind = match.lastgroup or "op"
            word = match[kind]
            yield ("op", word) if word == "in" else (kind, word)
            position = match.end()

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, expected: str | None = None) -> tuple[str, str]:
        token = self._peek()
        if expected is not None and token[1] != expected:
            raise self._refuse(f"expected {expected!r}, found {token[1] or 'the end'!r}")
        self._at += 1
        return token

    def parse(self) -> _Node:
        node = self._or(0)
        if self._peek()[0] != "end":
            raise self._refuse(f"cannot read on at {self._peek()[1]!r}")
        return node

    def _or(self, depth: int) -> _Node:
        parts = [self._and(depth)]
        while self._peek()[1] == "||":
            self._take()
            parts.append(self._and(depth))
        return parts[0] if len(parts) == 1 else _joined("or", parts)

    def _and(self, depth: int) -> _Node:
        parts = [self._unary(depth)]
        while self._peek()[1] == "&&":
            self._take()
            parts.append(self._unary(depth))
        return parts[0] if len(parts) == 1 else _joined("and", parts)

    def _unary(self, depth: int) -> _Node:
        if depth > MAX_NESTING:
            raise self._refuse(f"nested deeper than {MAX_NESTING} levels")
        word = self._peek()[1]
        if word == "!":
            self._take()
            inner = self._unary(depth + 1)
            return _Node("not", f"!({inner.text})", (inner,))
        if word == "(":
            self._take()
            inner = self._or(depth + 1)
            self._take(")")
            return inner
        return self._test()

    def _test(self) -> _Node:
        kind, word = self._peek()
        if kind == "word" and word.startswith("d."):
            self._take()
            definition = self._definitions.get(word[2:])
            if definition is None:
                raise self._refuse(f"no definition {word!r}; define it before it is used")
            inner = definition._root
            return _Node("definition", inner.text, (inner,), name=word[2:])
        left, left_type, left_fact = self._operand()
        if self._peek()[1] not in _RELATIONS:
            if left_type is not FactType.BOOL or not left_fact:
                raise self._refuse(f"{left!r} is not a yes-or-no fact")
            return _Node("test", left, facts=(left_fact,))
        relation = self._take()[1]
        right, right_type, right_fact = self._operand()
        self._check_types(relation, left_type, right_type)
        facts = tuple(name for name in (left_fact, right_fact) if name)
        if not facts:
            raise self._refuse("a comparison must read a fact")
        return _Node("test", f"{left} {relation} {right}", facts=facts)

    def _check_types(self, relation: str, left: FactType, right: FactType) -> None:
        numbers = {FactType.INT, FactType.DOUBLE}
        if relation == "in":
            fits = left is FactType.STRING and right is FactType.LIST
        elif relation in _ORDERED:
            fits = left is right and left in numbers
        else:
            fits = left is right and left is not FactType.LIST
        if not fits:
            raise self._refuse(f"cannot compare {left.value} with {right.value} by {relation!r}")

    def _operand(self) -> tuple[str, FactType, str]:
        kind, word = self._take()
        if kind == "string":
            return word, FactType.STRING, ""
        if kind == "op" and word == "[":
            return self._list(), FactType.LIST, ""
        if kind == "number":
            raise self._refuse(f"write {word} as a named value (v.…) with its locator")
        if kind == "word" and word in {"true", "false"}:
            raise self._refuse("constants have no place in a test")
        if kind == "word" and word.startswith("v."):
            value = self._values.get(word[2:])
            if value is None:
                raise self._refuse(f"no value {word!r} in this version")
            if isinstance(value, float):
                return repr(value), FactType.DOUBLE, ""
            return str(value), FactType.INT, ""
        if kind == "word" and "." in word:
            fact_type = self._vocabulary.type_of(word)
            if fact_type is None:
                raise self._refuse(f"{word!r} is not in the fact vocabulary (facts.yaml)")
            return word, fact_type, word
        raise self._refuse(f"cannot use {word or 'the end'!r} here")

    def _list(self) -> str:
        items: list[str] = []
        while True:
            kind, word = self._take()
            if kind != "string":
                raise self._refuse("a list holds strings only")
            items.append(word)
            if self._peek()[1] == "]":
                self._take()
                return "[" + ", ".join(items) + "]"
            self._take(",")


def _joined(kind: str, parts: list[_Node]) -> _Node:
    sign = " && " if kind == "and" else " || "
    texts = []
    for part in parts:
        inner = part
        while inner.kind == "definition":
            inner = inner.children[0]
        texts.append(f"({part.text})" if inner.kind in {"and", "or"} else part.text)
    return _Node(kind, sign.join(texts), tuple(parts))
