# SPDX-License-Identifier: Apache-2.0
"""Ability from right and wrong answers: the Rasch model with fixed difficulties.

P(pass | θ, level) = E[σ(θ − b)], b ~ N(difficulty[level], difficulty_sd²). The difficulties are priors from
the plan, so θ is relative to them: until items are calibrated on many subjects, an ability is comparable
within one plan only. The posterior is computed on a grid; nothing is sampled.

Source: Rasch (1960); Wilson, JASA 22 (1927) 209-212 for the interval of the raw rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from proofhouse.attest import JsonValue
from proofhouse.exam._records import BadRecord, require_keys, require_list, require_number

Z95 = 1.959963984540054
GRID_STEP = 0.01
GRID_SDS = 8
MINIMUM_PRIOR_SD = 1.5
"""A narrower prior would decide instead of the answers."""


@dataclass(frozen=True)
class AbilityScale:
    """Priors of the Rasch model, in logits."""

    prior_mean: float = 0.0
    prior_sd: float = 2.0
    difficulty: tuple[float, ...] = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)
    """Mean difficulty by level."""
    difficulty_sd: float = 0.5
    """Spread of item difficulty within a level."""

    def __post_init__(self) -> None:
        """Refuse a prior too narrow to be honest."""
        if self.prior_sd < MINIMUM_PRIOR_SD:
            raise BadRecord(f"ability.prior_sd: expected at least {MINIMUM_PRIOR_SD}")
        if not self.difficulty:
            raise BadRecord("ability.difficulty: expected one number for each level")

    @classmethod
    def from_record(cls, record: JsonValue) -> AbilityScale:
        """Read the JSON form.

        Raises:
            BadRecord: a field is missing, unknown or out of range.
        """
        fields = require_keys(record, "ability", {"prior_mean", "prior_sd", "difficulty", "difficulty_sd"})
        levels = require_list(fields["difficulty"], "ability.difficulty")
        return cls(
            prior_mean=require_number(fields["prior_mean"], "ability.prior_mean", -20, 20),
            prior_sd=require_number(fields["prior_sd"], "ability.prior_sd", MINIMUM_PRIOR_SD, 20),
            difficulty=tuple(require_number(value, "ability.difficulty", -20, 20) for value in levels),
            difficulty_sd=require_number(fields["difficulty_sd"], "ability.difficulty_sd", 0, 10),
        )

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {**asdict(self), "difficulty": list(self.difficulty)}


@dataclass(frozen=True)
class Estimate:
    """Ability with its uncertainty, beside the raw rate."""

    items: int
    passes: int
    rate: float
    """passes / items; 0 where there are no items."""
    rate_low: float
    rate_high: float
    """Wilson 95% interval of the rate."""
    ability: float
    """Posterior mean, logits."""
    ability_sd: float
    ability_low: float
    ability_high: float
    """Central 95% posterior interval."""
    threshold: float
    p_at_least: float
    """Posterior probability of ability ≥ threshold."""

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Treatments:
    """The same answers with refused and cheated samples counted in three ways."""

    as_failures: Estimate
    excluded: Estimate
    as_successes: Estimate

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form."""
        return {
            "as_failures": self.as_failures.to_record(),
            "excluded": self.excluded.to_record(),
            "as_successes": self.as_successes.to_record(),
        }


def pass_probability(ability: NDArray[np.float64], level: int, scale: AbilityScale) -> NDArray[np.float64]:
    """P(pass) of an item of `level` at each ability, item spread integrated out (Gauss-Hermite, 15 nodes)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    gaps = ability[:, None] - scale.difficulty[level] - scale.difficulty_sd * nodes[None, :]
    probability: NDArray[np.float64] = (1 / (1 + np.exp(-gaps))) @ (weights / weights.sum())
    return probability


def wilson(passes: int, items: int) -> tuple[float, float]:
    """Wilson 95% score interval of a rate; (0, 1) where there are no items."""
    if items == 0:
        return 0.0, 1.0
    rate, spread = passes / items, Z95**2 / items
    centre = (rate + spread / 2) / (1 + spread)
    half = Z95 * math.sqrt(rate * (1 - rate) / items + spread / (4 * items)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def estimate_ability(answers: Sequence[tuple[int, bool]], scale: AbilityScale, threshold: float) -> Estimate:
    """Estimate ability.

    Args:
        answers: (level, passed) of every scored sample.
        scale: priors.
        threshold: ability to compare with, logits.

    Returns:
        Posterior summary; with no answers it is the prior.

    Raises:
        BadRecord: a level has no difficulty.
    """
    for level, _ in answers:
        if not 0 <= level < len(scale.difficulty):
            raise BadRecord(f"ability.difficulty: no difficulty for level {level}")
    half_width = GRID_SDS * scale.prior_sd
    count = 2 * round(half_width / GRID_STEP) + 1
    grid = np.linspace(scale.prior_mean - half_width, scale.prior_mean + half_width, count)
    log_density = -0.5 * ((grid - scale.prior_mean) / scale.prior_sd) ** 2
    for level in sorted({level for level, _ in answers}):
        probability = pass_probability(grid, level, scale)
        passed = sum(1 for other, right in answers if other == level and right)
        missed = sum(1 for other, right in answers if other == level and not right)
        log_density += passed * np.log(probability) + missed * np.log1p(-probability)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean = float(density @ grid)
    cumulative = np.cumsum(density)
    low, high = np.interp([0.025, 0.975], cumulative, grid)
    passes = sum(right for _, right in answers)
    rate_low, rate_high = wilson(passes, len(answers))
    return Estimate(
        items=len(answers),
        passes=passes,
        rate=passes / len(answers) if answers else 0.0,
        rate_low=rate_low,
        rate_high=rate_high,
        ability=mean,
        ability_sd=math.sqrt(float(density @ (grid - mean) ** 2)),
        ability_low=float(low),
        ability_high=float(high),
        threshold=threshold,
        p_at_least=float(np.clip(1 - np.interp(threshold, grid, cumulative, left=0.0, right=1.0), 0, 1)),
    )
