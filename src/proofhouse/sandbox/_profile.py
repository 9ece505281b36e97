# SPDX-License-Identifier: Apache-2.0
"""The arguments to bubblewrap. They are the isolation policy: nothing here comes from a task or a guest.

Source: bubblewrap's ``SECURITY.md`` ("the caller's arguments are the policy"), bwrap(1).
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proofhouse.sandbox.errors import SandboxUnavailable
from proofhouse.sandbox.limits import Limits

GUEST_UID = 1000
INIT = "/.proofhouse-init"
_DISABLE_USERNS_SINCE = (0, 8)

ETC_FILES = {
    "/etc/passwd": (
        "root:x:0:0:root:/work:/usr/sbin/nologin\n"
        f"box:x:{GUEST_UID}:{GUEST_UID}:box:/work:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "/etc/group": f"root:x:0:\nbox:x:{GUEST_UID}:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""The box's own configuration; no word of it comes from the host."""


def etc_files(names: Mapping[str, str]) -> dict[str, str]:
    """`ETC_FILES`, with further names for loopback addresses in /etc/hosts.

    Args:
        names: Address by host name, both already checked by `BoxSpec`.
    """
    further = "".join(f"{address} {name}\n" for name, address in names.items())
    return {**ETC_FILES, "/etc/hosts": ETC_FILES["/etc/hosts"] + further}


FROM_HOST_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
"""What programs under the host's ``/usr`` need to find their libraries and each other."""
_ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True)
class Bubblewrap:
    """The installed bubblewrap."""

    path: str
    version: tuple[int, ...]

    @property
    def disables_userns(self) -> bool:
        """Whether it knows ``--disable-userns`` and can use it (a setuid one cannot)."""
        setuid = os.stat(self.path).st_mode & 0o4000  # noqa: PTH116  # one call on the hot path
        return self.version >= _DISABLE_USERNS_SINCE and not setuid


@functools.cache
def bubblewrap() -> Bubblewrap:
    """Find bubblewrap and its version.

    Raises:
        SandboxUnavailable: It is not installed, or does not run.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxUnavailable(
            "bubblewrap is not installed: install it (Debian, Ubuntu: apt install bubblewrap; "
            "Fedora: dnf install bubblewrap)"
        )
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"(\d+(?:\.\d+)+)", asked.stdout)
    if asked.returncode != 0 or found is None:
        raise SandboxUnavailable(f"{path} --version does not answer as bubblewrap does: reinstall bubblewrap")
    return Bubblewrap(path, tuple(int(part) for part in found[1].split(".")))


def file_systems(limits: Limits) -> dict[str, int]:
    """The box's writable places and their sizes in bytes; there are no others."""
    small = min(limits.disk_bytes, 16 << 20)
    return {
        "/work": limits.disk_bytes,
        "/tmp": limits.disk_bytes // 2,  # noqa: S108  # a path inside the box
        "/var/tmp": limits.disk_bytes // 2,  # noqa: S108  # a path inside the box; Inspect unpacks its tools there
        "/dev/shm": small,  # noqa: S108  # a path inside the box
        "/run": 1 << 20,
    }


def arguments(
    wrap: Bubblewrap, limits: Limits, *, data: dict[str, int], init: int, seccomp: int
) -> list[str]:
    """The whole command line up to the program that becomes process 1.

    Args:
        wrap: The installed bubblewrap.
        limits: For the sizes of the file systems.
        data: Open descriptor of each file of `etc_files`, by its path.
        init: Open descriptor of the compiled init.
        seccomp: Open descriptor of the filter program.
    """
    sizes = file_systems(limits)
    return [
        wrap.path,
        *_isolation(wrap),
        *_system(),
        *(word for path, fd in data.items() for word in ("--perms", "0444", "--file", str(fd), path)),
        *("--proc", "/proc", "--dev", "/dev"),
        *_tmpfs("/dev/shm", sizes),  # noqa: S108  # a path inside the box
        *("--remount-ro", "/dev"),
        *(word for path in sizes if path != "/dev/shm" for word in _tmpfs(path, sizes)),  # noqa: S108  # as above
        *("--perms", "0555", "--ro-bind-data", str(init), INIT),
        *("--remount-ro", "/", "--chdir", "/work", "--seccomp", str(seccomp), "--", INIT),
    ]


def root_links() -> dict[str, str]:
    """The links of the host's root into its /usr, as on the host: target by name."""
    links = {name: Path("/", name) for name in _ROOT_LINKS}
    return {name: os.readlink(link) for name, link in links.items() if link.is_symlink()}  # noqa: PTH115  # the text, not a path


def unmerged_directories() -> dict[str, str]:
    """Of a host whose /bin and /usr/bin are not merged: such directories, each bound to itself."""
    places = [Path("/", name) for name in _ROOT_LINKS]
    return {str(place): str(place) for place in places if place.is_dir() and not place.is_symlink()}


def _isolation(wrap: Bubblewrap) -> list[str]:
    return [
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        "--unshare-cgroup-try",
        *(("--disable-userns",) if wrap.disables_userns else ()),
        *("--die-with-parent", "--new-session", "--as-pid-1"),
        *("--hostname", "sandbox", "--clearenv"),
        *("--uid", str(GUEST_UID), "--gid", str(GUEST_UID), "--cap-drop", "ALL"),
    ]


def _system() -> list[str]:
    """Read-only ``/usr``, the root's links into it as on the host, and the little of /etc that is needed."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name, target in root_links().items():
        words += ["--symlink", target, f"/{name}"]
    for directory in unmerged_directories():
        words += ["--ro-bind", directory, directory]
    words += ["--dir", "/etc"]
    for path in FROM_HOST_ETC:
        words += ["--ro-bind-try", path, path]
    if Path("/usr/lib/os-release").exists():
        words += ["--symlink", "../usr/lib/os-release", "/etc/os-release"]
    return words


def _tmpfs(path: str, sizes: dict[str, int]) -> list[str]:
    return ["--perms", "0755", "--size", str(sizes[path]), "--tmpfs", path]
