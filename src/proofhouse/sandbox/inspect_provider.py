# SPDX-License-Identifier: Apache-2.0
"""Inspect's sandbox ``bwrap``: each sample gets a box of its own.

Import this module (or load the package's ``inspect_ai`` entry point) and name the sandbox in a task::

    Task(..., sandbox="bwrap")
    Task(..., sandbox=SandboxEnvironmentSpec("bwrap", BwrapConfig(memory_bytes=2 << 30)))
    Task(..., sandbox=("bwrap", "bwrap.yaml"))          # the same fields in a file, as inspect-cyber does

A configuration with ``hosts`` opens a fabric: each host is an environment of its own, reached by its name
(``sandbox("plc")``), and the first is the default one, where tools run::

    BwrapConfig(hosts=(HostConfig(name="desk"), HostConfig(name="plc")),
                links=(LinkConfig(source="desk", target="plc", ports=(502,)),))

A box that dies raises `SandboxUnavailableError`, which Inspect shows the model as a tool error while the
sample goes on and ends as a success. Such a sample is *invalid*, not failed: the death is kept in the
sample's store, out of the model's reach. `sandbox_death` (in scorers) or `DEATH_KEY` (in logs) tells of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import anyio.to_thread
import yaml
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxEnvironmentConfigType,
    SandboxEnvironmentLimits,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandboxenv,
    store,
)
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from proofhouse.sandbox._box import Box, open_box
from proofhouse.sandbox._selftest import require_containment
from proofhouse.sandbox.errors import FileTooLarge, SandboxDead, UnsafePath
from proofhouse.sandbox.fabric import Fabric, FabricSpec, Host, Link
from proofhouse.sandbox.limits import BoxSpec, Limits, Profile, Tier

DEATH_KEY = "proofhouse:sandbox_death"
"""Key in a sample's store; its value says why the sample's box died. Absent: it did not."""

_USERS = (None, "box", "1000")
_CANNOT_EXECUTE = 126
_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


class HostConfig(BaseModel):
    """One host of a sample's fabric; what is not given is as in the sample's own limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    memory_bytes: int | None = None
    pids: int | None = None
    disk_bytes: int | None = None


class LinkConfig(BaseModel):
    """What one host may reach of another; see `Link`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    target: str
    ports: tuple[int, ...]
    tap_bytes: int = 0


class BwrapConfig(BaseModel):
    """Tier, limits and profile of a sample's box, and the hosts and links of its fabric; see `Limits` and `Fabric`.

    ``wall_s`` bounds a command for which Inspect gives no timeout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: Tier = "T0"
    wall_s: float = 600
    cpu_s: int = 600
    memory_bytes: int = Limits.memory_bytes
    pids: int = 256
    disk_bytes: int = Limits.disk_bytes
    file_bytes: int = Limits.file_bytes
    open_files: int = Limits.open_files
    profile: Profile = "agent"
    hosts: tuple[HostConfig, ...] = ()
    links: tuple[LinkConfig, ...] = ()

    def to_limits(self) -> Limits:
        """The limits of a box."""
        return Limits(**self.model_dump(exclude={"tier", "profile", "hosts", "links"}))

    def to_spec(self) -> BoxSpec:
        """The box's specification. What a command starts in the background lives on, as agents expect."""
        return BoxSpec(self.to_limits(), self.profile, keep_background=True, tier=self.tier)

    def to_fabric(self) -> FabricSpec:
        """The fabric's specification, where there are hosts.

        Raises:
            ValueError: A name, link or port makes no sense.
        """
        limits = self.to_limits()
        hosts = []
        for host in self.hosts:
            own = host.model_dump(exclude={"name"}, exclude_none=True)
            if host.memory_bytes is not None:
                own.setdefault("disk_bytes", 0)  # its share of that
            hosts.append(Host(host.name, replace(limits, **own)))
        links = (Link(**link.model_dump()) for link in self.links)
        return FabricSpec(tuple(hosts), tuple(links), self.tier)


def sandbox_death() -> str | None:
    """Why the current sample's box died, or None; with a reason the sample must be marked invalid."""
    reason = store().get(DEATH_KEY)
    return None if reason is None else str(reason)


