# SPDX-License-Identifier: Apache-2.0
"""The small C programs of the sandbox: compiled once per user and kept in the cache by digest."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from importlib import resources
from pathlib import Path

from proofhouse.sandbox.errors import SandboxUnavailable

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2")
_HEADERS = ("request.h",)
_LINKING = ("-static", "")  # without a static libc the box's read-only /usr supplies the shared one
_PATIENCE_S = 60
_lock = threading.Lock()
_ready: dict[str, Path] = {}


def cache_directory() -> Path:
    """The per-user cache: ``$XDG_CACHE_HOME/proofhouse``, made private on first use."""
    base = os.environ.get("XDG_CACHE_HOME")
    directory = (Path(base) if base else Path.home() / ".cache") / "proofhouse"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SandboxUnavailable(
            f"cannot make the cache directory {directory} ({error.strerror}): set XDG_CACHE_HOME to a place "
            "that you can write"
        ) from error
    return directory


def program(name: str) -> Path:
    """The compiled form of ``NAME.c`` in this package.

    Raises:
        SandboxUnavailable: No compiler, no space, or a cache that somebody else can write.
    """
    with _lock:
        known = _ready.get(name)
        if known is None or not known.exists():
            known = _ready[name] = _find_or_compile(name)
        return known


def _find_or_compile(name: str) -> Path:
    sources = {each: _source(each) for each in (f"{name}.c", *_HEADERS)}
    machine = [*_FLAGS, os.uname().machine]
    key = hashlib.sha256(b"\0".join([*(word.encode() for word in machine), *sources.values()]))
    target = cache_directory() / f"sandbox-{name}-{key.hexdigest()[:24]}"
    if target.exists():
        _require_private(target)
        return target
    try:
        return _compile(name, sources, target)
    except OSError as error:
        hint = (
            "free some space there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check that directory"
        )
        raise SandboxUnavailable(f"cannot write {target.parent} ({error.strerror}): {hint}") from error


def _source(name: str) -> bytes:
    return resources.files("proofhouse.sandbox").joinpath(name).read_bytes()


def _require_private(target: Path) -> None:
    for path in (target, target.parent):
        status = path.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise SandboxUnavailable(
                f"{path} belongs to or can be written by somebody else, so it is not executed: remove it, or "
                "set XDG_CACHE_HOME to a private directory"
            )


def _compile(name: str, sources: dict[str, bytes], target: Path) -> Path:
    compiler = next((found for each in _COMPILERS if (found := shutil.which(each))), None)
    if compiler is None:
        raise SandboxUnavailable(
            "no C compiler found for the sandbox's init: install gcc or clang "
            "(Debian, Ubuntu: apt install clang)"
        )
    _require_private(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="compiling-") as scratch:
        code, built = Path(scratch) / f"{name}.c", Path(scratch) / name
        for each, text in sources.items():
            (Path(scratch) / each).write_bytes(text)
        complaints = ""
        for linking in _LINKING:
            command = [compiler, *_FLAGS, *([linking] if linking else []), "-o", str(built), str(code)]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE_S,
                check=False,
            )
            if done.returncode == 0:
                built.chmod(0o755)
                built.replace(target)
                return target
            complaints = done.stderr.strip() or complaints
    if "No space left" in complaints:
        raise SandboxUnavailable(f"no space left while compiling in {target.parent}: free some space there")
    raise SandboxUnavailable(
        f"{compiler} could not compile the sandbox's {name}: install a C library with headers "
        f"(Debian, Ubuntu: apt install libc6-dev). It said: {complaints[-400:]}"
    )
