# SPDX-License-Identifier: Apache-2.0
"""Policies: reading them, and when a checkpoint fulfils one."""

from __future__ import annotations

import itertools

import pytest

from ledger.makers import LOG_KEY, LOG_SIGNER, ORIGIN, signer
from proofhouse.ledger import Checkpoint, Malformed, Note, NotProven, Policy, log_key, witness_key
from proofhouse.ledger._note import cosign, sign_note

WITNESSES = {f"W{n}": witness_key(f"witness.example/{n}", signer(n).public) for n in range(10, 16)}
CHECKPOINT = Checkpoint(ORIGIN, 5, bytes(32))
SIGNED = sign_note(CHECKPOINT.text, ORIGIN, LOG_SIGNER)


def cosigned(*numbers: int, note: Note = SIGNED) -> Note:
    return note.with_signatures(
        cosign(note.text, f"witness.example/{number}", signer(number), 1_795_000_000) for number in numbers
    )


def policy(*lines: str) -> Policy:
    named = [f"witness {name} {key}" for name, key in WITNESSES.items()]
    return Policy.parse("\n".join([f"log {LOG_KEY}", *named, *lines, ""]).encode())


def test_the_two_level_example_counts_groups_as_the_specification_says() -> None:
    rule = policy(
        "group X 2 W10 W11 W12", "group Y any W13 W14 W15", "group X-and-Y all X Y", "quorum X-and-Y"
    )
    for chosen in itertools.chain.from_iterable(itertools.combinations(range(10, 16), n) for n in range(7)):
        enough = sum(n < 13 for n in chosen) >= 2 and any(n >= 13 for n in chosen)
        if enough:
            checkpoint = rule.check(cosigned(*chosen))
            assert set(checkpoint.cosigned_s) == {f"witness.example/{n}" for n in chosen}
        else:
            with pytest.raises(NotProven):
                rule.check(cosigned(*chosen))


def test_a_policy_reads_what_it_writes() -> None:
    rule = policy("# two of three", "group X 2 W10 W11 W12", " \tquorum\t X ")
    assert Policy.parse(bytes(rule)) == rule
    required = Policy.require(LOG_KEY, list(WITNESSES.values()), 4)
    assert Policy.parse(bytes(required)) == required


def test_addresses_are_kept() -> None:
    text = f"log {LOG_KEY} https://log.example\nwitness w {WITNESSES['W10']} https://w.example\nquorum w\n"
    rule = Policy.parse(text.encode())
    assert rule.urls == {ORIGIN: "https://log.example", "w": "https://w.example"}
    assert Policy.parse(bytes(rule)) == rule


def test_without_witnesses_the_logs_signature_suffices() -> None:
    assert Policy.require(LOG_KEY).check(SIGNED) == CHECKPOINT


def test_a_foreign_origin_is_not_trusted() -> None:
    elsewhere = Checkpoint("other.example/log", 5, bytes(32))
    with pytest.raises(NotProven, match="does not know the log"):
        Policy.require(LOG_KEY).check(sign_note(elsewhere.text, "other.example/log", LOG_SIGNER))


def test_a_log_cannot_speak_for_another_that_the_policy_also_trusts() -> None:
    other = log_key("other.example/log", signer(2).public)
    both = Policy.parse(f"log {LOG_KEY}\nlog {other}\nquorum none\n".encode())
    with pytest.raises(NotProven, match="not signed by the log"):
        both.check(sign_note(CHECKPOINT.text, "other.example/log", signer(2)))


def test_a_checkpoint_without_the_logs_signature_is_not_trusted() -> None:
    bare = Note(SIGNED.text, cosigned(10).signatures[1:])
    with pytest.raises(NotProven, match="not signed by the log"):
        Policy.require(LOG_KEY, [WITNESSES["W10"]]).check(bare)


def test_one_witness_that_signs_twice_counts_once() -> None:
    rule = Policy.require(LOG_KEY, [WITNESSES["W10"], WITNESSES["W11"]], 2)
    lines = [cosign(SIGNED.text, "witness.example/10", signer(10), time) for time in (1, 2)]
    with pytest.raises(NotProven, match="quorum"):
        rule.check(Note(SIGNED.text, (*SIGNED.signatures, *lines)))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "exactly one quorum"),
        (["quorum none", "quorum none"], "exactly one quorum"),
        (["quorum X"], "not defined"),
        (["group X 2 W10", "quorum X"], "threshold"),
        (["group X 0 W10", "quorum X"], "threshold"),
        (["group X 01 W10", "quorum X"], "threshold"),
        (["group X any W10 W10", "quorum X"], "member already"),
        (["group X any W10", "group Y any W10", "quorum X"], "member already"),
        (["group X any X", "quorum X"], "not defined"),
        (["group X any none", "quorum X"], "not defined"),
        (["group none any W10", "quorum none"], "taken"),
        (["group W10 any W11", "quorum W10"], "taken"),
        (["group X any", "quorum none"], "expected"),
        (["witness", "quorum none"], "expected"),
        ([f"witness again {WITNESSES['W10']}", "quorum none"], "given before"),
        ([f"witness log {LOG_KEY}", "quorum none"], "signature type"),
        ([f"log {LOG_KEY}", "quorum none"], "given before"),
        ([f"log {WITNESSES['W10']}", "quorum none"], "signature type"),
        (["allow everything", "quorum none"], "unknown keyword"),
        (["quorum none\r"], "control"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(lines: list[str], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        policy(*lines)


def test_a_quorum_beyond_the_witnesses_is_refused() -> None:
    with pytest.raises(Malformed):
        Policy.require(LOG_KEY, list(WITNESSES.values()), 7)
