# SPDX-License-Identifier: Apache-2.0
"""The table role by mark by relation, drawn from the rules.

    DJANGO_SETTINGS_MODULE=proofhouse.server.settings python -m proofhouse.server.accounts.table docs/gate.md

rewrites what stands between the two marks of that file; a test holds it equal.
"""

from __future__ import annotations

import sys
from pathlib import Path

import django
from django.apps import apps

from proofhouse.server.accounts.marks import CASE_OF, OPENS, Filed, Mark, Tie
from proofhouse.server.accounts.permissions import Role

BEGIN, END = "<!-- drawn from the rules: begin -->", "<!-- drawn from the rules: end -->"

_SHORT = {
    Tie.DESK: "desk",
    Tie.NAMED_INSIDE: "grant",
    Tie.NAMED_OUTSIDE: "grant",
    Tie.PARTY: "party",
    Tie.COMMUNITY: "everybody with a role",
    Tie.SIGNED_IN: "everybody",
}


def _sufficing(filed: Filed, mark: Mark, *, inside: bool, hosted: bool, at_desk: bool) -> list[Tie]:
    """The ties that open material of a kind with a mark to one sort of person, each of them alone."""
    ties = []
    if at_desk:
        ties.append(Tie.DESK)
    if at_desk or not filed.sealed:
        ties.append(Tie.NAMED_INSIDE if inside else Tie.NAMED_OUTSIDE)
    if filed.party and hosted:
        ties.append(Tie.PARTY)
    if filed.shared and (inside or hosted):
        ties.append(Tie.COMMUNITY)
    if filed.shared:
        ties.append(Tie.SIGNED_IN)
    return [tie for tie in ties if mark in OPENS[tie]]


def _cell(ties: list[Tie]) -> str:
    if Tie.SIGNED_IN in ties:
        return _SHORT[Tie.SIGNED_IN]
    if Tie.COMMUNITY in ties:
        return _SHORT[Tie.COMMUNITY]
    return ", ".join(_SHORT[tie] for tie in ties) or "–"


def desk_of(label: str) -> frozenset[Role]:
    """The roles of this house that work with a model."""
    from proofhouse.server.accounts.ruling import _desk_roles, rules_of

    return _desk_roles(rules_of(apps.get_model(label)))


def table() -> str:
    """The tables, as Markdown."""
    lines = ["### How each record lies under its case", ""]
    lines += ["| Record | Case by | Desk | Shared | Party | Sealed |", "|---|---|---|---|---|---|"]
    for label, filed in CASE_OF.items():
        desk = desk_of(label)
        who = "any role" if desk == frozenset(Role) else ", ".join(sorted(desk)) or "by a rule of its own"
        flags = ["yes" if flag else "" for flag in (filed.shared, filed.party, filed.sealed)]
        lines.append(f"| {label} | `{filed.by}` | {who} | " + " | ".join(flags) + " |")
    for label in ("cases.Case", "cases.Report", "exams.Seal", "engine.Letter"):
        lines += ["", f"### Who opens {label}, by role and mark", ""]
        lines += ["| Role | " + " | ".join(Mark) + " |", "|---|" + "---|" * len(Mark)]
        filed, desk = CASE_OF[label], desk_of(label)
        for role in Role:
            cells = [
                _cell(_sufficing(filed, mark, inside=True, hosted=False, at_desk=role in desk))
                for mark in Mark
            ]
            lines.append(f"| {role} | " + " | ".join(cells) + " |")
        for name, hosted in (("of a hosted organisation", True), ("no role anywhere", False)):
            cells = [
                _cell(_sufficing(filed, mark, inside=False, hosted=hosted, at_desk=False)) for mark in Mark
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("| recused, or not active | " + " | ".join("–" for _ in Mark) + " |")
    return "\n".join(lines)


def redraw(text: str) -> str:
    """A document with its table as the rules have it now.

    Raises:
        ValueError: The document does not have the two marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    django.setup()
    document = Path(sys.argv[1])
    document.write_text(redraw(document.read_text(encoding="utf-8")), encoding="utf-8")
