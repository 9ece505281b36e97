# SPDX-License-Identifier: Apache-2.0
"""A scan runs under its lease and never outside of it; what it finds comes in with its proof."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proofhouse.cli import main
from proofhouse.scan import Method, Remark, Seen, Target, Terms, prepare
from proofhouse.server import scan_cli
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.cases.lease_services import take_lease
from proofhouse.server.cases.models import Report
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.record import collect_receipts
from proofhouse.server.house import House
from proofhouse.server.scan_cli import NAMES, Refused, require_lease
from proofhouse.validation import load_recipe, repeating
from proofhouse.validation.cli import default_cache
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


class Served:
    """A house behind a real web server, somebody with a token, and the command line."""

    def __init__(self, address: str, place: Path) -> None:
        self.holder = make_person(Role.OPERATOR)
        secret, _ = make_token(self.holder, "api:read", "cases:report:submit")
        (place / "token").write_text(secret)
        self.cache = place / "cache"
        self._words = ("--to", address, "--token-file", str(place / "token"))

    def lease(self, product: str, method: str = "fuzzing") -> str:
        made = take_lease(
            actor=self.holder, product=product, method=method, mandate="owner", starts_at=wire(now()),
            ends_at=wire(now() + timedelta(days=1)), mandated_by="Ada", mandated_on="2026-11-20",
            mandate_terms="All of it.",
        )  # fmt: skip
        collect_receipts()
        return str(made.id)

    def scan(self, recipe: Path, lease: str, *words: str, cache: Path | None = None) -> Result:
        place = ("--cache", str(cache or self.cache))
        return CliRunner().invoke(
            main, ["scan", "run", str(recipe), "--lease", lease, *self._words, *place, *words]
        )


@pytest.fixture
def served(house: House, live_server: Any, tmp_path: Path) -> Served:
    return Served(live_server.url, tmp_path)


def test_a_target_outside_the_lease_is_refused_and_nothing_is_built(served: Served, tmp_path: Path) -> None:
    tally = recipe(tmp_path)
    outside = served.scan(tally, served.lease("another"))
    assert outside.exit_code == 1
    assert "the lease is for another, not for tally" in outside.output
    assert served.scan(tally, "0190a000-0000-7000-8000-000000000000").exit_code == 1, "nobody's lease"
    assert served.scan(tally, "no id").exit_code == 2
    static = served.scan(tally, served.lease("tally", "static-analysis"), "--engine", "libfuzzer")
    assert static.exit_code == 1
    assert "the lease is for static-analysis; libfuzzer is fuzzing" in static.output
    by_hand = served.scan(tally, served.lease("tally", "by-hand"))
    assert by_hand.exit_code == 1
    assert "no engine" in by_hand.output
    assert not served.cache.exists(), "nothing was built"


def test_engines_say_whether_they_are_installed_and_what_they_cannot_do() -> None:
    told = CliRunner().invoke(main, ["scan", "engines", "--json"])
    assert told.exit_code == 0
    rows = json.loads(told.output)["engines"]
    assert {row["engine"] for row in rows} == set(NAMES)
    assert all(row["limits"] and bool(row["version"]) != bool(row["problem"]) for row in rows)
    assert CliRunner().invoke(main, ["scan", "engines"]).exit_code == 0


def test_a_static_finding_comes_in_without_a_proof_and_says_that_it_is_none(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reader:
        name, method, means, limits, last_resort = "reader", Method.STATIC_ANALYSIS, "scanner", "", False

        def version(self) -> str:
            return "reader 1.0"

        def search(self, target: Target, terms: Terms) -> Iterator[Seen]:
            for line in range(1, 31):
                yield Remark(PurePosixPath("src/tally.c"), line, "bound", "CWE-787", "error", "No bound.")

    monkeypatch.setattr(scan_cli, "ENGINES", (Reader(),))
    monkeypatch.setattr(scan_cli, "prepare", lambda *_, **__: SimpleNamespace(seeds=()))
    lease = served.lease("tally", "static-analysis")
    told = served.scan(recipe(tmp_path), lease, "--json")
    assert told.exit_code == 0, told.output
    assert len(json.loads(told.stdout)["static"]) == 20, "the rest is counted"
    assert json.loads(told.stdout)["engines"][0]["remarks"] == 30
    report = Report.objects.order_by("received_at")[0]
    assert report.title.startswith("Static finding: bound at src/tally.c:")
    assert (report.state, report.weakness, report.provenance["means"]) == (
        "needs-human",
        "CWE-787",
        "scanner",
    )
    assert "nothing is proved" in report.summary
    assert (str(report.lease_id), report.attachments.count()) == (lease, 0)


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ["afl", "libfuzzer", "mutation"])
def test_a_scan_under_a_lease_finds_a_crash_by_itself_and_reports_it_with_its_proof(
    engine: str, served: Served, tmp_path: Path
) -> None:
    lease = served.lease("tally")
    found = served.scan(
        recipe(tmp_path), lease, "--engine", engine, "--seconds", "120", "--seed", "1", "--first", "--json"
    )
    assert found.exit_code == 0, found.output
    [told] = json.loads(found.stdout)["found"]
    report = Report.objects.get(id=told["report"])
    assert (report.product, report.state, report.provenance["means"]) == ("tally", "queued", "fuzzer")
    assert str(report.lease_id) == lease
    assert report.claimed_crash
    assert get_blob(report.attachments.get().sha256)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.sandbox
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("recipes/real/catdoc-2017-11110.toml", "catdoc"),
        ("src/proofhouse/exam/families/real/unzip-2014-9913.toml", "unzip"),
    ],
)
def test_a_debian_source_without_its_fix_is_found_to_crash_and_the_house_runs_the_proof(
    path: str, package: str, served: Served, tmp_path: Path
) -> None:
    outside = served.scan(ROOT / path, served.lease("another"), cache=tmp_path / "none")
    assert (outside.exit_code, (tmp_path / "none").exists()) == (1, False)
    lease = served.lease(package)
    words = ("--engine", "libfuzzer", "--seconds", "600", "--seed", "1", "--first", "--json")
    found = served.scan(ROOT / path, lease, *words, cache=default_cache())
    assert found.exit_code == 0, found.output
    [told] = json.loads(found.stdout)["found"]
    report = Report.objects.get(id=told["report"])
    assert (report.product, report.state, str(report.lease_id)) == (package, "queued", lease)
    proof = get_blob(report.attachments.get().sha256)
    proofs = [ref.content for each in load_recipe(ROOT / path).proofs for ref in each.inputs.values()]
    assert proof not in proofs, "it is the engine's own"
    target = prepare(load_recipe(ROOT / path), default_cache(), lambda line: None)
    crash = repeating(target.program, target.command(proof))
    assert crash is not None
    assert crash.crash_class == report.claimed_crash
