# SPDX-License-Identifier: Apache-2.0
"""How quick the law engine answers, explanations and dates included.

    python benchmarks/law.py            # the three figures, two processes for the 10,000 profiles
    python benchmarks/law.py --quick    # 2,000 profiles, scaled up to 10,000
    python benchmarks/law.py --json     # one JSON object: profile_ms, profiles_10000_s, incident_ms, …

`profile_ms` and `incident_ms` are medians of one answer in a warm process: checking the facts, every obligation of
every instrument, every date and every explanation tree. `profiles_10000_s` is wall time with two processes, their
start and the loading of the law data included. Goals on 2 cores: 20 ms, 60 s, 5 ms.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from typing import Any

from _told import asks, tell
from proofhouse.law import Incident, LawBook, Profile

AS_OF = date(2027, 2, 1)
NUMBERS: dict[str, list[float]] = {
    "model.training_ops": [1.0e24, 1.0e26, 2.0e26],
    "model.training_compute_cost_usd": [1.0e7, 2.0e8],
    "org.group_revenue_usd_prev_calendar_year": [1.0e7, 5.0e8, 2.0e9],
    "system.monthly_users": [1_000, 2_000_000],
}
PLACES = ["US-CA", "US-NY", "US-IL", "US-CO", "US-TX", "US-WA", "US-NY-NYC", "DE", "FR"]
TIMES = {
    "discovered": "2027-01-29T09:00:00-08:00",
    "reasonable_belief": "2027-01-29T15:00:00-05:00",
    "determined": "2027-01-30T10:00:00-05:00",
    "aware": "2027-01-29T18:00:00+01:00",
    "involvement_aware": "2027-01-29T18:00:00+01:00",
    "materiality_determined": "2027-01-31",
}
GOALS = {"profile_ms": 20.0, "profiles_10000_s": 60.0, "incident_ms": 5.0}


def _record(book: LawBook, seed: int) -> dict[str, Any]:
    """Return a random profile record; one fact in four is not told."""
    rng = random.Random(seed)
    record: dict[str, Any] = {"org": {}, "model": {}, "system": {}, "times": TIMES}
    for name, fact in book.vocabulary.facts.items():
        root, _, key = name.partition(".")
        if root == "event" or rng.random() < 0.25:
            continue
        if name == "org.nexus":
            record[root][key] = rng.sample(PLACES, 4)
        elif fact.type == "list":
            record[root][key] = rng.sample(list(fact.values), 5)
        else:
            record[root][key] = rng.choice(NUMBERS.get(name) or [True, False])
    return record


def _answer(book: LawBook, record: dict[str, Any]) -> int:
    """Answer one profile in full; return how many dates and questions came out."""
    profile = Profile.from_mapping(record, book.vocabulary)
    found = 0
    for one in book.check(profile, AS_OF):
        found += len(one.dues) + len(one.missing) + len(one.explanations)
    return found


def _clocks(book: LawBook, record: dict[str, Any], event: dict[str, Any]) -> int:
    """Answer one incident in full."""
    profile = Profile.from_mapping(record, book.vocabulary)
    incident = Incident.from_mapping(event, book.vocabulary)
    clocks = book.incident_clocks(profile, incident, AS_OF)
    return sum(len(one.dues) + len(one.missing) + len(one.explanations) for one in clocks)


def _slice(seeds: range) -> int:
    book = LawBook.load()
    return sum(_answer(book, _record(book, seed)) for seed in seeds)


def _median_ms(runs: list[float]) -> float:
    return round(statistics.median(runs) * 1000, 3)


def measure(profiles: int, repeats: int, processes: int) -> dict[str, Any]:
    """Measure.

    Args:
        profiles: how many profiles the long run answers.
        repeats: how often the single answers are measured.
        processes: worker processes of the long run.

    Returns:
        The figures; times of the long run are scaled to 10,000 profiles.
    """
    started = time.perf_counter()
    book = LawBook.load()
    load_s = time.perf_counter() - started
    event = {
        "kinds": [
            "safety_incident",
            "cyber_incident",
            "actively_exploited_vulnerability",
            "personal_data_breach",
        ],
        "event": {
            "deceptive_subversion": True,
            "in_elicitation_evaluation": False,
            "catastrophic_risk_increased": True,
        },
        "times": TIMES,
    }
    singles: list[float] = []
    incidents: list[float] = []
    for seed in range(repeats):
        record = _record(book, seed)
        started = time.perf_counter()
        _answer(book, record)
        singles.append(time.perf_counter() - started)
        started = time.perf_counter()
        _clocks(book, record, event)
        incidents.append(time.perf_counter() - started)
    step = -(-profiles // processes)
    slices = [range(start, min(start + step, profiles)) for start in range(0, profiles, step)]
    started = time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        answers = sum(pool.map(_slice, slices))
    long_s = time.perf_counter() - started
    return {
        "profile_ms": _median_ms(singles),
        "profiles_10000_s": round(long_s * 10_000 / profiles, 2),
        "incident_ms": _median_ms(incidents),
        "profile_worst_ms": round(max(singles) * 1000, 3),
        "incident_worst_ms": round(max(incidents) * 1000, 3),
        "load_s": round(load_s, 3),
        "obligations": len(book.obligation_ids),
        "profiles": profiles,
        "processes": processes,
        "answers": answers,
    }


def main() -> int:
    """Print the figures; exit 1 when a goal is missed."""
    parser = asks(__doc__)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    figures = measure(
        2_000 if arguments.quick else 10_000, 100 if arguments.quick else 400, arguments.processes
    )
    tell(figures, as_json=arguments.as_json, goals={name: f"< {goal:g}" for name, goal in GOALS.items()})
    return int(any(figures[name] >= goal for name, goal in GOALS.items()))


if __name__ == "__main__":
    sys.exit(main())
