# SPDX-License-Identifier: Apache-2.0
"""How letters travel: over HTTP, or as files through an air gap. The bytes are the same."""

from __future__ import annotations

import ipaddress
import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from proofhouse.letters._errors import DeliveryFailed, LetterRefused, Malformed, TooLarge
from proofhouse.letters._letter import Letter, Limits, parse_letter

MEDIA_TYPE = "application/vnd.proofhouse.letter+json"
"""Content type of a letter and of the acknowledgement that answers it."""

FILE_SUFFIX = ".letter.json"

_ANSWER_BYTES = 1 << 20
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


def deliver_http(url: str, letter: bytes, timeout_s: float = 30.0) -> bytes:
    """Post a letter to another house; returns its acknowledgement, which the caller opens like any letter.

    Redirects are not followed and proxies from the environment are not used: a letter goes where its house
    sends it.

    Args:
        url: Where the other house takes letters; plain `http` only on this machine.
        letter: The letter's bytes.
        timeout_s: Seconds for connecting, and for each read and write.

    Raises:
        DeliveryFailed: It did not arrive, or the answer is no acknowledgement; `retryable` says whether to
            try again.
    """
    _check_address(url)
    try:
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "POST", url, content=letter, headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
            ) as response,
        ):
            answer = _read_capped(response, url)
    except httpx.HTTPError as error:
        raise DeliveryFailed(f"{url}: {type(error).__name__}: {error}", retryable=True) from error
    except httpx.InvalidURL as error:
        raise DeliveryFailed(f"{url}: not an address: {error}", retryable=False) from error
    if response.status_code != 200:
        said = answer[:300].decode(errors="replace")
        raise DeliveryFailed(
            f"{url} answered {response.status_code}: {said!r}",
            retryable=response.status_code in _RETRYABLE,
            status=response.status_code,
        )
    return answer


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise DeliveryFailed(
        f"{url}: letters go over https, or over http to this machine itself", retryable=False
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_capped(response: httpx.Response, url: str) -> bytes:
    answer = bytearray()
    for chunk in response.iter_bytes(65536):
        answer += chunk
        if len(answer) > _ANSWER_BYTES:
            raise DeliveryFailed(
                f"{url} answered with more than {_ANSWER_BYTES} bytes",
                retryable=False,
                status=response.status_code,
            )
    return bytes(answer)


def write_letters(folder: Path, letters: Iterable[Letter]) -> list[Path]:
    """Write letters as files `<letter id>.letter.json`, each complete or not there at all.

    A letter that already lies there is left as it is.

    Returns:
        The paths, in the order of the letters.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{letter.id}{FILE_SUFFIX}", letter.data) for letter in letters]


def _write(path: Path, content: bytes) -> Path:
    if path.exists():
        return path
    descriptor, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path


@dataclass(frozen=True)
class Carried:
    """What a folder held.

    Attributes:
        letters: The bytes of each letter file, ordered by file name; not verified yet.
        refused: Files that are no letters or do not bear their letter's name, with the reason.
    """

    letters: tuple[bytes, ...]
    refused: tuple[tuple[Path, LetterRefused], ...]


def read_letters(folder: Path, limits: Limits = Limits()) -> Carried:  # noqa: B008 - frozen, safe to share
    """Read all letter files of a folder; one broken file does not keep the others out.

    Raises:
        OSError: The folder or a file cannot be read.
    """
    letters: list[bytes] = []
    refused: list[tuple[Path, LetterRefused]] = []
    for path in sorted(folder.glob(f"*{FILE_SUFFIX}")):
        try:
            letters.append(_read(path, limits))
        except LetterRefused as error:
            refused.append((path, error))
    return Carried(tuple(letters), tuple(refused))


def _read(path: Path, limits: Limits) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise Malformed(f"{path.name} is not a regular file")
    with path.open("rb") as file:
        data = file.read(limits.letter_bytes + 1)
    if len(data) > limits.letter_bytes:
        raise TooLarge(f"{path.name} has more than {limits.letter_bytes} bytes")
    letter = parse_letter(data, limits)
    if path.name != f"{letter.id}{FILE_SUFFIX}":
        raise Malformed(f"{path.name} holds the letter {letter.id}")
    return data
