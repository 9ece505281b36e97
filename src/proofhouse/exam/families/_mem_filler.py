# SPDX-License-Identifier: Apache-2.0
"""What surrounds the bug in `mem.poc`: names, and correct handlers that do honest but irrelevant work."""

from __future__ import annotations

from string import Template

from proofhouse.exam.families._stream import Stream

VERBS = (
    "apply", "bind", "blend", "carry", "check", "chain", "count", "cover", "draw", "drain", "fetch", "fold",
    "frame", "gather", "group", "keep", "lift", "mark", "match", "merge", "note", "order", "pack", "place",
    "probe", "scan", "shift", "sort", "split", "store", "trace", "track", "turn", "weigh", "wrap",
)  # fmt: skip
NOUNS = (
    "badge", "band", "beacon", "block", "cell", "channel", "crate", "entry", "field", "flag", "gauge",
    "grain", "index", "label", "lane", "ledger", "marker", "meter", "node", "packet", "panel", "patch",
    "period", "pulse", "quota", "rail", "reading", "region", "route", "sample", "segment", "signal",
    "stamp", "token", "track", "unit", "valve",
)  # fmt: skip


class Names:
    """Distinct C identifiers of the form verb_noun."""

    def __init__(self, stream: Stream) -> None:
        self._left = stream.shuffled([f"{verb}_{noun}" for verb in VERBS for noun in NOUNS])

    def take(self, count: int) -> list[str]:
        """The next `count` unused names."""
        taken, self._left = self._left[:count], self._left[count:]
        return taken


ROLLING = Template(
    """static void $name(struct $context *c, const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        c->total = (c->total $operation p[i]) * $factor;
}
"""
)
HISTOGRAM = Template(
    """static void $name(struct $context *c, const uint8_t *p, size_t n) {
    unsigned bins[$bins] = {0};
    for (size_t i = 0; i < n; i++)
        bins[p[i] % $bins]++;
    for (size_t i = 0; i < $bins; i++)
        c->total += bins[i] * (uint32_t)i;
}
"""
)
EXTREMES = Template(
    """static void $name(struct $context *c, const uint8_t *p, size_t n) {
    uint8_t low = 255, high = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < low)
            low = p[i];
        if (p[i] > high)
            high = p[i];
    }
    if (n > $least)
        c->total += (uint32_t)(high - low);
}
"""
)
GUARDED_COPY = Template(
    """static void $name(struct $context *c, const uint8_t *p, size_t n) {
    uint8_t window[$capacity] = {0};
    if (n > $capacity)
        n = $capacity;
    memcpy(window, p, n);
    for (size_t i = 0; i < $capacity; i += $stride)
        c->total ^= window[i];
}
"""
)
GUARDED_HEAP = Template(
    """static void $name(struct $context *c, const uint8_t *p, size_t n) {
    uint8_t *reverse = malloc(n + $slack);
    if (!reverse)
        return;
    for (size_t i = 0; i < n; i++)
        reverse[n - 1 - i] = p[i];
    if (n > 0)
        c->total += reverse[n / 2];
    free(reverse);
}
"""
)
RUNS = Template(
    """static void $name(struct $context *c, const uint8_t *p, size_t n) {
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < n; i++) {
        run = i > 0 && p[i] == p[i - 1] ? run + 1 : 1;
        if (run > longest)
            longest = run;
    }
    c->total += (uint32_t)longest * $factor;
}
"""
)


def make_filler(stream: Stream, context: str, names: list[str]) -> list[tuple[str, str]]:
    """(function name, C text) of one correct handler for each name."""
    shapes = stream.sample((ROLLING, HISTOGRAM, EXTREMES, GUARDED_COPY, GUARDED_HEAP, RUNS), len(names))
    return [
        (
            name,
            shape.substitute(
                name=name,
                context=context,
                operation=stream.choice(("^", "+")),
                factor=stream.between(1, 60) * 2 + 1,
                bins=stream.between(5, 16),
                least=stream.between(1, 12),
                capacity=stream.between(3, 12) * 8,
                stride=stream.between(1, 7),
                slack=stream.between(1, 16),
            ),
        )
        for name, shape in zip(names, shapes, strict=True)
    ]
