# SPDX-License-Identifier: Apache-2.0
"""Reading a signed exam report into what the exam desk needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proofhouse.attest import Envelope, PublicKey, verify_statement

REPORT_TYPE = "https://proofhouse.dev/exam-report/v1"


def read_report(envelope: bytes, keys: Sequence[PublicKey]) -> dict[str, Any]:
    """Verify an exam report and return its predicate.

    Raises:
        BadSignature, MalformedEnvelope, MalformedStatement: It is no exam report that one of the keys signed.
    """
    content = verify_statement(Envelope.from_json(envelope), keys, predicate_type=REPORT_TYPE)
    predicate: dict[str, Any] = content["predicate"]
    return predicate
