# SPDX-License-Identifier: Apache-2.0
"""What intake asks the database about each report that comes: asked hundreds of times a second, so made once.

These are rules of the house itself, not anybody's view: whether a report is there already counts whoever sent it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import CharField, Count, DateTimeField, Q

from proofhouse.server.cases.models import Bench, Report
from proofhouse.server.cases.rules import ReportState
from proofhouse.server.engine.prepared import Blank, Statement

_FOUND = (ReportState.REPRODUCED, ReportState.READ_REAL)
_FAILED = (ReportState.NOT_REPRODUCED, ReportState.READ_UNFOUNDED)


class _Statements(NamedTuple):
    sent: Statement
    since: Statement
    came_of: Statement
    said: Statement
    shown: Statement
    bench: Statement


@functools.lru_cache(maxsize=1)
def _statements() -> _Statements:
    finder = Report.objects.order_by().filter(finder_key=Blank("finder", CharField()))
    content = Blank("content", CharField())
    firsts = Report.objects.filter(duplicate_of=None).order_by("received_at")
    shown = firsts.filter(product=Blank("product", CharField()), proof_sha256=Blank("proof", CharField()))
    counted = finder.values("finder_key").annotate(
        found=Count("id", filter=Q(state__in=_FOUND)), failed=Count("id", filter=Q(state__in=_FAILED))
    )
    benches = Bench.objects.filter(product_key=Blank("product", CharField()))
    return _Statements(
        Statement(
            finder.filter(content_sha256=content, contact=Blank("contact", CharField())).values_list("pk")
        ),
        Statement(
            finder.filter(received_at__gt=Blank("since", DateTimeField()))
            .values("finder_key")
            .annotate(count=Count("id"))
            .values_list("count")
        ),
        Statement(counted.values_list("found", "failed")),
        Statement(firsts.filter(content_sha256=content).values_list("pk")),
        Statement(shown.values_list("pk", "identifier")),
        Statement(benches.order_by("-set_at", "-id").values_list("pk")),
    )


def sent_before(finder: str, contact: str, digests: Sequence[str]) -> dict[str, Report]:
    """The reports that a finder has sent already, by the digest of what they say."""
    if len(digests) == 1:
        found = _statements().sent.ask(finder=finder, content=digests[0], contact=contact)
        return {digests[0]: Report.objects.get(pk=found[0][0])} if found else {}
    rows = Report.objects.filter(content_sha256__in=digests, finder_key=finder, contact=contact)
    return {row.content_sha256: row for row in rows}


def sent_since(finder: str, since: datetime) -> int:
    """How many reports a finder has sent since some instant."""
    found = _statements().since.ask(finder=finder, since=since)
    return int(found[0][0]) if found else 0


def came_of(finder: str) -> tuple[int, int]:
    """How many reports of a finder were found real, and how many came to nothing."""
    found = _statements().came_of.ask(finder=finder)
    return (int(found[0][0]), int(found[0][1])) if found else (0, 0)


def said_before(digests: Sequence[str]) -> dict[str, UUID]:
    """The first report that says the very same, whoever sent it (T0), by the digest of what is said."""
    if len(digests) == 1:
        found = _statements().said.ask(content=digests[0])
        return {digests[0]: found[0][0]} if found else {}
    rows = Report.objects.filter(content_sha256__in=digests, duplicate_of=None).order_by("-received_at")
    return dict(rows.values_list("content_sha256", "pk"))


def shown_before(product: str, proof_sha256: str, identifier: str) -> UUID | None:
    """The first report that shows a flaw of a product by the very same proof (T0), or None.

    One proof may be sent for two flaws that have names; then it repeats nothing.
    """
    if not proof_sha256:
        return None
    for pk, other in _statements().shown.ask(product=product, proof=proof_sha256):
        if not identifier or other in ("", identifier):
            first: UUID = pk
            return first
    return None


def newest_bench(product_key: str) -> UUID | None:
    """The bench of a product, by its folded name."""
    found = _statements().bench.ask(product=product_key)
    return found[0][0] if found else None
