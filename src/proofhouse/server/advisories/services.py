# SPDX-License-Identifier: Apache-2.0
"""Publishing an advisory: said once, written as CSAF 2.0 and OSV, laid out as a provider directory."""

from __future__ import annotations

from pathlib import Path

from proofhouse.attest import sha256_hex
from proofhouse.formats import (
    AdvisoryContent,
    AffectedPackage,
    Finder,
    Publisher,
    Revision,
    Vulnerability,
    write_csaf,
    write_osv,
    write_provider,
)
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.cases.models import Case
from proofhouse.server.cases.rules import CaseState, EmbargoState, step_case
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.blobs import put_blob
from proofhouse.server.engine.clock import now
from proofhouse.server.engine.effects import when_in_force
from proofhouse.server.engine.keys import signer
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import allot_number, record
from proofhouse.server.house import this_house


def publisher() -> Publisher:
    """This house as publisher."""
    return Publisher(
        name=this_house().title,
        namespace=base_url(),
        contact=f"Write to {this_house().title} through its portal, or by letter between houses.",
    )


def base_url() -> str:
    """The https address under which the provider directory is published (CSAF 2.0 §7.1.3)."""
    return f"https://{this_house().name}.example"


def content_of(advisory: Advisory) -> AdvisoryContent:
    """What an advisory says, for the writers of each format."""
    said = advisory.said
    return AdvisoryContent(
        id=advisory.number,
        title=advisory.title,
        publisher=publisher(),
        summary=said["summary"],
        vulnerabilities=tuple(_vulnerability(flaw) for flaw in said["vulnerabilities"]),
        packages=(AffectedPackage(**said["package"]),),
        revisions=(Revision(1, advisory.published_at, "Initial release."),),
        finders=tuple(Finder(**finder) for finder in said["finders"]),
    )


def _vulnerability(flaw: dict[str, str]) -> Vulnerability:
    """CSAF has a field for a CVE name only; any other name stands in the title."""
    fields = {name: value for name, value in flaw.items() if name != "identifier"}
    identifier = flaw["identifier"]
    if identifier.startswith("CVE-"):
        return Vulnerability(**fields, cve=identifier)
    return Vulnerability(**{**fields, "title": f"{identifier}: {fields['title']}"})


@act(Permission.ADVISORIES_ADVISORY_PUBLISH)
def publish_advisory(
    *,
    actor: Person,
    case: str,
    summary: str,
    vulnerabilities: list[dict[str, str]],
    package: dict[str, str],
    finders: list[dict[str, str]],
) -> Advisory:
    """Publish the advisory of a case whose fix is proved and whose embargo is over.

    Args:
        actor: A coordinator.
        case: Id of the case.
        summary: What happened and what to do, in plain words.
        vulnerabilities: Fields of `formats.Vulnerability` and the `identifier`, one for each identifier of the case.
        package: Fields of `formats.AffectedPackage`.
        finders: Fields of `formats.Finder`.

    Raises:
        ActError: An embargo is in force, or the identifiers are not those of the case.
        FormatError: What is said cannot be written; the message names the field.
    """
    row = access(actor, Case, id=case)
    if row.embargo in (EmbargoState.ACTIVE, EmbargoState.PROPOSED):
        raise ActError("an embargo is in force; lift it first", "embargo")
    if sorted(flaw["identifier"] for flaw in vulnerabilities) != sorted(row.identifiers):
        raise ActError("describe each identifier of the case once", "identifiers")
    row.state = step_case(CaseState(row.state), CaseState.PUBLISHED)
    row.save(update_fields=["state"])
    published_at = now()
    advisory = Advisory(
        number=allot_number(published_at),
        case=row,
        title=row.title,
        tlp="TLP:CLEAR",
        fixed_version=package["fixed"],
        said={"summary": summary, "vulnerabilities": vulnerabilities, "package": package, "finders": finders},
        published_at=published_at,
    )
    said = content_of(advisory)
    csaf, osv = write_csaf(said), write_osv(said)
    advisory.csaf_sha256, advisory.osv_sha256 = put_blob(csaf), put_blob(osv)
    advisory.entry = record(
        "advisory.publish",
        f"case:{row.id}",
        {
            "advisory": advisory.number,
            "csaf_sha256": sha256_hex(csaf),
            "osv_sha256": sha256_hex(osv),
            "by": actor.email,
        },
    )
    advisory.save(force_insert=True)
    return advisory


@when_in_force("advisory.publish")
def write_provider_tree(entry: LedgerEntry) -> None:
    """Bring the provider directory up to date with every advisory in force, and check it."""
    in_force = Advisory.objects.exclude(entry__receipt="").select_related("case")
    contents = [content_of(row) for row in in_force]
    write_provider(
        provider_directory(), base_url(), publisher(), contents, signer("publisher"), now=entry.created_at
    )


def provider_directory() -> Path:
    """Where the provider tree of this house lies."""
    directory: Path = this_house().directory / "provider"
    return directory
