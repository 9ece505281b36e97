# SPDX-License-Identifier: Apache-2.0
"""What a scan tells a house of what it found, in the words of a submission. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from proofhouse.scan import Find, Noted
from proofhouse.validation import DebianSource, Recipe


def product_of(recipe: Recipe) -> str:
    """What is scanned, as a lease names it: the source package, or the recipe where there is none."""
    return recipe.source.package if isinstance(recipe.source, DebianSource) else recipe.name


def version_of(recipe: Recipe) -> str:
    """The version of a Debian source, else nothing."""
    return recipe.source.version if isinstance(recipe.source, DebianSource) else ""


def report_of(find: Find, recipe: Recipe, lease: Mapping[str, Any]) -> dict[str, Any]:
    """A crash that repeats, with its proof."""
    crash = find.crash
    frame = crash.state[0] if crash.state else ""
    size = f"{len(find.content)} bytes" + (
        f", made from {find.before_bytes}" if len(find.content) < find.before_bytes else ""
    )
    return {
        "title": f"{crash.crash_class} in {frame or 'unknown code'}"[:200],
        "product": product_of(recipe),
        "description": f"Found by {find.version} in {find.after_s:.0f} s under a scan lease, from "
        f"ordinary input of the recipe {recipe.name} (SHA-256 {recipe.sha256}). "
        f"Crashed three times of three at {crash.location or frame or 'unknown code'}. The proof has {size}.",
        "version": version_of(recipe),
        "claimed_crash": crash.crash_class,
        "location": frame,
        "provenance": {"means": find.means, "tool": f"proofhouse scan, {find.version}", **_model(find)},
        "lease": str(lease["id"]),
        "files": [{"name": "proof.bin", "content": base64.b64encode(find.content).decode("ascii")}],
    }


def _model(find: Find) -> dict[str, str]:
    return {"model": find.model, "prompt_class": "find-flaws"} if find.model else {}


def report_of_remark(noted: Noted, recipe: Recipe, lease: Mapping[str, Any]) -> dict[str, Any]:
    """A static finding: no proof, and it says so."""
    remark = noted.remark
    place = f"{remark.path}:{remark.line}" if remark.line else str(remark.path)
    return {
        "title": f"Static finding: {remark.rule} at {place}"[:200],
        "product": product_of(recipe),
        "description": f"A static finding of {noted.version}, under a scan lease; nothing was run and "
        f"nothing is proved. {remark.severity}, rule {remark.rule}, {place}: {remark.message}",
        "version": version_of(recipe),
        "weakness": remark.weakness,
        "location": str(remark.path)[:200],
        "provenance": {"means": noted.means, "tool": f"proofhouse scan, {noted.version}"},
        "lease": str(lease["id"]),
    }
