# SPDX-License-Identifier: Apache-2.0
"""What scanners, vendors and databases write down about flaws, read as findings: SARIF 2.1.0, CSAF, OSV.

A finding is what intake needs of any of them: where, what, and the words. Documents come from strangers and are large
where a tool ran wild: their size is looked at before they are parsed, the results of a SARIF log are counted before one
of them is read, and memory stays within a small multiple of the document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from proofhouse.formats._json import FormatError
from proofhouse.formats._plain import plain_line, plain_prose

MAX_DOCUMENT_BYTES = 8 << 20
MAX_FINDINGS = 5000
TITLE_CHARS = 200
PROSE_CHARS = 4000

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,39}")
T = TypeVar("T")


class FindingsError(FormatError):
    """A document whose findings cannot be taken; `code` is for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Finding:
    """One flaw, as its document tells it.

    Attributes:
        title: One line.
        description: Words, at most 4,000 characters.
        product: Name of the product; empty where the document names none.
        version: The version in which it was found, or empty.
        identifiers: Names that it goes by: CVE, GHSA and others.
        weakness: `CWE-…`, or empty.
        rule: The rule of the scanner that fired, or empty.
        location: `file:line`, or empty.
        tool: What found it, or empty.
    """

    title: str
    description: str
    product: str = ""
    version: str = ""
    identifiers: tuple[str, ...] = ()
    weakness: str = ""
    rule: str = ""
    location: str = ""
    tool: str = ""


class _Text(msgspec.Struct):
    text: str = ""


class _Driver(msgspec.Struct):
    name: str = ""
    semantic_version: str = msgspec.field(default="", name="semanticVersion")
    version: str = ""


class _Tool(msgspec.Struct):
    driver: _Driver = msgspec.field(default_factory=_Driver)


class _Artifact(msgspec.Struct):
    uri: str = ""


class _Region(msgspec.Struct):
    line: int = msgspec.field(default=0, name="startLine")


class _Physical(msgspec.Struct):
    artifact: _Artifact = msgspec.field(default_factory=_Artifact, name="artifactLocation")
    region: _Region = msgspec.field(default_factory=_Region)


class _Location(msgspec.Struct):
    physical: _Physical = msgspec.field(default_factory=_Physical, name="physicalLocation")


class _Result(msgspec.Struct):
    message: _Text
    rule: str = msgspec.field(default="", name="ruleId")
    kind: str = "fail"
    locations: list[_Location] = msgspec.field(default_factory=list)
    suppressions: list[Any] | None = None


class _Run(msgspec.Struct):
    tool: _Tool
    results: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"[]"))


class _Sarif(msgspec.Struct):
    version: str
    runs: list[_Run]


def read_sarif(document: bytes) -> list[Finding]:
    """The results of a SARIF 2.1.0 log that say that something is wrong and that nobody has suppressed.

    A log names no product; whoever sends it does.

    Raises:
        FindingsError: Not such a log (`not_json`, `not_sarif`), too large, or it has more than 5,000 results
            (`too_many_results`): a scan that is not sorted out is nobody's report.
    """
    log = _read(document, _Sarif, "SARIF 2.1.0 log", "not_sarif")
    if log.version != "2.1.0":
        raise FindingsError(f"version: SARIF 2.1.0 is read, not {log.version[:20]!r}", "not_sarif")
    found: list[Finding] = []
    counted = 0
    for place, run in enumerate(log.runs):
        raw = _decode(bytes(run.results), list[msgspec.Raw], f"runs[{place}].results", "not_sarif")
        counted += len(raw)
        if counted > MAX_FINDINGS:
            raise FindingsError(
                f"runs[{place}].results: more than {MAX_FINDINGS} results; send what you looked at",
                "too_many_results",
            )
        driver = run.tool.driver
        tool = plain_line(f"{driver.name} {driver.semantic_version or driver.version}", TITLE_CHARS)
        for number, each in enumerate(raw):
            result = _decode(bytes(each), _Result, f"runs[{place}].results[{number}]", "not_sarif")
            if result.kind == "fail" and not result.suppressions:
                found.append(_of_result(result, tool))
    return found


def _of_result(result: _Result, tool: str) -> Finding:
    where = result.locations[0].physical if result.locations else _Physical()
    location = plain_line(where.artifact.uri, 300)
    if location and where.region.line > 0:
        location = f"{location}:{where.region.line}"
    rule = plain_line(result.rule, 100)
    words = plain_prose(result.message.text, PROSE_CHARS)
    first = plain_line(words.split("\n", 1)[0], TITLE_CHARS)
    weakness = re.search(r"CWE-[1-9][0-9]{0,4}", rule)
    return Finding(
        title=first or rule or "A scanner's result",
        description=words or rule,
        weakness=weakness[0] if weakness else "",
        rule=rule,
        location=location,
        tool=tool,
    )


class _Note(msgspec.Struct):
    text: str = ""
    category: str = ""
    title: str = ""


class _Cwe(msgspec.Struct):
    id: str = ""


class _Threat(msgspec.Struct):
    category: str = ""
    details: str = ""


class _Flaw(msgspec.Struct):
    title: str = ""
    cve: str = ""
    cwe: _Cwe | None = None
    cwes: list[_Cwe] = msgspec.field(default_factory=list)
    ids: list[dict[str, Any]] = msgspec.field(default_factory=list)
    notes: list[_Note] = msgspec.field(default_factory=list)
    threats: list[_Threat] = msgspec.field(default_factory=list)


