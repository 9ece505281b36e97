# SPDX-License-Identifier: Apache-2.0
"""How letters travel over HTTP; `batch` carries the same bytes as a file."""

from __future__ import annotations

import ipaddress
import ssl
import time
from urllib.parse import urlsplit

import httpx

from proofhouse.letters._errors import DeliveryFailed

MEDIA_TYPE = "application/vnd.proofhouse.letter+json"
"""Content type of a letter and of the acknowledgement that answers it."""

_ANSWER_BYTES = 1 << 20
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_KEEP_S = 1.0
"""Kept connections are closed sooner than a house's web server closes them, so that none dies under a letter."""


class HttpDelivery:
    """The one way out over HTTP: a client that keeps its connections and goes only where it is told.

    Redirects are not followed and proxies from the environment are not used: a letter goes where its house sends it.
    Certificates are verified. Answers come uncompressed, and their size and the whole time are limited. One object
    serves all threads of a process.

    Args:
        connect_s: Seconds for a connection.
        total_s: Seconds for the whole exchange, and for each step of it.
        tls: Certificates to trust, in place of the system's.
    """

    def __init__(
        self, *, connect_s: float = 5.0, total_s: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._total_s = total_s
        self._client = httpx.Client(
            timeout=httpx.Timeout(total_s, connect=min(connect_s, total_s)),
            follow_redirects=False,
            trust_env=False,
            verify=True if tls is None else tls,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_KEEP_S),
            headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, "Accept-Encoding": "identity"},
        )

    def deliver(self, url: str, letter: bytes) -> bytes:
        """Post a letter to another house; returns its acknowledgement, which the caller opens like any letter.

        Args:
            url: Where the other house takes letters; plain `http` only on this machine.
            letter: The letter's bytes.

        Raises:
            DeliveryFailed: It did not arrive, or the answer is no acknowledgement; `retryable` says whether to
                try again.
        """
        _check_address(url)
        ends_at = time.monotonic() + self._total_s
        try:
            with self._client.stream("POST", url, content=letter) as response:
                answer = _read_capped(response, url, ends_at)
        except (httpx.TimeoutException, httpx.ConnectError) as error:
            raise DeliveryFailed(
                f"{url}: {type(error).__name__}: {error}", retryable=True, reached=False
            ) from error
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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


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


def _read_capped(response: httpx.Response, url: str, ends_at: float) -> bytes:
    answer = bytearray()
    for chunk in response.iter_raw():
        answer += chunk
        if len(answer) > _ANSWER_BYTES:
            raise DeliveryFailed(
                f"{url} answered with more than {_ANSWER_BYTES} bytes",
                retryable=False,
                status=response.status_code,
            )
        if time.monotonic() > ends_at:
            raise DeliveryFailed(f"{url} did not end its answer in time", retryable=True, reached=False)
    return bytes(answer)
