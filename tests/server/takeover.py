# SPDX-License-Identifier: Apache-2.0
"""A worker with one job of its own, as a process to be killed: `python -m server.takeover work|ask DIRECTORY`.

The job writes a row, then waits until a file goes away, then writes a second row.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main(verb: str, directory: Path) -> None:
    """Work until told to stop, or ask for the job."""
    from proofhouse.server.process import work

    os.environ["PROOFHOUSE_HOUSE"] = str(directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    import django

    django.setup()
    from proofhouse.server.engine.acts import one_transaction
    from proofhouse.server.engine.jobs.port import enqueue, job, report_progress, step
    from proofhouse.server.engine.jobs.rules import Queue
    from proofhouse.server.engine.models import DoneAct

    @step
    def write(*, text: str) -> None:
        DoneAct.objects.create(key=os.urandom(16).hex(), act=text)

    @job("test.takeover", queue=Queue.DESK)
    def wait(*, file: str) -> None:
        write(text="before")
        while Path(file).exists():
            report_progress(50, "waiting")
            time.sleep(0.1)
        write(text="after")

    if verb == "work":
        work(directory, [Queue.DESK])
        return
    with one_transaction("test.ask"):
        enqueue(wait, {"file": str(directory / "wait")})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
