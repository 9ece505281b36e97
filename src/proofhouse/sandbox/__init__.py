# SPDX-License-Identifier: Apache-2.0
"""Isolation for programs that nobody should trust: one interface, tiers behind it, a self-test before use.

Tier T0 is bubblewrap with a process 1 of our own: namespaces that persist for the life of the box, loopback
only, a system-call allow list, and limits on time, memory, processes, disk and output. Tier T1 is gVisor behind
the same interface: a kernel of the box's own. `sandbox.fabric` connects several boxes. ``docs/sandbox.md`` is the
essay; importing this package does not import Inspect (its provider is ``sandbox.inspect_provider``).

Example:
    >>> from proofhouse.sandbox import BoxSpec, Limits, open_box
    >>> with open_box(BoxSpec(Limits(wall_s=5))) as box:
    ...     box.put("hello.c", source)
    ...     built = box.exec(["clang", "-fsanitize=address", "-o", "hello", "hello.c"])
    ...     result = box.exec(["./hello"], stdin=b"proof")
"""

from proofhouse.sandbox._box import Box, open_box
from proofhouse.sandbox._cgroup import can_hold_memory
from proofhouse.sandbox._launch import WATCHDOG
from proofhouse.sandbox._selftest import Check, SelfTest, require_containment, self_test
from proofhouse.sandbox.errors import (
    CannotEnforce,
    FileTooLarge,
    SandboxDead,
    SandboxError,
    SandboxUnavailable,
    UnsafePath,
)
from proofhouse.sandbox.limits import BoxSpec, Enforcement, ExecResult, Limits, Profile, Tier

__all__ = [
    "WATCHDOG",
    "Box",
    "BoxSpec",
    "CannotEnforce",
    "Check",
    "Enforcement",
    "ExecResult",
    "FileTooLarge",
    "Limits",
    "Profile",
    "SandboxDead",
    "SandboxError",
    "SandboxUnavailable",
    "SelfTest",
    "Tier",
    "UnsafePath",
    "can_hold_memory",
    "open_box",
    "require_containment",
    "self_test",
]
