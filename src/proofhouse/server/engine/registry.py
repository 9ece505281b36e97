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
        "bridge.consent",
        "bridge.withdraw",
        "case.answer",
        "case.mark",
        "case.open",
        "clock.override",
        "determination.make",
        "digest.make",
        "digest.read",
        "embargo.lift",
        "embargo.set",
        "event.decide",
        "evidence.add",
        "evidence.link",
        "export.make",
        "export.receive",
        "fact.set",
        "feed.make",
        "filing.acknowledge",
        "filing.draft",
        "filing.file",
        "grant.give",
        "grant.receive",
        "grant.withdraw",
        "incident.amend",
        "incident.open",
        "inquiry.receive",
        "inquiry.send",
        "job.cancel",
        "job.requeue",
        "member.notify",
        "model.add",
        "notice.receive",
        "notification.receive",
        "patch.accept",
        "patch.offer",
        "recusal.declare",
        "recusal.lift",
        "release.authorise",
        "release.sign",
        "report.receive",
        "report.send",
        "repositories.open",
        "sbom.receive",
        "sbom.send",
        "seal.receive",
        "statement.accept",
        "validation.accept",
        "vendor.enrol",
        "window.close",
        "window.open",
    }
)

NUMBERED_KINDS = frozenset({"advisory.publish", "determination.make"})
"""Acts that publish something under a public id; all of a house share one count."""

OWN_AFFAIRS = "obligations:"
"""Ledger cases that a house keeps to itself. They lie in a log of their own: the custody log's size goes out with every
letter, and would tell a review office how busy its developer's counsel is."""
