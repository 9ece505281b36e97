# SPDX-License-Identifier: Apache-2.0
"""Reports by e-mail: a mail program drops messages as files, a job reads each of them once.

The house opens no mailbox and answers no mail. Who wrote is not believed: an address in a From line proves nothing.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from proofhouse.formats import MAX_MESSAGE_BYTES, FormatError, read_mail
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.intake_services import count_refusal, take_all, unknown_finder
from proofhouse.server.cases.rules import Channel
from proofhouse.server.cases.submission import of_mail
from proofhouse.server.engine.acts import act, one_transaction
from proofhouse.server.engine.blobs import get_blob, put_blob
from proofhouse.server.engine.jobs.port import enqueue, job, slow_step, step
from proofhouse.server.engine.jobs.rules import Queue
from proofhouse.server.engine.models import Job
from proofhouse.server.engine.work import each_hour
from proofhouse.server.house import this_house

MAILS_A_STEP = 200


@act(Permission.CASES_CASE_COORDINATE)
def collect_mail(*, actor: Person) -> Job:
    """Have the reports read that a mail program has dropped in `mail-in/`; the house does so every hour as well."""
    return enqueue(read_mail_drop, {}, asked_by=actor, key="cases.read_mail")


@each_hour
def look_for_mail() -> None:
    """Have dropped reports read, where there are any."""
    if any(this_house().mail_in.glob("*.eml")):
        with one_transaction("cases.look_for_mail"):
            enqueue(read_mail_drop, {}, key="cases.read_mail")


@job("cases.read_mail", queue=Queue.DESK)
def read_mail_drop() -> dict[str, int]:
    """Read what lies in `mail-in/`, and put each file away as taken or refused."""
    counted = {"taken": 0, "refused": 0}
    while arrived := arrived_mail():
        for name, sha256 in arrived:
            code = take_dropped(name=name, sha256=sha256)
            counted["refused" if code else "taken"] += 1
            _put_away(name, "refused" if code else "taken")
    return counted


@slow_step
def arrived_mail() -> list[list[str]]:
    """Name and digest of what has arrived, at most so many files at a time; their bytes are in the blobs."""
    found = sorted(this_house().mail_in.glob("*.eml"))[:MAILS_A_STEP]
    return [[file.name, put_blob(_read_bounded(file))] for file in found]


@step
def take_dropped(*, name: str, sha256: str) -> str:  # noqa: ARG001 - names the step's file in the job's record
    """Take one of them."""
    return take_mail(get_blob(sha256), sha256)


def _read_bounded(file: Path) -> bytes:
    """The bytes of a dropped file, of one that is too large no more than tells so; nothing of what is no plain file."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as opened:
        regular = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
        return opened.read(MAX_MESSAGE_BYTES + 1) if regular else b""


def _put_away(name: str, where: str) -> None:
    """Move a file out of the drop; after a crash it may be gone already."""
    place = this_house().mail_in / where
    place.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        (this_house().mail_in / name).rename(place / name)


def take_mail(content: bytes, sha256: str) -> str:
    """Take a report that came by e-mail, as part of the act under way; gives the code of a refusal, or nothing."""
    try:
        mail = read_mail(content)
        take_all(Channel.EMAIL, unknown_finder(mail.sender), [of_mail(mail)], document_sha256=sha256)
    except FormatError as refused:
        code = str(getattr(refused, "code", "record_refused"))
        count_refusal(Channel.EMAIL, code)
        return code
    return ""
