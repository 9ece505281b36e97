# SPDX-License-Identifier: Apache-2.0
"""A small OpenID Connect provider on the loopback that can be told to misbehave (Core 1.0, Discovery 1.0, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT, SECRET = "proofhouse", "a secret of the client"


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


@dataclass
class Provider:
    """What it says about the one person that it knows; a test changes the claims before the person signs in."""

    issuer: str = ""
    claims: dict[str, Any] = field(
        default_factory=lambda: {"sub": "248289", "email": "nia@office.example", "email_verified": True}
    )
    token_claims: dict[str, Any] = field(default_factory=dict)
    """Put over the claims of the ID token."""
    codes: dict[str, str] = field(default_factory=dict)
    """Challenges by authorisation code; a code works once."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The parameters of each request for a token."""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def authorise(self, address: str) -> dict[str, str]:
        """The person signs in and agrees: what the browser carries back to the house."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked["code_challenge"]
        return {"code": code, "state": asked["state"], "redirect_uri": asked["redirect_uri"]}

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Exchange a code (RFC 6749 §4.1.3, RFC 7636 §4.6)."""
        self.asked.append(form)
        challenge = self.codes.pop(form.get("code", ""), None)
        shown = _b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge is None or challenge != shown or form.get("client_secret") != SECRET:
            return 400, {"error": "invalid_grant"}
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": int(time.time()), "exp": int(time.time()) + 300,
            **self.claims, **self.token_claims,
        }  # fmt: skip
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self.signed(claims)}

    def signed(self, claims: dict[str, Any]) -> str:
        """A JWS in its compact form, RS256 (RFC 7515)."""
        head = _b64(json.dumps({"alg": "RS256", "kid": "1"}).encode())
        content = f"{head}.{_b64(json.dumps(claims).encode())}"
        return f"{content}.{_b64(self.key.sign(content.encode(), padding.PKCS1v15(), SHA256()))}"

    def published(self, path: str) -> dict[str, Any] | None:
        """What anybody, and for userinfo the bearer, may read."""
        numbers = self.key.public_key().public_numbers()
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorise",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
            "/keys": {
                "keys": [
                    {
                        "kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig",
                        "n": _b64(numbers.n.to_bytes(256, "big")), "e": _b64(numbers.e.to_bytes(3, "big")),
                    }
                ]
            },
            "/userinfo": self.claims,
        }.get(path)  # fmt: skip


@contextmanager
def serving() -> Iterator[Provider]:
    """Serve a provider on a free port of the loopback."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = provider.published(urlsplit(self.path).path)
            self._answer(404 if told is None else 200, told or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(*provider.token({name: values[0] for name, values in parse_qs(body).items()}))

        def _answer(self, status: int, told: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()
