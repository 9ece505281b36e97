# SPDX-License-Identifier: Apache-2.0
"""Running the proofs of reports: minutes of compiling and crashing, so it is a job on a machine with a compiler."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from proofhouse.attest import sha256_hex
from proofhouse.server.engine.blobs import get_blob
from proofhouse.server.engine.jobs.port import job, perform, report_progress
from proofhouse.server.engine.jobs.programs import own_command, run_program
from proofhouse.server.engine.jobs.rules import Queue
from proofhouse.server.engine.jobs.turn import JobFailed
from proofhouse.server.house import this_house
from proofhouse.validation.cli import ENVELOPE_FILE, RESULT_FILE, default_cache

CEILING_S = 4 * 3600.0

_HOW_FAR = {"source": 5, "build": 20, "prove": 50, "patch": 70}
"""Roughly, by the stage that `proofhouse validate` names first on each line."""


@job("cases.validate", queue=Queue.PROOF, attempts=3, retry_s=60)
def validate_recipe(*, recipe: str, recipe_sha256: str, title: str, product: str, by: str) -> dict[str, Any]:
    """Run a recipe's proofs and patches, and take in the signed result as the coordinator who asked for it.

    Args:
        recipe: Name of one of the house's recipes.
        recipe_sha256: What it was when it was asked for; another content is another question.
        title: Title of the case.
        product: Name of the product.
        by: E-mail address of the coordinator.

    Raises:
        JobFailed: The recipe is wrong, or not the one that was asked for.
    """
    house = this_house()
    file = house.recipe(recipe)
    if not file.is_file() or sha256_hex(file.read_bytes()) != recipe_sha256:
        raise JobFailed(f"{file.name} is not the recipe any more that was asked for")
    command, environment = validation_command(file)
    ran = run_program(
        command,
        timeout_s=CEILING_S,
        ok=(0, 1, 2),
        keep=(ENVELOPE_FILE, RESULT_FILE),
        env=environment,
        on_line=_follow,
    )
    if ran.code == 2 or ENVELOPE_FILE not in ran.kept:
        raise JobFailed(ran.complaint or f"the recipe {recipe} cannot be read")
    envelope = base64.b64encode(get_blob(ran.kept[ENVELOPE_FILE])).decode("ascii")
    case = perform("cases.accept_validation", actor=by, title=title, product=product, envelope=envelope)
    return {"case": case and case["id"], "result_sha256": ran.kept[RESULT_FILE]}


def validation_command(recipe: Path) -> tuple[list[str], dict[str, str]]:
    """The command that runs a recipe and signs what it showed, and its environment."""
    cache = default_cache()
    command = own_command(
        "validate",
        str(recipe),
        "--out",
        ".",
        "--cache",
        os.environ.get("PROOFHOUSE_CACHE") or str(cache),
        "--signer",
        str(_validation_key(this_house().keys)),
    )
    return command, {"XDG_CACHE_HOME": str(cache.parent)}


def _validation_key(keys: Path) -> Path:
    return next(iter(sorted((keys / "validation").glob("*.pem"))))


def _follow(line: str) -> None:
    report_progress(_HOW_FAR.get(line.split(" ", 1)[0], 0), line)
