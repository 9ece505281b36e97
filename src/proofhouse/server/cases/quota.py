# SPDX-License-Identifier: Apache-2.0
"""How many reports a finder may send in a day: more with each that was reproduced, fewer after failures. Pure.

Maintainers drown in reports that never worked; finders whose proofs run should feel no limit. A report is a failure
when its proof did not reproduce, or when two readers found it unfounded. The first two are forgiven: everybody's proof
fails once on another machine. Nobody falls to nothing, so that everybody can earn their way back.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = 50
"""What a finder may send in a day of whom nothing is known yet."""
FOR_REPRODUCED = 10
FOR_FAILURE = 10
FORGIVEN = 2
LEAST = 1
MOST = 5000

ANONYMOUS = 200
"""What all who give no name may send in a day together: nobody can be told from anybody else there."""


@dataclass(frozen=True)
class TrackRecord:
    """What came of a finder's reports so far.

    Attributes:
        reproduced: Those whose proof ran, and those that two readers found real.
        failed: Those whose proof did not, and those that two readers found unfounded.
    """

    reproduced: int = 0
    failed: int = 0


def allowance(record: TrackRecord) -> int:
    """How many reports the finder may send within 24 hours."""
    earned = record.reproduced * FOR_REPRODUCED
    lost = max(0, record.failed - FORGIVEN) * FOR_FAILURE
    return min(MOST, max(LEAST, BASE + earned - lost))
