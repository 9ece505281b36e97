# SPDX-License-Identifier: Apache-2.0
"""The names of python-tuf and securesystemslib that this room builds on.

Both packages document these import paths but do not mark them as exported, so strict typing is told once,
here.
"""

from __future__ import annotations

from securesystemslib.signer import (  # type: ignore[attr-defined]  # documented here, not marked as exported
    CryptoSigner,
    Key,
)
from tuf.api import exceptions
from tuf.api.metadata import (  # type: ignore[attr-defined]  # documented here, not marked as exported
    TOP_LEVEL_ROLE_NAMES,
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from tuf.ngclient import (  # type: ignore[attr-defined]  # documented here, not marked as exported
    FetcherInterface,
    Updater,
    UpdaterConfig,
)
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

__all__ = [
    "TOP_LEVEL_ROLE_NAMES",
    "CryptoSigner",
    "DelegatedRole",
    "Delegations",
    "FetcherInterface",
    "JSONSerializer",
    "Key",
    "MetaFile",
    "Metadata",
    "Role",
    "Root",
    "Snapshot",
    "TargetFile",
    "Targets",
    "Timestamp",
    "Updater",
    "UpdaterConfig",
    "Urllib3Fetcher",
    "exceptions",
]
