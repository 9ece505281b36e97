# SPDX-License-Identifier: Apache-2.0
"""A model of `mem.poc` programs, written from their C text's meaning and independent of the solver.

It evaluates gates forwards, where the family solves them backwards, and says which payloads reach the bug.
"""

from __future__ import annotations

from proofhouse.exam.families._mem_gates import Affine32, Checksum32, Const32, HeaderGate, Mix64
from proofhouse.exam.families._mem_program import Layout


def holds(gate: HeaderGate, value: int, body: bytes) -> bool:
    match gate:
        case Const32():
            return value == gate.key
        case Affine32():
            return (value * gate.a + gate.b) % 2**32 == gate.c
        case Checksum32():
            total = gate.start
            for byte in body:
                total = (total ^ byte) * gate.multiplier % 2**32
                total = (total << gate.rotation | total >> 32 - gate.rotation) % 2**32
            return value == total
        case Mix64():
            for shift, multiplier, addend in gate.rounds:
                value = ((value ^ value >> shift) * multiplier + addend) % 2**64
            return value == gate.target


def payloads_at_the_bug(layout: Layout, content: bytes) -> list[bytes]:
    """What the bug's handler is given when the program reads `content`."""
    at = 0
    size = sum(gate.width for gate in layout.gates)
    body = content[size:]
    if len(content) < size:
        return []
    for gate in layout.gates:
        value = int.from_bytes(content[at : at + gate.width], layout.byte_order)
        if not holds(gate, value, body):
            return []
        at += gate.width
    seen = []
    stage, running = 0, layout.order.start if layout.order else 0
    while at + 3 <= len(content):
        tag, length = content[at], int.from_bytes(content[at + 1 : at + 3], layout.byte_order)
        payload = content[at + 3 : at + 3 + length]
        at += 3 + length
        if len(payload) < length:
            break
        if tag == layout.bugs[0].tag and (layout.order is None or stage == len(layout.order.order)):
            seen.append(payload)
        if layout.order and tag == layout.order.tag and payload and stage < len(layout.order.order):
            if payload[0] == layout.order.order[stage] ^ running:
                running = (running * layout.order.multiplier + payload[0]) % 256
                stage += 1
            else:
                stage, running = 0, layout.order.start
    return seen
