# SPDX-License-Identifier: Apache-2.0
"""Several hosts with namespaces of their own, and links between them that are relays: a network made of exceptions.

A host has its own loopback and nothing else: no route, no bridge, no cable. A link makes one port of one host
reachable from one other host, because the machine outside listens in the first and connects in the second. What
has no link cannot be reached, named or even scanned: segmentation holds by construction.

Example:
    >>> spec = FabricSpec(
    ...     hosts=(Host("office"), Host("gateway"), Host("plc")),
    ...     links=(Link("office", "gateway", (22, 80)), Link("gateway", "plc", (502,))),
    ... )
    >>> with Fabric.start(spec) as fabric:
    ...     fabric.write_file("plc", "/work/plc.py", program)
    ...     fabric.spawn("plc", ["python3", "/work/plc.py"])
    ...     fabric.wait_for("plc", 502)
    ...     fabric.exec("gateway", ["python3", "-c", "import socket; socket.create_connection(('plc', 502))"])

In `gateway` the name ``plc`` stands for a loopback address of gateway's own, behind which the relay listens. A
service listens on 127.0.0.1 or 0.0.0.0 of its own host, on any port, and sees its caller come from the address
that the caller's name has.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from proofhouse.sandbox._box import Box, open_box
from proofhouse.sandbox._relay import Contact, Opening, Relay
from proofhouse.sandbox.errors import SandboxUnavailable
from proofhouse.sandbox.limits import HOST_NAME, BoxSpec, Enforcement, ExecResult, Limits, Tier

FEWEST_HOSTS, MOST_HOSTS = 2, 6
_LISTENING = "0A"  # proc(5), /proc/net/tcp
_SPAWN = 'log=$1; shift; setsid "$@" >"$log" 2>&1 </dev/null &'
_ASK_AGAIN_S = 0.02


@dataclass(frozen=True)
class Host:
    """One host of a fabric.

    Attributes:
        name: What it is called in the task and, by hosts that have a link to it, on the network.
        limits: Its box's limits.
    """

    name: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Link:
    """A permission: `source` may open TCP connections to these ports of `target`. Answers come back on them.

    Attributes:
        source: The host that may connect.
        target: The host whose services it may reach.
        ports: The services' ports, which are the same on both sides.
        tap_bytes: How much of each connection's bytes the record keeps, for each direction.
    """

    source: str
    target: str
    ports: tuple[int, ...]
    tap_bytes: int = 0


@dataclass(frozen=True)
class FabricSpec:
    """A network of 2 to 6 hosts.

    Raises:
        ValueError: A name, link or port makes no sense; the message says which.
    """

    hosts: tuple[Host, ...]
    links: tuple[Link, ...] = ()
    tier: Tier = "T0"

    def __post_init__(self) -> None:
        names = [host.name for host in self.hosts]
        if not FEWEST_HOSTS <= len(names) <= MOST_HOSTS:
            raise ValueError(f"a fabric has {FEWEST_HOSTS} to {MOST_HOSTS} hosts, not {len(names)}")
        if len(set(names)) != len(names):
            raise ValueError(f"two hosts have the same name: {', '.join(names)}")
        for name in names:
            if not HOST_NAME.fullmatch(name) or name in {"localhost", "sandbox"}:
                raise ValueError(f"not a host name: {name!r}")
        for link in self.links:
            _check_link(link, names)
        permitted = [(link.source, link.target, port) for link in self.links for port in link.ports]
        if len(set(permitted)) != len(permitted):
            raise ValueError("a port of a link is given twice")


def _check_link(link: Link, names: list[str]) -> None:
    for name in (link.source, link.target):
        if name not in names:
            raise ValueError(f"a link names the host {name!r}, which the fabric does not have")
    if link.source == link.target:
        raise ValueError(f"a link from {link.source} to itself")
    if not link.ports:
        raise ValueError(f"the link from {link.source} to {link.target} has no port")
    for port in link.ports:
        if not 0 < port < 1 << 16:
            raise ValueError(f"not a port: {port}")


class Fabric:
    """A started network. Its methods may be called from several threads.

    Raises, in all methods that name a host:
        KeyError: There is no such host.
        SandboxDead: That host's box ended; a run that meets this is invalid, never a result.
    """

    def __init__(self, spec: FabricSpec, boxes: Mapping[str, Box], relay: Relay) -> None:
        self.spec = spec
        self._boxes = dict(boxes)
        self._relay = relay
        self._openings: dict[tuple[str, str], list[Opening]] = {}

    @classmethod
    def start(cls, spec: FabricSpec) -> Fabric:
        """Open all hosts, then the links, and check from inside that nothing listens but the links.

        Raises:
            SandboxUnavailable: A host cannot be opened, or a check failed; nothing is left running.
        """
        with ExitStack() as undo, ThreadPoolExecutor(len(spec.hosts)) as pool:
            opening = {host.name: pool.submit(open_box, _box_spec(spec, host)) for host in spec.hosts}
            for future in opening.values():
                if future.exception() is None:
                    undo.callback(future.result().close)
            boxes = {name: future.result() for name, future in opening.items()}
            relay = Relay()
            undo.callback(relay.close)
            fabric = cls(spec, boxes, relay)
            for link in spec.links:
                fabric._open(link)
            fabric.check()
            undo.pop_all()
        return fabric

    def __enter__(self) -> Fabric:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def tier(self) -> Tier:
        """The tier of all hosts."""
        return self.spec.tier

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts, as in the specification."""
        return tuple(self._boxes)

    @property
    def enforcement(self) -> dict[str, Enforcement]:
        """By which means each host's limits are held, for the record of the run."""
        return {name: box.enforcement for name, box in self._boxes.items()}

    @property
    def death(self) -> str | None:
        """Which host's box ended and why, or None while nobody has noticed one."""
        for name, box in self._boxes.items():
            if box.death is not None:
                return f"host {name}: {box.death}"
        return None

    def box(self, host: str) -> Box:
        """The box of a host."""
        return self._boxes[host]

    def address(self, host: str) -> str:
        """The loopback address that stands for a host in the hosts that have a link to it."""
        return _address(self.spec, host)

    def exec(
        self,
        host: str,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: str = "/work",
        env: Mapping[str, str] | None = None,
        wall_s: float | None = None,
        output_bytes: int | None = None,
    ) -> ExecResult:
        """Run one command on a host; see `Box.exec`. What it leaves in the background lives on."""
        box = self._boxes[host]
        return box.exec(argv, stdin=stdin, cwd=cwd, env=env, wall_s=wall_s, output_bytes=output_bytes)

    def spawn(self, host: str, argv: Sequence[str], *, log: str = "/tmp/service.log") -> None:  # noqa: S108  # a path inside the box
        """Start a service on a host; it runs until the host ends or somebody there kills it.

        Args:
            host: Where.
            argv: Program and arguments.
            log: Where in the box its output goes.
        """
        self.exec(host, ["sh", "-c", _SPAWN, "sh", log, *argv], wall_s=30)

    def wait_for(self, host: str, port: int, *, within_s: float = 10) -> None:
        """Wait until a service on the host listens.

        Raises:
            TimeoutError: Nobody does.
        """
        deadline = time.monotonic() + within_s
        while ("127.0.0.1", port) not in (heard := self._listeners(host)) and ("0.0.0.0", port) not in heard:  # noqa: S104  # seen, not bound
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody listens on port {port} of {host} after {within_s:g} s")
            time.sleep(_ASK_AGAIN_S)

    def write_file(self, host: str, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file on a host; see `Box.put`."""
        self._boxes[host].put(path, content, mode)

    def read_file(self, host: str, path: str, max_bytes: int = 10 << 20) -> bytes:
        """Read a file from a host: hostile bytes; see `Box.get`."""
        return self._boxes[host].get(path, max_bytes)

    def contacts(self) -> list[Contact]:
        """Every connection over a link so far, in order, as the machine outside saw it (the first 4096)."""
        return list(self._relay.contacts)

    def cut(self, source: str, target: str) -> None:
        """Take a link away, with all its connections: what a defender's firewall does.

        Raises:
            KeyError: There is no such link, or it is cut already.
        """
        for opening in self._openings.pop((source, target)):
            self._relay.shut(opening)

    def restore(self, source: str, target: str) -> None:
        """Give a cut link back.

        Raises:
            KeyError: The fabric has no such link.
            ValueError: It is not cut.
        """
        links = [link for link in self.spec.links if (link.source, link.target) == (source, target)]
        if not links:
            raise KeyError((source, target))
        if (source, target) in self._openings:
            raise ValueError(f"the link from {source} to {target} is not cut")
        for link in links:
            self._open(link)

    def check(self) -> None:
        """See from inside each host that it has only a loopback, and that nothing listens there but the links.

        For before anything of the task has been started.

        Raises:
            SandboxUnavailable: Something else was seen.
        """
        for host in self.hosts:
            wanted = {
                (self.address(link.target), port)
                for link in self.spec.links
                if link.source == host
                for port in link.ports
            }
            found = self._listeners(host)
            if found != wanted:
                raise SandboxUnavailable(
                    f"the host {host} of the fabric does not hold: "
                    f"it should have the links {sorted(wanted)} and has {sorted(found)}"
                )
            lines = self.read_file(host, "/proc/net/dev", 1 << 16).decode().splitlines()[2:]
            others = {line.split(":")[0].strip() for line in lines} - {"lo"}
            if others:
                raise SandboxUnavailable(
                    f"the host {host} has network interfaces beside its loopback: {others}"
                )

    def kill(self, reason: str) -> None:
        """Kill everything on every host now."""
        for box in self._boxes.values():
            box.kill(reason)

    def close(self) -> None:
        """End every link and every host. May be repeated."""
        self._relay.close()
        for openings in self._openings.values():
            for opening in openings:
                opening.listener.close()
        self._openings.clear()
        for box in self._boxes.values():
            box.close()

    def _open(self, link: Link) -> None:
        source, target = self._boxes[link.source], self._boxes[link.target]
        address, caller = self.address(link.target), self.address(link.source)
        for port in link.ports:
            opening = Opening(
                link.source,
                link.target,
                port,
                source.listen(address, port),
                partial(target.connect, "127.0.0.1", port, caller),
                link.tap_bytes,
            )
            self._openings.setdefault((link.source, link.target), []).append(opening)
            self._relay.open(opening)

    def _listeners(self, host: str) -> set[tuple[str, int]]:
        lines = self.read_file(host, "/proc/net/tcp", 1 << 20).decode().splitlines()[1:]
        fields = [line.split() for line in lines]
        return {_parse(words[1]) for words in fields if words[3] == _LISTENING}


def _box_spec(spec: FabricSpec, host: Host) -> BoxSpec:
    peers = {link.target: _address(spec, link.target) for link in spec.links if link.source == host.name}
    return BoxSpec(
        host.limits,
        keep_background=True,
        names={host.name: "127.0.0.1", **peers},
        low_ports=True,
        tier=spec.tier,
    )


def _address(spec: FabricSpec, name: str) -> str:
    number = next(number for number, host in enumerate(spec.hosts, start=1) if host.name == name)
    return f"127.77.0.{number}"


def _parse(place: str) -> tuple[str, int]:
    """An entry of /proc/net/tcp: the address is a 32-bit number of this machine's byte order, in hexadecimal."""
    address, port = place.split(":")
    number = bytes.fromhex(address)[:: -1 if sys.byteorder == "little" else 1]
    return ".".join(str(byte) for byte in number), int(port, 16)


__all__ = ["Contact", "Fabric", "FabricSpec", "Host", "Link"]
