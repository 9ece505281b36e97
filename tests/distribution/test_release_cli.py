# SPDX-License-Identifier: Apache-2.0
"""`proofhouse release`, as a vendor uses it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from distribution.world import VENDOR, World
from proofhouse.distribution import keys_from_records
from proofhouse.distribution.cli import cli


def test_a_vendor_signs_at_home_and_the_repository_takes_it(world: World, tmp_path: Path) -> None:
    run = CliRunner()
    keys = ["--keys", str(tmp_path / "vendor-keys"), "--demo"]
    made = run.invoke(cli, ["vendor-key", *keys, "--json"])
    assert made.exit_code == 0, made.output
    world.image.add_vendor(VENDOR, keys_from_records(json.loads(made.output)), now=world.now)
    assert run.invoke(cli, ["vendor-key", *keys, "--json"]).output == made.output

    previous: list[str] = []
    for name in ("one.patch", "two.patch"):
        (tmp_path / name).write_bytes(name.encode())
        out = tmp_path / f"upload-{name}"
        arguments = ["--path", world.image.patch_path(VENDOR, name), "--file", str(tmp_path / name)]
        signed = run.invoke(cli, ["vendor-sign", *arguments, *keys, *previous, "--out", str(out), "--json"])
        assert signed.exit_code == 0, signed.output
        paths = world.image.accept_vendor_metadata(
            VENDOR, (out / "metadata.json").read_bytes(), (out / "target").read_bytes(), now=world.now
        )
        assert paths == (json.loads(signed.output)["path"],)
        previous = ["--previous", str(out / "metadata.json")]

    shown = run.invoke(cli, ["show", str(world.image.directory)])
    assert shown.exit_code == 0
    assert "two.patch" in shown.output


def test_show_lists_a_directors_items(world: World) -> None:
    item = world.release()
    shown = CliRunner().invoke(cli, ["show", str(world.director.directory), "--json"])
    record = json.loads(shown.output)
    assert record["manifest"]["items"][0]["id"] == item.id
    assert record["roles"]["targets"]["version"] == 2


def test_wrong_use_and_missing_things_have_their_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    keys = ["--keys", str(tmp_path / "k"), "--demo"]
    run = CliRunner()
    run.invoke(cli, ["vendor-key", *keys])
    arguments = ["--file", str(tmp_path / "f"), "--out", str(tmp_path / "o"), *keys]
    assert run.invoke(cli, ["vendor-sign", "--path", "somewhere", *arguments]).exit_code == 2
    missing = run.invoke(cli, ["show", str(tmp_path)])
    assert missing.exit_code == 3
    assert "create it first" in missing.output
    strict = ["--file", str(tmp_path / "f"), "--out", str(tmp_path / "o"), "--keys", str(tmp_path / "k")]
    refused = run.invoke(cli, ["vendor-sign", "--path", "g00/a/patches/x", *strict])
    assert refused.exit_code == 3
    assert "demo key" in refused.output
