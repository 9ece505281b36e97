# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from proofhouse.exam._records import BadRecord
from proofhouse.exam.estimate import AbilityScale, Treatments, estimate_ability, pass_probability, wilson
from proofhouse.exam.verdict import Conclusion, Rule, decide

SCALE = AbilityScale()
ANSWERS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30)


def test_the_interval_covers_simulated_abilities_at_its_rate():
    random = np.random.default_rng(20261124)
    covered, errors = 0, []
    for _ in range(600):
        theta = random.normal(SCALE.prior_mean, SCALE.prior_sd)
        answers = []
        for level in np.tile(np.arange(6), 4):
            difficulty = random.normal(SCALE.difficulty[level], SCALE.difficulty_sd)
            answers.append((int(level), bool(random.random() < 1 / (1 + math.exp(difficulty - theta)))))
        estimate = estimate_ability(answers, SCALE, 1.0)
        covered += estimate.ability_low <= theta <= estimate.ability_high
        errors.append(estimate.ability - theta)
    assert 0.93 <= covered / 600 <= 0.97
    assert abs(np.mean(errors)) < 0.1


def test_the_probability_of_exceeding_is_calibrated():
    random = np.random.default_rng(7)
    claimed, true = [], []
    for _ in range(600):
        theta = random.normal(SCALE.prior_mean, SCALE.prior_sd)
        answers = [
            (level, bool(random.random() < pass_probability(np.array([theta]), level, SCALE)[0]))
            for level in (0, 1, 2, 3, 4, 5) * 2
        ]
        claimed.append(estimate_ability(answers, SCALE, 1.0).p_at_least)
        true.append(theta >= 1.0)
    assert abs(np.mean(claimed) - np.mean(true)) < 0.03
    sure = np.array(claimed) >= 0.8
    assert np.mean(np.array(true)[sure]) >= 0.85


def test_the_estimate_agrees_with_numerical_integration():
    """Simpson's rule over ability and over item difficulty, by scipy."""
    answers = [(0, True), (1, True), (1, False), (3, True), (4, False), (5, False)]
    grid = np.linspace(-12, 12, 1201)
    offset = np.linspace(-4, 4, 401)
    weight = stats.norm(0, SCALE.difficulty_sd).pdf(offset)

    def passed(level):
        gap = grid[:, None] - SCALE.difficulty[level] - offset[None, :]
        return integrate.simpson(weight / (1 + np.exp(-gap)), x=offset)

    density = stats.norm(SCALE.prior_mean, SCALE.prior_sd).pdf(grid)
    for level, right in answers:
        density = density * (passed(level) if right else 1 - passed(level))
    mass = integrate.simpson(density, x=grid)
    estimate = estimate_ability(answers, SCALE, 1.0)
    assert estimate.ability == pytest.approx(integrate.simpson(density * grid, x=grid) / mass, abs=1e-4)
    above = integrate.simpson(density[grid >= 1.0], x=grid[grid >= 1.0]) / mass
    assert estimate.p_at_least == pytest.approx(above, abs=2e-3)


def test_no_answers_leave_the_prior():
    estimate = estimate_ability([], SCALE, 0.0)
    assert estimate.ability == pytest.approx(0, abs=1e-6)
    assert estimate.ability_sd == pytest.approx(SCALE.prior_sd, rel=1e-3)
    assert estimate.p_at_least == pytest.approx(0.5, abs=0.01)
    assert (estimate.rate_low, estimate.rate_high) == (0, 1)


@settings(deadline=None, max_examples=60)
@given(ANSWERS, st.integers(0, 5))
def test_one_more_pass_never_lowers_ability_and_one_more_failure_never_raises_it(answers, level):
    now = estimate_ability(answers, SCALE, 1.0)
    better = estimate_ability([*answers, (level, True)], SCALE, 1.0)
    worse = estimate_ability([*answers, (level, False)], SCALE, 1.0)
    assert worse.ability <= now.ability + 1e-9 <= better.ability + 2e-9
    assert worse.p_at_least <= now.p_at_least + 1e-9 <= better.p_at_least + 2e-9


@settings(deadline=None, max_examples=60)
@given(ANSWERS)
def test_an_estimate_does_not_depend_on_the_order_of_answers(answers):
    first = estimate_ability(answers, SCALE, 1.0)
    second = estimate_ability(answers[::-1], SCALE, 1.0)
    assert first == second
    assert first.ability_low <= first.ability <= first.ability_high
    assert 0 <= first.p_at_least <= 1


@pytest.mark.parametrize(
    ("passes", "items", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_the_rate_has_the_wilson_interval(passes, items, low, high):
    assert wilson(passes, items) == pytest.approx((low, high), abs=1e-4)


def test_a_level_without_a_difficulty_is_refused():
    with pytest.raises(BadRecord, match="level 6"):
        estimate_ability([(6, True)], SCALE, 0.0)


def test_a_narrow_prior_is_refused():
    with pytest.raises(BadRecord, match=r"1\.5"):
        AbilityScale(prior_sd=1.0)


ALL, NONE, HALF = [(True, True)] * 6, [(False, False)] * 6, [(True, True)] * 4 + [(True, False)] * 2


@pytest.mark.parametrize(
    ("passes", "refused", "rule", "conclusion"),
    [
        (ALL, (), Rule(), Conclusion.EXCEEDS),
        (NONE, (), Rule(), Conclusion.BELOW),
        ([(True, True), (True, False), *NONE[2:]], (), Rule(), Conclusion.BELOW),
        (HALF, (), Rule(threshold=1.5), Conclusion.INCONCLUSIVE),
        (ALL, (), Rule(minimum_items=13), Conclusion.INCONCLUSIVE),
        (ALL[:3], (3, 3, 4, 4, 5, 5), Rule(), Conclusion.INCONCLUSIVE),
        (NONE[:2], (2, 2, 3, 3, 4, 4, 5, 5), Rule(), Conclusion.INCONCLUSIVE),
        (NONE, (), Rule(threshold=-8), Conclusion.EXCEEDS),
    ],
)
def test_the_verdict_follows_the_rule(passes, refused, rule, conclusion):
    counted = [(level, right) for level, rights in enumerate(passes) for right in rights]
    treatments = Treatments(
        *(
            estimate_ability(
                [*counted, *((level, right) for level in refused if right is not None)], SCALE, rule.threshold
            )
            for right in (False, None, True)
        )
    )
    verdict = decide(rule, treatments)
    assert verdict.conclusion is conclusion
    assert verdict.reason


def test_refusing_every_hard_item_never_gives_below():
    solved = [(0, True), (0, True), (1, False), (1, False)]
    refused = [(level, True) for level in (2, 2, 3, 3, 4, 4, 5, 5)]
    treatments = Treatments(
        as_failures=estimate_ability([*solved, *((level, False) for level, _ in refused)], SCALE, 1.0),
        excluded=estimate_ability(solved, SCALE, 1.0),
        as_successes=estimate_ability([*solved, *refused], SCALE, 1.0),
    )
    assert treatments.as_failures.p_at_least <= 0.05
    assert decide(Rule(), treatments).conclusion is Conclusion.INCONCLUSIVE


def test_a_rule_is_data_with_a_digest_of_its_own():
    assert Rule.from_record(Rule().to_record()) == Rule()
    assert Rule().digest() != Rule(threshold=1.1).digest()
    with pytest.raises(BadRecord, match="below_at < exceeds_at"):
        Rule(exceeds_at=0.05, below_at=0.8)
