# SPDX-License-Identifier: Apache-2.0
"""A house on disk: one organisation's installation, its directory and its `house.toml` (DESIGN §5, §8)."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

FORMAT = 1
"""The layout that this version writes; a house of another format is refused, never guessed at."""

_SLUG = re.compile(r"[a-z][a-z0-9-]{1,30}")


class Desk(StrEnum):
    """What a house can do; `house.toml` switches desks on."""

    AUTHORITY = "authority"
    CLEARINGHOUSE = "clearinghouse"
    INSPECTOR = "inspector"
    LAB = "lab"
    MEMBER = "member"
    REVIEW = "review"
    VENDOR = "vendor"


class HouseError(Exception):
    """The directory is not a house that this program can open; the message says what to do."""


@dataclass(frozen=True)
class MailServer:
    """`[mail]` of `house.toml`: the server that takes the house's e-mail; without it, e-mail stays in files.

    Attributes:
        host: Its name.
        port: Its port.
        sender: Address in the From line.
        user: Name to sign in with, empty for none.
        password_file: File in `keys/` with the password, empty for none.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    password_file: str = ""


@dataclass(frozen=True)
class Provider:
    """`[oidc]` of `house.toml`: the OpenID Connect provider whose accounts may open people here.

    Attributes:
        issuer: Its issuer identifier; https, or http on the loopback.
        client_id: This house's name with it.
        secret_file: File in `keys/` with the client secret.
        title: What the button on the sign-in page says.
    """

    issuer: str
    client_id: str
    secret_file: str
    title: str = "your organisation's account"


@dataclass(frozen=True)
class House:
    """One organisation's installation.

    Attributes:
        directory: Where everything of the house lies.
        name: Slug by which other houses address letters to it.
        title: The organisation's name as people write it.
        desks: The desks that are switched on.
        address: Origin of its web server, for instance `http://localhost:8101`.
        demo: Whether its keys are demonstration keys and sign-in by click is offered.
        database_url: `database` of `house.toml`, for instance `postgresql://user@host/name`; empty for the SQLite file.
        worker_queues: `worker_queues` of `house.toml`: whose jobs the house process itself takes; None for all that the
            machine can do.
        web_workers: `workers` of `[web]` in `house.toml`: how many processes answer requests; one
            of them does the desk work.
        queue_limits: `[queues.NAME]` of `house.toml`: `per_worker` and `overall`, how many jobs run at once.
        mail_server: `[mail]`, if there is one.
        provider: `[oidc]`, if there is one.
    """

    directory: Path
    name: str
    title: str
    desks: frozenset[Desk]
    address: str
    demo: bool
    database_url: str = ""
    worker_queues: tuple[str, ...] | None = None
    web_workers: int = 1
    queue_limits: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)
    mail_server: MailServer | None = None
    provider: Provider | None = None

    @property
    def database(self) -> Path:
        """The SQLite file of Django."""
        return self.directory / "db.sqlite3"

    @property
    def blobs(self) -> Path:
        """Content-addressed files."""
        return self.directory / "blobs"

    @property
    def ledger(self) -> Path:
        """The custody log."""
        return self.directory / "ledger" / "custody"

    @property
    def own_ledger(self) -> Path:
        """The log of what the house keeps to itself; it is shown to no other house and to no witness."""
        return self.directory / "ledger" / "own"

    @property
    def ledger_policy(self) -> Path:
        """Who must cosign the custody log (C2SP tlog-policy); without it, nobody."""
        return self.directory / "ledger" / "policy"

    @property
    def keys(self) -> Path:
        """Key files by role; readable by the owner only."""
        return self.directory / "keys"

    @property
    def mail(self) -> Path:
        """E-mail as files, where no server is named; readable by the owner only."""
        return self.directory / "mail"

    @property
    def takes_reports(self) -> bool:
        """Whether anybody may report a flaw here: a clearinghouse's desk is switched on."""
        return Desk.CLEARINGHOUSE in self.desks

    @property
    def mail_in(self) -> Path:
        """Where a mail program drops reports, each a file `….eml` that is whole once it has that name."""
        return self.directory / "mail-in"

    @property
    def repositories(self) -> Path:
        """TUF repositories that this house serves."""
        return self.directory / "repositories"

    @property
    def work(self) -> Path:
        """Scratch space of exams, proofs and exports."""
        return self.directory / "work"

    @property
    def recipes(self) -> Path:
        """Recipes whose proofs this house runs, each in a directory outside which it can name nothing."""
        return self.directory / "recipes"

    def recipe(self, name: str) -> Path:
        """The file of one recipe, `recipes/NAME/recipes/NAME.toml`; its relative paths start at `recipes/NAME/`."""
        return self.recipes / name / "recipes" / f"{name}.toml"

    @property
    def scratch(self) -> Path:
        """What is being written and is not yet in its place; emptied when the house starts."""
        return self.directory / "work" / "scratch"

    @property
    def control_socket(self) -> Path:
        """Where the operator of this house asks for acts; only the owner's processes may connect."""
        return self.directory / "run" / "control.sock"

    @property
    def bell(self) -> Path:
        """Where the other processes of this house ring for the one that does the desk work."""
        return self.directory / "run" / "bell"

    @property
    def port(self) -> int:
        """The port of `address`."""
        return int(self.address.rsplit(":", 1)[1])

    @property
    def log_origin(self) -> str:
        """Origin line of the custody log (C2SP tlog-checkpoint)."""
        return f"proofhouse.example/{self.name}/custody"

    @property
    def own_log_origin(self) -> str:
        """Origin line of the log of own affairs."""
        return f"proofhouse.example/{self.name}/own"


