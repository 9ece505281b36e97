# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a box, each with a message that says what to do about it."""

from __future__ import annotations

import errno


class SandboxError(Exception):
    """Any failure of the sandbox itself, as opposed to a failure of the program inside it."""


class SandboxUnavailable(SandboxError):
    """No box can be opened on this machine; the message says what to install or enable."""


class CannotEnforce(SandboxUnavailable):
    """A requested limit or profile cannot be enforced here, so the box is refused rather than weakened."""


class SandboxDead(SandboxError):
    """The box ended, or stopped answering, while it was needed.

    A run that meets this is *invalid*: it says nothing about the program inside and is never a result.
    """


class UnsafePath(OSError):
    """The path inside the box is a symbolic link, FIFO, socket or device, so it is not opened."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, "not a regular file (links, FIFOs and devices are refused)", path)


class FileTooLarge(OSError):
    """The file or tree inside the box is larger than the caller allows."""

    def __init__(self, path: str, max_bytes: int) -> None:
        super().__init__(errno.EFBIG, f"larger than the {max_bytes} bytes allowed", path)
        self.max_bytes = max_bytes
