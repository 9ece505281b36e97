# SPDX-License-Identifier: Apache-2.0
"""No licence (design rule 1): nothing can say that a model's release is approved, denied, cleared, held or conditional.

Executive Order 14409 §3(c) forbids turning review into licensing, preclearance or permitting. This walk collects every
name and sentence that this program can show or store, and looks for those words. Each exception is in `EXCEPTIONS` with
its place, its word and its reason; an exception that no longer matches anything fails, and so does a word without one.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import click
import pytest
from django.apps import apps
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver, path

import proofhouse
from proofhouse.cli import main
from proofhouse.letters import LETTER_TYPES, PREDICATE_SCHEMA
from proofhouse.server.engine.acts import ACTS, QUESTIONS
from proofhouse.server.engine.registry import LEDGER_KINDS
from proofhouse.server.web.views import home

SOURCE = Path(proofhouse.__file__).parent

ALWAYS = re.compile(
    r"approv\w*|deny|deni\w*|clearances?|cleared|preclear\w*|conditional\w*|licen[cs]\w*|permit\w*"
)
"""Words of licensing, wherever they stand."""

AS_A_STATE = re.compile(r"clear|clears|hold|holds|held|withheld|authori[sz]\w*")
"""Words that other things may bear (a directory holds files): looked for in every name, and in every sentence that
speaks of a model, a release, a review, a window, a determination or a label."""

SUBJECT = re.compile(r"\b(model|release|review|window|determination|label)s?\b", re.IGNORECASE)


class Place(NamedTuple):
    """Something that this program can show or store.

    Attributes:
        at: Where it stands, `kind:where`.
        text: What it says.
        prose: Whether it is a sentence; else it is a name or a value.
    """

    at: str
    text: str
    prose: bool = False


class Finding(NamedTuple):
    """A forbidden word at a place."""

    at: str
    word: str
    text: str


class Allowed(NamedTuple):
    """An exception: a pattern of places, a word, and the reason."""

    at: str
    word: str
    reason: str


# --- what is looked at ------------------------------------------------------------------------------------------------


def modules() -> list[ModuleType]:
    """Every module of the program."""
    found = [proofhouse]
    for entry in pkgutil.walk_packages(proofhouse.__path__, "proofhouse."):
        if ".migrations" not in entry.name:
            found.append(importlib.import_module(entry.name))  # noqa: PERF401 - importing is the work
    return found


def enum_places(where: Iterable[ModuleType]) -> Iterator[Place]:
    """Members of enums (also Django's choices), their values, and fields of dataclasses."""
    for module in where:
        for name, each in vars(module).items():
            if not inspect.isclass(each) or each.__module__ != module.__name__:
                continue
            at = f"{module.__name__.removeprefix('proofhouse.')}.{name}"
            yield Place(f"class:{at}", name)
            for inner in [each, *(value for value in vars(each).values() if inspect.isclass(value))]:
                if issubclass(inner, enum.Enum):
                    inside = at if inner is each else f"{at}.{inner.__name__}"
                    for member in inner:
                        yield Place(f"enum:{inside}.{member.name}", f"{member.name} {member.value}")
            if dataclasses.is_dataclass(each):
                for field in dataclasses.fields(each):
                    yield Place(f"field:{at}.{field.name}", field.name)
            if isinstance(code := getattr(each, "code", None), str):
                yield Place(f"code:{at}", code)


def model_places(where: Iterable[type[models.Model]]) -> Iterator[Place]:
    """Names of tables, columns and constraints, and their choices."""
    for model in where:
        at = f"{model._meta.app_label}.{model.__name__}"
        yield Place(f"model:{at}", f"{model.__name__} {model._meta.verbose_name} {model._meta.db_table}")
        for constraint in model._meta.constraints:
            yield Place(f"model:{at}:{constraint.name}", constraint.name)
        for field in model._meta.get_fields():
            yield Place(f"model:{at}.{field.name}", field.name)
            for value, label in getattr(field, "choices", None) or []:
                yield Place(f"model:{at}.{field.name}={value}", f"{value} {label}")


def schema_places(at: str, schema: Any) -> Iterator[Place]:
    """Property names, enum values and constants of a JSON Schema, however deep."""
    if isinstance(schema, Mapping):
        for name, part in schema.items():
            if name in ("properties", "$defs", "definitions", "patternProperties") and isinstance(
                part, Mapping
            ):
                for key, value in part.items():
                    yield Place(f"{at}.{key}", key)
                    yield from schema_places(f"{at}.{key}", value)
            elif name == "enum" and isinstance(part, list):
                yield from (Place(f"{at}={value}", value) for value in part if isinstance(value, str))
            elif name == "const" and isinstance(part, str):
                yield Place(f"{at}={part}", part)
            elif name in ("title", "description", "$comment") and isinstance(part, str):
                yield Place(f"{at}#{name}", part, prose=True)
            else:
                yield from schema_places(at, part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from schema_places(at, part)


def letter_places(types: Mapping[str, Any]) -> Iterator[Place]:
    """Letter types with their schemas and summaries."""
    yield from schema_places("letter:predicate", PREDICATE_SCHEMA)
    for spec in types.values():
        yield Place(f"letter:{spec.name}", spec.name)
        yield Place(f"letter:{spec.name}#summary", spec.summary, prose=True)
        yield from schema_places(f"letter:{spec.name}", spec.body)


def law_places(directory: Path) -> Iterator[Place]:
    """Our own schemas of the law data."""
    for file in sorted(directory.glob("*.json")):
        yield from schema_places(f"schema:{file.name}", json.loads(file.read_text(encoding="utf-8")))


def route_places(patterns: Iterable[Any], prefix: str = "") -> Iterator[Place]:
    """Every address and its name."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from route_places(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield Place(f"route:{route}", f"{route} {pattern.name}")


def template_places(root: Path) -> Iterator[Place]:
    """What the templates say, sentence by sentence."""
    for file in sorted(root.rglob("templates/**/*.html")):
        text = re.sub(r"{[{%].*?[%}]}|<[^>]*>", "\n", file.read_text(encoding="utf-8"))
        for sentence in _sentences(text):
            yield Place(f"template:{file.name}", sentence, prose=True)


def string_places(root: Path) -> Iterator[Place]:
    """Text in the code of desks, exam and demo: page texts, messages, problem codes. Docstrings are shown to nobody."""
    for room in ("server", "demo", "exam"):
        for file in sorted((root / room).rglob("*.py")):
            if "migrations" in file.parts:
                continue
            tree = ast.parse(file.read_text(encoding="utf-8"))
            silent = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                and node.body
                and isinstance(node.body[0], ast.Expr)
            }
            silent |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                    at = f"text:{file.relative_to(root)}"
                    if " " in node.value.strip():
                        yield from (Place(at, sentence, prose=True) for sentence in _sentences(node.value))
                    else:
                        yield Place(at, node.value)


def cli_places(command: click.Command, at: str = "proofhouse") -> Iterator[Place]:
    """Names, options, choices and help of every command."""
    yield Place(f"cli:{at}", command.name or "")
    for sentence in _sentences(command.help or ""):
        yield Place(f"cli:{at}#help", sentence, prose=True)
    for parameter in command.params:
        yield Place(f"cli:{at} {parameter.name}", " ".join([*parameter.opts, *parameter.secondary_opts]))
        if isinstance(parameter, click.Option) and parameter.help:
            yield Place(f"cli:{at} {parameter.name}#help", parameter.help, prose=True)
        if isinstance(parameter.type, click.Choice):
            yield from (
                Place(f"cli:{at} {parameter.name}={value}", str(value)) for value in parameter.type.choices
            )
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from cli_places(inner, f"{at} {name}")


def document_places(root: Path) -> Iterator[Place]:
    """What the README and the documents say; absent where only the package is installed."""
    for file in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        if file.exists():
            for sentence in _sentences(file.read_text(encoding="utf-8")):
                yield Place(f"document:{file.relative_to(root)}", sentence, prose=True)


def registry_places(kinds: Iterable[str], acts: Iterable[str], questions: Iterable[str]) -> Iterator[Place]:
    """Ledger kinds, acts and questions; permissions and roles are enums."""
    yield from (Place(f"ledger:{kind}", kind) for kind in kinds)
    yield from (Place(f"act:{name}", name) for name in acts)
    yield from (Place(f"question:{name}", name) for name in questions)


def everything() -> list[Place]:
    """All places of the program."""
    return [
        *enum_places(modules()),
        *model_places(each for each in apps.get_models() if each.__module__.startswith("proofhouse.")),
        *letter_places(LETTER_TYPES),
        *law_places(SOURCE / "law" / "schemas"),
        *route_places(get_resolver().url_patterns),
        *template_places(SOURCE / "server"),
        *string_places(SOURCE),
        *cli_places(main),
        *registry_places(LEDGER_KINDS, ACTS, QUESTIONS),
        *document_places(SOURCE.parents[1]),
    ]


# --- looking ----------------------------------------------------------------------------------------------------------


def _sentences(text: str) -> list[str]:
    joined = re.sub(r"[ \t]*\n[ \t]*(?=\S)", " ", text) if "\n\n" not in text else text.replace("\n\n", ". ")
    return [sentence.strip() for sentence in re.split(r"(?<=[.;!?])\s+|\n", joined) if sentence.strip()]


def _words(text: str) -> list[str]:
    """Words of a name or sentence, lower case: split at case changes, underscores and everything else but hyphens."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return [word for part in re.split(r"[^A-Za-z]+", spaced) if (word := part.lower())]


def findings(places: Iterable[Place]) -> list[Finding]:
    """Forbidden words in some places."""

    def forbidden(word: str, place: Place) -> bool:
        strict = not place.prose or bool(SUBJECT.search(place.text))
        return bool(ALWAYS.fullmatch(word) or (strict and AS_A_STATE.fullmatch(word)))

    return [
        Finding(place.at, word, place.text)
        for place in places
        for word in _words(place.text)
        if forbidden(word, place)
    ]


_TLP = "Traffic Light Protocol 2.0 names its widest circle so; it marks who may read something"
_ORDER = "a letter that waits for an earlier one of its thread"
_PATCH = "the director authorises a patch for members' machines; its subject is no model"

_TOY = "a payment in a toy task of the exam, never a model's release"
EXCEPTIONS: tuple[Allowed, ...] = (
    Allowed("text:exam/families/model_limits.py", "approval", _TOY),
    Allowed("text:exam/families/model_limits.py", "hold", _TOY),
    Allowed("text:exam/families/model_limits.py", "approved", _TOY),
    Allowed("text:exam/families/model_limits.py", "approve", _TOY),
    Allowed("text:exam/families/model_limits.py", "approvals", _TOY),
    Allowed("document:docs/families/model.misuse.md", "approved", _TOY),
    Allowed("document:docs/families/model.misuse.md", "approvals", _TOY),
    Allowed("document:docs/families/model.misuse.md", "approval", _TOY),
    Allowed("document:docs/families/model.md", "approval", _TOY),
    Allowed("document:docs/families/model.md", "approvals", _TOY),
    Allowed("document:docs/exam.md", "approval", _TOY),
    Allowed("document:docs/families/ics.*.md", "cleared", "a register of a toy controller"),
    Allowed("text:server/rest/door.py", "authorization", "the HTTP header of that name (RFC 9110)"),
    Allowed("text:server/cases/vince.py", "authorization", "the HTTP header of that name (RFC 9110)"),
    Allowed("text:server/report_cli.py", "authorization", "the HTTP header of that name (RFC 9110)"),
    Allowed("enum:server.accounts.marks.Mark.CLEAR", "clear", _TLP),
    Allowed("model:accounts.*.mark=TLP:CLEAR", "clear", _TLP),
    Allowed("text:server/accounts/marks.py", "clear", _TLP),
    Allowed("letter:*.tlp=TLP:CLEAR", "clear", _TLP),
    Allowed("text:server/advisories/services.py", "clear", _TLP),
    Allowed("text:server/releases/services.py", "clear", _TLP),
    Allowed("enum:server.engine.models.Letter.State.HELD", "held", _ORDER),
    Allowed("model:engine.Letter.state=held", "held", _ORDER),
    Allowed("text:server/engine/models.py", "held", _ORDER),
    Allowed("ledger:release.authorise", "authorise", _PATCH),
    Allowed("text:server/engine/registry.py", "authorise", _PATCH),
    Allowed("text:server/oversight/export.py", "authorise", _PATCH),
    Allowed("text:server/releases/services.py", "authorise", _PATCH),
    Allowed("text:server/releases/models.py", "authorised", _PATCH),
    Allowed("text:server/releases/views.py", "authorised", _PATCH),
    Allowed("model:releases.Release.authorised_at", "authorised", _PATCH),
    Allowed("document:docs/spec/manifest.md", "authorise", _PATCH),
    Allowed("field:agent.policy.Member.hold", "hold", "a member holds a patch back on its own machines"),
    Allowed("text:server/settings.py", "deny", "value of the HTTP header X-Frame-Options"),
    Allowed("text:exam/families/_mem_bugs.py", "clear", "a function of a generated C program"),
    Allowed("cli:proofhouse law lint release#help", "hold", "a release of our law data"),
    Allowed("document:docs/spec/law-data.md", "holds", "a release of our law data"),
    Allowed("document:README.md", "licensing", "says the opposite: no licensing of any kind"),
    Allowed("document:docs/*", "licence", "under what terms a dependency or a schema may be used"),
    Allowed("document:docs/*", "licences", "under what terms a dependency or a schema may be used"),
)


def allowed_by(finding: Finding) -> list[Allowed]:
    """The exceptions that a finding falls under."""
    return [each for each in EXCEPTIONS if fnmatchcase(finding.at, each.at) and finding.word == each.word]


# --- the claims -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def places() -> list[Place]:
    return everything()


def test_nothing_here_can_license_a_models_release(places: list[Place]) -> None:
    assert [finding for finding in findings(places) if not allowed_by(finding)] == []


def test_every_exception_still_matches_something_and_has_a_reason(places: list[Place]) -> None:
    used = {each for finding in findings(places) for each in allowed_by(finding)}
    assert [each for each in EXCEPTIONS if each not in used] == []
    assert all(each.reason for each in EXCEPTIONS)


def test_the_walk_reaches_every_kind_of_place(places: list[Place]) -> None:
    counted: dict[str, int] = {}
    for place in places:
        counted[place.at.partition(":")[0]] = counted.get(place.at.partition(":")[0], 0) + 1
    for kind, fewest in {
        "enum": 100,
        "field": 100,
        "code": 10,
        "model": 100,
        "letter": 100,
        "schema": 50,
        "route": 15,
        "template": 5,
        "text": 500,
        "cli": 50,
        "ledger": 30,
        "act": 25,
        "question": 15,
        "document": 50,
    }.items():
        assert counted.get(kind, 0) >= fewest, kind


@pytest.mark.parametrize("known", [
    "enum:server.reviews.rules.InquiryState.CLOSED",
    "model:reviews.Inquiry.state=closed",
    "letter:window-closed.reason=term-ended",
    "letter:notice.label=covered-frontier-model",
    "route:reviews/register/",
    "template:base.html",
    "enum:server.accounts.permissions.Permission.AUTHORITY_DETERMINATION_MAKE",
    "ledger:determination.make",
    "cli:proofhouse demo model",
])  # fmt: skip
def test_the_walk_reaches_the_places_where_a_licence_would_stand(places: list[Place], known: str) -> None:
    assert known in {place.at for place in places}


# --- mutants: a planted word is found in a copy of each kind of place -------------------------------------------------


def words_in(places: Iterable[Place]) -> set[str]:
    return {finding.word for finding in findings(places) if not allowed_by(finding)}


WORDS = (
    "approved", "approval", "denied", "cleared", "clearance", "clear", "held", "hold", "on_hold", "conditional",
    "licence", "license", "licensed", "permit", "permitted", "preclearance", "authorised", "authorization",
)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_planted_state_is_found(word: str) -> None:
    module = ModuleType("proofhouse.server.reviews.planted")
    members = [("OPEN", "open"), (word.upper(), word)]
    vars(module)["ReleaseState"] = enum.Enum("ReleaseState", members, module=module.__name__)
    assert words_in(enum_places([module])) == {word.removeprefix("on_")}


@pytest.mark.parametrize("word", WORDS)
def test_a_planted_letter_value_is_found(word: str) -> None:
    closed = next(spec for spec in LETTER_TYPES.values() if spec.name == "window-closed")
    body = json.loads(json.dumps(closed.body))
    body["properties"]["reason"]["enum"].append(word)
    mutant = dataclasses.replace(closed, body=body)
    assert words_in(letter_places({mutant.predicate_type: mutant})) == {word.removeprefix("on_")}
    assert words_in(letter_places({closed.predicate_type: closed})) == set()


@pytest.mark.parametrize("word", WORDS)
def test_a_planted_sentence_in_a_template_is_found(word: str, tmp_path: Path) -> None:
    page = (SOURCE / "server" / "web" / "templates" / "web" / "page.html").read_text(encoding="utf-8")
    (tmp_path / "web" / "templates").mkdir(parents=True)
    copy = tmp_path / "web" / "templates" / "page.html"
    copy.write_text(page, encoding="utf-8")
    assert words_in(template_places(tmp_path)) == set()
    copy.write_text(
        page.replace("<h1>", f"<p>This model is {word.replace('_', ' ')}.</p><h1>"), encoding="utf-8"
    )
    assert words_in(template_places(tmp_path)) == {word.removeprefix("on_")}


def test_planted_names_of_every_other_kind_are_found(tmp_path: Path) -> None:
    @click.command(name="clear", help="Say that a release is conditional.")
    @click.option("--permit", type=click.Choice(["approve", "deny"]), help="Whether the model is held.")
    def planted(permit: str) -> None: ...

    assert words_in(cli_places(planted)) == {"clear", "conditional", "permit", "approve", "deny", "held"}
    assert words_in(route_places([path("reviews/<uuid:inquiry>/approve/", home, name="approve")])) == {
        "approve"
    }
    assert words_in(registry_places(["model.clear"], ["reviews.deny"], ["reviews.licences"])) == {
        "clear",
        "deny",
        "licences",
    }
    (tmp_path / "schema.json").write_text('{"properties": {"approved_at": {"enum": ["denied"]}}}')
    assert words_in(law_places(tmp_path)) == {"approved", "denied"}
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "views.py").write_text(
        '"""Approved docstrings are shown to nobody."""\nSTATE = "approved"\n'
    )
    assert words_in(string_places(tmp_path)) == {"approved"}
    (tmp_path / "README.md").write_text("A model may be released once the office has cleared it.\n")
    assert words_in(document_places(tmp_path)) == {"cleared"}


def test_a_planted_column_is_found() -> None:
    class Mutant(models.Model):
        """A copy of a determination with a column too many."""

        approved = models.BooleanField()
        state = models.CharField(max_length=9, choices=[("held", "Held")])

        class Meta:
            app_label = "planted"

    try:
        assert words_in(model_places([Mutant])) == {"approved", "held"}
    finally:
        del apps.all_models["planted"]
        apps.clear_cache()


def test_words_that_only_sound_alike_are_left_alone() -> None:
    harmless = "clearinghouse household authority unauthenticated beholden"
    assert words_in([Place("enum:any", harmless)]) == set()
    assert words_in([Place("text:any", "The directory holds something else.", prose=True)]) == set()
    assert words_in([Place("text:any", "The review holds something else.", prose=True)]) == {"holds"}
