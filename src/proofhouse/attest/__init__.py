# SPDX-License-Identifier: Apache-2.0
"""Signed statements: canonical JSON, keys, DSSE envelopes and in-toto statements."""

from proofhouse.attest._canonical import BadJson, JsonValue, NotCanonical, canonical, parse_json, sha256_hex
from proofhouse.attest._envelope import Envelope, MalformedEnvelope, Signature, sign_envelope
from proofhouse.attest._keys import BadSignature, KeyProblem, PublicKey, SignatureMismatch, Signer
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
    "BadJson",
    "BadSignature",
    "Envelope",
    "JsonValue",
    "KeyProblem",
    "MalformedEnvelope",
    "MalformedStatement",
    "NotCanonical",
    "PublicKey",
    "Signature",
    "SignatureMismatch",
    "Signer",
    "canonical",
    "parse_json",
    "sha256_hex",
    "sign_envelope",
    "sign_statement",
    "statement",
    "verify_statement",
]
