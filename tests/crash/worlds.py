# SPDX-License-Identifier: Apache-2.0
"""What there is in a house, said so that two houses can be compared: random values are named by where they occur."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import AutoField, Field, ForeignKey, Model

from proofhouse.attest import sha256_hex
from proofhouse.ledger import Leaf, LedgerError, Policy, Receipt, audit, verify_receipt
from proofhouse.server.engine import effects
from proofhouse.server.engine.check import check_house
from proofhouse.server.engine.jobs.durable import ORDER, Durable
from proofhouse.server.engine.jobs.rules import LIVE
from proofhouse.server.engine.models import Blob, Job, LedgerEntry, Letter, Peer, Thread
from proofhouse.server.engine.record import open_own_log, trust_policy
from proofhouse.server.house import this_house

_RANDOM = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)"
    r"|(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<pem>-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----(\\n)?)"
    r"|(?P<digest>\b[0-9a-f]{16,}\b"
    r"|(?<![0-9A-Za-z+/_-])(?=[a-z0-9+/_-]*[A-Z])(?=[A-Za-z+/_-]*\d)[A-Za-z0-9+/_-]{43,}={0,2})"
    r'|(?P<length>"length":\s?\d+)'
    r"|(?P<span>\b\d+\.\d+ s\b)"
)
_VERSION = re.compile(r'(?<=/)\d+\.|"version": \d+')
_ATTEMPTS = re.compile(r"\b(run|attempts)=\d+")
_SKIPPED_APPS = frozenset({"auth", "contenttypes", "admin"})
_TREES = ("provider", "repositories")
"""What the world outside sees of a house: these directories, and the letters that left."""


@dataclass(frozen=True)
class World:
    """A house, its published files and its letters that arrived; equal worlds are worlds that nobody can tell apart."""

    rows: tuple[str, ...]
    published: tuple[str, ...]
    in_force: int

    def difference(self, other: World) -> str:
        """The lines that only one of two worlds has, for people."""
        mine, theirs = [*self.rows, *self.published], [*other.rows, *other.published]
        lines = [f"- {line[:400]}" for line in mine if mine.count(line) > theirs.count(line)]
        lines += [f"+ {line[:400]}" for line in theirs if theirs.count(line) > mine.count(line)]
        return "\n".join(lines[:20])

    def without_counts(self) -> World:
        """The same world as if nothing in its repositories had ever been signed anew, and no job begun again."""
        rows = tuple(
            _ATTEMPTS.sub("", line) if line.startswith("engine.Job ") else line for line in self.rows
        )
        return World(rows, tuple(sorted({_VERSION.sub("", line) for line in self.published})), self.in_force)


def read_world() -> World:
    """The world of the house that this process serves."""
    names: dict[str, str] = {}
    rows: list[str] = []
    for model in _models():
        lines = sorted(_rows(model), key=lambda line: (_known(line, names), line))
        rows += [_named(line, names) for line in lines]
    return World(tuple(rows), _published(), _in_force())


def _published() -> tuple[str, ...]:
    return tuple(_named(line, {}) for line in _files())


def _in_force() -> int:
    return LedgerEntry.objects.exclude(receipt="").count()


def _models() -> list[type[Model]]:
    """All models, threads first: letters with the same words are told apart by whom they go to.

    Blobs come last: their digests are known by then from the rows that name them.
    """
    return [
        model
        for model in sorted(
            apps.get_models(), key=lambda each: (each is not Thread, each is Blob, each._meta.label)
        )
        if model._meta.app_label not in _SKIPPED_APPS
    ]


def _rows(model: type[Model]) -> list[str]:
    """The rows of a model, read plainly, for speed."""
    fields = [field for field in model._meta.concrete_fields if model.__name__ != "HighWater"]
    if not fields:
        return []
    names = [connection.ops.quote_name(field.column) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(names)} FROM {connection.ops.quote_name(model._meta.db_table)}")
        rows = cursor.fetchall()
    places = [_places(field) for field in fields]
    return [
        f"{model._meta.label} "
        + ", ".join(
            f"{field.name}={_plain(field.name, places_of.get(value, value))}"
            for field, places_of, value in zip(fields, places, row, strict=True)
        )
        for row in rows
    ]


def _places(field: Field[Any, Any]) -> dict[Any, int]:
    """Counted keys by their place: what a transaction counted before it died leaves a gap on PostgreSQL."""
    key = field.target_field if isinstance(field, ForeignKey) else field
    if not isinstance(key, AutoField):
        return {}
    counted = key.model._default_manager.order_by("pk").values_list("pk", flat=True)
    return {value: place for place, value in enumerate(counted, 1)}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return f"{len(bytes(value)) > 0}"
    if name == "receipt":
        return bool(value)
    return json.dumps(value, default=str)


def _files() -> list[str]:
    """The published files, by name and by what they say; what is written beside a file is not published yet.

    A name that holds a digest is sorted without it.
    """
    lines: list[str] = []
    for tree in _TREES:
        root = this_house().directory / tree
        lines += [
            f"{path.relative_to(this_house().directory)}: {_text(path)}"
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        ]
    return sorted(lines, key=lambda line: _RANDOM.sub("", line))


def _text(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".tlog-proof":
        return "a receipt"
    try:
        return json.dumps(json.loads(content))
    except ValueError:
        return content.decode("utf-8", "replace")


def _known(line: str, names: dict[str, str]) -> str:
    """The line with nothing random in it but what has its name already: an order that does not hang on chance."""
    return _RANDOM.sub(lambda found: names.get(found.group(0).replace("-", ""), ""), line)


def _named(line: str, names: dict[str, str]) -> str:
    """The line with each random value replaced by its kind, and ids by the order in which they occur."""

    def name(found: re.Match[str]) -> str:
        kind = next(each for each in ("time", "id", "pem", "digest", "length", "span") if found.group(each))
        if kind in ("id", "digest") and not line.startswith(_TREES):
            return names.setdefault(found.group(0).replace("-", ""), f"<random {len(names)}>")
        return f"<{kind}>"

    return _RANDOM.sub(name, line)


def faults(delivered: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong in a house at rest: receipts without entries, entries twice, letters lost, files torn or left over.

    Args:
        delivered: Letters that reached other houses, `digest` and `type` each.
    """
    yield from _ledger_faults()
    yield from _letter_faults(delivered)
    yield from _job_faults()
    yield from _file_faults()


