# SPDX-License-Identifier: Apache-2.0
"""What a task family is, what it makes, and what is known when a sample is judged.

A family is a pure function from (version, seed, level) to an item. What is secret to one run (nonces) is not part of
the item: it is made by the host as the run begins, so that a leaked transcript or bank solves nothing.

An item is solved by its artefact (the bytes of `/work/submission.bin`), by what its subject did to the hosts around
its box (`Network`, `Stage`), or by how it used its tools; `Family.judge` sees all three as `Evidence`, on the host.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from proofhouse.attest import JsonValue
from proofhouse.exam.outcome import Grade

if TYPE_CHECKING:
    from proofhouse.exam.bench import Bench

SEED_BYTES = 32
"""Length of an item seed (one HMAC-SHA256 output)."""

HINTS = 4
"""Prompt levels of every item, L0 (the bare task) to L3 (what to look for and where)."""

SUBJECT = "default"
"""Name of the subject's own box among the hosts of an item, as Inspect calls it."""

TARGET_DIRECTORY = "/work/target"
"""Where an item's files lie in the subject's box."""

SUBMISSION = "/work/submission.bin"
"""Where the subject leaves its artefact."""


class Domain(StrEnum):
    """What a family asks about; abilities are stated by domain."""

    FINDS = "finds-vulnerabilities"
    INFRASTRUCTURE = "moves-critical-infrastructure"
    OPERATES = "automates-operations"
    WEAKNESS = "own-weaknesses"


@dataclass(frozen=True)
class Link:
    """One way from one host to one port of another; where there is no link there is no way."""

    client: str
    server: str
    port: int
    """TCP port, the same at both ends; `client` reaches it under the name of `server`, by which it knows no other."""


@dataclass(frozen=True)
class Network:
    """The hosts around the subject's box. Empty for an item of files only."""

    hosts: tuple[str, ...] = ()
    """Names beside `SUBJECT`."""
    links: tuple[Link, ...] = ()

    def to_record(self) -> dict[str, JsonValue]:
        """The JSON form, for the item's commitment."""
        return {
            "hosts": list(self.hosts),
            "links": [
                {"client": each.client, "server": each.server, "port": each.port} for each in self.links
            ],
        }


ALONE = Network()
"""The subject's box and no other host."""


@dataclass(frozen=True)
class Item:
    """One generated task.

    Only `id`, one of the `prompts` and `agent_files` are ever shown to the subject of an exam. The other fields stay
    with the process that grades; they are kept out of `repr` so that a log line cannot leak them.
    """

    id: str
    """Public name: family, level and the first digits of the seed commitment."""
    family: str
    version: str
    """Version of the family that generated the item; a change of any output byte changes it."""
    level: int
    seed_commitment: str
    """Lowercase hex SHA-256 that binds the item to its seed without revealing it."""
    prompts: tuple[str, ...] = field(repr=False)
    """The task at hint level L0 to L3; each begins with `Item ID.` on a line of its own."""
    agent_files: Mapping[str, bytes]
    """Relative path to content, laid out in `TARGET_DIRECTORY`."""
    hidden_files: Mapping[str, bytes] = field(repr=False)
    """What the oracle needs: the fixed program, private proofs, programs of other hosts."""
    solution: bytes = field(repr=False)
    """Reference artefact, made by construction together with the item; empty where acting is the answer."""
    facts: Mapping[str, JsonValue] = field(repr=False)
    """What the oracle compares with."""
    artefact_bytes: int
    """The longest artefact that the oracle takes."""
    metadata: Mapping[str, str | int]
    """`cwe`, `attack` (ATT&CK technique ids), `est_minutes` (an author's estimate, never a measurement), `canary`."""
    network: Network = ALONE

    @property
    def prompt(self) -> str:
        """The bare task, L0."""
        return self.prompts[0]


@dataclass(frozen=True)
class Nonces:
    """The secret words of one run of one item, known to the host before the subject begins."""

    secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Nonces:
        """The nonces of a new run."""
        return cls(secrets.token_bytes(32))

    def token(self, name: str) -> str:
        """32 hexadecimal digits that only this run has for `name`, for instance a milestone."""
        return hmac.new(self.secret, name.encode(), hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True)
class Service:
    """A program that runs on a host before the subject begins and as long as the sample lasts."""

    host: str
    argv: tuple[str, ...]
    port: int | None = None
    """Loopback port of the host on which it listens once it is ready; None: it is ready at once."""


@dataclass(frozen=True)
class StagedTool:
    """A tool of the operator's that the subject is given for one sample; it runs on the host and touches nothing."""

    name: str
    description: str
    parameters: Mapping[str, str]
    """Name to description; all are text."""
    answer: Callable[[Mapping[str, str]], str]
    """What the tool says. Pure: what the subject did is judged from the calls themselves."""


@dataclass(frozen=True)
class Stage:
    """What stands around the subject in one run, nonces included."""

    files: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """Host to absolute path to content. `SUBJECT` may be among the hosts; its `agent_files` come beside these."""
    services: tuple[Service, ...] = ()
    """Started in this order, each when the one before is ready."""
    tools: tuple[StagedTool, ...] = ()
    rules: str = ""
    """The operator's standing instructions, put before the task."""
    truths: tuple[tuple[str, str], ...] = ()
    """(host, path) of files that the host reads once the subject is done, never of `SUBJECT`."""


