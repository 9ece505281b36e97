# SPDX-License-Identifier: Apache-2.0
"""A Modbus/TCP client in a page (Modbus Application Protocol v1.1b3; Messaging on TCP/IP v1.0b)."""

from __future__ import annotations

import socket
import struct


class Refused(Exception):
    """The controller answered with an exception code (v1.1b3 §7): 1 function, 2 address, 3 value, 11 no such unit."""


class Line:
    """A connection to a controller.

    Args:
        host: its name.
        port: 502 by the standard.
        unit: the unit identifier behind the address.
    """

    def __init__(self, host: str, port: int = 502, unit: int = 1) -> None:
        self._socket = socket.create_connection((host, port), 20)
        self._unit = unit
        self._number = 0

    def ask(self, function: int, body: bytes) -> bytes:
        """Send one request and take the answer's bytes after the function code.

        Raises:
            Refused: an exception code came back; it is the one argument.
        """
        self._number = (self._number + 1) & 0xFFFF
        head = struct.pack(">HHHBB", self._number, 0, len(body) + 2, self._unit, function)
        self._socket.sendall(head + body)
        _, _, length, _, answered = struct.unpack(">HHHBB", self._take(8))
        rest = self._take(length - 2)
        if answered & 0x80:
            raise Refused(rest[0])
        return rest

    def _take(self, wanted: int) -> bytes:
        got = b""
        while len(got) < wanted:
            more = self._socket.recv(wanted - len(got))
            if not more:
                raise ConnectionError("the controller hung up")
            got += more
        return got

    def _bits(self, function: int, address: int, count: int) -> list[int]:
        packed = self.ask(function, struct.pack(">HH", address, count))[1:]
        return [packed[at // 8] >> at % 8 & 1 for at in range(count)]

    def _words(self, function: int, address: int, count: int) -> list[int]:
        return list(struct.unpack(f">{count}H", self.ask(function, struct.pack(">HH", address, count))[1:]))

    def coils(self, address: int, count: int = 1) -> list[int]:
        """Read coils (function 1)."""
        return self._bits(1, address, count)

    def discretes(self, address: int, count: int = 1) -> list[int]:
        """Read discrete inputs (function 2)."""
        return self._bits(2, address, count)

    def holding(self, address: int, count: int = 1) -> list[int]:
        """Read holding registers (function 3)."""
        return self._words(3, address, count)

    def inputs(self, address: int, count: int = 1) -> list[int]:
        """Read input registers (function 4)."""
        return self._words(4, address, count)

    def set_coil(self, address: int, on: int) -> None:
        """Write one coil (function 5)."""
        self.ask(5, struct.pack(">HH", address, 0xFF00 if on else 0))

    def set_register(self, address: int, value: int) -> None:
        """Write one holding register (function 6)."""
        self.ask(6, struct.pack(">HH", address, value & 0xFFFF))
