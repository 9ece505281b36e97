# SPDX-License-Identifier: Apache-2.0
"""Files go in and out only as bytes, whatever the guest has planted (chapter's table: F4)."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofhouse.sandbox import Box, FileTooLarge, UnsafePath

pytestmark = pytest.mark.sandbox


@settings(max_examples=25, deadline=None)
@given(content=st.binary(max_size=200_000), mode=st.sampled_from([0o600, 0o644, 0o755]))
def test_what_is_put_is_what_is_got(box: Box, content: bytes, mode: int) -> None:
    box.put("some/where/file", content, mode)
    assert box.get("/work/some/where/file", len(content) or 1) == content
    assert box.exec(["stat", "-c", "%a", "some/where/file"]).stdout == b"%o\n" % mode


def test_put_replaces_a_longer_file(box: Box) -> None:
    box.put("replaced", b"longer")
    box.put("replaced", b"short")
    assert box.get("replaced", 100) == b"short"


_SOCKET = "python3 -c 'import socket, sys; socket.socket(1).bind(sys.argv[1])'"


@pytest.mark.parametrize("plant", ["ln -s /etc/passwd", "ln -s /nowhere", "mkfifo", _SOCKET])
def test_a_planted_trap_is_refused_both_ways(box: Box, plant: str) -> None:
    assert box.exec(["sh", "-c", f"rm -f trap; {plant} trap"]).exit_code == 0
    with pytest.raises(UnsafePath, match="not a regular file"):
        box.get("trap", 1000)
    with pytest.raises(UnsafePath, match="not a regular file"):
        box.put("trap", b"x")


def test_devices_are_refused(box: Box) -> None:
    with pytest.raises(UnsafePath):
        box.get("/dev/zero", 1000)
    with pytest.raises(UnsafePath):
        box.put("/dev/null", b"x")


def test_a_link_out_of_a_directory_reaches_only_the_box(box: Box) -> None:
    box.exec(["ln", "-sfn", "/etc", "elsewhere"])
    assert box.get("elsewhere/passwd", 1000) == box.get("/etc/passwd", 1000)
    assert b"box:x:1000" in box.get("elsewhere/passwd", 1000)
    with pytest.raises(OSError, match=r"Read-only|Permission denied"):
        box.put("elsewhere/shadow", b"x")


def test_ordinary_errors_keep_their_types(box: Box) -> None:
    with pytest.raises(FileNotFoundError, match="/work/missing"):
        box.get("missing", 10)
    with pytest.raises(IsADirectoryError):
        box.get("/etc", 10)
    with pytest.raises(IsADirectoryError):
        box.put("/tmp", b"x")
    box.exec(["sh", "-c", "echo x > closed; chmod 0 closed"])
    with pytest.raises(PermissionError):
        box.get("closed", 10)
    with pytest.raises(ValueError, match="empty"):
        box.get("", 10)


def test_a_file_larger_than_allowed_is_not_read(box: Box) -> None:
    box.put("large", bytes(1001))
    with pytest.raises(FileTooLarge, match="1000 bytes"):
        box.get("large", 1000)


def test_a_full_disk_is_said(box: Box) -> None:
    with pytest.raises(OSError, match="No space left"):
        box.put("/run/large", bytes(2 << 20))
    box.exec(["rm", "/run/large"])


def test_a_tree_goes_in_and_comes_out(box: Box) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("a", "sub/b"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    box.put_tree(packed.getvalue(), "tree")
    assert box.get("tree/sub/b", 10) == b"abc"
    with tarfile.open(fileobj=io.BytesIO(box.get_tree("tree", 1 << 20))) as archive:
        files = {member.name for member in archive if member.isfile()}
    assert files == {"./a", "./sub/b"}


def test_a_tree_larger_than_allowed_is_not_taken(box: Box) -> None:
    box.put("heavy/file", bytes(100_000))
    with pytest.raises(FileTooLarge):
        box.get_tree("heavy", 50_000)


def test_a_broken_archive_is_said(box: Box) -> None:
    with pytest.raises(OSError, match="tar"):
        box.put_tree(b"not an archive at all" * 100, "broken")
    with pytest.raises(OSError, match="No such file"):
        box.get_tree("not-there", 1000)
