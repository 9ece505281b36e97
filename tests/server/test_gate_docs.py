# SPDX-License-Identifier: Apache-2.0
"""The table of the gate in the documents is drawn from the rules, and says what the reference says."""

from __future__ import annotations

from pathlib import Path

import pytest

import proofhouse
from proofhouse.server.accounts.marks import CASE_OF, Mark
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.accounts.table import _cell, _sufficing, desk_of, redraw, table
from proofhouse.server.cases.models import Case, Report
from proofhouse.server.exams.models import Seal
from server.gate_world import KINDS, Actor, Matter, Need, may_see

PAGE = Path(proofhouse.__file__).parents[2] / "docs" / "gate.md"


def test_the_documents_hold_the_table_as_the_rules_have_it_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert redraw(text) == text, "run python -m proofhouse.server.accounts.table docs/gate.md"
    assert table() in text


def test_a_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no"):
        redraw("# A page\n")


@pytest.mark.parametrize("mark", Mark)
@pytest.mark.parametrize("model", [Case, Report, Seal])
def test_each_cell_of_the_table_says_what_the_reference_says(model: type, mark: Mark) -> None:
    label, kind = model._meta.label, KINDS[model]  # type: ignore[attr-defined]
    assert desk_of(label) == kind.desk
    matters = (Matter(mark, None, frozenset({"clinic"})),)
    need = (Need(0, 1, withdrawn=False, receipt=True),)
    sorts = [(frozenset({role}), frozenset[str]()) for role in Role]
    sorts += [(frozenset(), frozenset({"clinic"})), (frozenset(), frozenset())]
    for roles, hosted in sorts:
        cell = _cell(
            _sufficing(
                CASE_OF[label], mark, inside=bool(roles), hosted=bool(hosted), at_desk=bool(roles & kind.desk)
            )
        )
        without = may_see(Actor(True, roles, hosted, (), ()), kind, 0, matters)
        with_grant = may_see(Actor(True, roles, hosted, need, ()), kind, 0, matters)
        assert without is (cell not in ("–", "grant")), (roles, hosted, cell)
        assert with_grant is (cell != "–"), (roles, hosted, cell)
