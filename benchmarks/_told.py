# SPDX-License-Identifier: Apache-2.0
"""What every benchmark is asked, and how it answers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any


def asks(about: str | None) -> argparse.ArgumentParser:
    """A parser with `--quick` and `--json`, and the benchmark's own words as its help."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller; ends within a minute")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    return parser


def tell(figures: Mapping[str, Any], *, as_json: bool, goals: Mapping[str, str] | None = None) -> None:
    """Print figures, one a line and its goal beside it, or all as one JSON object."""
    if as_json:
        print(json.dumps(figures))
        return
    wide = max(map(len, figures), default=0)
    for name, value in figures.items():
        goal = f"   goal {goals[name]}" if goals and name in goals else ""
        print(f"{name:{wide}}  {'-' if value is None else value}{goal}")
