# SPDX-License-Identifier: Apache-2.0
"""Work in a forked child: what it came to, or by which signal it died."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        signal: The signal that killed it; 0 where it came to its end.
        value: What its work returned.
        failure: The traceback of what it raised.
    """

    signal: int
    value: Any = None
    failure: str = ""


class ChildFailed(AssertionError):
    """The work of a child raised; the message is its traceback."""


def in_child(work: Callable[[], Any]) -> Ended:
    """Do some work in a fork of this process, and wait for it.

    A fork is a new process with everything loaded: it costs milliseconds where a fresh interpreter costs seconds.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = pickle.dumps(Ended(0, work()))
        except BaseException:
            answer = pickle.dumps(Ended(0, failure=traceback.format_exc()))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Ended(os.WTERMSIG(status))
    return pickle.loads(answer)  # type: ignore[no-any-return]


def result_of(work: Callable[[], Any]) -> Any:
    """What some work returned in a child.

    Raises:
        ChildFailed: It raised or was killed.
    """
    ended = in_child(work)
    if ended.signal or ended.failure:
        raise ChildFailed(ended.failure or f"killed by signal {ended.signal}")
    return ended.value
