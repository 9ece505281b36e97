# SPDX-License-Identifier: Apache-2.0
"""No program in a box takes more than its limits (chapter's table: R1, R3 to R9, K1)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time

import pytest

from proofhouse.sandbox import Box, BoxSpec, Limits, SandboxDead, open_box

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("enforcement")]

_SMALL = Limits(wall_s=20, memory_bytes=64 << 20, pids=40)
_BOMB = """
import os, time
count = 1
while True:
    try:
        pid = os.fork()
    except OSError:
        break
    if pid == 0:
        time.sleep(30)
    count += 1
print(count)
"""
_OVERFLOW = b"""
#include <stdlib.h>
int main(int argc, char **argv) {
    char *block = malloc(8);
    block[8 * argc] = 1;
    free(block);
    return 0;
}
"""


def test_a_fork_bomb_is_bounded_and_swept() -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        result = box.exec(["python3", "-c", _BOMB])
        assert 1 < int(result.stdout) < 40
        assert len(box.exec(["ps", "-e", "-o", "pid="]).stdout.split()) == 2


def test_a_shell_fork_bomb_ends_at_its_time_limit() -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        started = time.monotonic()
        box.exec(["bash", "-c", "b() { b | b & }; b; sleep 5"], wall_s=1)
        assert time.monotonic() - started < 4
        assert box.exec(["echo", "alive"]).stdout == b"alive\n"


def test_one_memory_hog_is_killed_and_said() -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        result = box.exec(["python3", "-c", "x = bytearray(512 << 20); print('got it')"])
        assert result.out_of_memory
        assert b"got it" not in result.stdout
        assert box.exec(["echo", "alive"]).stdout == b"alive\n"


def test_many_small_hogs_are_killed_together() -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        hog = "python3 -c 'import time; x = bytearray(20 << 20); time.sleep(2); print(1)' & "
        result = box.exec(["sh", "-c", hog * 8 + "wait"])
        assert result.out_of_memory
        assert result.stdout.count(b"1") < 8


@pytest.mark.parametrize("place", ["/work", "/tmp", "/var/tmp", "/dev/shm", "/run"])
def test_a_full_disk_is_bounded(place: str) -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        result = box.exec(["sh", "-c", f"cat /dev/zero > {place}/full; stat -c %s {place}/full"])
        assert int(result.stdout) <= 16 << 20
        assert b"No space left" in result.stderr
        assert box.exec(["echo", "alive"]).stdout == b"alive\n"


@pytest.mark.parametrize("place", ["/", "/dev", "/etc", "/usr", "/proc", "/var", "/dev/pts"])
def test_no_other_place_takes_a_file(place: str) -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        assert box.exec(["touch", f"{place}/x"]).exit_code == 1


def test_empty_files_without_number_are_bounded() -> None:
    script = "n = 0\nwhile n < 200000:\n  open(f'/work/{n}', 'x').close(); n += 1\nprint('all', n)"
    with open_box(BoxSpec(_SMALL)) as box:
        try:
            result = box.exec(["python3", "-c", script])
        except SandboxDead:
            return
        assert b"all" not in result.stdout


def test_a_single_file_is_bounded() -> None:
    with open_box(BoxSpec(Limits(file_bytes=1 << 20))) as box:
        box.exec(["sh", "-c", "cat /dev/zero > big"])
        assert len(box.get("big", 2 << 20)) == 1 << 20
        with pytest.raises(OSError, match="File too large"):
            box.put("bigger", bytes(2 << 20))


def test_a_flood_is_cut_and_does_not_block_its_writer() -> None:
    with open_box(BoxSpec(Limits(output_bytes=1000))) as box:
        flood = box.exec(["sh", "-c", "head -c 20000000 /dev/zero; echo done >&2"])
        assert flood.truncated
        assert (flood.stdout, flood.stderr, flood.exit_code) == (bytes(1000), b"done\n", 0)
        assert not box.exec(["head", "-c", "1000", "/dev/zero"]).truncated


def test_an_endless_flood_ends_at_its_time_limit() -> None:
    with open_box(BoxSpec(Limits(output_bytes=1000))) as box:
        result = box.exec(["yes"], wall_s=0.5)
        assert result.timed_out
        assert result.truncated


def test_a_spinning_command_is_killed_in_time() -> None:
    with open_box(BoxSpec(_SMALL)) as box:
        result = box.exec(["sh", "-c", "trap '' TERM INT HUP; while :; do :; done"], wall_s=0.5)
        assert result.timed_out
        assert (result.exit_code, result.signal) == (None, 9)
        assert 0.5 <= result.seconds < 1.5


def test_a_lower_limit_of_the_host_holds() -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
        "from proofhouse.sandbox import open_box;"
        "print(open_box().exec(['sh', '-c', 'ulimit -n']).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("b'200\\n'\n", "")


def test_processor_time_is_bounded() -> None:
    with open_box(BoxSpec(Limits(cpu_s=1))) as box:
        result = box.exec(["sh", "-c", "while :; do :; done"])
        assert not result.timed_out
        assert result.signal in {9, 24}
        assert 0.5 < result.cpu_s < 2


def test_address_sanitizer_runs_and_reports_under_the_limits() -> None:
    compiler = shutil.which("clang") or shutil.which("gcc")
    assert compiler is not None
    with open_box(BoxSpec(Limits(memory_bytes=256 << 20), profile="build")) as box:
        box.put("overflow.c", _OVERFLOW)
        built = box.exec([compiler, "-g", "-fsanitize=address", "-o", "overflow", "overflow.c"])
        assert (built.exit_code, built.stderr) == (0, b"")
        options = {"ASAN_OPTIONS": "exitcode=86:detect_leaks=0:symbolize=0"}
        for _ in range(3):
            result = box.exec(["./overflow"], env=options)
            assert result.exit_code == 86
            assert b"ERROR: AddressSanitizer: heap-buffer-overflow" in result.stderr


def test_the_kill_switch_is_fast_under_load() -> None:
    fastest_s = 10.0
    for _ in range(3):
        with open_box(BoxSpec(Limits(pids=64))) as box:
            load = "for i in $(seq 50); do (while :; do :; done) & done; echo ready > /tmp/ready; wait"
            worker = threading.Thread(target=_expect_death, args=[box, ["sh", "-c", load]])
            worker.start()
            while box.exec(["test", "-e", "/tmp/ready"]).exit_code != 0:
                time.sleep(0.01)
            started = time.monotonic()
            box.kill("test of the switch")
            fastest_s = min(fastest_s, time.monotonic() - started)
            worker.join(5)
            assert not worker.is_alive()
    assert fastest_s < 0.1


def _expect_death(box: Box, argv: list[str]) -> None:
    with pytest.raises(SandboxDead, match="test of the switch"):
        box.exec(argv)
