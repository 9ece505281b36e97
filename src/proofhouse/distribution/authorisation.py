# SPDX-License-Identifier: Apache-2.0
"""The ledger entry behind each release, and what a member checks of it.

The clearinghouse records `release.authorise` before it directs an item. It publishes the receipt, the 50-byte
leaf, and an opening of just those fields that tie the leaf to the item; the rest of the record (case, people)
stays shut.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proofhouse.attest import canonical
from proofhouse.distribution.errors import ProofRefused
from proofhouse.distribution.manifest import Item
from proofhouse.ledger import Leaf, NotProven, Opening, Policy, Receipt, open_fields, verify_receipt

AUTHORISATION_KIND: Final = "release.authorise"
AUTHORISATION_FORMAT: Final = "proofhouse-authorisation/1"
OPENED_FIELDS: Final = ("kind", "audience", "item", "advisory", "path", "sha256", "length")


def proof_path(item_id: str) -> str:
    """Target path of an item's receipt."""
    return f"authorisations/{item_id}.tlog-proof"


def opening_path(item_id: str) -> str:
    """Target path of an item's leaf and opening."""
    return f"authorisations/{item_id}.json"


def authorisation_record(audience: str, item: Item) -> dict[str, Any]:
    """The fields that the ledger record of a release must hold; it may hold others, which stay shut.

    Args:
        audience: the director's audience.
        item: the item that is to be directed.

    Returns:
        Record fields, `kind` included.
    """
    return {
        "kind": AUTHORISATION_KIND,
        "audience": audience,
        "item": item.id,
        "advisory": item.advisory,
        "path": item.image.path,
        "sha256": item.image.sha256,
        "length": item.image.length_bytes,
    }


@dataclass(frozen=True, slots=True)
class ReleaseProof:
    """Receipt, leaf and opening of one `release.authorise` entry."""

    receipt: Receipt
    leaf: Leaf
    opening: Opening

    @classmethod
    def of_record(
        cls, receipt: Receipt, leaf: Leaf, record: Mapping[str, Any], record_key: bytes
    ) -> ReleaseProof:
        """Make the proof from the whole record, opening only what members need.

        Raises:
            KeyError: the record lacks one of `OPENED_FIELDS`.
        """
        return cls(receipt, leaf, open_fields(record, record_key, OPENED_FIELDS))

    @classmethod
    def from_files(cls, receipt: bytes, opening: bytes) -> ReleaseProof:
        """Read the two published files; nothing is proven by reading.

        Args:
            receipt: C2SP tlog-proof.
            opening: JSON of leaf and opening (docs/spec/manifest.md).

        Raises:
            ProofRefused: a file has another form.
        """
        try:
            record = json.loads(opening)
            if not isinstance(record, dict) or record.get("format") != AUTHORISATION_FORMAT:
                raise ProofRefused(f"the opening is not of format {AUTHORISATION_FORMAT}")
            leaf = Leaf.from_bytes(base64.b64decode(record["leaf"], validate=True))
            return cls(Receipt.from_bytes(receipt), leaf, Opening.from_record(record["opening"]))
        except (NotProven, ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
            raise ProofRefused(f"the release's ledger proof cannot be read: {error}") from None

    def files(self, item_id: str) -> dict[str, bytes]:
        """The two files to publish, by target path."""
        record = {
            "format": AUTHORISATION_FORMAT,
            "leaf": base64.b64encode(bytes(self.leaf)).decode("ascii"),
            "opening": self.opening.to_record(),
        }
        return {proof_path(item_id): bytes(self.receipt), opening_path(item_id): canonical(record)}

    def check_opening(self, audience: str, item: Item) -> None:
        """Check that the leaf commits to the authorisation of exactly this item for this audience.

        Raises:
            ProofRefused: it does not; the message names the field.
        """
        try:
            shown = self.opening.verify(self.leaf)
        except NotProven as error:
            raise ProofRefused(f"the opening of the release authorisation fails: {error}") from None
        for name, expected in authorisation_record(audience, item).items():
            if name not in shown:
                raise ProofRefused(f"the opening of the release authorisation does not show {name}")
            if shown[name] != expected or isinstance(shown[name], bool):
                raise ProofRefused(
                    f"the ledger authorised another release: {name} is {shown[name]!r}, not {expected!r}"
                )

    def verify(self, audience: str, item: Item, policy: Policy) -> str:
        """Check opening and receipt against the pinned policy.

        Args:
            audience: the audience that the agent follows.
            item: the item as the manifest has it.
            policy: which log, which witnesses, which quorum.

        Returns:
            The signed checkpoint that holds the authorisation, as text.

        Raises:
            ProofRefused: it is not proven; the message says which step fails.
        """
        self.check_opening(audience, item)
        try:
            verify_receipt(self.receipt, self.leaf, policy)
        except NotProven as error:
            raise ProofRefused(
                f"the release authorisation is not proven to be in the ledger: {error}"
            ) from None
        return bytes(self.receipt.note).decode("utf-8", "replace")
