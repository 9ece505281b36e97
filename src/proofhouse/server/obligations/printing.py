# SPDX-License-Identifier: Apache-2.0
"""PDF by typst: fixed templates, values as one JSON record, no date, so that the same record gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typst

_TEMPLATES = Path(__file__).resolve().parent / "print"


def render(template: str, record: Mapping[str, Any]) -> bytes:
    """Render a record.

    Args:
        template: Name of a file in `print/`, without its ending.
        record: JSON values; never read as markup.

    Returns:
        The PDF; byte for byte the same for the same record, with the fonts that typst brings along.
    """
    pdf: bytes = typst.compile(
        _TEMPLATES / f"{template}.typ",
        root=_TEMPLATES,
        sys_inputs={"record": json.dumps(record, ensure_ascii=False)},
        ignore_system_fonts=True,
        format="pdf",
    )
    return pdf
