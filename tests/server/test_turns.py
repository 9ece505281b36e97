# SPDX-License-Identifier: Apache-2.0
"""Requests that read take turns: never more than so many at once, first come first served, and a failure frees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from proofhouse.server.turns import Turns, taking_turns

WAIT_S = 20


def until(ready: Any) -> None:
    """Wait until something holds."""
    end = time.monotonic() + WAIT_S
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize("count", [1, 3])
def test_never_more_than_so_many_have_a_turn(count: int) -> None:
    turns, lock = Turns(count), threading.Lock()
    inside, most, done = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, done
        for _ in range(20):
            with turns:
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with lock:
                    inside -= 1
                    done += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert (most, done, inside) == (count, 160, 0)


def test_who_came_first_goes_first() -> None:
    turns, order = Turns(1), list[int]()

    def work(number: int) -> None:
        with turns:
            order.append(number)

    threads = []
    with turns:
        for number in range(6):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            threads.append(thread)
            until(lambda number=number: len(turns._waiting) == number + 1)
        assert order == []
    for thread in threads:
        thread.join(WAIT_S)
    assert order == list(range(6))


def test_a_failure_frees_its_turn_and_what_brings_something_does_not_wait() -> None:
    inside, let_go, calls = threading.Event(), threading.Event(), list[str]()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        del start_response
        calls.append(environ["REQUEST_METHOD"])
        if environ["PATH_INFO"] == "/slow":
            inside.set()
            assert let_go.wait(WAIT_S)
        if environ["PATH_INFO"] == "/broken":
            raise ValueError("broken")
        return [b"answer"]

    served = taking_turns(application, 1)

    def ask(method: str, path: str) -> Iterable[bytes]:
        return served({"REQUEST_METHOD": method, "PATH_INFO": path}, None)

    with pytest.raises(ValueError, match="broken"):
        ask("GET", "/broken")
    slow = threading.Thread(target=ask, args=("GET", "/slow"))
    slow.start()
    assert inside.wait(WAIT_S)
    assert ask("POST", "/") == [b"answer"]
    reader = threading.Thread(target=ask, args=("HEAD", "/"))
    reader.start()
    reader.join(0.05)
    assert calls == ["GET", "GET", "POST"], "the reader waits for its turn"
    let_go.set()
    for thread in (slow, reader):
        thread.join(WAIT_S)
    assert calls == ["GET", "GET", "POST", "HEAD"]
