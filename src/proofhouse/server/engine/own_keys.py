# SPDX-License-Identifier: Apache-2.0
"""The keys with which this house seals its letters: that of its beginning, and each that it took into use since.

A house tells all others of its next key in a letter that the last one sealed. Until another house has acknowledged that
letter, it is written to under the key that it believes already; so a renewal needs no hour at which everybody changes.
A house that came after a renewal was handed the newest key by a person.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from proofhouse.attest import PublicKey, Signer
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import LedgerEntry, Letter, Peer
from proofhouse.server.house import this_house

RENEWED = "key.renew"
CASE = "house:key"
ROLE = "letters"


def make_next_key() -> Signer:
    """Make a key and keep it beside the others. It is in use from the ledger entry on that names it."""
    made = Signer.generate(ROLE, this_house().name, demo=this_house().demo)
    made.save(this_house().keys / "renewed" / made.key_id)
    return made


def own_keys() -> list[Signer]:
    """The keys that are or were in use, oldest first."""
    renewed = (
        LedgerEntry.objects.filter(case=CASE, kind=RENEWED)
        .order_by("id")
        .values_list("record__key", flat=True)
    )
    return [signer(ROLE), *(_load(this_house().keys / "renewed" / key) for key in renewed)]


def newest_key() -> Signer:
    """The key that a house is handed which is introduced to this one today."""
    return own_keys()[-1]


def sealing_key(peer: Peer) -> Signer:
    """The newest of this house's keys that another house is known to believe."""
    keys = own_keys()
    if len(keys) == 1:
        return keys[0]
    told = Letter.objects.filter(thread__peer=peer, type="introduction", direction=Letter.Direction.SENT)
    known = [
        (PublicKey.from_record(letter.body["key"]).key_id, letter.acknowledged_at is not None)
        for letter in told.order_by("written_at", "sequence")
    ]
    if not known:
        return keys[-1]
    ids = [key.key_id for key in keys]
    believed = [ids.index(key) for key, acknowledged in known if acknowledged and key in ids]
    return keys[max(believed) if believed else ids.index(known[0][0]) - 1]


@lru_cache
def _load(directory: Path) -> Signer:
    (file,) = directory.glob(f"{ROLE}/*.pem")
    return Signer.load(file)