def create_house(
    directory: Path, *, name: str, title: str, desks: frozenset[Desk], address: str, demo: bool
) -> House:
    """Lay out a new house directory and its `house.toml`.

    Args:
        directory: A path that does not hold a house yet.
        name: Slug, lower case.
        title: Name for people.
        desks: Desks to switch on; at least one.
        address: Origin, `http://localhost:PORT`.
        demo: Mark as a demonstration house.

    Raises:
        HouseError: The name is no slug, no desk is given, or the directory holds a house already.
    """
    if not _SLUG.fullmatch(name):
        raise HouseError(
            f"house name {name!r}: lower-case letters, digits and dashes only, 2 to 31 characters"
        )
    if not desks:
        raise HouseError(f"house {name}: switch on at least one desk")
    file = directory / "house.toml"
    if file.exists():
        raise HouseError(f"{directory} holds a house already")
    for part, mode in (
        ("", 0o755),
        ("keys", 0o700),
        ("run", 0o700),
        ("work", 0o700),
        ("work/scratch", 0o700),
        ("logs", 0o700),
        ("blobs", 0o700),
    ):
        (directory / part).mkdir(parents=True, exist_ok=True)
        (directory / part).chmod(mode)
    text = "".join(
        f"{key} = {json.dumps(value)}\n"
        for key, value in (
            ("format", FORMAT),
            ("name", name),
            ("title", title),
            ("desks", sorted(desks)),
            ("address", address),
            ("demo", demo),
        )
    )
    temporary = file.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
    return load_house(directory)


def load_house(directory: Path) -> House:
    """Open a house directory.

    Raises:
        HouseError: No `house.toml`, another format, or a field that is missing or wrong.
    """
    file = directory / "house.toml"
    try:
        fields = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HouseError(f"{directory} is not a house: it has no house.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HouseError(f"{file} cannot be read: {error}") from None
    if fields.get("format") != FORMAT:
        raise HouseError(f"{file}: format {fields.get('format')!r}; this program reads format {FORMAT}")
    try:
        return House(
            directory=directory.resolve(),
            name=str(fields["name"]),
            title=str(fields["title"]),
            desks=frozenset(Desk(desk) for desk in fields["desks"]),
            address=str(fields["address"]),
            demo=bool(fields["demo"]),
            database_url=str(fields.get("database", "")),
            worker_queues=tuple(fields["worker_queues"]) if "worker_queues" in fields else None,
            web_workers=_workers(fields.get("web", {}).get("workers", 1)),
            queue_limits=dict(fields.get("queues", {})),
            mail_server=MailServer(**fields["mail"]) if "mail" in fields else None,
            provider=_provider(fields["oidc"]) if "oidc" in fields else None,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise HouseError(f"{file}: {type(error).__name__}: {error}") from None


def _workers(said: object) -> int:
    if not isinstance(said, int) or not 1 <= said <= 64:
        raise ValueError(f"web.workers: {said!r} is no number of processes from 1 to 64")
    return said


def _provider(fields: dict[str, str]) -> Provider:
    provider = Provider(**fields)
    where = urlsplit(provider.issuer)
    loopback = where.hostname in ("localhost", "127.0.0.1", "::1")
    if where.scheme != "https" and not (where.scheme == "http" and loopback):
        raise ValueError(f"oidc.issuer {provider.issuer}: https, or http on the loopback")
    return provider


def current_house() -> House | None:
    """The house that this process serves, from `PROOFHOUSE_HOUSE`; None outside a house."""
    directory = os.environ.get("PROOFHOUSE_HOUSE")
    return load_house(Path(directory)) if directory else None


def this_house() -> House:
    """The house that this process serves.

    Raises:
        HouseError: The process was started outside a house.
    """
    from django.conf import settings

    house: House | None = settings.HOUSE
    if house is None:
        raise HouseError("this process serves no house; set PROOFHOUSE_HOUSE to its directory")
    return house
