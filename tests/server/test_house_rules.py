# SPDX-License-Identifier: Apache-2.0
"""The house linter: the server follows its rules, and each rule refuses what it is for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "house_lint.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house_lint", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house_lint"] = module
    spec.loader.exec_module(module)
    return module


lint = _load()


def test_the_server_follows_the_rules_of_the_house() -> None:
    bad, used = lint.look(lint.files())
    assert [str(each) for each in bad] == []
    assert [each for each in lint.EXCEPTIONS if each not in used] == [], "an exception that nothing needs"


def test_every_exception_has_a_reason() -> None:
    assert all(len(each.reason) > 3 for each in lint.EXCEPTIONS)


BAD = {
    "rows in a view": ("cases/views.py", "read", "rows = Case.objects.filter(state='open')"),
    "rows in an API": ("rest/cases.py", "read", "rows = Case.objects.all()"),
    "rows in an api module": ("cases/api.py", "read", "row = Case._default_manager.get(id=1)"),
    "rows in a template tag": ("web/templatetags/rows.py", "read", "rows = Case._base_manager.all()"),
    "rows in a query": ("cases/queries.py", "read", "rows = Case.objects.count()"),
    "rows in further views": ("cases/report_views.py", "read", "rows = Report.objects.first()"),
    "a related manager in a view": ("cases/views.py", "read", "rows = case.patches.all()"),
    "a write in a view": ("cases/views.py", "write", "case.save(update_fields=['state'])"),
    "a row made in a view": ("cases/views.py", "write", "Case.objects.create(title='x')"),
    "a row made by a relation": ("cases/queries.py", "write", "case.patches.filter().update(proved=True)"),
    "rows changed in a task": (
        "cases/rules.py",
        "write",
        "visible(actor, Case).filter(id=1).update(state='open')",
    ),
    "rows taken away": ("cases/evidence.py", "write", "Case.objects.filter(id=1).delete()"),
    "a row taken away": ("cases/evidence.py", "write", "case.delete()"),
    "many rows": ("cases/rules.py", "write", "Case.objects.bulk_create([])"),
    "many rows changed": ("cases/rules.py", "write", "Case.objects.bulk_update([], [])"),
    "a row found or made": ("web/pages.py", "write", "Case.objects.get_or_create(id=1)"),
    "a row changed or made": ("web/pages.py", "write", "Case.objects.update_or_create(id=1)"),
    "an act without an actor": (
        "cases/services.py",
        "act",
        "@act(Permission.X)\ndef do(*, case: str) -> None: ...",
    ),
    "an act with a positional actor": (
        "cases/services.py",
        "act",
        "@act(Permission.X)\ndef do(actor) -> None: ...",
    ),
    "a question that takes anything": (
        "cases/queries.py",
        "act",
        "@question\ndef ask(*, actor, **more): ...",
    ),
    "an act that fetches past the gate": (
        "cases/services.py",
        "fetch",
        "@act(Permission.X)\ndef do(*, actor, case):\n    return Case.objects.get(id=case)",
    ),
    "a lock": ("cases/services.py", "sql", "Case.objects.select_for_update()"),
    "a transaction": ("cases/services.py", "sql", "transaction.atomic()"),
    "SQL": ("cases/queries.py", "sql", "Case.objects.raw('SELECT 1')"),
    "a cursor": ("cases/views.py", "sql", "connection.cursor()"),
    "a manager in a template": (
        "cases/templates/cases/a.html",
        "template",
        "{% for p in case.patches.all %}{% endfor %}",
    ),
    "a manager in a tag": ("web/templates/web/a.html", "template", "{{ case.objects }}"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_code_is_refused(name: str) -> None:
    file, rule, text = BAD[name]
    found = lint.broken(file, text)
    assert rule in {each.rule for each in found}
    assert [each for each in found if each.rule == rule and not lint.exempt(each)], (
        "no exception may cover it"
    )


GOOD = {
    "rows by the gate": ("cases/views.py", "rows = visible(person, Case).filter(state='open').all()"),
    "a dictionary": ("cases/views.py", "context.update(title='x')\nseen = set()\nseen.add(1)"),
    "a digest": ("cases/evidence.py", "hashlib.sha256().update(b'x')"),
    "a key": ("cases/evidence.py", "signer.save(path)"),
    "any and all": ("cases/views.py", "all(x for x in y)"),
    "an act": (
        "cases/services.py",
        "@act(Permission.X)\ndef do(*, actor, case):\n    return access(actor, Case, id=case)",
    ),
    "an act that writes": ("members/services.py", "row.save(update_fields=['x'])"),
    "a handler": ("cases/services.py", "@on_letter('x')\ndef receive(letter):\n    Case.objects.get(id=1)"),
    "a list in a template": (
        "cases/templates/cases/a.html",
        "{% for row in rows %}{{ row.title }}{% endfor %}",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_code_passes(name: str) -> None:
    file, text = GOOD[name]
    assert [each for each in lint.broken(file, text) if not lint.exempt(each)] == []


def test_the_command_says_where_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main([]) == 0
    assert capsys.readouterr().out == ""
