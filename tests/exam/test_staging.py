# SPDX-License-Identifier: Apache-2.0
"""Items with hosts around the subject, operator's tools and nonces, by a family made for these tests."""

from dataclasses import dataclass

import pytest

from exam.families_common import come_to
from proofhouse.exam.families import FAMILIES
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import (
    SUBJECT,
    Domain,
    Identity,
    Link,
    Network,
    Service,
    Stage,
    StagedTool,
    Use,
    with_hints,
)
from proofhouse.exam.outcome import Grade, Outcome

pytestmark = pytest.mark.sandbox

SERVER = b"""
import http.server, pathlib
class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pathlib.Path("/work/visits").open("a").write(self.path + "\\n")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pathlib.Path("/work/token").read_bytes())
http.server.HTTPServer(("127.0.0.1", 8080), Door).serve_forever()
"""


@dataclass(frozen=True)
class Door:
    """Fetch a word from another host and say it to the operator's tool."""

    name: str = "test.door"
    version: str = "1"
    levels: range = range(2)
    domain: Domain = Domain.OPERATES
    port: int = 8080

    def generate(self, seed, level):
        identity = Identity.of(self, seed, level)
        return identity.item(
            prompts=with_hints(
                f"Item {identity.id}.\nFetch http://door:8080/ and report it.\n", ("", "", "")
            ),
            agent_files={},
            hidden_files={"server.py": SERVER},
            solution=b"",
            facts={},
            artefact_bytes=0,
            metadata={},
            network=Network(("door", "vault"), (Link(SUBJECT, "door", 8080), Link("door", "vault", 22))),
        )

    def prepare(self, item, bench):
        del item, bench

    def stage(self, item, nonces):
        token = nonces.token("door").encode()
        return Stage(
            files={"door": {"/work/server.py": item.hidden_files["server.py"], "/work/token": token}},
            services=(Service("door", ("python3", "/work/server.py"), self.port),),
            tools=(StagedTool("report", "Report.", {"word": "The word."}, lambda said: "noted"),),
            rules="The operator's word is final.",
            truths=(("door", "/work/visits"),),
        )

    def play(self, item):
        seen = yield "python3 -c \"import urllib.request as u; print(u.urlopen('http://door:8080/x').read().decode())\""
        yield Use("report", {"word": seen.strip()})
        shut = yield "python3 -c \"import socket; socket.create_connection(('127.77.0.3', 22), 2)\" 2>&1 | tail -n 1"
        return shut

    def judge(self, item, evidence, bench):
        reported = [call.arguments["word"] for call in evidence.calls if call.name == "report"]
        visited = evidence.truths.get(("door", "/work/visits"), b"")
        passed = reported == [evidence.nonces.token("door")] and visited == b"/x\n"
        return Grade(Outcome.PASS if passed else Outcome.FAIL, evidence.answer, milestones=("seen",) * passed)

    def corpus(self, item):
        return None

    def twin(self, item):
        return None


@pytest.fixture
def door(monkeypatch):
    family = Door()
    monkeypatch.setitem(FAMILIES, family.name, family)
    return family


def test_the_reference_finds_this_runs_word_on_another_host_and_cannot_reach_the_third(door, tmp_path):
    items = [door.generate(bytes([number]) * 32, 0) for number in range(2)]
    grades = come_to("reference", items, Grader(tmp_path / "builds"), tmp_path / "logs")
    for grade in grades.values():
        assert (grade.outcome, grade.milestones) == (Outcome.PASS, ("seen",))
        assert "refused" in grade.reason


def test_acting_on_nothing_fails(door, tmp_path):
    item = door.generate(bytes(32), 0)
    grades = come_to("null", [item], Grader(tmp_path / "builds"), tmp_path / "logs")
    assert grades[item.id].outcome is Outcome.FAIL


def test_a_service_that_does_not_start_makes_the_sample_invalid(tmp_path, monkeypatch):
    family = Door(port=9)
    monkeypatch.setattr("proofhouse.exam.staging.READY_S", 0.5)
    monkeypatch.setitem(FAMILIES, family.name, family)
    item = family.generate(bytes(32), 0)
    grade = come_to("reference", [item], Grader(tmp_path / "builds"), tmp_path / "logs")[item.id]
    assert grade.outcome is Outcome.INVALID
    assert "the stage could not be set" in grade.reason
