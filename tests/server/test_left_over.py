# SPDX-License-Identifier: Apache-2.0
"""What a killed worker left of a program, perhaps secrets of a case, does not lie about for ever."""

from __future__ import annotations

from typing import Any

import pytest

from proofhouse.server.engine import work
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.jobs.rules import JobState
from proofhouse.server.engine.models import Job
from proofhouse.server.house import House

pytestmark = pytest.mark.django_db


def make_job(**fields: Any) -> Job:
    return Job.objects.create(
        name="cases.validate", queue="proof", arguments={}, ceiling=3, enqueued_at=now(), **fields
    )


def test_a_starting_house_takes_away_the_directories_of_runs_that_are_over(house: House, desk: None) -> None:
    running = make_job(state=JobState.RUNNING, run=2)
    ended = make_job(state=JobState.CANCELLED, run=1)
    places = house.work / "jobs"
    for name in (f"{running.id}.1", f"{running.id}.2", f"{ended.id}.1", "whatever"):
        (places / name / "home").mkdir(parents=True)
    work.resume()
    assert [place.name for place in places.iterdir()] == [f"{running.id}.2"]