@sandboxenv(name="bwrap")
class BwrapSandboxEnvironment(SandboxEnvironment):
    """A box behind Inspect's interface. Box calls run in threads; the box itself is synchronous.

    Attributes:
        box: The box.
        fabric: The fabric of which the box is a host, for scorers and defenders: its contacts, `Fabric.cut`.
    """

    def __init__(self, box: Box, fabric: Fabric | None = None) -> None:
        super().__init__()
        self.box = box
        self.fabric = fabric

    @override
    @classmethod
    def default_concurrency(cls) -> int | None:
        """Boxes at a time: they cost little beside what runs in them."""
        return 2 * (os.cpu_count() or 1)

    @override
    @classmethod
    def config_files(cls) -> list[str]:
        """The file that Inspect looks for beside a task which names no configuration."""
        return ["bwrap.yaml"]

    @override
    @classmethod
    def config_deserialize(cls, config: dict[str, Any]) -> BaseModel:
        """Read a configuration back from a log."""
        return BwrapConfig(**config)

    @override
    @classmethod
    async def task_init(cls, task_name: str, config: SandboxEnvironmentConfigType | None) -> None:
        """Run the self-test once for the task and refuse to start it unless everything held."""
        wanted = _config(config)
        if wanted.hosts:
            wanted.to_fabric()
        await anyio.to_thread.run_sync(require_containment, wanted.profile, wanted.tier)

    @override
    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """Open the sample's box, or all hosts of its fabric with the links between them."""
        wanted = _config(config)
        if not wanted.hosts:
            box = await anyio.to_thread.run_sync(open_box, wanted.to_spec())
            return {"default": cls(box)}
        fabric = await anyio.to_thread.run_sync(Fabric.start, wanted.to_fabric())
        return {name: cls(fabric.box(name), fabric) for name in fabric.hosts}

    @override
    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: SandboxEnvironmentConfigType | None,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        """End the sample's box and everything in it, also when the sample was cancelled."""
        with anyio.CancelScope(shield=True):
            for environment in environments.values():
                ours = environment.as_type(BwrapSandboxEnvironment)
                await anyio.to_thread.run_sync(ours.fabric.close if ours.fabric else ours.box.close)

    @override
    def default_polling_interval(self) -> float:
        """A local box answers at once."""
        return 0.1

    @override
    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,  # Inspect calls it so
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,  # Inspect's interface
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        """Run a command; see Inspect's `SandboxEnvironment.exec` for the contract."""
        if user not in _USERS:
            raise SandboxUserUnsupportedError(f"a box has one user, 'box', and cannot run as {user!r}")
        output_bytes = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
        result = await self._in_thread(
            partial(
                self.box.exec,
                cmd,
                stdin=_encoded(input) if input is not None else b"",
                cwd=cwd or "/work",
                env=env,
                wall_s=timeout,
                output_bytes=output_bytes,
            )
        )
        stdout, stderr = (each.decode("utf-8", "replace") for each in (result.stdout, result.stderr))
        if result.timed_out:
            error = TimeoutError(f"command timed out after {result.seconds:.0f} s")
            error.truncated_output = stdout + stderr  # type: ignore[attr-defined]  # where Inspect looks for it
            raise error
        if result.truncated:
            raise OutputLimitExceededError(
                SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE_STR, (stdout + stderr)[:output_bytes]
            )
        if result.exit_code == _CANNOT_EXECUTE and stderr == f"cannot execute {cmd[0]}: Permission denied\n":
            raise PermissionError(stderr.strip())
        code = result.exit_code if result.exit_code is not None else 128 + (result.signal or 0)
        return ExecResult(success=code == 0, returncode=code, stdout=stdout, stderr=stderr)

    @override
    async def write_file(self, file: str, contents: str | bytes) -> None:
        """Write a file in the box; see Inspect's `SandboxEnvironment.write_file`."""
        try:
            await self._in_thread(partial(self.box.put, file, _encoded(contents)))
        except UnsafePath as error:
            raise PermissionError(error.errno, error.strerror, file) from error

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    @override
    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        """Read a file from the box; see Inspect's `SandboxEnvironment.read_file`. Links are not followed."""
        most_bytes = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        try:
            content = await self._in_thread(partial(self.box.get, file, most_bytes))
        except FileTooLarge as error:
            raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR, None) from error
        except UnsafePath as error:
            raise PermissionError(error.errno, error.strerror, file) from error
        except NotADirectoryError as error:
            raise FileNotFoundError(error.errno, error.strerror, file) from error
        return content.decode("utf-8") if text else content

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        """Run a box call; one that is cancelled is left to end with the box."""
        try:
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
        except SandboxDead as error:
            _logger.warning("a sample is invalid: its box died: %s", error)
            store().set(DEATH_KEY, str(error))
            raise SandboxUnavailableError(f"the sandbox is gone: {error}") from error


def _encoded(content: str | bytes) -> bytes:
    return content.encode("utf-8") if isinstance(content, str) else content


def _config(config: SandboxEnvironmentConfigType | None) -> BwrapConfig:
    if config is None:
        return BwrapConfig()
    if isinstance(config, BwrapConfig):
        return config
    if isinstance(config, str):
        return _from_file(Path(config))
    raise TypeError("the sandbox 'bwrap' is configured by a BwrapConfig object or a YAML file of its fields")


def _from_file(path: Path) -> BwrapConfig:
    try:
        return BwrapConfig.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not a configuration of the sandbox 'bwrap': {error}") from error
