# SPDX-License-Identifier: Apache-2.0
"""What a hostile recipe or a lucky proof comes to: a class, and no harm to anything beside it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from proofhouse.validation import BuildFailed, Verdict, load_recipe, validate
from validation.programs import PROOFS, THREE_BUGS, fix, write

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
ONE = {"overflow": PROOFS["overflow"]}
BUILD = {"steps": [["make", "program"]], "outputs": ["program"], "timeout_s": 6}


def hostile(directory: Path, command: str) -> Path:
    """A recipe whose Makefile runs a command before it builds."""
    path = write(directory, THREE_BUGS, {"mend": fix(THREE_BUGS, "overflow")}, ONE, build=BUILD)
    rules = f"program: program.c\n\t{command}\n\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<\n"
    (directory / "program" / "Makefile").write_text(rules)
    return path


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("while :; do :; done", "took longer than 6 s"),
        ("yes", "took longer than 6 s"),
        ("f() { f | f & }; f; sleep 30", "Cannot fork|took longer than 6 s"),
        ("cat /dev/zero > filled", "ended with 2"),
        ("tail /dev/zero", "memory|took longer than 6 s"),
        ("kill -9 -1", "ended with|signal"),
    ],
)
def test_a_build_that_loops_floods_forks_fills_or_kills_is_refused_in_time(
    tmp_path: Path, command: str, why: str
) -> None:
    recipe = load_recipe(hostile(tmp_path, command))
    began = time.monotonic()
    with pytest.raises(BuildFailed, match=why):
        validate(recipe, cache_dir=tmp_path / "cache")
    assert time.monotonic() - began < 240, "three attempts on a busy machine, not for ever"


def test_a_build_that_reaches_for_the_machine_finds_the_box(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    reach = (
        f"-touch {mark} /etc/marked /usr/bin/marked ; ls {tmp_path} ; "
        "cat /proc/1/environ ; mount -t tmpfs none /mnt ; ip link set lo down ; kill -9 1"
    )
    result = validate(load_recipe(hostile(tmp_path, reach)), cache_dir=tmp_path / "cache")
    assert result.ok, "what it did in its box hinders no proof"
    assert not any(path.exists() for path in (mark, Path("/etc/marked"), Path("/usr/bin/marked")))


def test_a_proof_that_needs_luck_is_never_taken_for_one_that_works(tmp_path: Path) -> None:
    lucky = THREE_BUGS.replace(
        "    char *copy = malloc(8);",
        '    FILE *dice = fopen("/dev/urandom", "r");\n    if (strlen(text) > 8 && fgetc(dice) & 1)\n'
        "        return 0;\n"
        "    char *copy = malloc(8);",
    )
    proofs = {f"throw-{number}": PROOFS["overflow"] for number in range(8)}
    result = validate(
        load_recipe(write(tmp_path, lucky, {"mend": fix(lucky, "wild")}, proofs)),
        cache_dir=tmp_path / "cache",
    )
    by_runs = {0: Verdict.NOT_REPRODUCED, 1: Verdict.FLAKY, 2: Verdict.FLAKY, 3: Verdict.REPRODUCED}
    assert [proof.verdict for proof in result.proofs] == [by_runs[proof.crashes] for proof in result.proofs]
    assert any(proof.verdict is Verdict.FLAKY for proof in result.proofs), "once in 65,536 this is bad luck"
    assert not result.ok
