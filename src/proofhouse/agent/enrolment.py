# SPDX-License-Identifier: Apache-2.0
"""How an agent enrols its own key with its member's house: a code that works once, and a signature over it.

The request is JSON, `{"code": "phe_…", "key": {…}, "signature": "…"}`; the signature in hexadecimal is by the key, over
`proofhouse-enrolment-v1`, a zero byte and the code, so that nobody enrols a key that they do not hold.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any, Final

from proofhouse.agent.acknowledgement import opener
from proofhouse.attest import Signer

_TIMEOUT_S: Final = 30
_ANSWER_CEILING_BYTES: Final = 1 << 16


class EnrolmentFailed(Exception):
    """The house did not take the key; the message says why."""


def enrolment_message(code: str) -> bytes:
    """The bytes that the key signs."""
    return b"proofhouse-enrolment-v1\0" + code.encode("utf-8")


def enrol(address: str, code: str, signer: Signer) -> dict[str, Any]:
    """Show the code and the key to the house.

    Args:
        address: `https://…/enrolments/`, or plain http on the loopback.
        code: What the operator was given.
        signer: The agent's key.

    Returns:
        What the house calls the agent, and the member that it belongs to.

    Raises:
        EnrolmentFailed: It was refused, or the house could not be reached.
    """
    content = {
        "code": code,
        "key": signer.public.to_record(),
        "signature": signer.sign(enrolment_message(code)).hex(),
    }
    request = urllib.request.Request(  # noqa: S310  # the configuration admits https, and http on loopback only
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    try:
        with opener().open(request, timeout=_TIMEOUT_S) as answer:
            told: dict[str, Any] = json.loads(answer.read(_ANSWER_CEILING_BYTES))
            return told
    except urllib.error.HTTPError as refused:
        with refused:
            raise EnrolmentFailed(_detail(refused.read(_ANSWER_CEILING_BYTES), refused.code)) from None
    except (OSError, HTTPException, ValueError) as broken:
        raise EnrolmentFailed(f"{address} could not be reached: {broken}") from None


def _detail(body: bytes, status: int) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the house answered {status}"
