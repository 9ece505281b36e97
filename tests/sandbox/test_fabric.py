# SPDX-License-Identifier: Apache-2.0
"""A fabric's hosts reach each other over its links and in no other way; evidence is taken from the host side."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from proofhouse.sandbox import Box, BoxSpec, SandboxDead, SandboxUnavailable
from proofhouse.sandbox import fabric as fabric_room
from proofhouse.sandbox.fabric import Fabric, FabricSpec, Host, Link
from sandbox.conftest import open_tier

pytestmark = pytest.mark.sandbox

_ECHO = b"""
import socket, sys, threading
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
def serve(connection, caller):
    while chunk := connection.recv(65536):
        connection.sendall(chunk)
    connection.sendall(b"from " + caller[0].encode())
    connection.close()
while True:
    threading.Thread(target=serve, args=server.accept(), daemon=True).start()
"""
_ASK = """
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
data = sys.stdin.buffer.read()
import threading
threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR))).start()
while chunk := c.recv(65536):
    sys.stdout.buffer.write(chunk)
"""
_SPEC = FabricSpec(
    hosts=(Host("office"), Host("gateway"), Host("plc"), Host("plant")),
    links=(
        Link("office", "gateway", (80, 2222)),
        Link("gateway", "plc", (502,), tap_bytes=64),
        Link("plc", "plant", (7000,)),
    ),
)


def _serve(fabric: Fabric, host: str, port: int, address: str = "127.0.0.1") -> None:
    fabric.write_file(host, "/work/echo.py", _ECHO)
    fabric.spawn(host, ["python3", "/work/echo.py", address, str(port)])
    fabric.wait_for(host, port)


def _ask(fabric: Fabric, source: str, target: str, port: int, said: bytes = b"hello ") -> bytes:
    done = fabric.exec(source, ["python3", "-c", _ASK, target, str(port)], stdin=said)
    return done.stdout or b"".join(done.stderr.splitlines()[-1:])


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    """Four hosts in a row, each with an echo service, all of which are up."""
    with Fabric.start(_SPEC) as started:
        _serve(started, "gateway", 80)
        _serve(started, "plc", 502)
        _serve(started, "plant", 7000)
        yield started


@pytest.mark.slow
def test_the_strong_tier_has_the_same_links() -> None:
    open_tier("T1").close()
    with Fabric.start(replace(_SPEC, tier="T1")) as fabric:
        _serve(fabric, "plc", 502)
        content = os.urandom(300_000)
        assert _ask(fabric, "gateway", "plc", 502, content) == content + b"from 127.77.0.2"
        assert b"Name or service not known" in _ask(fabric, "office", "plc", 502)
        assert b"Connection refused" in _ask(fabric, "office", fabric.address("plc"), 502)
        assert b"from" not in _ask(fabric, "office", "gateway", 80)
        assert fabric.contacts()[-1].refused
        fabric.exec("gateway", ["bash", "-c", "kill -9 -1"])
        assert _ask(fabric, "gateway", "plc", 502) == b"hello from 127.77.0.2"
        fabric.cut("gateway", "plc")
        assert b"refused" in _ask(fabric, "gateway", "plc", 502)
        assert {each.kernel[:6] for each in fabric.enforcement.values()} == {"gVisor"}


def test_a_link_carries_a_service_under_its_name_and_well_known_port(fabric: Fabric) -> None:
    assert _ask(fabric, "office", "gateway", 80) == b"hello from 127.77.0.1"
    assert _ask(fabric, "gateway", "plc", 502) == b"hello from 127.77.0.2"
    assert _ask(fabric, "plc", "plant", 7000) == b"hello from 127.77.0.3"


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("office", "plc", 502),  # two hops away
        ("office", "plant", 7000),  # three
        ("plc", "gateway", 80),  # against the link's direction
        ("gateway", "office", 80),
        ("gateway", "plc", 7000),  # a port that the link does not have
        ("plant", "plc", 502),
    ],
)
def test_what_has_no_link_can_be_neither_named_nor_reached(
    fabric: Fabric, source: str, target: str, port: int
) -> None:
    linked = any((link.source, link.target) == (source, target) for link in _SPEC.links)
    before = len(fabric.contacts())
    assert (b"Name or service not known" in _ask(fabric, source, target, port)) is not linked
    assert b"Connection refused" in _ask(fabric, source, fabric.address(target), port)
    assert len(fabric.contacts()) == before


def test_a_scan_of_every_address_finds_the_links_and_nothing_else(fabric: Fabric) -> None:
    scan = (
        "import socket\n"
        "for n in range(1, 7):\n"
        "  for p in (22, 80, 502, 2222, 7000):\n"
        "    s = socket.socket(); s.settimeout(2)\n"
        "    if s.connect_ex((f'127.77.0.{n}', p)) == 0: print(n, p)\n"
        "    s.close()\n"
    )
    assert fabric.exec("office", ["python3", "-c", scan]).stdout == b"2 80\n2 2222\n"
    assert fabric.exec("plant", ["python3", "-c", scan]).stdout == b""


def test_a_whole_network_has_no_interface_but_loopbacks(fabric: Fabric) -> None:
    for host in fabric.hosts:
        lines = fabric.read_file(host, "/proc/net/dev").decode().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in lines] == ["lo"]
        assert len(fabric.read_file(host, "/proc/net/route").splitlines()) <= 1


def test_no_host_reaches_the_machine_outside(fabric: Fabric) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        port = canary.getsockname()[1]
        for host in fabric.hosts:
            for address in ("127.0.0.1", "127.77.0.1"):
                assert b"refused" in _ask(fabric, host, address, port)
            assert b"unreachable" in _ask(fabric, host, "192.0.2.1", 80)
        with pytest.raises(BlockingIOError):
            canary.accept()


def test_the_machine_outside_records_every_contact(fabric: Fabric) -> None:
    _ask(fabric, "gateway", "plc", 502, b"\x00\x01\x00\x00\x00\x06")
    contact = fabric.contacts()[-1]
    assert (contact.source, contact.target, contact.port) == ("gateway", "plc", 502)
    assert bytes(contact.sent) == b"\x00\x01\x00\x00\x00\x06"
    assert bytes(contact.answered) == b"\x00\x01\x00\x00\x00\x06from 127.77.0.2"
    assert contact.sent_bytes == 6


def test_a_lot_passes_unharmed_and_only_the_start_is_kept(fabric: Fabric) -> None:
    content = os.urandom(3 << 20)
    assert _ask(fabric, "gateway", "plc", 502, content) == content + b"from 127.77.0.2"
    contact = fabric.contacts()[-1]
    assert contact.sent_bytes == len(content)
    assert bytes(contact.sent) == content[:64]


def test_a_link_to_nobody_ends_at_once_and_is_recorded(fabric: Fabric) -> None:
    assert b"from" not in _ask(fabric, "office", "gateway", 2222)
    assert fabric.contacts()[-1].refused


def test_hosts_share_no_file_and_no_process(fabric: Fabric) -> None:
    fabric.write_file("office", "/work/secret", b"s")
    with pytest.raises(FileNotFoundError):
        fabric.read_file("gateway", "/work/secret")
    assert b"echo.py" not in fabric.exec("office", ["ps", "ax"]).stdout


def test_an_unknown_host_is_an_error_of_the_caller(fabric: Fabric) -> None:
    with pytest.raises(KeyError):
        fabric.exec("nowhere", ["true"])


def test_links_outlive_a_guest_that_kills_everything() -> None:
    with Fabric.start(_SPEC) as fabric:
        for host in ("office", "gateway"):
            fabric.exec(host, ["bash", "-c", "kill -9 -1"])
        _serve(fabric, "gateway", 80, "0.0.0.0")
        assert _ask(fabric, "office", "gateway", 80) == b"hello from 127.77.0.1"


def test_a_guest_cannot_take_a_links_place() -> None:
    bind = "import socket, sys; socket.create_server((sys.argv[1], 80))"
    with Fabric.start(_SPEC) as fabric:
        taken = fabric.exec("office", ["python3", "-c", bind, fabric.address("gateway")])
        assert b"Address already in use" in taken.stderr


def test_a_flood_of_connections_is_bounded_and_leaves_the_link_working() -> None:
    flood = (
        "import socket\nl = [socket.create_connection(('gateway', 80)) for _ in range(300)]\nprint(len(l))"
    )
    with Fabric.start(_SPEC) as fabric:
        _serve(fabric, "gateway", 80)
        fabric.exec("office", ["python3", "-c", flood], wall_s=20)
        assert sum(contact.open for contact in fabric.contacts()) <= 64
        assert _ask(fabric, "office", "gateway", 80) == b"hello from 127.77.0.1"


def test_a_defender_cuts_a_link_with_its_connections_and_gives_it_back() -> None:
    with Fabric.start(_SPEC) as fabric:
        _serve(fabric, "gateway", 80)
        held: list[bytes] = []
        wait = "import socket; s = socket.create_connection(('gateway', 80)); print('in', flush=True); print(s.recv(1))"
        client = threading.Thread(
            target=lambda: held.append(fabric.exec("office", ["python3", "-c", wait]).stdout)
        )
        client.start()
        while not any(contact.open for contact in fabric.contacts()):
            time.sleep(0.01)
        fabric.cut("office", "gateway")
        client.join(10)
        assert held in ([b"in\nb''\n"], [b"in\n"])  # an orderly end, or a reset
        assert b"refused" in _ask(fabric, "office", "gateway", 80)
        with pytest.raises(KeyError):
            fabric.cut("office", "gateway")
        fabric.restore("office", "gateway")
        assert _ask(fabric, "office", "gateway", 80) == b"hello from 127.77.0.1"
        with pytest.raises(ValueError, match="not cut"):
            fabric.restore("office", "gateway")
        with pytest.raises(KeyError):
            fabric.restore("gateway", "office")


def test_a_dead_host_is_never_a_result_and_is_named() -> None:
    with Fabric.start(_SPEC) as fabric:
        assert fabric.death is None
        fabric.box("plc").kill("the plant burned down")
        with pytest.raises(SandboxDead, match="burned down"):
            fabric.exec("plc", ["true"])
        assert fabric.death == "host plc: the plant burned down"
        assert fabric.exec("office", ["echo", "alive"]).stdout == b"alive\n"
        _ask(fabric, "gateway", "plc", 502)
        assert fabric.contacts()[-1].refused


def test_teardown_leaves_no_process_group_thread_or_descriptor() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with Fabric.start(_SPEC):
        pass
    before, threads = descriptors(), threading.active_count()
    fabric = Fabric.start(_SPEC)
    _serve(fabric, "gateway", 80)
    _ask(fabric, "office", "gateway", 80)
    groups = [file for host in fabric.hosts for file in fabric.box(host)._holder.group.membership_files]  # type: ignore[attr-defined]  # of T0
    uids = {box.host_uid for box in fabric.enforcement.values()}
    fabric.close()
    fabric.close()
    assert (descriptors(), threading.active_count()) == (before, threads)
    assert not [file for file in groups if file.exists()]
    if os.geteuid() == 0:
        assert not {pid for pid in _processes() if _uid(pid) in uids}


def _processes() -> list[str]:
    return [each.name for each in Path("/proc").iterdir() if each.name.isdigit()]


def _uid(pid: str) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except FileNotFoundError:
        return -1


def test_a_failed_start_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Box] = []
    intact = fabric_room.open_box

    def remember(spec: BoxSpec) -> Box:
        if "plant" in spec.names and "plc" not in spec.names:
            raise SandboxUnavailable("no fourth")
        opened.append(box := intact(spec))
        return box

    monkeypatch.setattr(fabric_room, "open_box", remember)
    with pytest.raises(SandboxUnavailable, match="no fourth"):
        Fabric.start(_SPEC)
    assert [box.death for box in opened] == ["the box was closed"] * 3


def test_a_listener_that_no_link_explains_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    intact = Fabric.check

    def with_a_stray(self: Fabric) -> None:
        stray = self.box("plant").listen("127.0.0.1", 9)
        try:
            intact(self)
        finally:
            stray.close()

    monkeypatch.setattr(Fabric, "check", with_a_stray)
    with pytest.raises(SandboxUnavailable, match="plant of the fabric does not hold"):
        Fabric.start(_SPEC)


_A, _B = Host("a"), Host("b")


@pytest.mark.parametrize(
    ("hosts", "links", "complaint"),
    [
        ((_A,), (), "2 to 6 hosts"),
        (tuple(Host(f"h{n}") for n in range(7)), (), "2 to 6 hosts"),
        ((_A, _A), (), "same name"),
        ((_A, Host("B b")), (), "not a host name"),
        ((_A, Host("localhost")), (), "not a host name"),
        ((_A, _B), (Link("a", "c", (1,)),), "'c'"),
        ((_A, _B), (Link("a", "a", (1,)),), "itself"),
        ((_A, _B), (Link("a", "b", ()),), "no port"),
        ((_A, _B), (Link("a", "b", (70000,)),), "not a port"),
        ((_A, _B), (Link("a", "b", (1,)), Link("a", "b", (1,))), "given twice"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(
    hosts: tuple[Host, ...], links: tuple[Link, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        FabricSpec(hosts, links)
