# SPDX-License-Identifier: Apache-2.0
"""The second CEL engine, cel-python, asked the same questions as the first."""

from functools import lru_cache
from typing import Any

import celpy
import celpy.adapter
from celpy import celtypes
from celpy.evaluation import CELEvalError

from proofhouse.law import FactSet, Truth


@lru_cache(maxsize=512)
def _program(text: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(text))


def celpy_truth(text: str, facts: FactSet) -> Truth:
    """Evaluate an expression with cel-python; an error means that a fact is missing."""
    try:
        result = _program(text).evaluate(_activation(facts))
    except CELEvalError:
        return Truth.UNKNOWN
    return Truth.TRUE if result == celtypes.BoolType(True) else Truth.FALSE


_LAST: tuple[FactSet | None, dict[str, Any]] = (None, {})


def _activation(facts: FactSet) -> dict[str, Any]:
    global _LAST
    if _LAST[0] is not facts:
        _LAST = (facts, {name: celpy.adapter.json_to_cel(group) for name, group in facts.nested().items()})
    return _LAST[1]
