# SPDX-License-Identifier: Apache-2.0
"""`proofhouse verify`: check an inspector's bundle offline and say line by line what it proves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from proofhouse.ledger.bundle_container import BundleUnreadable
from proofhouse.ledger.bundle_manifest import BadManifest, Trust
from proofhouse.ledger.bundle_verify import verify_bundle

_MAX_TRUST_BYTES = 4 << 20


class CannotVerify(click.ClickException):
    """A file cannot be read at all; exit code 3."""

    exit_code = 3


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path),
    help=(
        "Keys, ledger policies and expectations that you knew before (JSON). Without it, keys come from the"
        " bundle."
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def cli(bundle: Path, trust_file: Path | None, as_json: bool) -> None:
    """Verify the inspector's BUNDLE (a ZIP file), offline.

    Exits 0 when every line is proved, 1 when any is not, 3 when BUNDLE cannot be read. Without --trust a
    proof shows that the bundle agrees with itself and with the keys in it; whose keys these are, you must
    know from elsewhere.
    """
    try:
        trust = None if trust_file is None else Trust.from_json(_read_trust(trust_file))
        lines = verify_bundle(bundle, trust=trust)
    except BadManifest as error:
        raise CannotVerify(f"{trust_file}: {error}") from error
    except BundleUnreadable as error:
        raise CannotVerify(str(error)) from error
    ok = all(line.ok for line in lines)
    if as_json:
        answer = {
            "ok": ok,
            "pinned": trust is not None,
            "lines": [dataclasses.asdict(line) for line in lines],
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        for line in lines:
            click.echo(_printed(f"{'proved' if line.ok else 'FAILED'}  {line.line}"))
            if line.detail or not line.ok:
                file = f"  [{line.file}]" if line.file and not line.ok else ""
                click.echo(_printed(f"        {line.detail}{file}"))
        failed = sum(not line.ok for line in lines)
        click.echo(f"{len(lines)} lines, all proved" if ok else f"{failed} of {len(lines)} lines FAILED")
    if not ok:
        raise click.exceptions.Exit(1)


def _read_trust(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TRUST_BYTES + 1)
    except OSError as error:
        raise CannotVerify(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MAX_TRUST_BYTES:
        raise CannotVerify(f"{path} has more than {_MAX_TRUST_BYTES} bytes")
    return content


def _printed(text: str) -> str:
    """The text without characters that could steer a terminal; a bundle's author chooses some of it."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
