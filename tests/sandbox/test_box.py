# SPDX-License-Identifier: Apache-2.0
"""What a command in a box sees, and what its result says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.sandbox import Box, BoxSpec, Limits, SandboxDead, open_box

pytestmark = pytest.mark.sandbox

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def test_a_result_holds_exit_status_and_both_streams(box: Box) -> None:
    result = box.exec(["sh", "-c", "cat; echo err >&2; exit 7"], stdin=b"in")
    assert (result.exit_code, result.signal, result.stdout, result.stderr) == (7, None, b"in", b"err\n")
    assert not result.timed_out
    assert not result.truncated


def test_a_signal_is_told_apart_from_an_exit_status(box: Box) -> None:
    result = box.exec(["sh", "-c", "kill -SEGV $$"])
    assert (result.exit_code, result.signal) == (None, signal.SIGSEGV)


def test_a_missing_program_is_the_commands_failure(box: Box) -> None:
    result = box.exec(["no-such-program"])
    assert result.exit_code == 127
    assert b"no-such-program: No such file" in result.stderr


def test_a_missing_working_directory_is_the_commands_failure(box: Box) -> None:
    result = box.exec(["true"], cwd="/nowhere")
    assert result.exit_code == 126
    assert b"cannot enter /nowhere" in result.stderr


@settings(max_examples=30, deadline=None)
@given(arguments=st.lists(_TEXT, max_size=5), value=_TEXT)
def test_arguments_and_variables_arrive_unchanged(box: Box, arguments: list[str], value: str) -> None:
    script = 'printf "%s\\0" "$VALUE" "$@"'
    result = box.exec(["sh", "-c", script, "sh", *arguments], env={"VALUE": value})
    assert result.stdout.split(b"\0")[:-1] == [each.encode() for each in [value, *arguments]]


@pytest.mark.parametrize("argv", [[], ["a\0b"]])
def test_impossible_arguments_are_refused(box: Box, argv: list[str]) -> None:
    with pytest.raises(ValueError, match=r"empty|NUL"):
        box.exec(argv)


def test_an_impossible_variable_name_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="environment variable"):
        box.exec(["true"], env={"A=B": "c"})


def test_nothing_of_the_hosts_environment_passes(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFHOUSE_SECRET", "secret")
    names = {line.split(b"=")[0] for line in box.exec(["env"]).stdout.splitlines()}
    assert names == {b"PATH", b"HOME", b"USER", b"LANG"}


def test_a_command_holds_no_descriptor_but_its_three_streams(box: Box) -> None:
    listed = box.exec(["sh", "-c", "ls /proc/$$/fd"]).stdout.split()
    assert set(listed) <= {b"0", b"1", b"2"}


def test_a_command_starts_with_default_signals(box: Box) -> None:
    # Asked of perl, which itself ignores SIGFPE (8) and nothing else: gVisor's /proc/self/status has no signal sets.
    ask = (
        "use POSIX; my $m = POSIX::SigSet->new; sigprocmask(SIG_BLOCK, POSIX::SigSet->new, $m);"
        "my @held = grep { $m->ismember($_) } 1..31; print qq(@held);"
        "for (1..7, 9..31) { my $a = POSIX::SigAction->new; sigaction($_, undef, $a);"
        " print qq( ignored $_) if $a->handler eq 'IGNORE' }"
    )
    told = box.exec(["perl", "-e", ask])
    assert (told.exit_code, told.stdout) == (0, b"")


def test_standard_streams_can_be_opened_by_name(box: Box) -> None:
    result = box.exec(["sh", "-c", "cat /dev/stdin > /dev/stdout; echo e > /dev/stderr"], stdin=b"x")
    assert (result.stdout, result.stderr) == (b"x", b"e\n")


def test_large_input_and_output_pass_together(box: Box) -> None:
    content = os.urandom(4 << 20)
    assert box.exec(["cat"], stdin=content).stdout == content


def test_input_that_nobody_reads_does_no_harm(box: Box) -> None:
    assert box.exec(["true"], stdin=b"x" * (4 << 20)).exit_code == 0


def test_commands_share_the_box_but_not_the_next_box(box: Box) -> None:
    box.exec(["sh", "-c", "echo kept > /work/kept"])
    assert box.exec(["cat", "/work/kept"]).stdout == b"kept\n"
    with open_box() as other:
        assert other.exec(["cat", "/work/kept"]).exit_code == 1


def test_what_a_command_leaves_running_is_gone_with_its_result(box: Box) -> None:
    box.exec(
        ["sh", "-c", "setsid sleep 1000 >/dev/null & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; exit 0"]
    )
    assert b"sleep" not in box.exec(["ps", "ax"]).stdout


def test_a_box_that_keeps_background_keeps_it_until_it_closes() -> None:
    with open_box(BoxSpec(keep_background=True)) as box:
        started = box.exec(["sh", "-c", "sleep 1000 & echo started"])
        assert started.stdout == b"started\n"
        assert started.seconds < 5
        assert b"sleep 1000" in box.exec(["ps", "ax"]).stdout


def test_kill_minus_one_leaves_the_box_alive(box: Box) -> None:
    box.exec(["bash", "-c", "kill -9 -1; kill -9 1; kill -STOP 1"])
    assert box.exec(["echo", "alive"]).stdout == b"alive\n"


def test_commands_run_side_by_side(box: Box) -> None:
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(box.exec(["sh", "-c", "sleep 0.5; echo x"]).stdout))
        for _ in range(6)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"x\n"] * 6
    assert time.monotonic() - started < 2.5


def test_a_box_outlives_the_thread_that_opened_it() -> None:
    opened: list[Box] = []
    thread = threading.Thread(target=lambda: opened.append(open_box()))
    thread.start()
    thread.join()
    with opened[0] as box:
        time.sleep(0.2)
        assert box.exec(["true"]).exit_code == 0


def test_a_dead_box_is_never_a_result() -> None:
    with open_box() as box:
        signal.pidfd_send_signal(box._holder._init, signal.SIGKILL)
        with pytest.raises(SandboxDead, match="process 1"):
            box.exec(["true"])
        with pytest.raises(SandboxDead):
            box.get("/etc/passwd", 100)
        assert box.death is not None


def test_a_box_that_dies_under_a_command_raises() -> None:
    with open_box() as box:
        threading.Timer(0.2, box.kill, ["operator pressed the switch"]).start()
        with pytest.raises(SandboxDead, match="operator pressed the switch"):
            box.exec(["sleep", "30"])


def test_a_closed_box_says_so() -> None:
    box = open_box()
    box.close()
    box.close()
    with pytest.raises(SandboxDead, match="closed"):
        box.exec(["true"])


def test_eight_boxes_in_parallel_leave_nothing_behind() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def children() -> set[str]:
        return {
            pid for each in Path("/proc/self/task").glob("*/children") for pid in each.read_text().split()
        }

    def one(number: int) -> None:
        with open_box(BoxSpec(Limits(memory_bytes=64 << 20))) as box:
            groups.extend(box._holder.group.membership_files)
            box.put("n", str(number).encode())
            outputs[number] = box.exec(["cat", "n"]).stdout

    with open_box():
        pass
    before, groups, outputs = (descriptors(), children()), list[Path](), dict[int, bytes]()
    threads = [threading.Thread(target=one, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: str(number).encode() for number in range(8)}
    assert (descriptors(), children()) == before
    assert not [file for file in groups if file.exists()]


def test_a_box_ends_with_its_host_process() -> None:
    script = (
        "import signal, sys, time; from proofhouse.sandbox import open_box; box = open_box();"
        "about = open(f'/proc/self/fdinfo/{box._holder._init}').read();"
        "print(about.split('Pid:')[1].split()[0], flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        init = Path(f"/proc/{int(host.stdout.readline())}")
        assert init.exists()
        host.kill()
    deadline = time.monotonic() + 5
    while init.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not init.exists()
