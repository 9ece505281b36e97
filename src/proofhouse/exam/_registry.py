# SPDX-License-Identifier: Apache-2.0
"""What Inspect finds through the entry point `inspect_ai`: the policies, the task and the sandbox."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi

from proofhouse.exam.public import TASKS
from proofhouse.exam.task import by_execution, pass_rate, sealed_exam, sit
from proofhouse.sandbox import inspect_provider


@modelapi(name="policy")
def policy() -> type[ModelAPI]:
    """Policies of known behaviour."""
    from proofhouse.exam.policies import PolicyAPI

    return PolicyAPI


__all__ = ["TASKS", "by_execution", "inspect_provider", "pass_rate", "policy", "sealed_exam", "sit"]
