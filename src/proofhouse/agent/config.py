# SPDX-License-Identifier: Apache-2.0
"""The agent's configuration, `agent.toml`; all that it points to is checked before the first request."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from proofhouse.agent.policy import Member
from proofhouse.attest import KeyProblem, Signer
from proofhouse.distribution.errors import DistributionError
from proofhouse.distribution.files import write_atomically
from proofhouse.distribution.paths import is_slug
from proofhouse.distribution.rings import RINGS
from proofhouse.ledger import Malformed, Policy

FILE_PLACEHOLDER: Final = "{file}"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_DEFAULT_APPLY_TIMEOUT_S: Final = 600


class ConfigRefused(DistributionError):
    """`agent.toml` or a file that it names cannot be used; the message names the setting."""

    code = "config-refused"


@dataclass(frozen=True)
class Source:
    """A repository's address and its pinned root metadata."""

    url: str
    root: bytes


@dataclass(frozen=True)
class ApplyHook:
    """A local command that installs a staged file; nothing that is downloaded can choose or change it.

    Attributes:
        argv: absolute program and its arguments; an argument `{file}` becomes the staged file's path.
        timeout_s: after this the command is killed and the item has failed.
    """

    argv: tuple[str, ...]
    timeout_s: int = _DEFAULT_APPLY_TIMEOUT_S


@dataclass(frozen=True)
class AgentConfig:
    """Everything that a run needs.

    Attributes:
        member: who the agent acts for, with its ring, products and holds.
        audience: the only audience whose manifest is followed.
        director: the clearinghouse's repository for this audience.
        image: the vendors' repository.
        ledger_policy: the C2SP tlog-policy that release authorisations must satisfy.
        signer: the key that is enrolled with the clearinghouse.
        acknowledge_url: where acknowledgements are posted; None keeps them for a medium.
        directory: holds `state/`, `stage/` and `acks/`.
        apply: the opt-in hook; None stages and notifies only.
    """

    member: Member
    audience: str
    director: Source
    image: Source
    ledger_policy: Policy
    signer: Signer
    acknowledge_url: str | None
    directory: Path
    apply: ApplyHook | None = None

    @classmethod
    def load(cls, path: Path) -> AgentConfig:
        """Read a configuration; relative paths in it start from its own directory.

        Raises:
            ConfigRefused: a setting is missing, unknown or unusable, or the file is writable by others while
                it names an apply hook.
        """
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
            mode = stat.S_IMODE(path.stat().st_mode)
        except (OSError, ValueError) as error:
            raise ConfigRefused(f"{path} cannot be read: {error}") from None
        config = _read(_Settings(settings, path.parent))
        if config.apply is not None and mode & 0o022:
            raise ConfigRefused(
                f"{path} names an apply hook and is writable by others; run: chmod go-w {path}"
            )
        return config


def write_config(path: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Write settings as TOML, one table each; values are text, integers or lists of text.

    Raises:
        OSError: the file cannot be written.
    """
    lines = []
    for table, values in settings.items():
        lines.append(f"[{table}]")
        # A JSON string, integer or array of strings without control characters is also a TOML value.
        lines += [
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in values.items()
            if value is not None
        ]
        lines.append("")
    write_atomically(path, "\n".join(lines).encode(), 0o600)


def _read(top: _Settings) -> AgentConfig:
    member = top.table("member")
    ring = member.integer("ring", RINGS[0], RINGS[-1])
    ledger = top.table("ledger")
    acknowledge = top.optional_table("acknowledge")
    apply = top.optional_table("apply")
    config = AgentConfig(
        member=Member(
            id=member.slug("id"), ring=ring, products=member.texts("products"), hold=member.texts("hold")
        ),
        audience=member.slug("audience"),
        signer=member.signer("key"),
        director=_source(top.table("director")),
        image=_source(top.table("image")),
        ledger_policy=ledger.policy("policy"),
        acknowledge_url=None if acknowledge is None else acknowledge.url("url", ("https", "http")),
        directory=top.directory,
        apply=None if apply is None else _hook(apply),
    )
    for table in (member, ledger, acknowledge, top):
        if table is not None:
            table.close()
    return config


def _source(table: _Settings) -> Source:
    source = Source(table.url("url", ("https", "http", "file")), table.file("root"))
    table.close()
    return source


def _hook(table: _Settings) -> ApplyHook:
    argv = table.texts("argv")
    timeout_s = table.integer("timeout_s", 1, 86_400, _DEFAULT_APPLY_TIMEOUT_S)
    table.close()
    if not argv or not Path(argv[0]).is_absolute() or FILE_PLACEHOLDER not in argv[1:]:
        raise ConfigRefused(
            f"apply.argv: an absolute program, then arguments of which one is {FILE_PLACEHOLDER}"
        )
    return ApplyHook(argv, timeout_s)


class _Settings:
    """One TOML table, each setting read once."""

    def __init__(self, values: Mapping[str, Any], directory: Path, name: str = "") -> None:
        self._values = dict(values)
        self._name = name
        self.directory = directory

    def close(self) -> None:
        if self._values:
            raise self._refuse(next(iter(self._values)), "no such setting")

    def table(self, name: str) -> _Settings:
        table = self.optional_table(name)
        if table is None:
            raise ConfigRefused(f"table [{name}] is missing")
        return table

    def optional_table(self, name: str) -> _Settings | None:
        value = self._values.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._refuse(name, "expected a table")
        return _Settings(value, self.directory, f"{name}.")

    def text(self, name: str) -> str:
        value = self._values.pop(name, None)
        if not isinstance(value, str) or not value:
            raise self._refuse(name, "expected text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._values.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
            raise self._refuse(name, "expected a list of texts")
        return tuple(value)

    def integer(self, name: str, least: int, most: int, default: int | None = None) -> int:
        value = self._values.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._refuse(name, f"expected an integer from {least} to {most}")
        return value

    def slug(self, name: str) -> str:
        value = self.text(name)
        if not is_slug(value):
            raise self._refuse(name, "expected lower-case letters, digits and inner hyphens, at most 63")
        return value

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name)
        try:
            parts = urlsplit(value)
            host = parts.hostname
        except ValueError:
            raise self._refuse(name, "not a URL") from None
        if parts.scheme not in schemes or (parts.scheme == "http" and host not in _LOOPBACK):
            raise self._refuse(name, f"expected {', '.join(schemes)}; plain http only to this machine")
        return value

    def file(self, name: str) -> bytes:
        path = self.directory / self.text(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._refuse(name, f"cannot be read: {error}") from None

    def signer(self, name: str) -> Signer:
        try:
            return Signer.load(self.directory / self.text(name))
        except KeyProblem as error:
            raise self._refuse(name, str(error)) from None

    def policy(self, name: str) -> Policy:
        content = self.file(name)
        try:
            return Policy.parse(content)
        except Malformed as error:
            raise self._refuse(name, str(error)) from None

    def _refuse(self, name: str, problem: str) -> ConfigRefused:
        return ConfigRefused(f"{self._name}{name}: {problem}")
