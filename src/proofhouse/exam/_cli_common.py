# SPDX-License-Identifier: Apache-2.0
"""What the verbs of `proofhouse exam` share: exit codes, one message for each refusal, JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from proofhouse.attest import JsonValue, KeyProblem
from proofhouse.exam._records import BadRecord
from proofhouse.exam.bank import BankKeyProblem
from proofhouse.exam.custody import CustodyProblem
from proofhouse.exam.errors import ExamError

FILE = click.Path(dir_okay=False, path_type=Path)


class CouldNot(click.ClickException):
    """The work could not be done; exit status 3."""

    exit_code = 3


class AnswerIsNo(click.ClickException):
    """The work was done and the answer is no; exit status 1."""

    exit_code = 1


@contextmanager
def clear_refusals() -> Iterator[None]:
    """One message for everything that can be wrong with input or machine."""
    try:
        yield
    except (BadRecord, BankKeyProblem, CustodyProblem, ExamError, KeyProblem) as error:
        raise CouldNot(str(error)) from error
    except OSError as error:
        raise CouldNot(f"{error.filename or 'file'}: {error.strerror}") from error


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        CouldNot: it is not JSON.
        OSError: it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CouldNot(f"{path}: not JSON") from error


def write_json(path: Path, record: JsonValue) -> None:
    """Write a JSON file for people and programs."""
    path.write_text(json.dumps(record, indent=2) + "\n")
