# SPDX-License-Identifier: Apache-2.0
"""Two-authority distribution of patches: vendors sign, the clearinghouse directs, members verify both.

The client half, all that an agent needs, is `client`, `manifest`, `rings`, `authorisation`, `paths`, `files`
and `errors`; the other modules write repositories.
"""

from proofhouse.distribution._repository import Lifetimes, RootPolicy
from proofhouse.distribution.authorisation import (
    AUTHORISATION_KIND,
    OPENED_FIELDS,
    ReleaseProof,
    authorisation_record,
)
from proofhouse.distribution.client import TrustedRepository, agreed_target
from proofhouse.distribution.director import DirectorRepository, new_item_id
from proofhouse.distribution.errors import DistributionError, Refusal, Unreachable
from proofhouse.distribution.image import ImageRepository
from proofhouse.distribution.keys import KeyRing, key_records, keys_from_records
from proofhouse.distribution.manifest import ImageFile, Item, Manifest, Revocation, RevocationList
from proofhouse.distribution.rings import RingStep, admits, bucket
from proofhouse.distribution.vendor import VendorRelease, sign_vendor_release

__all__ = [
    "AUTHORISATION_KIND",
    "OPENED_FIELDS",
    "DirectorRepository",
    "DistributionError",
    "ImageFile",
    "ImageRepository",
    "Item",
    "KeyRing",
    "Lifetimes",
    "Manifest",
    "Refusal",
    "ReleaseProof",
    "Revocation",
    "RevocationList",
    "RingStep",
    "RootPolicy",
    "TrustedRepository",
    "Unreachable",
    "VendorRelease",
    "admits",
    "agreed_target",
    "authorisation_record",
    "bucket",
    "key_records",
    "keys_from_records",
    "new_item_id",
    "sign_vendor_release",
]
