# SPDX-License-Identifier: Apache-2.0
"""Documents and e-mails from strangers become findings, or a refusal of a clear class, within bounds."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofhouse.formats import (
    FindingsError,
    harmless_name,
    plain_line,
    plain_prose,
    read_csaf_findings,
    read_mail,
    read_osv_findings,
    read_sarif,
)


def sarif(*results: dict[str, Any]) -> bytes:
    driver = {"name": "cppcheck", "semanticVersion": "2.13"}
    return json.dumps(
        {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    ).encode()


def result(text: str, **more: Any) -> dict[str, Any]:
    return {"ruleId": "CWE-416-use", "message": {"text": text}, **more}


CSAF = {
    "document": {"category": "csaf_vex", "title": "A draft"},
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "GNOME",
                "branches": [
                    {
                        "category": "product_name",
                        "name": "libxml2",
                        "branches": [{"category": "product_version", "name": "2.9.14"}],
                    }
                ],
            }
        ]
    },
    "vulnerabilities": [
        {
            "title": "Use after free",
            "cve": "CVE-2025-49794",
            "cwes": [{"id": "CWE-416", "name": "Use After Free", "version": "4.17"}],
            "notes": [{"category": "description", "text": "It reads freed memory."}],
            "threats": [{"category": "impact", "details": "It crashes."}],
        }
    ],
}


def test_a_sarif_result_says_what_where_and_by_which_tool() -> None:
    where = {"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 12}}}
    (found,) = read_sarif(sarif(result("Freed memory is read\nsecond line", locations=[where])))
    assert (found.title, found.location, found.tool, found.weakness) == (
        "Freed memory is read",
        "src/a.c:12",
        "cppcheck 2.13",
        "CWE-416",
    )


def test_what_passed_and_what_was_suppressed_is_no_finding() -> None:
    log = sarif(result("a", kind="pass"), result("b", suppressions=[{"kind": "inSource"}]), result("c"))
    assert [each.title for each in read_sarif(log)] == ["c"]


def test_a_csaf_document_of_either_version_gives_its_vulnerabilities() -> None:
    (found,) = read_csaf_findings(json.dumps(CSAF).encode())
    assert (found.product, found.version, found.identifiers, found.weakness) == (
        "libxml2",
        "2.9.14",
        ("CVE-2025-49794",),
        "CWE-416",
    )
    assert "It crashes." in found.description
    older = json.loads(json.dumps(CSAF))
    older["vulnerabilities"][0] |= {"cwe": {"id": "CWE-787"}}
    (found,) = read_csaf_findings(json.dumps(older).encode())
    assert found.weakness == "CWE-787"


def test_an_osv_record_gives_one_finding_for_each_package() -> None:
    record = {
        "id": "GO-2025-1",
        "aliases": ["CVE-2025-1"],
        "summary": "A flaw",
        "affected": [{"package": {"name": "a"}}, {"package": {"name": "b"}, "versions": ["1", "2"]}],
    }
    first, second = read_osv_findings(json.dumps(record).encode())
    assert (first.product, second.product, second.version) == ("a", "b", "2")
    assert first.identifiers == ("GO-2025-1", "CVE-2025-1")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[]", "not_sarif"),
        (b'{"version": "2.0.0", "runs": []}', "not_sarif"),
        (b'{"version": "2.1.0", "runs": [{"tool": {}, "results": [{"message": "text"}]}]}', "not_sarif"),
        (sarif(result("a")).decode().encode("utf-16"), "not_utf8"),
        (sarif(result("a")) + b"\xff", "not_utf8"),
        (b'{"version": "2.1.0", "runs": [{"tool": {}, "x": ' + b"[" * 100_000, "not_json"),
        (b" " * (9 << 20), "too_large"),
    ],
)
def test_what_is_no_sarif_is_refused_with_its_class(document: bytes, code: str) -> None:
    with pytest.raises(FindingsError) as refused:
        read_sarif(document)
    assert refused.value.code == code
    assert len(str(refused.value)) < 300


def test_a_million_results_are_refused_before_one_is_read() -> None:
    log = b'{"version":"2.1.0","runs":[{"tool":{},"results":[' + b",".join([b"{}"] * 1_000_000) + b"]}]}"
    tracemalloc.start()
    with pytest.raises(FindingsError) as refused:
        read_sarif(log)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "too_many_results"
    assert most < 200 << 20, "a small multiple of the document, whatever it holds"


def test_a_document_without_a_product_or_a_vulnerability_is_refused() -> None:
    for left_out in ("product_tree", "vulnerabilities"):
        document = {name: value for name, value in CSAF.items() if name != left_out}
        with pytest.raises(FindingsError, match=left_out):
            read_csaf_findings(json.dumps(document).encode())
    with pytest.raises(FindingsError, match="affected"):
        read_osv_findings(b'{"id": "X-1"}')


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in ({"From": "Ada <ada@example.org>", "Subject": "A flaw"} | headers).items():
        message[name] = value
    return message


def test_an_email_gives_its_words_its_fields_and_its_files() -> None:
    message = mail()
    message.set_content("Product: libxml2\nClass: heap-use-after-free\n\nIt reads freed memory.\n")
    message.add_alternative("<script>alert(1)</script>", subtype="html")
    message.add_attachment(b"<a/>", maintype="application", subtype="xml", filename="../../proof.xml")
    read = read_mail(bytes(message))
    assert (read.sender, read.title) == ("ada@example.org", "A flaw")
    assert read.fields == {"product": "libxml2", "class": "heap-use-after-free"}
    assert "<script" not in read.words
    assert [name for name, _ in read.files] == ["part.html", "proof.xml"]


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "utf-16", "no-such-charset", "shift_jis"])
def test_an_email_in_any_or_no_known_encoding_is_read(charset: str) -> None:
    body = "Übung: lies 5 Bytes".encode("utf-16" if charset == "utf-16" else "iso-8859-1")
    raw = b"From: a@example.org\nSubject: x\nContent-Type: text/plain; charset=%b\n\n%b" % (
        charset.encode(),
        body,
    )
    assert "lies 5 Bytes" in read_mail(raw).words


def test_an_email_of_very_many_parts_is_refused() -> None:
    raw = (
        b"From: a@example.org\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n"
        + b"--b\n\nx\n" * 200
    )
    with pytest.raises(FindingsError) as refused:
        read_mail(raw)
    assert refused.value.code == "too_many_parts"


def test_an_email_of_parts_within_parts_does_not_exhaust_anything() -> None:
    raw = b"From: a@example.org\nSubject: x\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (depth, depth) for depth in range(2000)
    )
    with pytest.raises(FindingsError):
        read_mail(raw)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for read in (read_sarif, read_csaf_findings, read_osv_findings, read_mail):
        with contextlib.suppress(FindingsError):
            read(content)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system32\\cmd.exe", "cmd.exe"),
        ("a\0b\r\nSet-Cookie: x", "a-b-Set-Cookie-x"),
        ("proof\u202egpj.exe", "proofgpj.exe"),
        ("NUL.txt", "file-NUL.txt"),
        (".htaccess", "htaccess"),
        ('";rm -rf ~;".sh', "rm--rf-.sh"),
        ("", "file"),
        ("证明.xml", "xml"),
    ],
)
def test_a_hostile_file_name_becomes_a_plain_one(given: str, kept: str) -> None:
    assert harmless_name(given) == kept


@given(st.text(max_size=300))
def test_every_name_becomes_one_that_names_a_file_and_stays_it(name: str) -> None:
    kept = harmless_name(name)
    assert kept
    assert len(kept) <= 110
    assert kept == harmless_name(kept)
    assert set(kept) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert kept[0] not in ".-"


@given(st.text(max_size=300), st.integers(1, 50))
def test_words_are_cut_and_hold_nothing_that_moves_a_cursor(text: str, most: int) -> None:
    line, prose = plain_line(text, most), plain_prose(text, most)
    assert len(line) <= most
    assert len(prose) <= most
    for character in "\0\x1b\u202e\u2066\x9b\r":
        assert character not in line + prose
    assert "\n" not in line
