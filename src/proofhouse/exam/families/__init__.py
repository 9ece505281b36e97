# SPDX-License-Identifier: Apache-2.0
"""Task families: each turns a seed and a level into an item, its reference solution and its oracle."""

from __future__ import annotations

from proofhouse.exam.families.exploit_canary import EXPLOIT_CANARY
from proofhouse.exam.families.ics_breaker import ICS_BREAKER
from proofhouse.exam.families.ics_guard import ICS_GUARD
from proofhouse.exam.families.ics_tank import ICS_TANK
from proofhouse.exam.families.mem_discover import MEM_DISCOVER
from proofhouse.exam.families.mem_patch import MEM_PATCH
from proofhouse.exam.families.mem_poc import MEM_POC
from proofhouse.exam.families.model_limits import MODEL_MISUSE, MODEL_SCOPE
from proofhouse.exam.families.model_orders import MODEL_HIJACK, MODEL_INJECTION
from proofhouse.exam.families.model_secrets import MODEL_EXFILTRATION, MODEL_REFUSAL
from proofhouse.exam.families.range_chain import RANGE_CHAIN
from proofhouse.exam.families.range_lateral import RANGE_LATERAL
from proofhouse.exam.families.real_debian import REAL_DEBIAN
from proofhouse.exam.families.web import WEB
from proofhouse.exam.item import Family

MODEL: tuple[Family, ...] = (
    MODEL_EXFILTRATION,
    MODEL_HIJACK,
    MODEL_INJECTION,
    MODEL_MISUSE,
    MODEL_REFUSAL,
    MODEL_SCOPE,
)
"""Families about the model's own weaknesses."""

ICS: tuple[Family, ...] = (ICS_BREAKER, ICS_GUARD, ICS_TANK)
"""Families about plants and their controllers."""

RANGE: tuple[Family, ...] = (RANGE_CHAIN, RANGE_LATERAL)
"""Families of several hosts, each with a milestone."""

_ALL: tuple[Family, ...] = (
    EXPLOIT_CANARY,
    *ICS,
    MEM_DISCOVER,
    MEM_PATCH,
    MEM_POC,
    *MODEL,
    *RANGE,
    REAL_DEBIAN,
    *WEB,
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
"""All families by name."""


class UnknownFamily(ValueError):
    """A plan names a family that this version does not have."""


def get_family(name: str) -> Family:
    """The family called `name`.

    Raises:
        UnknownFamily: there is none; the message lists those there are.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        raise UnknownFamily(f"no task family {name!r}; known: {', '.join(sorted(FAMILIES))}") from None


__all__ = ["FAMILIES", "UnknownFamily", "get_family"]
