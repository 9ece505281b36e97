# SPDX-License-Identifier: Apache-2.0
"""Drawings for pages: pure functions from numbers to SVG.

Each drawing is built as a tree, so every text in it is escaped; it carries `<title>` and `<desc>`, labels its marks
directly, and has no style of its own (the content security policy allows none): colours are the stylesheet's, by class.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

WIDTH = 720
"""Width of every drawing in its own units; pages scale it."""

_LABELS = 190
_MARGIN = 24
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, `low` ≤ `value` ≤ `high`; all finite."""

    label: str
    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: A bound is not finite, or the value lies outside its interval.
        """
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise ValueError(f"{self.label}: an estimate to draw is finite")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.label}: the value lies outside its interval")


def interval_bars(title: str, estimates: Sequence[Estimate], *, threshold: float | None, unit: str) -> str:
    """Bars from zero to each estimate, with whiskers over its interval and a line at the threshold.

    Args:
        title: What is drawn.
        estimates: One bar each, top to bottom; at least one.
        threshold: Where to draw the line; None draws none.
        unit: Unit of the values.

    Returns:
        An `<svg>` element as text.

    Raises:
        ValueError: Nothing to draw, or the threshold is not finite.
    """
    if not estimates:
        raise ValueError("nothing to draw")
    marks = [0.0, *(edge for each in estimates for edge in (each.low, each.high))]
    if threshold is not None:
        if not math.isfinite(threshold):
            raise ValueError("a threshold to draw is finite")
        marks.append(threshold)
    scale = _Scale.over(min(marks), max(marks), _LABELS, WIDTH - _MARGIN)
    row, top = 46, 34
    bottom = top + row * len(estimates)
    said = "; ".join(
        f"{each.label}: {each.value:+.2f}, from {each.low:+.2f} to {each.high:+.2f}" for each in estimates
    )
    line = f" The threshold is {threshold:+.2f} {unit}." if threshold is not None else ""
    drawing = _drawing(title, f"{said} {unit}.{line}", bottom + 40)
    _axis(drawing, scale, top, bottom, unit)
    zero = scale.at(0)
    for place, each in enumerate(estimates):
        middle = top + row * place + row / 2
        at, low, high = scale.at(each.value), scale.at(each.low), scale.at(each.high)
        _text(drawing, _LABELS - 12, middle - 2, _short(each.label), anchor="end", mark="strong")
        _text(drawing, _LABELS - 12, middle + 14, f"{each.value:+.2f}", anchor="end", mark="soft")
        _rectangle(drawing, min(zero, at), middle - 8, abs(at - zero), 16, "span")
        _line(drawing, low, middle, high, middle, "whisker")
        _line(drawing, low, middle - 6, low, middle + 6, "whisker")
        _line(drawing, high, middle - 6, high, middle + 6, "whisker")
        SubElement(drawing, "circle", {"class": "dot", "cx": _n(at), "cy": _n(middle), "r": "5"})
    if threshold is not None:
        at = scale.at(threshold)
        _line(drawing, at, top - 8, at, bottom, "limit")
        _text(drawing, at, top - 14, f"threshold {threshold:+.2f}", anchor=_anchor(at), mark="limit-text")
    return _written(drawing)


def window_line(
    title: str, *, opens_at: datetime, closes_at: datetime, ended_at: datetime | None, release_at: datetime
) -> str:
    """A window of access on the line of days, with the planned release to partners.

    Args:
        title: What is drawn.
        opens_at: When access begins.
        closes_at: When it must end.
        ended_at: When it did end; None while it lasts.
        release_at: Planned release to other trusted partners.

    Returns:
        An `<svg>` element as text.
    """
    instants = [opens_at, closes_at, release_at, *([ended_at] if ended_at else [])]
    seconds = [instant.timestamp() for instant in instants]
    scale = _Scale.over(min(seconds), max(seconds), _MARGIN, WIDTH - _MARGIN)
    ended = f" It was closed on {ended_at:%Y-%m-%d}." if ended_at else " It has not been closed."
    said = (
        f"Access opens on {opens_at:%Y-%m-%d} and ends at the latest on {closes_at:%Y-%m-%d}.{ended} "
        f"The release to partners is planned for {release_at:%Y-%m-%d}."
    )
    drawing = _drawing(title, said, 196)
    _line(drawing, _MARGIN, 98, WIDTH - _MARGIN, 98, "axis")
    start, end = scale.at(opens_at.timestamp()), scale.at(closes_at.timestamp())
    _rectangle(drawing, min(start, end), 88, abs(end - start), 20, "span")
    if ended_at:
        stop = scale.at(ended_at.timestamp())
        _rectangle(drawing, min(start, stop), 88, max(abs(stop - start), 2), 20, "spent")
    # Each label has a line of its own, so that none can lie on another however short the window is.
    marked = [
        (closes_at, "ends at the latest", 20),
        (opens_at, "opens", 54),
        (release_at, "planned release", 176),
    ]
    if ended_at:
        marked.append((ended_at, "closed", 142))
    for instant, name, line in marked:
        at = scale.at(instant.timestamp())
        _line(
            drawing,
            at,
            min(88, line + 20),
            at,
            max(108, line - 14),
            "planned" if name == "planned release" else "axis",
        )
        _text(drawing, at, line, f"{name} {instant:%Y-%m-%d}", anchor=_anchor(at), mark="strong")
    return _written(drawing)


def small_multiples(title: str, panels: Mapping[str, Mapping[str, int]]) -> str:
    """The same counts for several things, one small bar chart each, all on one scale.

    Args:
        title: What is drawn.
        panels: Counts by name, by panel; none negative, at least one panel.

    Returns:
        An `<svg>` element as text.

    Raises:
        ValueError: Nothing to draw, or a negative count.
    """
    if not panels:
        raise ValueError("nothing to draw")
    names = list(dict.fromkeys(name for counts in panels.values() for name in counts))
    most = max((count for counts in panels.values() for count in counts.values()), default=0)
    if any(count < 0 for counts in panels.values() for count in counts.values()):
        raise ValueError("a count is not negative")
    across, gap, row = 2 if len(panels) > 1 else 1, 40, 22
    wide = (WIDTH - 2 * _MARGIN - gap * (across - 1)) / across
    tall = 34 + row * len(names) + 14
    said = "; ".join(
        f"{panel}: " + ", ".join(f"{count} {name}" for name, count in counts.items())
        for panel, counts in panels.items()
    )
    drawing = _drawing(title, f"{said}.", 10 + tall * math.ceil(len(panels) / across))
    for place, (panel, counts) in enumerate(panels.items()):
        left, top = _MARGIN + (place % across) * (wide + gap), 10 + (place // across) * tall
        _text(drawing, left, top + 16, _short(panel, 40), mark="strong")
        zero = left + 90
        room = wide - 90 - 44
        for step, name in enumerate(names):
            count, middle = counts.get(name, 0), top + 34 + row * step + row / 2
            length = room * count / most if most else 0.0
            _text(drawing, zero - 10, middle + 4, _short(name, 12), anchor="end", mark="soft")
            _rectangle(drawing, zero, middle - 7, length, 14, "bar")
            _text(drawing, zero + length + 6, middle + 4, str(count))
        _line(drawing, zero, top + 30, zero, top + 34 + row * len(names), "axis")
    return _written(drawing)


@dataclass(frozen=True)
class _Scale:
    """A straight map from values onto the drawing's width."""

    first: float
    last: float
    left: float
    right: float

    @classmethod
    def over(cls, first: float, last: float, left: float, right: float) -> _Scale:
        room = (last - first) * 0.06 or max(1.0, abs(first)) * 0.5
        return cls(first - room, last + room, left, right)

    def at(self, value: float) -> float:
        share = (value - self.first) / (self.last - self.first)
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def ticks(self) -> list[float]:
        """Round values across the scale, about six of them."""
        span = self.last - self.first
        power = 10.0 ** math.floor(math.log10(span / 5))
        step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 8)
        start = math.ceil(self.first / step)
        return [tick * step for tick in range(start, math.floor(self.last / step) + 1)]


