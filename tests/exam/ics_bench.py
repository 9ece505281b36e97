# SPDX-License-Identifier: Apache-2.0
"""A plant of `ics.*` without hosts: its own program, its own script, and requests that go straight to it."""

from __future__ import annotations

import importlib
import io
import struct
import sys
from contextlib import redirect_stdout
from types import ModuleType
from unittest.mock import patch

from proofhouse.exam.families import _ics, get_family
from proofhouse.exam.families.guest import modbus
from proofhouse.exam.item import SUBJECT, Evidence, Nonces


def plant_of(item, nonces):
    """The simulated plant of a run."""
    import json

    stage = get_family(item.family).stage(item, nonces)
    settings = json.loads(stage.files[_ics.HOST]["/work/plant.json"])
    program = importlib.import_module(f"proofhouse.exam.families.guest.{item.facts['program']}")
    [make] = [
        each
        for each in vars(program).values()
        if isinstance(each, type) and each.__module__ == program.__name__
    ]
    return make(settings), stage.files[SUBJECT][_ics.MAP].decode()


class Straight(modbus.Line):
    """The client, with the plant at the other end of its hand."""

    def __init__(self, plant):
        self._plant = plant

    def ask(self, function, body):
        answer = self._plant.answer(struct.pack("B", function) + body)
        if answer[0] & 0x80:
            raise modbus.Refused(answer[1])
        return answer[1:]


def record_of(item, script=None, nonces=None):
    """What the plant's record says after a script was run on it; of the reference unless told."""
    nonces = nonces or Nonces.fresh()
    plant, drawn = plant_of(item, nonces)
    module = ModuleType("modbus")
    module.Refused, module.Line = modbus.Refused, lambda host, port, unit: Straight(plant)
    text = (script or str(item.facts["script"])).replace(f"open({_ics.MAP!r})", "io.StringIO(DRAWN)")
    text = text.replace(f'open("{_ics.MAP}")', "io.StringIO(DRAWN)")
    assert "/work/target/map.csv" not in text
    with patch.dict(sys.modules, {"modbus": module}), redirect_stdout(io.StringIO()):
        exec(compile(text, "script", "exec"), {"io": io, "DRAWN": drawn})
    return {"run": nonces.token("run"), "scans": plant.scans, "hindered": plant.hindered, **plant.truth()}


def grade_of_record(item, record, nonces):
    """What the family says of a record."""
    import json

    evidence = Evidence(None, nonces, truths={(_ics.HOST, _ics.RECORD): json.dumps(record).encode()})
    return get_family(item.family).judge(item, evidence, None)
