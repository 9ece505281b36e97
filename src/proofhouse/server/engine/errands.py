# SPDX-License-Identifier: Apache-2.0
"""Errands: what a person may ask for that is not one act but many, each whole, as a file of a thousand letters is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ACTS, F


def errand(permission: Permission) -> Callable[[F], F]:
    """Make a function an errand: asked for like an act, but each thing that it does is a transaction of its own.

    An errand that was interrupted is asked for again; what it did before must not count twice.
    """

    def wrap(function: F) -> F:
        @functools.wraps(function)
        def run(**arguments: Any) -> Any:
            from proofhouse.server.accounts.gate import require

            require(arguments["actor"], permission)
            return function(**arguments)

        ACTS[f"{function.__module__.split('.')[-2]}.{function.__name__}"] = run
        return run  # type: ignore[return-value]  # same signature

    return wrap
