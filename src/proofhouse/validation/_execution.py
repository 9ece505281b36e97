# SPDX-License-Identifier: Apache-2.0
"""One run of one program on one input, in a box opened for it and thrown away after it."""

import io
import json
import secrets
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from proofhouse.sandbox import Box, BoxSpec, ExecResult, Limits, SandboxDead, open_box
from proofhouse.validation._conversation import HttpTalk, converse
from proofhouse.validation._crash import EXIT_CODE, REPORT_STEM, CodeAddress, Frame, Report, read_report

RUNS = 3
"""A proof must do the same in this many fresh boxes."""
ATTEMPTS = 3
"""A run whose sandbox dies is invalid and is tried again, this often in all."""
MAX_LOG_BYTES = 4 << 20
OUTPUT_BYTES = 4 << 20
MAX_LOOK_BYTES = 1 << 20
MEMORY_BYTES = 2 << 30
"""AddressSanitizer keeps freed memory in quarantine, so a run takes several times its plain size."""
PROGRAM_DIRECTORY = "/work"

OpenBox = Callable[[BoxSpec], Box]


class Outcome(StrEnum):
    """What one run showed."""

    CRASHED = "crashed"
    """The sanitizer ended it with its own exit status and left a report."""
    SILENT = "silent"
    """It ended by itself and the sanitizer wrote nothing."""
    TIMED_OUT = "timed-out"
    DIED = "died"
    """A signal or the memory limit ended it and there is no report."""
    UNCLEAR = "unclear"
    """A report without the sanitizer's exit status: neither a crash nor silence."""
    INVALID = "invalid"
    """The sandbox died in every attempt: says nothing about the program."""


@dataclass(frozen=True)
class Execution:
    """One run's outcome and what it printed.

    Attributes:
        outcome: what it showed.
        exit_code: exit status, or None.
        stdout: standard output, hostile bytes.
        stderr: standard error, hostile bytes.
        report: the sanitizer's report, if any.
        seconds: elapsed time of the command.
    """

    outcome: Outcome
    exit_code: int | None
    stdout: bytes
    stderr: bytes
    report: Report | None
    seconds: float
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that were asked for and were there, by path."""
    http_status: int | None = None


@dataclass(frozen=True)
class Command:
    """What to start in a fresh box.

    Attributes:
        argv: argument vector, relative to the program's directory.
        files: path below that directory → content, put beside the program.
        stdin: standard input.
        timeout_s: elapsed seconds after which it is killed.
        looks_at: paths below the program's directory to read afterwards.
        http: how it is talked to, when it is a server.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes]
    stdin: bytes
    timeout_s: int
    looks_at: frozenset[str] = frozenset()
    http: HttpTalk | None = None


def run_command(
    argv: Sequence[str], stdin: str | None, timeout_s: int, inputs: Mapping[str, tuple[PurePosixPath, bytes]]
) -> Command:
    """Fill a recipe's run template with inputs.

    Args:
        argv: template; `{name}` becomes the path of that input.
        stdin: name of the input for standard input, or None.
        timeout_s: elapsed seconds.
        inputs: name → (the file's own path, of which only the suffix is kept; content).
    """
    places = {name: f"input/{name}{path.suffix}" for name, (path, _) in inputs.items()}
    filled = tuple(_fill(argument, places) for argument in argv)
    return Command(
        filled,
        {places[name]: content for name, (_, content) in inputs.items()},
        inputs[stdin][1] if stdin else b"",
        timeout_s,
    )


