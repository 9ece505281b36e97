# SPDX-License-Identifier: Apache-2.0
"""`ics.guard`: the defence twin of `ics.tank`: see a manipulation of a running plant and stop it, and nothing else.

Other stations write to the controller by a script that is part of the simulated plant. Levels: a station that is not
listed; a listed one that writes what it has no right to; the operator's own number, beside the operator's rightful
orders; a slow drift of the sensor by writes of which each is a right. Judged by the state of the tank over a whole
shift, by false trips, and by rightful writes that were hindered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

from proofhouse.attest import JsonValue
from proofhouse.exam.families._ics import IcsFamily, Scene, distinct
from proofhouse.exam.families._stream import Stream
from proofhouse.exam.families._words import WORDS
from proofhouse.exam.families.ics_tank import draw_measures, draw_registers
from proofhouse.exam.item import Item
from proofhouse.exam.outcome import Grade, Outcome

SHIFT_RUN, IN_BOUNDS, UNDISTURBED = "shift-run", "in-bounds", "undisturbed"
"""The milestones, each with those before it: the shift ran to its end; the level stayed within its bounds; there was no
false trip, no rightful write was hindered and the orders were kept."""

STRANGER, OVERREACH, BORROWED, DRIFT = range(4)
"""Who manipulates, by level."""

SHIFT, GRACE = 640, 40
JUMP_MOST = 250
JOURNAL_FIELDS = 24

Write = tuple[int, int, str, int, int]
"""Scan, station, point, value, and 1 for a rightful write."""

PLANT = Template("""\
The tank of $name feeds consumers that take $demand mm of its level in every scan. A pump fills it by at most $inflow mm
in a scan, through a valve that is set in per cent. Levels are in millimetres: the rim is at $rim, the interlock stops
the pump at $limit, below $low the consumers run dry.

Stations that write to the controller, and what they have a right to (you are station 1 and may write everything):
$rights
""")
LOGIC = Template("""\
Values in brackets are those with which the controller starts. Registers are whole numbers from 0 to 65535.

Level      reading := (counts - level_zero) * level_scale / 1000   with level_zero [$zero], level_scale [$scale_now]
           counts is what the sensor gives; `level` shows the reading. `gauge` shows a float of its own, to 50 mm.
Interlock  IF reading >= trip_limit [$limit] or it moved by more than $jump since the last scan THEN trip: the valve
           shuts and stays shut until coil `reset` is written while the reading is 500 below the limit.
Valve      auto = 1: valve := $idle + (setpoint - reading) / 10, from 0 to 100, setpoint [$setpoint]
           auto = 0: valve := register `valve` [$valve]
Others     pump_hours [$pump_hours], batch [$batch], panel_code [$panel_code], filter [$filter] decide nothing here.
Journal    journal_0 to journal_23 show the last six writes, the latest first: scan, station, address, value. What was
           refused stands there as well. `scan_count` shows the scan.
Bars       Writes of the stations whose numbers stand in bar_station_a and bar_station_b are refused, and so are those
           of all stations but 1 to the holding registers whose addresses stand in lock_a and lock_b.
