# SPDX-License-Identifier: Apache-2.0
"""`proofhouse validate` from a shell: what it prints and which exit status it gives."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from proofhouse.attest import Envelope, Signer
from proofhouse.validation.cli import cli
from validation.programs import PROOFS, THREE_BUGS, fix, write

ROOT = Path(__file__).parents[2]
ONE = {"overflow": PROOFS["overflow"]}


@pytest.mark.sandbox
def test_a_proved_recipe_ends_with_0_and_leaves_a_signed_result(tmp_path: Path) -> None:
    path = write(tmp_path, THREE_BUGS, {"mend": fix(THREE_BUGS, "overflow")}, ONE)
    signer = Signer.generate("clearinghouse", "runner", demo=True)
    key = signer.save(tmp_path / "keys")
    arguments = [str(path), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, [*arguments, "--signer", str(key), "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.output)
    assert record["ok"] is True
    assert record["real"] is False
    assert record["groups"] == [{"proofs": ["overflow"], "identifiers": ["TEST-0"], "patches": ["mend"]}]
    assert json.loads((tmp_path / "out/validation.json").read_text()) == record
    Envelope.from_json((tmp_path / "out/validation.dsse.json").read_bytes()).verify([signer.public])


@pytest.mark.sandbox
def test_a_patch_that_mends_nothing_ends_with_1_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, THREE_BUGS, {"idle": THREE_BUGS + "/* mended */\n"}, ONE)
    done = CliRunner().invoke(cli, [str(path), "--cache", str(tmp_path / "cache")])
    assert done.exit_code == 1
    assert "patch idle: not-proved (cosmetic), stops nothing" in done.output
    assert "proof overflow with the patch: fires" in done.output
    assert "proof overflow [TEST-0]: reproduced 3/3, heap-buffer-overflow in overflow < main" in done.output


def test_a_bad_recipe_ends_with_2_and_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("format = 1\nname = 'Upper'\n")
    done = CliRunner().invoke(cli, [str(path)])
    assert done.exit_code == 2
    assert "name: 'Upper' does not have the form" in done.output


def test_a_source_out_of_reach_ends_with_3(tmp_path: Path) -> None:
    recipe = str(ROOT / "recipes/libxml2-2025-49794.toml")
    done = CliRunner().invoke(cli, [recipe, "--offline", "--cache", str(tmp_path)])
    assert done.exit_code == 3
    assert "is not in the cache, and --offline was asked" in done.output


def test_a_cache_that_cannot_be_written_ends_with_3(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, [str(ROOT / "recipes/example.toml"), "--cache", "/proc/1/cache"])
    assert done.exit_code == 3
    assert "/proc/1/cache" in done.output


def test_a_missing_compiler_ends_with_3_and_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofhouse.validation._build.TOOL_PATH", str(tmp_path))
    done = CliRunner().invoke(cli, [str(ROOT / "recipes/example.toml"), "--cache", str(tmp_path / "cache")])
    assert done.exit_code == 3
    assert "clang is not installed; install the Debian package clang" in done.output


def test_a_signature_needs_a_place_to_go(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, [str(ROOT / "recipes/example.toml"), "--signer", "key.pem"])
    assert done.exit_code == 2
    assert "--signer needs --out" in done.output
