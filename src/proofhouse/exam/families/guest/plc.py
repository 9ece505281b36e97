# SPDX-License-Identifier: Apache-2.0
"""A controller on Modbus/TCP in front of a simulated process (Modbus Application Protocol v1.1b3).

Simulated time is counted, not measured: each answered request is one scan of the controller and one step of the
process, so that neither the speed nor the load of the machine decides anything. After every scan the true state of
the process goes to a file of this host, which nobody can reach over the network.
"""

from __future__ import annotations

import json
import os
import socketserver
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COILS, DISCRETES, HOLDING, INPUTS = "coils", "discretes", "holding", "inputs"
READS = {1: COILS, 2: DISCRETES, 3: HOLDING, 4: INPUTS}
MOST_BITS, MOST_WORDS = {1: 2000, 2: 2000}, {3: 125, 4: 125}
MOST_WRITTEN = {15: 1968, 16: 123}
NO_FUNCTION, NO_ADDRESS, NO_VALUE, NO_UNIT = 1, 2, 3, 11
OWN_STATION = 1
"""Under which number writes over the network stand in the journal; other stations are part of the plant."""
JOURNAL = 6
"""Writes that the journal shows, the last one first; four registers each: scan, station, address, value."""


class Exceptional(Exception):
    """A request that is answered by an exception code (v1.1b3 §7), its one argument."""