def _fill(argument: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        argument = argument.replace("{" + name + "}", place)
    return argument


def judge(result: ExecResult, report: Report | None) -> Outcome:
    """Class one run from the box's facts and the report in its log directory; printed text has no say."""
    if report is not None:
        return Outcome.CRASHED if result.exit_code == EXIT_CODE else Outcome.UNCLEAR
    if result.timed_out:
        return Outcome.TIMED_OUT
    if result.exit_code is None or result.out_of_memory:
        return Outcome.DIED
    return Outcome.SILENT


def execute(program: bytes, command: Command, *, opener: OpenBox = open_box) -> Execution:
    """Run a command in a fresh box that holds the program and the command's files only.

    A box that dies makes the attempt invalid; after three the run is `INVALID`.

    Args:
        program: tar of the built files.
        command: what to start.
        opener: opens the box.

    Raises:
        SandboxUnavailable: no box can be opened on this machine.
    """
    for _ in range(ATTEMPTS):
        try:
            with opener(box_for(command)) as box:
                return _execute_in(box, program, command)
        except (SandboxDead, OSError):  # the box died, or could not take the files in
            continue
    return Execution(Outcome.INVALID, None, b"", b"", None, 0.0)


def _execute_in(box: Box, program: bytes, command: Command) -> Execution:
    logs = f"log-{secrets.token_hex(8)}"
    box.put_tree(_beside(program, command.files, logs), PROGRAM_DIRECTORY)
    env = sanitizer_environment(f"{PROGRAM_DIRECTORY}/{logs}/{REPORT_STEM}")
    if command.http is not None:
        result, status = converse(box, command.argv, command.http, PROGRAM_DIRECTORY, env, command.timeout_s)
    else:
        status = None
        result = box.exec(
            command.argv,
            stdin=command.stdin,
            cwd=PROGRAM_DIRECTORY,
            env=env,
            wall_s=command.timeout_s,
            output_bytes=OUTPUT_BYTES,
        )
    try:
        report = read_report(untar_files(box.get_tree(f"{PROGRAM_DIRECTORY}/{logs}", MAX_LOG_BYTES)))
        outcome = judge(result, report)
    except (OSError, tarfile.TarError):  # the program removed or flooded its log directory
        report, outcome = None, Outcome.UNCLEAR
    files = _look(box, command.looks_at)
    return Execution(
        outcome, result.exit_code, result.stdout, result.stderr, report, result.seconds, files, status
    )


def _look(box: Box, paths: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(paths):
        with suppress(OSError):  # absent, not a regular file, too large: not there for us
            found[path] = box.get(f"{PROGRAM_DIRECTORY}/{path}", MAX_LOOK_BYTES)
    return found


def is_checked(program: bytes) -> bool:
    """Whether a build's outputs hold, or link to, a sanitizer's runtime at all."""
    return any(name in program for name in (b"__asan_init", b"__ubsan_handle"))


def _beside(program: bytes, files: Mapping[str, bytes], logs: str) -> bytes:
    """The program's tar with the command's files and an empty directory for reports added to it."""
    end = len(program)
    while program[end - tarfile.BLOCKSIZE : end] == tarfile.NUL * tarfile.BLOCKSIZE:
        end -= tarfile.BLOCKSIZE
    return program[:end] + tar_files(files, directories=(logs,))


def box_for(command: Command) -> BoxSpec:
    """The box that a command runs in."""
    timeout_s = command.timeout_s
    return BoxSpec(
        limits=Limits(wall_s=timeout_s, cpu_s=8 * timeout_s, memory_bytes=MEMORY_BYTES),
        profile="agent" if command.http else "build",  # a server needs sockets, on the box's own loopback
    )


def sanitizer_environment(log_path: str) -> dict[str, str]:
    """Options of the sanitizer runtimes: report to a file, exit with our status, look for no leaks.

    Handlers of crash signals are the runtime's alone (2): a program that installs its own would hide the crash.
    LeakSanitizer needs ptrace, which a box denies, and would then report on clean input.
    """
    handlers = ":".join(f"handle_{name}=2" for name in ("abort", "segv", "sigbus", "sigfpe", "sigill"))
    common = f"exitcode={EXIT_CODE}:symbolize=0:log_path={log_path}"
    return {
        "ASAN_OPTIONS": f"{common}:detect_leaks=0:{handlers}:allocator_may_return_null=1",
        "UBSAN_OPTIONS": f"{common}:print_stacktrace=1:halt_on_error=1",
    }


def symbolise(
    program: bytes, addresses: Iterable[CodeAddress], *, opener: OpenBox = open_box
) -> dict[CodeAddress, tuple[Frame, ...]]:
    """Name the functions at addresses in the program's own modules, in a box of its own.

    Addresses in other modules (the C library) are left out; they are never the program's own code.

    Raises:
        SandboxUnavailable: no box can be opened on this machine.
    """
    own = PurePosixPath(PROGRAM_DIRECTORY)
    by_module: dict[str, list[CodeAddress]] = {}
    for address in dict.fromkeys(addresses):
        if PurePosixPath(address.module).is_relative_to(own):
            by_module.setdefault(address.module, []).append(address)
    named: dict[CodeAddress, tuple[Frame, ...]] = {}
    for module, wanted in by_module.items():
        argv = ["llvm-symbolizer", "--output-style=JSON", f"--obj={module}", *(hex(a.offset) for a in wanted)]
        named.update(zip(wanted, _symbols(program, argv, len(wanted), opener), strict=True))
    return named


def _symbols(program: bytes, argv: list[str], count: int, opener: OpenBox) -> list[tuple[Frame, ...]]:
    for _ in range(ATTEMPTS):
        try:
            with opener(BoxSpec(profile="build")) as box:
                box.put_tree(program, PROGRAM_DIRECTORY)
                result = box.exec(argv, cwd=PROGRAM_DIRECTORY)
        except SandboxDead:
            continue
        try:
            rows = json.loads(result.stdout)
            frames = [tuple(_frame(symbol) for symbol in row.get("Symbol", ())) for row in rows]
        except (ValueError, AttributeError, KeyError, TypeError):
            break
        if len(frames) == count:
            return frames
        break
    return [()] * count


def _frame(symbol: Mapping[str, object]) -> Frame:
    line = symbol["Line"]
    return Frame(
        "".join(c for c in str(symbol["FunctionName"])[:512] if c.isprintable()),
        PurePosixPath(str(symbol["FileName"])).name,
        line if isinstance(line, int) else 0,
    )


def tar_files(files: Mapping[str, bytes], *, directories: Iterable[str] = ()) -> bytes:
    """Pack files, and empty directories that the box's user may write, into a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in directories:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o700
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def untar_files(content: bytes) -> dict[str, bytes]:
    """The regular files of a tar that came out of a box, by base name; everything else in it is skipped."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                files[PurePosixPath(member.name).name] = stream.read()
    return files
