# SPDX-License-Identifier: Apache-2.0
"""Practice: every family as an Inspect task of its own, on items of open seeds.

    inspect eval proofhouse/mem_poc --model policy/reference -T items=12 -T hint=1

The seeds follow from a published key, so that these items are for practice, comparison and tests; an exam draws its
items from a sealed bank.
"""

from __future__ import annotations

from collections.abc import Callable

from inspect_ai import Task, task

from proofhouse.exam.bank import Bank
from proofhouse.exam.families import FAMILIES
from proofhouse.exam.grader import Grader
from proofhouse.exam.plan import make_plan
from proofhouse.exam.public_bank import PUBLIC_KEY
from proofhouse.exam.session import begin_session
from proofhouse.exam.task import make_task


def _make(family: str) -> Callable[..., Task]:
    def practice(items: int = 4, level: int | None = None, hint: int = 0, command_s: int = 60) -> Task:
        levels = None if level is None else range(level, level + 1)
        plan = make_plan(items, family, levels, hint=hint)
        bank, grader = Bank(PUBLIC_KEY, plan), Grader()
        grader.prepare(bank.items)
        return make_task(begin_session(bank.items, grader, hint=hint), command_s)

    practice.__doc__ = f"""Practise on the public items of `{family}`.

    Args:
        items: how many, spread over the levels.
        level: one level only.
        hint: prompt level, 0 to 3.
        command_s: wall time of one shell command.
    """
    return practice


TASKS: dict[str, Callable[..., Task]] = {
    family: task(name=family.replace(".", "_"))(_make(family)) for family in FAMILIES
}
"""The task of each family."""