def _drawing(title: str, said: str, height: float) -> Element:
    name = "chart-" + sha256(f"{title}\0{said}".encode("utf-8", "replace")).hexdigest()[:10]
    drawing = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {_n(height)}",
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
        },
    )
    SubElement(drawing, "title", {"id": f"{name}-title"}).text = _clean(title)
    SubElement(drawing, "desc", {"id": f"{name}-desc"}).text = _clean(said)
    return drawing


def _axis(drawing: Element, scale: _Scale, top: float, bottom: float, unit: str) -> None:
    for tick in scale.ticks():
        at = scale.at(tick)
        _line(drawing, at, top, at, bottom, "axis" if tick == 0 else "grid")
        _text(drawing, at, bottom + 16, f"{tick:g}", anchor="middle", mark="soft")
    _line(drawing, scale.left, bottom, scale.right, bottom, "axis")
    _text(drawing, scale.right, bottom + 34, unit, anchor="end", mark="soft")


def _line(drawing: Element, x1: float, y1: float, x2: float, y2: float, mark: str) -> None:
    SubElement(drawing, "line", {"class": mark, "x1": _n(x1), "y1": _n(y1), "x2": _n(x2), "y2": _n(y2)})


def _rectangle(drawing: Element, x: float, y: float, width: float, height: float, mark: str) -> None:
    SubElement(
        drawing, "rect", {"class": mark, "x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height)}
    )


def _text(drawing: Element, x: float, y: float, said: str, *, anchor: str = "start", mark: str = "") -> None:
    attributes = {"x": _n(x), "y": _n(y), "text-anchor": anchor} | ({"class": mark} if mark else {})
    SubElement(drawing, "text", attributes).text = _clean(said)


def _anchor(x: float) -> str:
    return "start" if x < WIDTH * 0.25 else "end" if x > WIDTH * 0.75 else "middle"


def _short(label: str, most: int = 22) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _clean(said: str) -> str:
    return _NOT_XML.sub("\ufffd", said)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _written(drawing: Element) -> str:
    return ElementTree.tostring(drawing, encoding="unicode")