class _Branch(msgspec.Struct):
    category: str = ""
    name: str = ""
    branches: list[_Branch] = msgspec.field(default_factory=list)


class _Named(msgspec.Struct):
    name: str = ""


class _Tree(msgspec.Struct):
    branches: list[_Branch] = msgspec.field(default_factory=list)
    full_product_names: list[_Named] = msgspec.field(default_factory=list)


class _Document(msgspec.Struct):
    title: str = ""
    notes: list[_Note] = msgspec.field(default_factory=list)


class _Csaf(msgspec.Struct):
    document: _Document
    product_tree: _Tree = msgspec.field(default_factory=_Tree)
    vulnerabilities: list[_Flaw] = msgspec.field(default_factory=list)


def read_csaf_findings(document: bytes) -> list[Finding]:
    """The vulnerabilities of a document shaped as CSAF 2.0 or 2.1: of a draft, too, that no validator would pass.

    Raises:
        FindingsError: No such document, or without a vulnerability or a product (`not_csaf`), or too large.
    """
    read = _read(document, _Csaf, "CSAF document", "not_csaf")
    product, version = _product(read.product_tree)
    if not read.vulnerabilities:
        raise FindingsError("vulnerabilities: the document tells of none", "not_csaf")
    if not product:
        raise FindingsError("product_tree: names no product", "not_csaf")
    if len(read.vulnerabilities) > MAX_FINDINGS:
        raise FindingsError(f"vulnerabilities: more than {MAX_FINDINGS}", "too_many_results")
    return [_of_flaw(flaw, read.document, product, version) for flaw in read.vulnerabilities]


def _product(tree: _Tree) -> tuple[str, str]:
    """The first product and version that the tree names; its depth was bounded when it was read."""
    product = version = ""
    waiting = list(reversed(tree.branches))
    while waiting:
        branch = waiting.pop()
        product = product or (branch.name if branch.category == "product_name" else "")
        version = version or (branch.name if branch.category == "product_version" else "")
        waiting.extend(reversed(branch.branches))
    if not product and tree.full_product_names:
        product = tree.full_product_names[0].name
    return plain_line(product, TITLE_CHARS), plain_line(version, 100)


def _of_flaw(flaw: _Flaw, document: _Document, product: str, version: str) -> Finding:
    notes = [note.text for note in flaw.notes] or [note.text for note in document.notes]
    words = "\n\n".join([*notes, *(each.details for each in flaw.threats)])
    weakness = flaw.cwe.id if flaw.cwe else flaw.cwes[0].id if flaw.cwes else ""
    names = [flaw.cve, *(str(each.get("text", "")) for each in flaw.ids)]
    title = plain_line(flaw.title or document.title, TITLE_CHARS)
    return Finding(
        title=title or "A vulnerability",
        description=plain_prose(words, PROSE_CHARS) or title,
        product=product,
        version=version,
        identifiers=_identifiers(names),
        weakness=weakness if re.fullmatch(r"CWE-[1-9][0-9]{0,4}", weakness) else "",
    )


class _Package(msgspec.Struct):
    name: str = ""


class _Affected(msgspec.Struct):
    package: _Package = msgspec.field(default_factory=_Package)
    versions: list[str] = msgspec.field(default_factory=list)


class _Osv(msgspec.Struct):
    id: str
    summary: str = ""
    details: str = ""
    aliases: list[str] = msgspec.field(default_factory=list)
    affected: list[_Affected] = msgspec.field(default_factory=list)


def read_osv_findings(document: bytes) -> list[Finding]:
    """The vulnerability of an OSV record, once for each package that it affects.

    Raises:
        FindingsError: No OSV record, or one that names no package (`not_osv`), or too large.
    """
    read = _read(document, _Osv, "OSV record", "not_osv")
    packages = {each.package.name: each for each in read.affected if each.package.name.strip()}
    if not packages:
        raise FindingsError("affected: names no package", "not_osv")
    if len(packages) > MAX_FINDINGS:
        raise FindingsError(f"affected: more than {MAX_FINDINGS} packages", "too_many_results")
    title = plain_line(read.summary or read.id, TITLE_CHARS) or "A vulnerability"
    return [
        Finding(
            title=title,
            description=plain_prose(read.details, PROSE_CHARS) or title,
            product=plain_line(name, TITLE_CHARS),
            version=plain_line(affected.versions[-1], 100) if affected.versions else "",
            identifiers=_identifiers([read.id, *read.aliases]),
        )
        for name, affected in packages.items()
    ]


def _identifiers(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if _IDENTIFIER.fullmatch(name)))[:16]


def _read(document: bytes, shape: type[T], what: str, code: str) -> T:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise FindingsError(
            f"the document has {len(document)} bytes; at most {MAX_DOCUMENT_BYTES} are read", "too_large"
        )
    text = document.removeprefix(b"\xef\xbb\xbf")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise FindingsError(f"byte {wrong.start} is not UTF-8", "not_utf8") from None
    return _decode(text, shape, what, code)


def _decode(text: bytes, shape: type[T], what: str, code: str) -> T:
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as wrong:
        raise FindingsError(
            f"this is no {what}: {wrong}" if what[0].isupper() else f"{what}: {wrong}", code
        ) from None
    except msgspec.DecodeError as wrong:
        raise FindingsError(f"not JSON: {wrong}", "not_json") from None
    except RecursionError:
        raise FindingsError("the document is nested too deep", "not_json") from None
