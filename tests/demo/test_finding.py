# SPDX-License-Identifier: Apache-2.0
"""Proofs that a distribution ships inside its patch come out of it byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofhouse.demo.finding import EXAMPLE, Finding, _added_file

PATH = "test/schematron/proof_0.xml"
LINES = st.lists(
    st.binary(max_size=12).filter(lambda line: b"\n" not in line)
    | st.sampled_from(
        [b"", b"+", b"-", b"++ b/x", b"-- /dev/null", b"@@ -0,0 +1 @@", b"\\ No newline", b"\r"]
    ),
    min_size=1,
    max_size=8,
)


def added(directory: Path, content: bytes, path: str = PATH) -> bytes:
    """What `diff` writes for a file that is new."""
    file = directory / "new"
    file.write_bytes(content)
    argv = ["diff", "-a", "-u", "--label", "/dev/null", "--label", f"b/{path}", "/dev/null", str(file)]
    return subprocess.run(argv, capture_output=True, check=False).stdout


@given(lines=LINES, newline=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_a_diff_adds_is_read_byte_for_byte(
    tmp_path: Path, lines: list[bytes], newline: bool
) -> None:
    content = b"\n".join(lines) + (b"\n" if newline else b"")
    if content:
        assert _added_file(added(tmp_path, content), PATH) == content


def test_it_is_found_among_other_files_and_prose(tmp_path: Path) -> None:
    diff = b"From: somebody\nSubject: a fix\n\n" + b"".join(
        b"diff --git a/x b/x\nnew file mode 100644\n" + added(tmp_path, content, path)
        for path, content in (("test/other.xml", b"<other/>\n"), (PATH, b"<proof/>\n<more/>\n"), ("z", b"z"))
    )
    assert _added_file(diff, PATH) == b"<proof/>\n<more/>\n"
    assert _added_file(diff, "test/other.xml") == b"<other/>\n"
    assert _added_file(diff, "z") == b"z"


def test_a_file_that_is_only_changed_or_only_named_is_not_taken() -> None:
    changed = f"--- a/{PATH}\n+++ b/{PATH}\n@@ -1 +1 @@\n-<old/>\n+<new/>\n".encode()
    assert _added_file(changed, PATH) is None
    assert _added_file(f"mentions +++ b/{PATH}\n".encode(), PATH) is None
    assert _added_file(b"", PATH) is None
    assert _added_file(changed, "proof_0.xml") is None


def test_our_example_tells_the_whole_story_offline(tmp_path: Path) -> None:
    found = Finding.of(EXAMPLE, tmp_path, "no archive in reach")
    assert not found.real
    assert found.why == "no archive in reach"
    assert len(found.reports) == 2
    assert sorted(flaw["identifier"] for flaw in found.vulnerabilities) == sorted(
        report["identifier"] for report in found.reports
    )
    assert b"\n+++ " in found.patch
    for report in found.reports:
        assert report["proofs"]
        assert report["recipe"]["content"]
    for member in ("clinic", "utility"):
        assert b"CycloneDX" in found.sbom(member)