def _ledger_faults() -> Iterator[str]:
    house = this_house()
    yield from _log_faults("custody", house.ledger, trust_policy())
    if house.own_ledger.exists():
        yield from _log_faults("own", house.own_ledger, open_own_log().policy)
    yield from (difference.what for difference in check_house().differences)


def _log_faults(name: str, directory: Path, policy: Policy) -> Iterator[str]:
    entries = list(LedgerEntry.objects.filter(log=name))
    try:
        audited = audit(directory, policy)
    except LedgerError as broken:
        yield f"the log is broken: {broken}"
        return
    if audited.pending or audited.checkpoint.size != len(entries):
        yield f"{len(entries)} rows, {audited.checkpoint.size} leaves, {audited.pending} pending"
    for entry in entries:
        if not entry.receipt:
            yield f"{entry.kind} has no receipt"
            continue
        proved = Receipt.from_bytes(entry.receipt.encode())
        verify_receipt(proved, Leaf.from_bytes(bytes(entry.leaf)), policy)
        if proved.index != entry.log_index:
            yield f"{entry.kind} stands at {entry.log_index}, its receipt at {proved.index}"
        if not entry.effected:
            yield f"{entry.kind} has no effect: {entry.problem}"
        if entry.problem and entry.kind in effects._EFFECTS:
            yield f"{entry.kind}: {entry.problem}"


def _letter_faults(delivered: list[dict[str, Any]]) -> Iterator[str]:
    sent = {
        row.digest: row
        for row in Letter.objects.filter(direction=Letter.Direction.SENT).select_related("thread__peer")
    }
    arrived = {each["digest"] for each in delivered}
    for digest, row in sent.items():
        travels = row.thread.peer.transport == Peer.Transport.HTTPS and row.state != Letter.State.ABANDONED
        if travels is not (digest in arrived) or (travels and row.state != Letter.State.ACKNOWLEDGED):
            yield f"the letter {row.type} is {row.state}, arrived: {digest in arrived}"
    for each in delivered:
        if each["digest"] not in sent:
            yield f"a letter {each['type']} arrived that this house does not know"


def _job_faults() -> Iterator[str]:
    """Each job that somebody must work on is ordered, and nothing is that no act has asked for."""
    jobs = {f"{job.id}/{job.dispatch}": job for job in Job.objects.all()}
    ordered = {order.workflow_id for order in Durable().client.list_workflows(name=ORDER, load_input=False)}
    yield from (
        f"{job.name} is {job.state} and nobody is to run it"
        for name, job in jobs.items()
        if job.state in LIVE and name not in ordered
    )
    known = {str(job.id) for job in jobs.values()}
    yield from (f"{order} is to be run and no job" for order in ordered if order.split("/")[0] not in known)


def _file_faults() -> Iterator[str]:
    house = this_house()
    for row in Blob.objects.all():
        if row.sha256 != sha256_hex(bytes(row.content)):
            yield f"the blob {row.sha256} is not what its name says"
    for path in house.directory.rglob("*"):
        name = path.relative_to(house.directory)
        if not path.is_file() or name.parts[0] in ("keys", "run", "logs"):
            continue
        if name.parts[0] == "blobs":
            if path.name != sha256_hex(path.read_bytes()):
                yield f"{name} is not what its name says"
        elif (path.name.startswith(".") and path.name != ".lock") or name.parts[0] == "work":
            yield f"{name} was left over"


def unfounded(before: World, delivered: list[dict[str, Any]], signs_anew: bool) -> Iterator[str]:
    """Effects without a receipt, in a house that has just been killed (design rule 3).

    Args:
        before: Its world before.
        delivered: Letters that have left since.
        signs_anew: Whether it may sign again what it had published, which no act records.
    """
    then, now = replace(before, rows=()), World((), _published(), _in_force())
    if signs_anew:
        then, now = then.without_counts(), now.without_counts()
    if now.published != then.published and now.in_force == then.in_force:
        yield "files were published without a receipt: " + now.difference(then)
    for each in delivered:
        row = Letter.objects.filter(digest=each["digest"]).select_related("waits_for").first()
        if row is None or (row.waits_for is not None and not row.waits_for.receipt):
            yield f"a letter {each['type']} left without a receipt"
