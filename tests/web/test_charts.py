# SPDX-License-Identifier: Apache-2.0
"""Charts stay inside their box, say what they show, and take no text for markup."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.server.web.charts import WIDTH, Estimate, interval_bars, small_multiples, window_line

_SVG = "{http://www.w3.org/2000/svg}"
_ACROSS = ("x", "x1", "x2", "cx")
_DOWN = ("y", "y1", "y2", "cy")
_VALUES = st.floats(-1e6, 1e6)
_INSTANTS = st.integers(0, 15 * 365 * 86400).map(
    lambda s: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
)
_COUNTS = st.dictionaries(st.text(max_size=30), st.integers(0, 10**6), max_size=6)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    low, value, high = sorted(draw(st.tuples(_VALUES, _VALUES, _VALUES)))
    return Estimate(draw(st.text(max_size=60)), value, low, high)


def in_the_box(svg: str) -> ElementTree.Element:
    """Parse a drawing and check what holds for every one."""
    drawing = ElementTree.fromstring(svg)
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    assert width == WIDTH
    assert drawing.findtext(f"{_SVG}title") is not None
    assert drawing.findtext(f"{_SVG}desc")
    for element in drawing.iter():
        assert "style" not in element.attrib
        assert not [name for name in element.attrib if name.startswith("on")]
        for names, most in ((_ACROSS, width), (_DOWN, height)):
            for name in names:
                if name in element.attrib:
                    value = float(element.attrib[name])
                    assert math.isfinite(value)
                    assert 0 <= value <= most, (element.tag, element.attrib)
        if element.tag == f"{_SVG}rect":
            assert float(element.attrib["width"]) >= 0
            assert float(element.attrib["x"]) + float(element.attrib["width"]) <= width + 0.02
    return drawing


@settings(deadline=None, max_examples=100)
@given(st.text(), st.lists(estimates(), min_size=1, max_size=6), st.none() | _VALUES)
def test_interval_bars_stay_in_their_box(title: str, drawn: list[Estimate], threshold: float | None) -> None:
    drawing = in_the_box(interval_bars(title, drawn, threshold=threshold, unit="logits"))
    assert len(drawing.findall(f"{_SVG}circle")) == len(drawn)
    limits = [line for line in drawing.iter(f"{_SVG}line") if line.attrib["class"] == "limit"]
    assert len(limits) == (threshold is not None)


@settings(deadline=None, max_examples=100)
@given(_INSTANTS, _INSTANTS, st.none() | _INSTANTS, _INSTANTS)
def test_windows_stay_in_their_box(
    opens: datetime, closes: datetime, ended: datetime | None, release: datetime
) -> None:
    svg = window_line("Window", opens_at=opens, closes_at=closes, ended_at=ended, release_at=release)
    drawing = in_the_box(svg)
    heights = [text.attrib["y"] for text in drawing.iter(f"{_SVG}text")]
    assert len(heights) == len(set(heights)), "labels lie on different lines"


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text(max_size=60), _COUNTS, min_size=1, max_size=6))
def test_small_multiples_stay_in_their_box(panels: dict[str, dict[str, int]]) -> None:
    drawing = in_the_box(small_multiples("Outcomes", panels))
    names = {name for counts in panels.values() for name in counts}
    assert len(drawing.findall(f"{_SVG}rect")) == len(names) * len(panels)


def test_an_estimate_lies_where_the_scale_says() -> None:
    drawing = in_the_box(interval_bars("t", [Estimate("m", 1.0, 0.0, 2.0)], threshold=1.0, unit="logits"))
    dot = drawing.find(f"{_SVG}circle")
    limit = next(line for line in drawing.iter(f"{_SVG}line") if line.attrib["class"] == "limit")
    whisker = next(line for line in drawing.iter(f"{_SVG}line") if line.attrib["class"] == "whisker")
    assert dot is not None
    assert dot.attrib["cx"] == limit.attrib["x1"]
    ends = float(whisker.attrib["x1"]), float(whisker.attrib["x2"])
    assert sum(ends) / 2 == pytest.approx(float(dot.attrib["cx"]), abs=0.02)


def test_longer_counts_have_longer_bars_on_one_scale() -> None:
    drawing = in_the_box(small_multiples("t", {"a": {"pass": 4}, "b": {"pass": 8}}))
    first, second = (float(bar.attrib["width"]) for bar in drawing.iter(f"{_SVG}rect"))
    assert second == pytest.approx(2 * first, abs=0.02)


def test_text_is_never_markup() -> None:
    wicked = '</svg><script>alert("1")</script>\x00'
    for svg in (
        interval_bars(wicked, [Estimate(wicked, 1, 0, 2)], threshold=None, unit=wicked),
        small_multiples(wicked, {wicked: {wicked: 1}}),
    ):
        assert "<script" not in svg
        assert svg.count("</svg>") == 1
        assert not re.search("[\x00-\x08]", svg)
        in_the_box(svg)


@pytest.mark.parametrize("bounds", [(math.nan, 0, 1), (0, -math.inf, 1), (2, 0, 1), (-1, 0, 1)])
def test_what_cannot_be_drawn_is_refused(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="m: "):
        Estimate("m", *bounds)


def test_nothing_is_not_a_drawing() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        interval_bars("t", [], threshold=None, unit="logits")
    with pytest.raises(ValueError, match="nothing to draw"):
        small_multiples("t", {})
    with pytest.raises(ValueError, match="not negative"):
        small_multiples("t", {"a": {"pass": -1}})
    with pytest.raises(ValueError, match="finite"):
        interval_bars("t", [Estimate("m", 1, 0, 2)], threshold=math.inf, unit="logits")


def test_a_window_that_ended_says_so() -> None:
    opens = datetime(2026, 11, 1, tzinfo=UTC)
    times = {
        "opens_at": opens,
        "closes_at": opens + timedelta(days=30),
        "release_at": opens + timedelta(days=45),
    }
    assert "has not been closed" in window_line("t", **times, ended_at=None)
    assert "closed on 2026-11-12" in window_line("t", **times, ended_at=opens + timedelta(days=11))