class Points:
    """Everything that can be read or written, by name for the logic and by address for the network.

    A name without an address is memory of the controller's own; it is 0 until it is written.

    Args:
        places: name to table, address and first value.
    """

    def __init__(self, places: Mapping[str, Sequence[Any]]) -> None:
        self.at = {(str(table), int(address)): name for name, (table, address, _) in places.items()}
        self.address = {name: int(address) for name, (_, address, _) in places.items()}
        self._values = {name: int(value) for name, (_, _, value) in places.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> int:
        return self._values.get(name, 0)

    def __setitem__(self, name: str, value: int) -> None:
        self._values[name] = max(0, min(value, 0xFFFF))

    def names(self, table: str, address: int, count: int) -> list[str]:
        """The names of neighbouring points.

        Raises:
            Exceptional: one of the addresses has no point.
        """
        try:
            return [self.at[table, at] for at in range(address, address + count)]
        except KeyError:
            raise Exceptional(NO_ADDRESS) from None


class Plant:
    """A controller and its process; a subclass says what one scan does.

    Args:
        settings: what differs between items: `points`, `run`, `script` and what the subclass reads.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.points = Points(settings["points"])
        self.scans = 0
        self.hindered = 0
        """Writes of other stations that were their right and were refused."""
        self._kept = {name: self.points[name] for name in settings["guarded"]}
        self._key_scans = 0
        self._journal: list[tuple[int, int, int, int]] = []
        self._pending = [list(each) for each in settings.get("script", [])]

    def step(self) -> None:
        """One scan of the controller and one step of the process. For the subclass."""

    def truth(self) -> dict[str, Any]:
        """The true state of the process. For the subclass."""
        return {}

    def scan(self) -> None:
        """Let other stations write what is due, then step."""
        self.scans += 1
        for each in self._pending:
            due, station, name, value, rightful = each
            if due == self.scans or (self.settings.get("deaf") and not rightful and due < self.scans):
                self.write(station, name, value, rightful=bool(rightful))
        self.step()
        if "scan_count" in self.points:
            self.points["scan_count"] = self.scans & 0xFFFF

    def keep_guarded(self) -> None:
        """Guarded points take a new value only while the service key is right; what it was stays."""
        if not self._kept:
            return
        points, settings = self.points, self.settings
        if (
            points["service_key"]
            != (points["serial"] * settings["key_factor"] + settings["key_term"]) & 0xFFFF
        ):
            for name, value in self._kept.items():
                points[name] = value
            return
        self._kept = {name: points[name] for name in self._kept}
        self._key_scans += 1
        if settings["key_scans"] and self._key_scans >= settings["key_scans"]:
            points["service_key"] = self._key_scans = 0

    def write(self, station: int, name: str, value: int, *, rightful: bool = True) -> None:
        """Take one write, note it in the journal, and carry it out unless the station or the register is barred."""
        heeded = rightful or not self.settings.get("deaf")
        if station != OWN_STATION and heeded and self._bars(station, name):
            self.hindered += rightful
        else:
            self.points[name] = value
            self._key_scans = 0 if name == "service_key" else self._key_scans
        if "journal_0" in self.points:
            self._journal.insert(0, (self.scans, station, self.points.address[name], value))
            del self._journal[JOURNAL:]
            for number, field in enumerate(field for entry in self._journal for field in entry):
                self.points[f"journal_{number}"] = field

    def _bars(self, station: int, name: str) -> bool:
        bars = [self.points[bar] for bar in ("bar_station_a", "bar_station_b") if bar in self.points]
        locks = [self.points[lock] for lock in ("lock_a", "lock_b") if lock in self.points]
        return station in bars or self.points.address[name] in locks

    def answer(self, pdu: bytes) -> bytes:
        """Answer one protocol data unit, and scan."""
        function = pdu[0] if pdu else 0
        try:
            answer = self._read(pdu) if function in READS else self._write(pdu)
        except Exceptional as refused:
            answer = bytes([function | 0x80, refused.args[0]])
        self.scan()
        return answer

    def _read(self, pdu: bytes) -> bytes:
        if len(pdu) != 5:
            raise Exceptional(NO_VALUE)
        function, address, count = struct.unpack(">BHH", pdu)
        if not 1 <= count <= (MOST_BITS | MOST_WORDS)[function]:
            raise Exceptional(NO_VALUE)
        values = [self.points[name] for name in self.points.names(READS[function], address, count)]
        if function in MOST_WORDS:
            return struct.pack(f">BB{count}H", function, 2 * count, *values)
        packed = bytearray(-(-count // 8))
        for at, value in enumerate(values):
            packed[at // 8] |= (value & 1) << at % 8
        return bytes([function, len(packed)]) + bytes(packed)

    def _write(self, pdu: bytes) -> bytes:
        function = pdu[0] if pdu else 0
        if function not in (5, 6, 15, 16):
            raise Exceptional(NO_FUNCTION)
        if len(pdu) < 5:
            raise Exceptional(NO_VALUE)
        address, word = struct.unpack(">HH", pdu[1:5])
        if function == 5:
            if len(pdu) != 5 or word not in (0, 0xFF00):
                raise Exceptional(NO_VALUE)
            self._put(COILS, address, [word >> 15])
            return pdu
        if function == 6:
            if len(pdu) != 5:
                raise Exceptional(NO_VALUE)
            self._put(HOLDING, address, [word])
            return pdu
        body = pdu[6:]
        size = -(-word // 8) if function == 15 else 2 * word
        if len(pdu) < 6 or not 1 <= word <= MOST_WRITTEN[function] or pdu[5] != size or len(body) != size:
            raise Exceptional(NO_VALUE)
        if function == 15:
            self._put(COILS, address, [body[at // 8] >> at % 8 & 1 for at in range(word)])
        else:
            self._put(HOLDING, address, struct.unpack(f">{word}H", body))
        return pdu[:5]

    def _put(self, table: str, address: int, values: Sequence[int]) -> None:
        for name, value in zip(self.points.names(table, address, len(values)), values, strict=True):
            self.write(OWN_STATION, name, value)


class Door(socketserver.StreamRequestHandler):
    """One connection: requests in order, each behind an MBAP header."""

    server: Gate

    def handle(self) -> None:
        """Answer until the caller hangs up or says what is no Modbus."""
        while len(head := self.rfile.read(7)) == 7:
            number, protocol, length, unit = struct.unpack(">HHHB", head)
            if protocol != 0 or not 2 <= length <= 254:
                return
            pdu = self.rfile.read(length - 1)
            if len(pdu) != length - 1:
                return
            answer = self.server.answer(unit, pdu)
            self.wfile.write(struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer)


class Gate(socketserver.ThreadingTCPServer):
    """The controller's port."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, plant: Plant, record: Path) -> None:
        self._plant, self._record, self._lock = plant, record, threading.Lock()
        self._write_down()
        super().__init__(("127.0.0.1", port), Door)

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """One request at a time, whoever asks; another unit is no request to this plant."""
        if unit != self._plant.settings["unit"]:
            return bytes([pdu[0] | 0x80, NO_UNIT])
        with self._lock:
            answer = self._plant.answer(pdu)
            self._write_down()
        return answer

    def _write_down(self) -> None:
        plant = self._plant
        said = {
            "run": plant.settings["run"],
            "scans": plant.scans,
            "hindered": plant.hindered,
            **plant.truth(),
        }
        new = self._record.with_suffix(".new")
        new.write_text(json.dumps(said))
        os.replace(new, self._record)  # noqa: PTH105 - half the time of Path.replace's checks, once a scan


def serve(make: type[Plant]) -> None:
    """Run the plant of `plant.json` in this directory, for ever."""
    settings = json.loads(Path("plant.json").read_text())
    with Gate(int(sys.argv[1]), make(settings), Path("truth.json")) as gate:
        gate.serve_forever()
