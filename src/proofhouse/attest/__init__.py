# SPDX-License-Identifier: Apache-2.0
"""Signed statements: canonical JSON, keys, DSSE envelopes and in-toto statements."""

from proofhouse.attest._canonical import JsonValue, NotCanonical, canonical, sha256_hex
from proofhouse.attest._envelope import BadSignature, Envelope, MalformedEnvelope, sign_envelope
from proofhouse.attest._keys import KeyProblem, PublicKey, SignatureMismatch, Signer
from proofhouse.attest._statement import (
    STATEMENT_PAYLOAD_TYPE,
    STATEMENT_TYPE,
    MalformedStatement,
    sign_statement,
    statement,
    verify_statement,
)

__all__ = [
    "STATEMENT_PAYLOAD_TYPE",
    "STATEMENT_TYPE",
    "BadSignature",
    "Envelope",
    "JsonValue",
    "KeyProblem",
    "MalformedEnvelope",
    "MalformedStatement",
    "NotCanonical",
    "PublicKey",
    "SignatureMismatch",
    "Signer",
    "canonical",
    "sha256_hex",
    "sign_envelope",
    "sign_statement",
    "statement",
    "verify_statement",
]
