# SPDX-License-Identifier: Apache-2.0
"""Programs of others that engines run in boxes: whether they are there, and which version."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess

from proofhouse.scan._engine import EngineMissing, plain

TOOL_PATH = "/usr/bin:/bin"
"""Where a box finds programs; what lies elsewhere on this machine is not in it."""


@functools.cache
def version_of(program: str, package: str, *words: str) -> str:
    """A tool and its version, as `name 1.2.3`.

    Args:
        program: Its name below /usr/bin.
        package: The Debian package that holds it.
        words: Arguments that make it say its version.

    Raises:
        EngineMissing: It is not installed.
    """
    found = shutil.which(program, path=TOOL_PATH)
    if found is None:
        raise EngineMissing(f"{program} is not installed; install the Debian package {package}")
    said = subprocess.run([found, *words], capture_output=True, text=True, timeout=30, check=False)
    number = re.search(r"\d+(?:\.\d+)+\w*", said.stdout + said.stderr)
    return plain(f"{program} {number[0]}" if number else program, 60)
