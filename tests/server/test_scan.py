# SPDX-License-Identifier: Apache-2.0
"""A scan runs under its lease and never outside of it; what it finds comes in with its proof."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proofhouse.cli import main
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.lease_services import take_lease
from proofhouse.server.cases.models import Report
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.house import House
from proofhouse.server.scan_cli import Refused, require_lease
from proofhouse.validation import mutate
from server.makers import make_person, make_token

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
LEASE: dict[str, Any] = {
    "product": "Tally", "method": "fuzzing", "state": "active", "in_force": True,
    "starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-02T00:00:00Z",
}  # fmt: skip


def test_a_lease_that_covers_the_target_lets_it_be_scanned() -> None:
    require_lease(LEASE, "tally", NOON)


@pytest.mark.parametrize(
    ("altered", "product", "at"),
    [
        ({}, "another", NOON),
        ({"method": "static-analysis"}, "tally", NOON),
        ({"state": "ended"}, "tally", NOON),
        ({"in_force": False}, "tally", NOON),
        ({}, "tally", NOON - timedelta(days=1)),
        ({}, "tally", NOON + timedelta(days=1)),
    ],
)
def test_what_the_lease_does_not_cover_is_refused(
    altered: dict[str, Any], product: str, at: datetime
) -> None:
    with pytest.raises(Refused):
        require_lease({**LEASE, **altered}, product, at)


def test_any_bytes_are_changed_into_bytes_and_a_seed_repeats_them() -> None:
    for content in (b"", b"\0", b"abc" * 100):
        one, other = (mutate(content, random.Random(7)) for _ in range(2))
        assert one == other


def recipe(directory: Path) -> Path:
    """The example program, with one proof of which the search knows nothing but that it is there."""
    shutil.copytree(ROOT / "recipes" / "example", directory / "recipes" / "example")
    shutil.copytree(ROOT / "examples" / "tally", directory / "examples" / "tally")
    text = (ROOT / "recipes" / "example.toml").read_text()
    head, _, rest = text.partition('[[proof]]\nname = "short-file"')
    text = (
        head.replace('name = "example"', 'name = "tally"') + "[[control]]" + rest.partition("[[control]]")[2]
    )
    file = directory / "recipes" / "tally.toml"
    file.write_text(text)
    return file


def scan(*words: str) -> Result:
    return CliRunner().invoke(main, ["scan", "run", *words])


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(900)
def test_a_scan_under_a_lease_finds_a_crash_by_itself_and_reports_it_with_its_proof(
    house: House, live_server: Any, tmp_path: Path
) -> None:
    holder = make_person(Role.OPERATOR)
    secret, _ = make_token(holder, "api:read", "cases:report:submit")
    (tmp_path / "token").write_text(secret)
    said = {
        "method": "fuzzing", "mandate": "owner", "starts_at": wire(now()), "ends_at": wire(now() + timedelta(days=1)),
        "mandated_by": "Ada", "mandated_on": "2026-11-20", "mandate_terms": "All of it.",
    }  # fmt: skip
    lease, elsewhere = (take_lease(actor=holder, product=product, **said) for product in ("tally", "another"))
    collect_receipts()
    told = (
        "--to",
        live_server.url,
        "--token-file",
        str(tmp_path / "token"),
        "--cache",
        str(tmp_path / "cache"),
    )
    words = (str(recipe(tmp_path)), *told, "--seconds", "60", "--seed", "1")
    outside = scan(*words, "--lease", str(elsewhere.id))
    assert outside.exit_code == 1
    assert "the lease is for another, not for tally" in outside.output
    assert not (tmp_path / "cache").exists(), "nothing was built"
    nobody = scan(*words, "--lease", "0190a000-0000-7000-8000-000000000000")
    assert nobody.exit_code == 1
    found = scan(*words, "--lease", str(lease.id), "--json")
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.output)["found"]) >= 1
    report = Report.objects.filter(claimed_crash="heap-buffer-overflow").first()
    assert report is not None
    assert (report.product, report.state, report.provenance["means"]) == ("tally", "queued", "fuzzer")
    assert str(lease.id) in report.summary
    assert get_blob(report.attachments.get().sha256)
