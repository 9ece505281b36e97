# SPDX-License-Identifier: Apache-2.0
"""What distribution can refuse or fail at, each with a code for programs and one sentence for people.

`Refusal` means that bytes were read and are not to be trusted: the agent acknowledges them as *refused* and
does not try to repair them. `Unreachable` means that nothing could be read at all: the next run tries again.
The remaining errors belong to whoever runs a repository.
"""

from __future__ import annotations

from typing import ClassVar


class DistributionError(Exception):
    """Root of this room's errors; `code` is stable and is what acknowledgements carry."""

    code: ClassVar[str] = "distribution"


class Unreachable(DistributionError):
    """A repository did not answer, or its answer broke off; nothing is concluded about its content."""

    code = "unreachable"


class Refusal(DistributionError):
    """Something was read and is not trusted."""

    code = "refused"


class MetadataRefused(Refusal):
    """Metadata does not verify against the pinned root (TUF specification §5)."""

    code = "metadata-refused"


class MetadataExpired(Refusal):
    """The newest metadata that the repository offers is past its expiry (freeze attack, TUF §5.3 to §5.6)."""

    code = "metadata-expired"


class RolledBack(Refusal):
    """A repository offers something older than what this client has already seen."""

    code = "rolled-back"


class ManifestRefused(Refusal):
    """The manifest or the revocation list is not of the form that docs/spec/manifest.md states."""

    code = "manifest-refused"


class NotDirected(Refusal):
    """The director's metadata does not name the image file of an item."""

    code = "not-directed"


class NotSignedByVendor(Refusal):
    """The image repository does not offer the file under the vendor's own role."""

    code = "not-signed-by-vendor"


class AuthoritiesDisagree(Refusal):
    """Director, vendor and manifest do not name the same length and SHA-256."""

    code = "authorities-disagree"


class ProofRefused(Refusal):
    """The ledger proof of the release authorisation is missing, wrong, or opens to something else."""

    code = "ledger-proof-refused"


class BytesRefused(Refusal):
    """A downloaded file is not the file that the metadata names."""

    code = "bytes-refused"


class UploadRefused(DistributionError):
    """An upload to the image repository breaks a rule; nothing was stored."""

    code = "upload-refused"


class ReleaseRefused(DistributionError):
    """The director was asked for a change that its rules exclude; nothing was published."""

    code = "release-refused"


class KeyRefused(DistributionError):
    """A key file is missing, unreadable, too widely readable, or a demo key where real keys are required."""

    code = "key-refused"


class RepositoryBroken(DistributionError):
    """A repository's own directory is missing, present where none may be, or does not hold what it must."""

    code = "repository-broken"
