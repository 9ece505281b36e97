# SPDX-License-Identifier: Apache-2.0
"""Reports that are run as they come, for workers that are killed: `python -m server.flood DIRECTORY COUNT`.

Sets a bench for the example program in a house on disk, and sends reports of somebody whom it trusts; each has bytes of
its own behind the same flaw.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(directory: Path, count: int) -> None:
    """Send them."""
    os.environ["PROOFHOUSE_HOUSE"] = str(directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    from proofhouse.server.accounts.permissions import Role
    from proofhouse.server.cases.intake_services import submit_report
    from proofhouse.server.cases.prove_services import set_bench
    from proofhouse.server.house import this_house
    from server.makers import make_person

    place = this_house().recipes / "example"
    shutil.copytree(ROOT / "recipes" / "example", place / "recipes" / "example")
    shutil.copytree(ROOT / "examples" / "tally", place / "examples" / "tally")
    shutil.copy(ROOT / "recipes" / "example.toml", place / "recipes" / "example.toml")
    coordinator, finder = make_person(Role.COORDINATOR), make_person(Role.OPERATOR)
    set_bench(actor=coordinator, product="tally", recipe="example", trusted=[finder.email])
    proof = (ROOT / "recipes" / "example" / "long-value.rec").read_bytes()
    for number in range(count):
        content = base64.b64encode(proof + bytes([number])).decode()
        submit_report(
            actor=finder,
            title=f"A length is believed, {number}",
            product="tally",
            description="It reads past the end.",
            claimed_crash="heap-buffer-overflow",
            files=[{"name": "long.rec", "content": content}],
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
