# SPDX-License-Identifier: Apache-2.0
"""`proofhouse ledger`: run a witness, audit a log, check a receipt, show a log."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from proofhouse.attest import KeyProblem, Signer
from proofhouse.ledger._audit import audit as audit_log
from proofhouse.ledger._checkpoint import Checkpoint
from proofhouse.ledger._errors import BrokenLog, LedgerError, Malformed, NotProven
from proofhouse.ledger._leaf import Leaf
from proofhouse.ledger._note import VerifierKey
from proofhouse.ledger._policy import Policy
from proofhouse.ledger._proof import Receipt, verify_receipt
from proofhouse.ledger._tiles import CHECKPOINT, HEAD, read_checkpoint
from proofhouse.ledger._witness import Witness
from proofhouse.ledger._witness_server import WitnessServer

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_POLICY = click.option(
    "--policy",
    "policy_file",
    required=True,
    type=click.Path(path_type=Path),
    help="Trust policy (C2SP tlog-policy).",
)


class CouldNot(click.ClickException):
    """The work could not be done at all; exit code 3."""

    exit_code = 3


@click.group()
def cli() -> None:
    """Tamper-evident records: a transparency log in C2SP formats."""


@cli.command()
@click.option(
    "--dir", "directory", required=True, type=click.Path(path_type=Path), help="State and key of the witness."
)
@click.option(
    "--log-key",
    "log_keys",
    multiple=True,
    required=True,
    metavar="VKEY",
    help="Verifier key of a log to serve.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--name", default="proofhouse.example/witness", show_default=True, help="Key name of the witness."
)
@click.option("--demo", is_flag=True, help="Mark a newly made key as a demo key.")
def witness(directory: Path, log_keys: tuple[str, ...], port: int, name: str, demo: bool) -> None:
    """Run a witness until it is ended by a signal.

    Prints one JSON line {"url", "vkey", "pid"} on standard output once it answers. Makes its key,
    DIR/keys/witness/witness.pem, at the first start. Cosigns a log's checkpoint only if it extends
    the one cosigned before.
    """
    try:
        keys = [VerifierKey.parse(text) for text in log_keys]
        path = directory / "keys" / "witness" / "witness.pem"
        if not path.exists():
            Signer.generate("witness", "witness", demo=demo).save(directory / "keys")
        one = Witness(directory, name, Signer.load(path), keys)
        server = WitnessServer(one, port)
    except Malformed as error:
        raise click.UsageError(str(error)) from None
    except (LedgerError, KeyProblem, OSError) as error:
        raise CouldNot(f"the witness cannot start: {error}") from None
    signal.signal(signal.SIGTERM, _end)
    click.echo(json.dumps({"url": server.url, "vkey": str(one.key), "pid": os.getpid()}))
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return
    finally:
        server.server_close()
        one.close()


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_POLICY
@_JSON
def audit(directory: Path, policy_file: Path, as_json: bool) -> None:
    """Recompute the log in DIRECTORY from its entries and check it against a policy.

    Exit code 1 means that the log is broken or not trusted by the policy; the message names the file.
    """
    policy = _read_policy(policy_file)
    try:
        result = audit_log(directory, policy)
    except (BrokenLog, NotProven) as error:
        _no(str(error), as_json)
    facts = {"ok": True, **_facts(result.checkpoint), "pending": result.pending}
    _say(facts, as_json, f"the log {result.checkpoint.origin} is whole: {result.checkpoint.size} entries")


@cli.group()
def proof() -> None:
    """Receipts (.tlog-proof files)."""


@proof.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--leaf", "leaf_hex", required=True, metavar="HEX", help="The leaf, 50 bytes in hexadecimal.")
@_POLICY
@_JSON
def verify(file: Path, leaf_hex: str, policy_file: Path, as_json: bool) -> None:
    """Check offline that FILE proves a leaf to be in a log that the policy trusts."""
    policy = _read_policy(policy_file)
    try:
        leaf = Leaf.from_bytes(bytes.fromhex(leaf_hex))
    except (ValueError, Malformed) as error:
        raise click.UsageError(f"--leaf: {error}") from None
    try:
        receipt = Receipt.from_bytes(_read(file))
        checkpoint = verify_receipt(receipt, leaf, policy)
    except NotProven as error:
        _no(str(error), as_json)
    facts = {"ok": True, "index": receipt.index, **_facts(checkpoint)}
    _say(
        facts,
        as_json,
        f"proved: entry {receipt.index} of {checkpoint.origin} (size {checkpoint.size}) is this leaf",
    )


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_JSON
def show(directory: Path, as_json: bool) -> None:
    """Show the checkpoint of the log in DIRECTORY as it is written. Checks nothing: see `audit`."""
    try:
        note, checkpoint = read_checkpoint(directory, CHECKPOINT)
        head = read_checkpoint(directory, HEAD)[1] if (directory / HEAD).exists() else checkpoint
    except BrokenLog as error:
        raise CouldNot(str(error)) from None
    signers = [line.name for line in note.signatures]
    pending = head.size - checkpoint.size
    facts = {**_facts(checkpoint), "signatures": signers, "pending": pending}
    del facts["cosigned_s"]
    _say(facts, as_json, f"{bytes(note).decode()}pending: {pending}")


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root_sha256": checkpoint.root.hex(),
        "cosigned_s": checkpoint.cosigned_s,
    }


def _say(facts: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(facts) if as_json else text)


def _no(reason: str, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps({"ok": False, "reason": reason}))
    else:
        click.echo(f"not proved: {reason}", err=True)
    raise SystemExit(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CouldNot(f"{path} cannot be read: {error.strerror}") from None


def _read_policy(path: Path) -> Policy:
    try:
        return Policy.parse(_read(path))
    except Malformed as error:
        raise click.UsageError(f"{path}: {error}") from None


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt
