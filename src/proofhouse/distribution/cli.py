# SPDX-License-Identifier: Apache-2.0
"""`proofhouse release`: what a vendor runs at home, and a look into a repository."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from proofhouse.distribution._repository import Repository
from proofhouse.distribution._tuf import Targets
from proofhouse.distribution.errors import DistributionError
from proofhouse.distribution.files import write_atomically
from proofhouse.distribution.keys import KeyRing, key_records
from proofhouse.distribution.manifest import MANIFEST_PATH, Manifest
from proofhouse.distribution.vendor import sign_vendor_release

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_KEYS = click.option(
    "--keys", "keys_directory", type=_DIRECTORY, required=True, help="Holds vendor/*.pem, owner-only files."
)
_DEMO = click.option("--demo", is_flag=True, help="Make or accept demo keys.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


class CouldNot(click.ClickException):
    """The release could not be made or shown; the message says what to do."""

    exit_code = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Sign and inspect released patches.

    A vendor signs at home with its own key and uploads the finished metadata with the file. Whoever runs the
    repository checks both and adds nothing of its own but the freshness.
    """


@cli.command()
@_KEYS
@_DEMO
@_JSON
def vendor_key(keys_directory: Path, demo: bool, as_json: bool) -> None:
    """Create a vendor's key, or show it again; print the public half to enrol with the clearinghouse."""
    try:
        keys = KeyRing(keys_directory, allow_demo=demo)
        records = key_records(signer.public_key for signer in keys.ensure("vendor", demo=demo))
    except (DistributionError, OSError) as error:
        raise CouldNot(str(error)) from error
    if not as_json:
        click.echo("Enrol with the clearinghouse:")
    click.echo(json.dumps(records))


@cli.command()
@click.option("--path", "target_path", required=True, help="Target path, gNN/VENDOR/patches/NAME.")
@click.option("--file", "file_path", type=_FILE, required=True, help="The patch.")
@click.option("--previous", type=_FILE, default=None, help="Your role's metadata as last released, if any.")
@click.option("--out", type=_DIRECTORY, required=True, help="Receives metadata.json and target.")
@_KEYS
@_DEMO
@_JSON
def vendor_sign(
    target_path: str,
    file_path: Path,
    previous: Path | None,
    out: Path,
    keys_directory: Path,
    demo: bool,
    as_json: bool,
) -> None:
    """Sign one more file into the vendor's role; the result is complete and ready to upload."""
    try:
        release = sign_vendor_release(
            target_path,
            file_path.read_bytes(),
            KeyRing(keys_directory, allow_demo=demo).signers("vendor"),
            previous=None if previous is None else previous.read_bytes(),
            now=datetime.now(UTC),
        )
        write_atomically(out / "metadata.json", release.metadata)
        write_atomically(out / "target", release.content)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (DistributionError, OSError) as error:
        raise CouldNot(str(error)) from error
    if as_json:
        record = {"path": release.image.path, "sha256": release.image.sha256, "version": release.version}
        click.echo(json.dumps({**record, "length": release.image.length_bytes}))
    else:
        click.echo(f"{release.image.path} signed as version {release.version} of the role, in {out}")
        click.echo(f"  {release.image.length_bytes} bytes, sha256 {release.image.sha256}")


@cli.command()
@click.argument("directory", type=_DIRECTORY)
@_JSON
def show(directory: Path, as_json: bool) -> None:
    """Show the published state of a repository: roles with version and expiry, and a director's items.

    This reads the files as they lie; it verifies nothing. Clients verify.
    """
    try:
        repository = Repository(directory, KeyRing(directory / "keys"))
        roles = repository.published_roles()
        targets = {path for role in roles.values() if isinstance(role, Targets) for path in role.targets}
        manifest = None
        if MANIFEST_PATH in targets:
            manifest = Manifest.from_json(repository.target_bytes(Targets.type, MANIFEST_PATH))
    except DistributionError as error:
        raise CouldNot(str(error)) from error
    record: dict[str, Any] = {
        "roles": {
            name: {"version": role.version, "expires": f"{role.expires:%Y-%m-%dT%H:%M:%SZ}"}
            for name, role in roles.items()
        },
        "targets": sorted(targets),
        "manifest": None if manifest is None else json.loads(manifest.to_json()),
    }
    if as_json:
        click.echo(json.dumps(record, indent=1))
        return
    for name, role in record["roles"].items():
        click.echo(f"{name:<24} version {role['version']:<5} until {role['expires']}")
    for path in record["targets"]:
        click.echo(f"  {path}")
    for item in manifest.items if manifest is not None else ():
        standing = f"revoked: {item.revoked.reason}" if item.revoked else "directed"
        click.echo(f"  item {item.id} version {item.version}  {item.advisory}  {standing}")
