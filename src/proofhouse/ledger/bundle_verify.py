# SPDX-License-Identifier: Apache-2.0
"""Verifying a bundle, offline, and saying line by line what was proved.

Nothing that the bundle's author claims is believed where it can be checked: roots are computed again from the
entries, openings from their fields, completeness from the inspection tags. The steps are those of
`docs/spec/bundle.md`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from proofhouse.attest import (
    BadSignature,
    Envelope,
    MalformedEnvelope,
    MalformedStatement,
    PublicKey,
    sha256_hex,
    verify_statement,
)
from proofhouse.ledger._errors import LedgerError
from proofhouse.ledger.bundle_container import BundleLimits, BundleRefused, unpack
from proofhouse.ledger.bundle_ledger import LedgerFiles, check_expectations, check_ledger
from proofhouse.ledger.bundle_letters import check_letters
from proofhouse.ledger.bundle_manifest import (
    EXPORT_ROLE,
    MANIFEST,
    PREDICATE_TYPE,
    SEAL,
    BadManifest,
    BundleKey,
    ListedStatement,
    Manifest,
    Trust,
    parse_canonical,
    role_of,
)
from proofhouse.ledger.bundle_proved import Proved

_SIGNED = (BadSignature, MalformedEnvelope, MalformedStatement)


def verify_bundle(
    path: Path,
    *,
    trust: Trust | None = None,
    limits: BundleLimits = BundleLimits(),  # noqa: B008 - frozen, so one default instance is safe to share
) -> list[Proved]:
    """Verify a bundle.

    Args:
        path: The bundle.
        trust: What the verifier knew before; without it the keys are taken from the bundle itself, and a line
            says so.
        limits: What the verifier takes.

    Returns:
        What was looked at, in order. The bundle is verified only if every line is `ok`. When the container,
        the manifest or a digest is wrong, nothing further is looked at.

    Raises:
        BundleUnreadable: The file is no whole ZIP file, or over a limit.
    """
    try:
        files = unpack(path, limits)
    except BundleRefused as error:
        return [Proved("container", False, str(error), error.file or path.name)]
    lines = [Proved(f"container: {len(files)} files, stored, nothing beside them", True)]
    manifest = _open_manifest(files, lines)
    if manifest is None:
        return lines
    keys = _read_keys(manifest, files, trust, lines)
    _check_seal(manifest, files, keys, lines)
    _check_digests(manifest, files, lines)
    if not all(line.ok for line in lines):
        lines.append(Proved("contents", False, "not looked at, because of what is above", MANIFEST))
        return lines
    with tempfile.TemporaryDirectory(prefix="proofhouse-verify-") as scratch:
        return [*lines, *_check_contents(manifest, files, keys, trust, Path(scratch))]


def _open_manifest(files: Mapping[str, bytes], lines: list[Proved]) -> Manifest | None:
    for name in (MANIFEST, SEAL):
        if name not in files:
            lines.append(Proved("manifest", False, f"{name} is missing", name))
            return None
    try:
        return Manifest.from_json(files[MANIFEST])
    except BadManifest as error:
        lines.append(Proved("manifest", False, str(error), MANIFEST))
        return None


def _read_keys(
    manifest: Manifest, files: Mapping[str, bytes], trust: Trust | None, lines: list[Proved]
) -> list[BundleKey]:
    keys = []
    for path in _paths(manifest, "key"):
        try:
            key = BundleKey.from_record(parse_canonical(files.get(path, b""), path), path)
        except BadManifest as error:
            lines.append(Proved(f"key {path}", False, str(error), path))
            continue
        if trust is not None and not _is_pinned(key, trust):
            reason = f"{key.house}/{key.name} is not among the pinned keys with these roles"
            lines.append(Proved(f"key {path}", False, reason, path))
            continue
        keys.append(key)
    source = (
        "taken from the bundle itself; pin them with --trust"
        if trust is None
        else "all pinned by the verifier"
    )
    lines.append(Proved(f"keys: {len(keys)}, {source}", True))
    return keys


def _is_pinned(key: BundleKey, trust: Trust) -> bool:
    return any(
        pinned.key == key.key and pinned.house == key.house and key.roles <= pinned.roles
        for pinned in trust.keys
    )


def _check_seal(
    manifest: Manifest, files: Mapping[str, bytes], keys: Iterable[BundleKey], lines: list[Proved]
) -> None:
    claim = f"manifest: signed by {manifest.exporter} at {manifest.exported_at}"
    try:
        sealed = verify_statement(
            Envelope.from_json(files[SEAL]),
            keys_of(keys, manifest.exporter, EXPORT_ROLE),
            predicate_type=PREDICATE_TYPE,
        )
    except _SIGNED as error:
        lines.append(Proved(claim, False, str(error), SEAL))
        return
    subject = [{"name": MANIFEST, "digest": {"sha256": sha256_hex(files[MANIFEST])}}]
    predicate = {"exporter": manifest.exporter, "exported_at": manifest.exported_at}
    if sealed["subject"] != subject or sealed["predicate"] != predicate:
        lines.append(Proved(claim, False, f"the seal is for another {MANIFEST}", MANIFEST))
    else:
        lines.append(Proved(claim, True, file=SEAL))


def _check_digests(manifest: Manifest, files: Mapping[str, bytes], lines: list[Proved]) -> None:
    wrong = [
        Proved(f"file {listed.path}", False, reason, listed.path)
        for listed in manifest.files
        if (reason := _difference(files.get(listed.path), listed.sha256, listed.size_bytes))
    ]
    known = {MANIFEST, SEAL, *(listed.path for listed in manifest.files)}
    wrong += [
        Proved(f"file {path}", False, "is in the bundle, but not in its manifest", path)
        for path in files
        if path not in known
    ]
    lines.extend(
        wrong or [Proved(f"files: {len(manifest.files)}, each with the digest that was signed", True)]
    )


def _difference(content: bytes | None, sha256: str, size_bytes: int) -> str:
    if content is None:
        return "is missing"
    if len(content) != size_bytes or sha256_hex(content) != sha256:
        return "is not the file that the manifest lists: its digest differs"
    return ""


def _check_contents(
    manifest: Manifest,
    files: Mapping[str, bytes],
    keys: list[BundleKey],
    trust: Trust | None,
    scratch: Path,
) -> Iterator[Proved]:
    ledgers: dict[str, LedgerFiles] = {}
    for name, origin in manifest.ledgers.items():
        own = {path: files[path] for path in files if path.startswith(f"ledgers/{name}/")}
        ledger = LedgerFiles(name, origin, own, scratch / name)
        try:
            yield from check_ledger(ledger, trust)
        except (LedgerError, BadManifest) as error:
            yield Proved(f"ledger {name}", False, str(error), ledger.failing)
        except RecursionError:
            yield Proved(
                f"ledger {name}", False, "the policy's groups are nested too deeply", f"{ledger.home}/policy"
            )
        else:
            ledgers[name] = ledger
    for listed in manifest.files:
        ledger_name = role_of(listed.path)[1]
        if ledger_name is not None and ledger_name not in manifest.ledgers:
            yield Proved(
                f"file {listed.path}", False, f"the manifest has no ledger {ledger_name}", listed.path
            )
    yield from _check_statements(manifest, files, keys)
    yield from check_letters(_paths(manifest, "letter"), files, keys, ledgers.values())
    yield from check_expectations(manifest.expect, ledgers, files, "")
    if trust is not None:
        yield from check_expectations(trust.expect, ledgers, files, "expected by the verifier: ")


def _check_statements(
    manifest: Manifest, files: Mapping[str, bytes], keys: Iterable[BundleKey]
) -> Iterator[Proved]:
    listed = {each.path for each in manifest.statements}
    for path in _paths(manifest, "statement"):
        if path not in listed:
            yield Proved(f"statement {path}", False, "the manifest does not say who signed it", path)
    for each in manifest.statements:
        yield _check_statement(each, files, keys)


def _check_statement(each: ListedStatement, files: Mapping[str, bytes], keys: Iterable[BundleKey]) -> Proved:
    name = each.path.removeprefix("statements/").removesuffix(".dsse.json")
    claim = f"statement {name}: signed by {each.house}/{each.role}"
    if each.path not in files:
        return Proved(claim, False, "is missing", each.path)
    try:
        content = verify_statement(Envelope.from_json(files[each.path]), keys_of(keys, each.house, each.role))
    except _SIGNED as error:
        return Proved(claim, False, str(error), each.path)
    return Proved(claim, True, str(content.get("predicateType")), each.path)


def keys_of(keys: Iterable[BundleKey], house: str, role: str) -> list[PublicKey]:
    """The public keys of a house for a role."""
    return [each.key for each in keys if each.house == house and role in each.roles]


def _paths(manifest: Manifest, role: str) -> list[str]:
    return [listed.path for listed in manifest.files if listed.role == role]
