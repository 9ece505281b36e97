# SPDX-License-Identifier: Apache-2.0
"""One scan: every engine in its turn, what they find proved at once, and what came of each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from proofhouse.sandbox import SandboxDead
from proofhouse.scan._engine import Count, Engine, EngineMissing, Method, Remark, Seen, Terms, plain
from proofhouse.scan._prove import Bench, Find
from proofhouse.scan._target import Target
from proofhouse.validation import ValidationError

MAX_REMARKS = 20
"""Static findings of one engine that are handed on; the rest is counted."""
MINIMISE_S = 20.0
TELL_EVERY_S = 15.0
SEEDS, OWN = "seeds", "proofhouse scan"
"""What finds name as their engine and its version when nothing was changed."""


@dataclass
class EngineRun:
    """What came of one engine.

    Attributes:
        engine: Its name.
        version: Tool and version; empty when it is not there.
        seconds: Elapsed time, building included.
        executions: Inputs that it tried.
        candidates: Inputs that it took for a crash.
        finds: Crashes that repeat, each once, that nobody before it found.
        remarks: Static findings, those that were not handed on included.
        problem: Why it did not run, or not to the end.
    """

    engine: str
    version: str = ""
    seconds: float = 0.0
    executions: int = 0
    candidates: int = 0
    finds: int = 0
    remarks: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Noted:
    """A static finding and who found it. No proof."""

    remark: Remark
    engine: str
    version: str
    means: str


Outcome = Find | Noted | EngineRun


def scan(
    target: Target,
    engines: Sequence[Engine],
    *,
    seconds: float,
    seed: int = 0,
    first: bool = False,
    minimise_s: float = MINIMISE_S,
    model: str = "",
    tell: Callable[[str], None],
) -> Iterator[Outcome]:
    """Let engines look for flaws in a program, one after the other.

    Args:
        target: The program.
        engines: Those whose tool is missing, or that cannot build the program, say so and the others go on.
        seconds: Elapsed time of all searches together, in equal shares; building and proving come on top.
        seed: The same seed makes the same choices, as far as the tools can.
        first: Stop at the first crash that repeats.
        minimise_s: Elapsed time for making one proof smaller.
        model: Inspect's name of the model that an agent uses.
        tell: Told in one line what is being done.

    Yields:
        Each find as soon as it is proved, each static finding, and the account of each engine at its end.

    Raises:
        SandboxUnavailable: No box can be opened.
    """
    bench = Bench(target, minimise_s)
    if any(each.method is Method.FUZZING for each in engines):
        broken = [seed for seed in target.seeds if bench.crashes(seed)]
        found = [_as_found(seed, bench) for seed in broken]
        yield from (find for find in found if find is not None)
        if broken:
            left = tuple(seed for seed in target.seeds if seed not in broken)
            target = replace(target, seeds=left or (b"0",))
        if first and any(found):
            yield EngineRun(SEEDS, OWN, candidates=len(broken), finds=sum(map(bool, found)))
            return
    for engine in engines:
        account = EngineRun(engine.name)
        began_s = time.monotonic()
        stop = False
        try:
            account.version = engine.version()
            terms = Terms(seconds / len(engines), seed, tell, model)
            for outcome in _search(engine, target, terms, bench, account):
                yield outcome
                if first and isinstance(outcome, Find):
                    stop = True
                    break
        except (EngineMissing, ValidationError, SandboxDead) as wrong:
            account.problem = plain(wrong)
        account.seconds = time.monotonic() - began_s
        yield account
        if stop:
            return


def _as_found(seed: bytes, bench: Bench) -> Find | None:
    """An ordinary file that crashes the program as it is."""
    proved = bench.prove(seed)
    return None if proved is None else Find(*proved, SEEDS, OWN, "fuzzer", 0.0, len(seed))


def _search(
    engine: Engine, target: Target, terms: Terms, bench: Bench, account: EngineRun
) -> Iterator[Find | Noted]:
    began_s = time.monotonic()
    told_s = began_s
    search = engine.search(target, terms)
    try:
        for seen in search:
            now_s = time.monotonic()
            made = _taken(seen, engine, terms, bench, account, now_s - began_s)
            if made is not None:
                yield made
            if now_s - told_s >= TELL_EVERY_S:
                told_s = now_s
                terms.tell(_progress(account, now_s - began_s))
    finally:
        close = getattr(search, "close", None)
        if close is not None:
            close()


def _taken(
    seen: Seen, engine: Engine, terms: Terms, bench: Bench, account: EngineRun, after_s: float
) -> Find | Noted | None:
    if isinstance(seen, Count):
        account.executions = max(account.executions, seen.executions)
        return None
    if isinstance(seen, Remark):
        account.remarks += 1
        return (
            Noted(seen, engine.name, account.version, engine.means)
            if account.remarks <= MAX_REMARKS
            else None
        )
    account.candidates += 1
    proved = bench.prove(seen.content)
    if proved is None:
        return None
    account.finds += 1
    content, crash = proved
    model = terms.model if engine.method is Method.AI_AGENT else ""
    found = (engine.name, account.version, engine.means, after_s, len(seen.content), model)
    return Find(content, crash, *found)


def _progress(account: EngineRun, seconds: float) -> str:
    a_second = account.executions / seconds if seconds else 0.0
    return (
        f"{account.engine}: {seconds:.0f} s, {account.executions:,} inputs ({a_second:.0f}/s), "
        f"{account.candidates} suspicious, {account.finds} repeat"
    )


def chosen(engines: Sequence[Engine], method: str, names: Sequence[str] = ()) -> tuple[Engine, ...]:
    """The engines of a scan: those named, or all that look in the way that a lease names.

    Blind mutation stands in where no other engine of the method is installed; otherwise it runs only when it is named.

    Args:
        engines: All that there are.
        method: As a lease names it.
        names: Those wanted; none for all that fit.

    Raises:
        NotCovered: A named engine looks in another way than the lease's, or no engine looks in that way.
    """
    fit = [each for each in engines if each.method == method]
    if names:
        for each in engines:
            if each.name in names and each not in fit:
                raise NotCovered(f"the lease is for {method}; {each.name} is {each.method}")
        return tuple(each for each in fit if each.name in names)
    if not fit:
        raise NotCovered(f"the lease is for {method}, which no engine does")
    able = [each for each in fit if not each.last_resort and _installed(each)]
    return tuple(able) or tuple(
        each for each in fit if each.last_resort or not any(e.last_resort for e in fit)
    )


class NotCovered(Exception):
    """The method of a lease does not cover an engine."""


def _installed(engine: Engine) -> bool:
    try:
        engine.version()
    except EngineMissing:
        return False
    return True
