# SPDX-License-Identifier: Apache-2.0
"""What a review's page draws: the window on the line of days, ability against the threshold, outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from proofhouse.server.exams.models import ExamStatement
from proofhouse.server.reviews.models import Inquiry, Window
from proofhouse.server.web import charts
from proofhouse.server.web.cells import at, plain
from proofhouse.server.web.pages import Chart, Table


def charts_of(inquiry: Inquiry, window: Window | None, statements: Sequence[ExamStatement]) -> list[Chart]:
    """The drawings for one review, from what the reader may see of it.

    Args:
        inquiry: The inquiry that the review answers.
        window: Its window, if it was opened.
        statements: The exam reports that the reader may see.
    """
    drawn = [_window(inquiry, window)] if window else []
    return [*drawn, _ability(statements), _outcomes(statements)] if statements else drawn


def _window(inquiry: Inquiry, window: Window) -> Chart:
    title = "Window of access"
    instants = [
        ("Opens", window.opens_at),
        ("Ends at the latest", window.closes_at),
        ("Closed", window.closed_at),
        ("Planned release to partners", inquiry.planned_partner_release),
    ]
    return Chart(
        title,
        charts.window_line(
            title,
            opens_at=window.opens_at,
            closes_at=window.closes_at,
            ended_at=window.closed_at,
            release_at=inquiry.planned_partner_release,
        ),
        Table(title, ["What", "When"], [[plain(name), at(instant)] for name, instant in instants]),
    )


def _ability(statements: Sequence[ExamStatement]) -> Chart:
    title = "Ability with its 95 % interval, against the sealed threshold"
    threshold = statements[0].seal.commitments.get("rule", {}).get("threshold")
    rows = [
        [
            plain(exam.model_name),
            plain(f"{exam.ability:+.2f}"),
            plain(f"{exam.ability_low:+.2f}"),
            plain(f"{exam.ability_high:+.2f}"),
            plain("–" if threshold is None else f"{threshold:+.2f}"),
        ]
        for exam in statements
    ]
    estimates = [
        charts.Estimate(exam.model_name, exam.ability, exam.ability_low, exam.ability_high)
        for exam in statements
    ]
    return Chart(
        title,
        charts.interval_bars(title, estimates, threshold=threshold, unit="logits"),
        Table(title, ["Model", "Ability", "From", "To", "Threshold"], rows),
    )


def _outcomes(statements: Sequence[ExamStatement]) -> Chart:
    title = "Outcomes of the exam's items"
    rows = [
        [plain(exam.model_name), plain(outcome), plain(count)]
        for exam in statements
        for outcome, count in exam.outcomes.items()
    ]
    panels = {f"{exam.model_name} ({place})": exam.outcomes for place, exam in enumerate(statements, 1)}
    if len(statements) == 1:
        panels = {statements[0].model_name: statements[0].outcomes}
    return Chart(
        title, charts.small_multiples(title, panels), Table(title, ["Model", "Outcome", "Items"], rows)
    )