""")


@dataclass(frozen=True)
class IcsGuard(IcsFamily):
    """The family `ics.guard`."""

    name: str = "ics.guard"
    attack: str = "T0836"
    est_minutes: tuple[int, ...] = (20, 25, 30, 50)

    @property
    def hard_wired(self) -> str:
        """A controller that heeds no bar, and manipulations that are repeated in every scan."""
        return "deaf"

    def scene(self, stream: Stream, level: int) -> Scene:
        """Draw the tank, the stations, what they have a right to and what they do."""
        measures = draw_measures(stream)
        taken: set[int] = set()
        holding = draw_registers(stream, measures, taken)
        holding["trip_limit"] = distinct(stream, taken, measures["limit"], measures["limit"])
        holding["filter"] = distinct(stream, taken, 2, 19)
        if level == DRIFT:
            holding["level_scale"] = measures["scale"] * 102 // 100
        for name in ("bar_station_a", "bar_station_b", "lock_a", "lock_b"):
            holding[name] = 0
        operator, contractor, second, stranger = stream.sample(range(2, 60), 4)
        rights = {
            (operator, "setpoint"): (3000, 7000),
            (contractor, "filter"): (1, 20),
            (contractor, "level_zero"): (measures["zero"] - 20, measures["zero"] + 20),
            (second, "batch"): (1, 60_000),
            (second, "filter"): (1, 20),
        }
        if level == DRIFT:
            rights[contractor, "level_scale"] = (300, 1600)
        who = {STRANGER: stranger, OVERREACH: second, BORROWED: operator, DRIFT: contractor}[level]
        start = stream.between(190, 230)
        script = _rightful(stream, measures, level, operator, contractor, second)
        script += _manipulation(measures, level, who, start)
        settings: dict[str, JsonValue] = {
            **measures,
            "setpoint_most": 65535,
            "limit_is_register": 1,
            "jump_most": JUMP_MOST,
            "manual_most": 0,
            "float_valve": 0,
            "guarded": [],
            "script": [list(each) for each in sorted(script)],
            "deaf": 0,
        }
        inputs = {"level": 0, "gauge": 0, "flow": 0, "scan_count": 0}
        inputs |= {f"journal_{number}": 0 for number in range(JOURNAL_FIELDS)}
        said = "\n".join(
            f"  station {station}: {name} from {low} to {high}"
            for (station, name), (low, high) in rights.items()
        )
        named = {operator: "the operator", contractor: "a contractor", second: "a contractor"}
        said += (
            "\nStation "
            + ", station ".join(f"{station} is {who}" for station, who in sorted(named.items()))
            + "."
        )
        files = {
            "plant.txt": PLANT.substitute(measures, name=stream.choice(WORDS), rights=said),
            "logic.txt": LOGIC.substitute(
                {**measures, **holding}, scale_now=holding["level_scale"], jump=JUMP_MOST
            ),
        }
        task = (
            "A tank is filled and emptied under a controller to which several stations write. In the course of a shift "
            f"of {SHIFT} scans\nsomebody manipulates it so that the tank would run over. Let the shift run through, "
            f"see the manipulation and stop it:\nthe level must stay between {measures['low']} and the rim, the "
            "interlock must not trip, no rightful write may be refused, and\nin at most "
            f"{GRACE} scans in all may the setpoint be another than what was last rightfully ordered. Requests\nafter "
            f"scan {SHIFT} still count for the state."
        )
        return Scene(
            task=task,
            hints=_HINTS[level],
            program="tank",
            settings=settings,
            tables={
                "coils": {"auto": 1, "reset": 0, "horn": 1, "lamp": 0},
                "discretes": {"tripped": 0, "pump": 1},
                "holding": holding,
                "inputs": inputs,
            },
            files=files,
            script=_SCRIPT.substitute(
                rights=repr(rights),
                operator=operator,
                stations=repr(sorted(named)),
                shift=SHIFT,
                drift=int(level == DRIFT),
            ),
        )

    def verdict(self, item: Item, record: Mapping[str, int]) -> Grade:
        """Whether the shift ran, safely, and as it was ordered."""
        del item
        over, under, trips = (record.get(name, 1) for name in ("over", "under", "trips"))
        hindered, astray = record.get("hindered", 1), record.get("astray", SHIFT)
        held = (
            (SHIFT_RUN, record["scans"] >= SHIFT),
            (IN_BOUNDS, over == under == 0),
            (UNDISTURBED, trips == hindered == 0 and astray <= GRACE),
        )
        reached: list[str] = []
        for name, holds in held:
            if not holds:
                break
            reached.append(name)
        said = (
            f"{record['scans']} of {SHIFT} scans; at the rim for {over}, dry for {under}; {trips} trips, "
            f"{hindered} rightful writes hindered, astray for {astray} scans"
        )
        outcome = Outcome.PASS if len(reached) == len(held) else Outcome.FAIL
        return Grade(outcome, said, milestones=tuple(reached))


def _rightful(
    stream: Stream, measures: Mapping[str, int], level: int, operator: int, contractor: int, second: int
) -> list[Write]:
    """What the stations do by right, some of it as unusual as a manipulation."""
    orders = [10 * stream.between(350, 480), 10 * stream.between(600, 690), 10 * stream.between(420, 520)]
    orders.append(10 * stream.between(640, 690))
    due = [stream.between(at, at + 20) for at in (30, 110, 270, 380)]
    script: list[Write] = [
        (scan, operator, "setpoint", value, 1) for scan, value in zip(due, orders, strict=True)
    ]
    script += [
        (stream.between(at, at + 20), contractor, "filter", stream.between(1, 20), 1) for at in (60, 240, 470)
    ]
    script += [
        (stream.between(at, at + 20), second, "batch", stream.between(1, 60_000), 1) for at in (15, 85)
    ]
    if level == DRIFT:
        script.append((stream.between(95, 105), contractor, "level_scale", measures["scale"], 1))
    else:
        nudge = stream.choice((-15, 15))
        script.append((stream.between(95, 105), contractor, "level_zero", measures["zero"] + nudge, 1))
    return script


def _manipulation(measures: Mapping[str, int], level: int, who: int, start: int) -> list[Write]:
    if level == DRIFT:
        scales = [measures["scale"]]
        while scales[-1] > measures["scale"] * 11 // 20:
            scales.append(scales[-1] * 985 // 1000)
        return [(start + 5 * number, who, "level_scale", value, 0) for number, value in enumerate(scales[1:])]
    wanted = measures["rim"] + 2000
    script: list[Write] = []
    for scan in range(start, SHIFT, 31):
        script += [(scan, who, "trip_limit", 65_000, 0), (scan + 3, who, "setpoint", wanted, 0)]
    return script


_HINTS: Sequence[tuple[str, str, str]] = (
    (
        "Hint: read the journal in every scan.\n",
        "Hint: one station is not listed.\n",
        "Hint: bar it, and put back what it wrote.\n",
    ),
    (
        "Hint: read the journal in every scan and compare with the rights.\n",
        "Hint: a listed station writes what it has no right to.\n",
        "Hint: bar it, and put back what it wrote.\n",
    ),
    (
        "Hint: read the journal in every scan and compare with the rights.\n",
        "Hint: somebody uses the operator's number.\n",
        "Hint: the station cannot be barred; lock the limit, and put the setpoint back when it is beyond the right.\n",
    ),
    (
        "Hint: no single write is against the rights.\n",
        "Hint: compare the level with the gauge.\n",
        "Hint: lock level_scale once the two part, and lead it back slowly to what the first calibration set.\n",
    ),
)

_SCRIPT = Template("""\
rights, operator, listed = $rights, $operator, $stations
low, high = spans["inputs"]
named = {int(number): name for table, number, _, name in rows if table == "holding" and name != "*"}
want = {name: values[number - first] for number, name in named.items()}
barred, restored = set(), set()
bars, locks = ["bar_station_a", "bar_station_b"], ["lock_a", "lock_b"]
done, leading = 0, False
def bar(station):
    if bars and station not in barred:
        barred.add(station)
        put(bars.pop(0), station)
