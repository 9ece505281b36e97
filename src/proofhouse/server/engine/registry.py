# SPDX-License-Identifier: Apache-2.0
"""The names of all ledger kinds, `record.verb`; an act that records anything else is refused."""

LEDGER_KINDS = frozenset(
    {
        "access.offer",
        "acknowledgement.receive",
        "advisory.publish",
        "agreement.accept",
        "agreement.propose",
        "bank.open",
        "bank.seal",
        "case.answer",
        "case.open",
        "clock.override",
        "determination.make",
        "embargo.lift",
        "embargo.set",
        "evidence.add",
        "evidence.link",
        "export.make",
        "export.receive",
        "fact.set",
        "feed.make",
        "filing.acknowledge",
        "filing.draft",
        "filing.file",
        "grant.receive",
        "incident.amend",
        "incident.open",
        "inquiry.receive",
        "inquiry.send",
        "member.notify",
        "notice.receive",
        "notification.receive",
        "patch.accept",
        "patch.offer",
        "release.authorise",
        "release.sign",
        "report.receive",
        "report.send",
        "sbom.receive",
        "sbom.send",
        "seal.receive",
        "statement.accept",
        "validation.accept",
        "window.close",
        "window.open",
    }
)

NUMBERED_KINDS = frozenset({"advisory.publish", "determination.make"})
"""Acts that publish something under a public id; all of a house share one count."""
