# SPDX-License-Identifier: Apache-2.0
"""Values as people write them."""

from __future__ import annotations

from django import template

register = template.Library()

_WRITTEN_OUT = 10**15


@register.filter
def spoken(name: str | None) -> str:
    """A name of the law data as words: `reasonable_belief` is *reasonable belief*."""
    return str(name).replace("_", " ") if name else "none"


@register.filter
def told(value: object) -> str:
    """A fact or an amount: yes and no, places with commas, thousands apart, counts of operations as powers of ten."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, (int, float)):
        whole = value == int(value) and abs(value) < _WRITTEN_OUT
        return f"{int(value):,}" if whole else f"{value:g}"
    return str(value)
