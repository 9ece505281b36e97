# SPDX-License-Identifier: Apache-2.0
"""A small world with the real parts: both repositories, a witnessed ledger, a vendor, and a web server.

The web server can be told to misbehave: give other bytes for a path, or stall before it answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from proofhouse.attest import Signer
from proofhouse.distribution import (
    DirectorRepository,
    ImageFile,
    ImageRepository,
    Item,
    KeyRing,
    ReleaseProof,
    RingStep,
    authorisation_record,
    new_item_id,
    sign_vendor_release,
)
from proofhouse.ledger import (
    FileLog,
    Policy,
    Witness,
    WitnessClient,
    WitnessServer,
    leaf,
    log_key,
    new_key,
    witness_key,
)

AUDIENCE = "health"
VENDOR = "acme"
GROUPS = 4
PRODUCT = "pkg:deb/debian/libxml2"


class Site(ThreadingHTTPServer):
    """Serves a directory and takes acknowledgements at `/acks`."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.overrides: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.before: Callable[[str], None] = lambda path: None
        self.acknowledgements: list[bytes] = []
        self.ack_status = 202
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(SimpleHTTPRequestHandler):
    server: Site

    def __init__(self, request: Any, address: Any, server: Site) -> None:
        super().__init__(request, address, server, directory=str(server.directory))

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.before(self.path)
        if self.path in self.server.overrides:
            self._answer(200, self.server.overrides[self.path])
        else:
            super().do_GET()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.before(self.path)
        if self.server.ack_status < 300:
            self.server.acknowledgements.append(content)
        self._answer(self.server.ack_status, b"{}")

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Keep the test output quiet."""


class Ledger:
    """The clearinghouse's log, with one witness behind loopback HTTP."""

    def __init__(self, directory: Path) -> None:
        signer = Signer.generate("log", "main", demo=True)
        cosigner = Signer.generate("witness", "w1", demo=True)
        key = log_key("clearinghouse.example/oversight", signer.public)
        self._server = WitnessServer(Witness(directory / "witness", "witness.example/w1", cosigner, [key]))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        client = WitnessClient(self._server.url, witness_key("witness.example/w1", cosigner.public))
        self.log = FileLog(directory / "log", key.name, signer, [client])
        self._inspector_key = new_key()

    @property
    def policy(self) -> Policy:
        return self.log.policy

    def authorise(self, item: Item, audience: str = AUDIENCE, **changed: Any) -> ReleaseProof:
        """Record a release; `changed` replaces fields of the record."""
        record = {**authorisation_record(audience, item), "case": "case:7", **changed}
        key = new_key()
        entry = leaf("release.authorise", "case:7", record, key, self._inspector_key)
        return ReleaseProof.of_record(self.log.append([entry])[0], entry, record, key)

    def close(self) -> None:
        self.log.close()
        self._server.shutdown()
        self._server.server_close()


class World:
    """Everything between a vendor's desk and a member's door."""

    def __init__(self, directory: Path, now: datetime | None = None) -> None:
        self.directory = directory
        self.now = now or datetime.now(UTC)
        self.site = Site(directory / "site")
        self.ledger = Ledger(directory / "ledger")
        self.image_keys = ring(directory / "keys/image", root=3, targets=3, groups=1, snapshot=1, timestamp=1)
        self.director_keys = ring(directory / "keys/director", root=3, targets=1, snapshot=1, timestamp=1)
        self.vendor_keys = ring(directory / "keys/vendor", vendor=1)
        self.image = ImageRepository.create(
            directory / "site/image", self.image_keys, now=self.now, groups=GROUPS
        )
        self.director = DirectorRepository.create(
            directory / "site/director", AUDIENCE, self.director_keys, now=self.now
        )
        self.image.add_vendor(VENDOR, self.vendor_keys.public_keys("vendor"), now=self.now)

    def vendor_release(self, name: str, content: bytes) -> ImageFile:
        """The vendor signs at home and uploads."""
        release = sign_vendor_release(
            self.image.patch_path(VENDOR, name),
            content,
            self.vendor_keys.signers("vendor"),
            previous=self.image.vendor_metadata(VENDOR),
            now=self.now,
        )
        self.image.accept_vendor_metadata(VENDOR, release.metadata, release.content, now=self.now)
        return release.image

    def release(self, name: str = "fix.patch", content: bytes = b"--- a\n+++ b\n", **fields: Any) -> Item:
        """The whole way: vendor signs, ledger records, director directs."""
        item = self.item(self.vendor_release(name, content), **fields)
        self.director.authorise(item, self.ledger.authorise(item), now=self.now)
        return item

    def item(self, image: ImageFile, **fields: Any) -> Item:
        """An item that every member may install now."""
        past = self.now - timedelta(hours=1)
        defaults: dict[str, Any] = {
            "id": new_item_id(),
            "advisory": "PH-2026-000001",
            "tlp": "TLP:CLEAR",
            "rings": tuple(RingStep(number, past, 100) for number in range(4)),
            "not_before": past,
            "products": (PRODUCT,),
            "mitigation": "Do not validate untrusted Schematron.",
        }
        return Item(image=image, **{**defaults, **fields})

    def metadata_files(self, repository: str) -> list[Path]:
        return sorted((self.directory / "site" / repository / "metadata").glob("*.json"))

    def close(self) -> None:
        self.ledger.close()
        self.site.close()


def ring(directory: Path, **roles: int) -> KeyRing:
    """A key ring with so many demo keys for each role."""
    keys = KeyRing(directory, allow_demo=True)
    for role, count in roles.items():
        keys.create(role, count, demo=True)
    return keys
