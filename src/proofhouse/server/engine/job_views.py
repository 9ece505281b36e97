# SPDX-License-Identifier: Apache-2.0
"""The page of background work: what one asked for, and for the steward all of it, to cancel and to try again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from proofhouse.server.accounts.gate import NotAllowed, NotFound, may_do, visible
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.jobs.rules import LIVE, TRANSITIONS, JobState, JobStepError
from proofhouse.server.engine.models import Job, Worker
from proofhouse.server.engine.services import cancel_job, requeue_job
from proofhouse.server.web.cells import at, plain, state
from proofhouse.server.web.pages import Table, person_of

NEWEST = 100

_GOOD = frozenset({JobState.DONE})
_BAD = frozenset({JobState.POISONED, JobState.FAILED})


def work(request: HttpRequest) -> HttpResponse:
    """The newest jobs that the reader may see; those that have not ended come first."""
    person = person_of(request)
    rows = visible(person, Job).select_related("asked_by")
    live = list(rows.filter(state__in=LIVE)[:NEWEST])
    ended = list(rows.exclude(state__in=LIVE)[:NEWEST])
    workers = visible(person, Worker)
    context = {
        "jobs": [_shown(row) for row in [*live, *ended]],
        "live": bool(live),
        "steward": may_do(person, Permission.HOUSE_JOB_CANCEL),
        "workers": Table(
            "Workers",
            ["Worker", "Queues", "Since", "Seen", "State"],
            [
                [
                    plain(row.id),
                    plain(", ".join(row.queues)),
                    at(row.started_at),
                    at(row.seen_at),
                    state("draining" if row.draining else "working"),
                ]
                for row in workers
            ],
        )
        if workers
        else None,
    }
    return render(request, "engine/jobs.html" if "live" in request.GET else "engine/work.html", context)


def _shown(row: Job) -> dict[str, Any]:
    here = JobState(row.state)
    verbs = [
        (verb, reverse(name, args=[row.id]))
        for verb, name, wanted, offered in (
            ("Cancel", "engine:cancel", JobState.CANCELLED, here in LIVE),
            ("Try again", "engine:requeue", JobState.QUEUED, here not in LIVE),
        )
        if offered and wanted in TRANSITIONS[here]
    ]
    return {
        "name": row.name,
        "case": row.case,
        "mark": state(here, good=_GOOD, bad=_BAD),
        "percent": row.percent,
        "said": row.problem or row.text,
        "attempts": row.attempts,
        "ceiling": row.ceiling,
        "asked": f"{row.enqueued_at:%Y-%m-%d %H:%M} UTC"
        + (f" by {row.asked_by.name}" if row.asked_by else ""),
        "verbs": verbs,
    }


@require_POST
def cancel(request: HttpRequest, job: UUID) -> HttpResponse:
    """Stop a job for good."""
    return _do(request, cancel_job, job, "The job is cancelled.")


@require_POST
def requeue(request: HttpRequest, job: UUID) -> HttpResponse:
    """Try a job again that ended without being done."""
    return _do(request, requeue_job, job, "The job is queued again.")


def _do(request: HttpRequest, act: Callable[..., Job], job: UUID, done: str) -> HttpResponse:
    try:
        act(actor=person_of(request), job=str(job))
    except (NotAllowed, NotFound):
        raise Http404 from None
    except JobStepError as refused:
        messages.error(request, f"{refused}.")
    else:
        messages.success(request, done)
    return redirect("engine:work")
