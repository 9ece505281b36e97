# SPDX-License-Identifier: Apache-2.0
"""in-toto Statements v1 (github.com/in-toto/attestation, spec/v1/statement.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from proofhouse.attest._canonical import BadJson, canonical, parse_json
from proofhouse.attest._envelope import Envelope, sign_envelope
from proofhouse.attest._keys import PublicKey, Signer

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
STATEMENT_PAYLOAD_TYPE = "application/vnd.in-toto+json"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class MalformedStatement(ValueError):
    """A payload that is no in-toto Statement v1, or not of the expected predicate type."""


def statement(
    subject: Sequence[Mapping[str, Any]], predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """Compose a statement.

    Args:
        subject: `{"name": …, "digest": {"sha256": hex}}` for each artefact; at least one.
        predicate_type: URI that says how to read the predicate.
        predicate: The statement's content.

    Raises:
        MalformedStatement: No subject, or one without a digest.
    """
    _check_subject(subject)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [dict(entry) for entry in subject],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def sign_statement(content: Mapping[str, Any], signers: Sequence[Signer]) -> Envelope:
    """Sign a statement in its canonical form.

    Raises:
        NotCanonical: It holds something that JSON cannot.
    """
    return sign_envelope(STATEMENT_PAYLOAD_TYPE, canonical(dict(content)), signers)


def verify_statement(
    envelope: Envelope, keys: Iterable[PublicKey], *, predicate_type: str | None = None, threshold: int = 1
) -> dict[str, Any]:
    """Verify an envelope and read the statement in it.

    Args:
        envelope: What arrived.
        keys: The keys that may have signed it.
        predicate_type: The only type to accept; None accepts any.
        threshold: How many different keys must have signed.

    Raises:
        BadSignature: Too few valid signatures.
        MalformedStatement: Signed, but no statement, or of another type.
    """
    payload = envelope.verify(keys, threshold)
    if envelope.payload_type != STATEMENT_PAYLOAD_TYPE:
        raise MalformedStatement(f"payload type is {envelope.payload_type!r}, not {STATEMENT_PAYLOAD_TYPE!r}")
    try:
        content = parse_json(payload)
    except BadJson as error:
        raise MalformedStatement(f"the payload: {error}") from None
    if not isinstance(content, dict) or content.get("_type") != STATEMENT_TYPE:
        raise MalformedStatement("the payload is no in-toto Statement v1")
    if not isinstance(content.get("predicate"), dict) or not isinstance(content.get("subject"), list):
        raise MalformedStatement("a statement has a subject list and a predicate object")
    _check_subject(content["subject"])
    if predicate_type is not None and content.get("predicateType") != predicate_type:
        raise MalformedStatement(
            f"predicate type is {content.get('predicateType')!r}, not {predicate_type!r}"
        )
    return content


def _check_subject(subject: Sequence[Any]) -> None:
    if not subject:
        raise MalformedStatement("a statement has at least one subject")
    for number, entry in enumerate(subject):
        digest = entry.get("digest") if isinstance(entry, Mapping) else None
        if not isinstance(digest, Mapping) or not digest:
            raise MalformedStatement(f"subject {number} has no digest")
        if not all(isinstance(value, str) for value in digest.values()):
            raise MalformedStatement(f"subject {number} has a digest that is no text")
        if "sha256" in digest and not _SHA256.fullmatch(digest["sha256"]):
            raise MalformedStatement(f"subject {number}: sha256 is 64 lower-case hexadecimal digits")
