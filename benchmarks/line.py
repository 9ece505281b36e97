# SPDX-License-Identifier: Apache-2.0
"""How long the whole line takes: `proofhouse demo` with an empty cache, then again with builds cached.

    python benchmarks/line.py            # cold and warm, several minutes
    python benchmarks/line.py --quick    # warm only, within a minute where the cache is filled
    python benchmarks/line.py --json     # one JSON object: cold_s, warm_s, peak_rss_mb, steps

`peak_rss_mb` is the largest sum, sampled ten times a second, of the proportional memory (PSS) of all our own
processes; compilers and what runs inside sandboxes are left out, as the goal does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from _told import asks, tell

OURS = ("python", "gunicorn")


def _pss_kib(pid: str) -> int:
    try:
        name = Path(f"/proc/{pid}/comm").read_text()
        if not name.startswith(OURS):
            return 0
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except (OSError, ValueError):
        return 0
    return 0


def _descendants(root: int) -> set[str]:
    children: dict[str, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(entry.name)
    found, queue = {str(root)}, [str(root)]
    while queue:
        for child in children.get(queue.pop(), []):
            found.add(child)
            queue.append(child)
    return found


class _Meter(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_kib = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            self.peak_kib = max(self.peak_kib, sum(map(_pss_kib, _descendants(self.pid))))


def demo(cache: Path) -> dict[str, Any]:
    """Play the line once in a new directory; returns its record with `wall_s` and `peak_rss_mb`."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "demo.json"
        argv = [sys.executable, "-m", "proofhouse.cli", "demo", "--house", f"{scratch}/house"]
        argv += ["--json", str(report), "--cache", str(cache)]
        began = time.monotonic()
        with subprocess.Popen(
            argv, stderr=subprocess.PIPE, env=os.environ | {"XDG_CACHE_HOME": str(cache)}
        ) as process:
            meter = _Meter(process.pid)
            meter.start()
            said = process.stderr.read() if process.stderr else b""
            process.wait()
        meter.done.set()
        if process.returncode:
            sys.exit(said.decode(errors="replace"))
        played: dict[str, Any] = json.loads(report.read_text())
        return {**played, "wall_s": time.monotonic() - began, "peak_rss_mb": meter.peak_kib / 1024}


def main() -> None:
    """Measure and print."""
    parser = asks(__doc__)
    parser.add_argument(
        "--cache", type=Path, default=Path.home() / ".cache" / "proofhouse", help="cache of --quick"
    )
    options = parser.parse_args()
    if options.quick:
        cold, warm = None, demo(options.cache)
    else:
        empty = Path(tempfile.mkdtemp())
        try:
            cold, warm = demo(empty), demo(empty)
        finally:
            shutil.rmtree(empty)
    figures = {
        "cold_s": round(cold["wall_s"], 1) if cold else None,
        "warm_s": round(warm["wall_s"], 1),
        "peak_rss_mb": round(max(run["peak_rss_mb"] for run in (cold, warm) if run)),
        "real": warm["real"],
        "steps": {
            step["name"]: {"warm_s": step["seconds"]} | ({"cold_s": before["seconds"]} if before else {})
            for number, step in enumerate(warm["steps"])
            for before in [cold["steps"][number] if cold else None]
        },
    }
    if options.as_json:
        tell(figures, as_json=True)
        return
    for name, seconds in figures["steps"].items():
        print(f"{name:24} cold {seconds.get('cold_s', '–')!s:>7} s   warm {seconds['warm_s']:>7} s")
    print(f"cold_s {figures['cold_s']}   warm_s {figures['warm_s']}   peak_rss_mb {figures['peak_rss_mb']}")


if __name__ == "__main__":
    main()