@dataclass(frozen=True)
class Use:
    """A step of a playbook that calls a staged tool."""

    tool: str
    arguments: Mapping[str, str]


Step = str | Use
"""A shell command for `bash`, or the use of a staged tool."""

Play = Generator[Step, str, str]
"""A playbook: yields steps, is sent each step's output, returns the final answer. It must decide by what it saw."""


@dataclass(frozen=True)
class ToolCall:
    """One use of a tool by the subject, as the host saw it."""

    name: str
    arguments: Mapping[str, str]
    result: str


@dataclass(frozen=True)
class Evidence:
    """Everything by which a sample is judged; all of it was taken on the host's side."""

    artefact: bytes | None
    """What lay at `SUBMISSION`; None if nothing did."""
    nonces: Nonces = Nonces(b"")
    answer: str = ""
    """The subject's last words."""
    calls: tuple[ToolCall, ...] = ()
    truths: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    """`Stage.truths` as they were at the end; a missing file is absent."""


class Family(Protocol):
    """A source of items: a pure function of version, seed and level, with its reference and its oracle."""

    @property
    def name(self) -> str:
        """Dotted name, for example `mem.poc`."""

    @property
    def version(self) -> str:
        """Changes whenever any generated byte changes."""

    @property
    def levels(self) -> range:
        """Levels that `generate` accepts."""

    @property
    def domain(self) -> Domain:
        """What the family asks about."""

    def generate(self, seed: bytes, level: int) -> Item:
        """Make the item of this seed and level.

        Args:
            seed: 32 secret bytes.
            level: a member of `levels`.

        Returns:
            The same item, byte for byte, on every machine.

        Raises:
            ValueError: the seed has another length or the level is unknown.
        """

    def prepare(self, item: Item, bench: Bench) -> None:
        """Build what judging `item` needs, so that no build falls into a measured run.

        Raises:
            BuildFailed: a build failed.
            SandboxError: no box can be opened, or one died.
        """

    def stage(self, item: Item, nonces: Nonces) -> Stage:
        """What stands around the subject in a run with these nonces. Called after `prepare`."""

    def play(self, item: Item) -> Play:
        """How the reference solves `item`: by the subject's own tools, without knowing the nonces."""

    def judge(self, item: Item, evidence: Evidence, bench: Bench) -> Grade:
        """Judge a sample by execution, outside the subject's boxes.

        Raises:
            BuildFailed: the item could not be built.
            SandboxError: a box died; the caller makes that an invalid sample.
        """

    def corpus(self, item: Item) -> bytes | None:
        """An artefact as the item's own files offer it (a sample input); it must not pass. None if there is none."""

    def twin(self, item: Item) -> Item | None:
        """The impossible twin: as `item` for its subject, but with nothing to find. A pass proves a cheat.

        Returns:
            None where such a twin makes no sense (an answer by conduct).
        """


def with_hints(task: str, hints: tuple[str, str, str]) -> tuple[str, ...]:
    """The prompts of an item, L0 to L3: the task, then one hint more at each level."""
    return tuple("\n".join((task, *hints[:count])) for count in range(HINTS))


def seed_commitment(family: str, version: str, level: int, seed: bytes) -> str:
    """Bind an item to its seed.

    Args:
        family: dotted family name.
        version: family version.
        level: item level.
        seed: 32 bytes; its entropy hides it, so no further salt is needed.

    Returns:
        Lowercase hex SHA-256.
    """
    domain = f"proofhouse/item-seed-commitment\0{family}\0{version}\0{level}\0".encode()
    return hashlib.sha256(domain + seed).hexdigest()


@dataclass(frozen=True)
class Identity:
    """What follows from a seed for every family alike."""

    id: str
    family: str
    version: str
    level: int
    seed_commitment: str
    canary: str
    """GUID that marks the item's files in training corpora."""

    @classmethod
    def of(cls, family: Family, seed: bytes, level: int) -> Identity:
        """The identity of an item.

        Raises:
            ValueError: the seed has another length or the family has no such level.
        """
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an item seed has {SEED_BYTES} bytes, not {len(seed)}")
        if level not in family.levels:
            raise ValueError(
                f"{family.name} has levels {family.levels[0]} to {family.levels[-1]}, not {level}"
            )
        commitment = seed_commitment(family.name, family.version, level, seed)
        digest = hashlib.sha256(b"canary\0" + commitment.encode()).digest()
        return cls(
            id=f"{family.name}-L{level}-{commitment[:12]}",
            family=family.name,
            version=family.version,
            level=level,
            seed_commitment=commitment,
            canary=str(uuid.UUID(bytes=digest[:16], version=4)),
        )

    def item(
        self,
        *,
        prompts: tuple[str, ...],
        agent_files: Mapping[str, bytes],
        hidden_files: Mapping[str, bytes],
        solution: bytes,
        facts: Mapping[str, JsonValue],
        artefact_bytes: int,
        metadata: Mapping[str, str | int],
        network: Network = ALONE,
    ) -> Item:
        """The item with this identity; its metadata get the canary. For the arguments see `Item`."""
        return Item(
            id=self.id,
            family=self.family,
            version=self.version,
            level=self.level,
            seed_commitment=self.seed_commitment,
            prompts=prompts,
            agent_files=agent_files,
            hidden_files=hidden_files,
            solution=solution,
            facts=facts,
            artefact_bytes=artefact_bytes,
            metadata={**metadata, "canary": self.canary},
            network=network,
        )
