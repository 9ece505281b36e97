# SPDX-License-Identifier: Apache-2.0
"""Turn what bubblewrap said when it could not start into one message that says what to do."""

from __future__ import annotations

from pathlib import Path

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")
_MOST = Path("/proc/sys/user/max_user_namespaces")
_NAMESPACE_COMPLAINTS = ("namespace", "uid map", "gid map", "setgroups", "RTM_NEW", "userns")


def explain(said: str) -> str:
    """One message for the person at the terminal.

    Args:
        said: What bubblewrap (or the launcher before it) wrote to stderr.
    """
    last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
    if "No space left" in said or "Cannot allocate memory" in said:
        return f"no memory or space left to open a box ({last}): free some, or open fewer boxes at a time"
    if any(word in said for word in _NAMESPACE_COMPLAINTS):
        return f"the kernel refuses user namespaces to this user ({last}): {_namespace_remedy()}"
    if "mount" in said and "proc" in said:
        return (
            f"a new /proc cannot be mounted here ({last}): in a container, start it with unmasked paths "
            "(docker run --security-opt systempaths=unconfined --security-opt seccomp=unconfined)"
        )
    if "control group" in said:
        return f"{last}: the service manager moved or locked the group; run again, or ask for a delegated one"
    return f"bubblewrap could not open a box: {last}"


def _namespace_remedy() -> str:
    if _read(_APPARMOR) == "1":
        return (
            "AppArmor restricts them (the default since Ubuntu 23.10). Give bubblewrap a profile that has "
            "the line 'userns,' (docs/sandbox.md shows it), or for this boot: "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if _read(_CLONE) == "0":
        return "enable them: sudo sysctl kernel.unprivileged_userns_clone=1"
    if _read(_MOST) == "0":
        return "enable them: sudo sysctl user.max_user_namespaces=10000"
    return (
        "in a container, allow them (docker run --security-opt seccomp=unconfined --security-opt "
        "apparmor=unconfined), or run on the machine itself"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
