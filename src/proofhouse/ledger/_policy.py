# SPDX-License-Identifier: Apache-2.0
"""Trust policies: which logs, which witnesses, which quorum (C2SP tlog-policy)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import Malformed, NotProven
from proofhouse.ledger._note import LOG_KEY, WITNESS_KEY, Note, VerifierKey, decode_decimal

_NONE = "none"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Group:
    """At least `threshold` of `members` (names of witnesses or groups)."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """Says when a checkpoint counts: signed by one of the logs, cosigned by a quorum of witnesses.

    Attributes:
        logs: Keys of the logs; a key's name is the log's origin.
        witnesses: Keys of the witnesses by their names in the policy.
        groups: Named groups.
        quorum: Name of a witness or group, or `none`.
        urls: Addresses by policy name (witnesses) or origin (logs), where given.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = _NONE
    urls: dict[str, str] = field(default_factory=dict)

    @classmethod
    def require(
        cls, log: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int | None = None
    ) -> Policy:
        """A policy with one log and `quorum` of the witnesses (default all; no witnesses, no quorum).

        Raises:
            Malformed: The quorum is not between 1 and the number of witnesses, or a key or name occurs twice.
        """
        lines = [f"log {log}", *(f"witness {key.name} {key}" for key in witnesses)]
        if witnesses:
            names = " ".join(key.name for key in witnesses)
            lines.append(f"group required {len(witnesses) if quorum is None else quorum} {names}")
        lines.append("quorum required" if witnesses else "quorum none")
        return cls.parse("".join(f"{line}\n" for line in lines).encode())

    @classmethod
    def parse(cls, content: bytes) -> Policy:
        """Read a policy file.

        Raises:
            Malformed: The message names the line.
        """
        reader = _Reader()
        text = content.decode("utf-8", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            if _CONTROL.search(line):
                raise Malformed(f"policy line {number}: control characters are not allowed")
            words = [word for word in re.split(r"[ \t]+", line) if word]
            if words and not words[0].startswith("#"):
                try:
                    reader.read(words)
                except Malformed as error:
                    raise Malformed(f"policy line {number}: {error}") from None
        return reader.finish()

    def __bytes__(self) -> bytes:
        """The policy file."""
        lines = [f"log {key}{self._url(key.name)}" for key in self.logs]
        lines += [f"witness {name} {key}{self._url(name)}" for name, key in self.witnesses.items()]
        lines += [
            f"group {name} {group.threshold} {' '.join(group.members)}" for name, group in self.groups.items()
        ]
        lines.append(f"quorum {self.quorum}")
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")

    def check(self, content: bytes | Note) -> Checkpoint:
        """Check a signed checkpoint against this policy.

        Raises:
            NotProven: Unknown log, wrong signature, or no quorum.
        """
        note = content if isinstance(content, Note) else Note.parse(content)
        checkpoint = Checkpoint.of(note)
        logs = [key for key in self.logs if key.name == checkpoint.origin]
        if not logs:
            raise NotProven(f"the policy does not know the log {checkpoint.origin!r}")
        signed = note.opened([*logs, *self.witnesses.values()])
        if not any(key in signed for key in logs):
            raise NotProven(f"the checkpoint is not signed by the log {checkpoint.origin!r}")
        times = {name: signed[key] for name, key in self.witnesses.items() if key in signed}
        if self.quorum != _NONE and not self._witnessed(self.quorum, set(times)):
            raise NotProven(
                f"the cosignatures ({', '.join(times) or 'none'}) do not reach quorum {self.quorum!r}"
            )
        cosigned_s = {self.witnesses[name].name: time for name, time in times.items() if time is not None}
        return dataclasses.replace(checkpoint, cosigned_s=cosigned_s)

    def _witnessed(self, name: str, cosigned: set[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigned
        return sum(self._witnessed(member, cosigned) for member in group.members) >= group.threshold

    def _url(self, name: str) -> str:
        return f" {self.urls[name]}" if name in self.urls else ""


class _Reader:
    """Collects the lines of a policy file in their order."""

    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: dict[str, VerifierKey] = {}
        self._groups: dict[str, Group] = {}
        self._grouped: set[str] = set()
        self._quorum: str | None = None
        self._urls: dict[str, str] = {}

    def read(self, words: list[str]) -> None:
        """Take one line, already split."""
        readers = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._set_quorum,
        }
        if words[0] not in readers:
            raise Malformed(f"unknown keyword {words[0]!r}")
        readers[words[0]](words[1:])

    def finish(self) -> Policy:
        """The policy, once all lines are read."""
        if self._quorum is None:
            raise Malformed("a policy needs exactly one quorum line")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum, self._urls)

    def _log(self, words: list[str]) -> None:
        if len(words) not in (1, 2):
            raise Malformed("expected: log VKEY [URL]")
        key = _key(words[0], LOG_KEY, "log")
        if key.public in {other.public for other in self._logs}:
            raise Malformed("this log key was given before")
        self._logs.append(key)
        self._urls.update((key.name, url) for url in words[1:])

    def _witness(self, words: list[str]) -> None:
        if len(words) not in (2, 3):
            raise Malformed("expected: witness NAME VKEY [URL]")
        self._define(words[0])
        key = _key(words[1], WITNESS_KEY, "witness")
        if key.public in {other.public for other in self._witnesses.values()}:
            raise Malformed("this witness key was given before")
        self._witnesses[words[0]] = key
        self._urls.update((words[0], url) for url in words[2:])

    def _group(self, words: list[str]) -> None:
        if len(words) < 3:
            raise Malformed("expected: group NAME all|any|NUMBER MEMBER…")
        name, rule, members = words[0], words[1], words[2:]
        for member in members:
            self._known(member)
            if member in self._grouped:
                raise Malformed(f"{member!r} is a group member already")
            self._grouped.add(member)
        self._define(name)
        threshold = {"all": len(members), "any": 1}.get(rule)
        if threshold is None:
            threshold = decode_decimal(rule, "the threshold")
        if not 1 <= threshold <= len(members):
            raise Malformed(f"the threshold must lie between 1 and {len(members)}")
        self._groups[name] = Group(threshold, tuple(members))

    def _set_quorum(self, words: list[str]) -> None:
        if len(words) != 1:
            raise Malformed("expected: quorum NAME")
        if self._quorum is not None:
            raise Malformed("a policy needs exactly one quorum line")
        if words[0] != _NONE:
            self._known(words[0])
        self._quorum = words[0]

    def _define(self, name: str) -> None:
        if name == _NONE or name in self._witnesses or name in self._groups:
            raise Malformed(f"the name {name!r} is taken")

    def _known(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise Malformed(f"{name!r} is not defined on a line before")


def _key(text: str, algorithm: int, what: str) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.algorithm != algorithm:
        raise Malformed(f"a {what} key has signature type {algorithm:#04x}, not {key.algorithm:#04x}")
    return key
