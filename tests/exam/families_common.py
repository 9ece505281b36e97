# SPDX-License-Identifier: Apache-2.0
"""What the tests of all families share: putting a policy to items, as an exam does."""

from __future__ import annotations

from inspect_ai import eval as inspect_eval
from inspect_ai.model import get_model

import proofhouse.exam._registry  # noqa: F401 - registers policies and sandbox
from proofhouse.exam.grader import Grader
from proofhouse.exam.session import open_session
from proofhouse.exam.task import sealed_exam

AT_ONCE = 2
"""Samples at once; each box of the cheater's forks as much as it may until its sample ends."""


def come_to(policy, items, grader: Grader, log_dir, *, hint=0, **arguments):
    """The grades of a policy on items, by item id."""
    with open_session(items, grader, hint=hint) as session:
        [log] = inspect_eval(
            sealed_exam(session.id),
            model=get_model(f"policy/{policy}", **arguments),
            display="none",
            log_dir=str(log_dir),
            ctl_server=False,
            fail_on_error=False,
            max_samples=AT_ONCE,
            max_sandboxes=AT_ONCE,
        )
        assert log.status == "success"
        return dict(session.grades)