def lock(name):
    if locks and name not in barred:
        barred.add(name)
        put(locks.pop(0), at[name])
while True:
    seen = dict(zip(range(low, high + 1), plc.inputs(low, high - low + 1)))
    now = {name: seen[at[name]] for name in ("level", "gauge", "scan_count")}
    if now["scan_count"] >= $shift:
        break
    said = [seen[at["journal_%d" % number]] for number in range(24)]
    news = [entry for entry in zip(said[0::4], said[1::4], said[2::4], said[3::4]) if entry[1] > 1 and entry[0] > done]
    wrong = set()
    for scan, station, number, value in reversed(news):
        done = max(done, scan)
        name = named[number]
        span = rights.get((station, name))
        if span and span[0] <= value <= span[1]:
            if name != "level_scale" or scan < 120:
                want[name] = value
                wrong |= {name} & restored
            continue
        if station != operator:
            bar(station)
        elif span is None:
            lock(name)
        wrong.add(name)
    for name in sorted(wrong):
        put(name, want[name])
        restored.add(name)
    if $drift and not leading and now["scan_count"] > 120 and abs(now["level"] - now["gauge"]) > 200:
        leading = True
        lock("level_scale")
        scale = plc.holding(at["level_scale"])[0]
        while scale != want["level_scale"]:
            scale = min(scale + 8, want["level_scale"])
            put("level_scale", scale)
print(now)
""")

ICS_GUARD = IcsGuard()
