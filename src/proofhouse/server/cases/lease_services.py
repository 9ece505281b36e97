# SPDX-License-Identifier: Apache-2.0
"""The acts around scan leases: taking and ending one, an owner's rules, and "is this already known?".

Nothing that others can read names a holder: neither counts nor the ledger, which has a digest of the lease only.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from hashlib import sha256

from proofhouse.attest import canonical, sha256_hex
from proofhouse.formats import plain_line, plain_prose
from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.cases.lease_rules import (
    LeaseState,
    Mandate,
    Method,
    OwnerRules,
    Scope,
    against,
    counts,
    covers,
    folded,
)
from proofhouse.server.cases.models import BlindCheck, KnownPrint, ProductRules, Report, ScanLease
from proofhouse.server.cases.prints import DIGEST, fingerprints, keyed
from proofhouse.server.cases.rules import Means
from proofhouse.server.cases.submission import Submission, SubmissionRefused
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.deadlines import cancel_deadline, on_deadline, set_deadline
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.keys import inspection_key
from proofhouse.server.engine.models import Deadline
from proofhouse.server.engine.record import record

LEASE_END = "cases.lease"
"""The kind of the deadline at which a lease runs out."""

CHECKS_AN_HOUR = 60
HOUR = timedelta(hours=1)


@act(Permission.CASES_LEASE_TAKE)
def take_lease(
    *,
    actor: Person,
    product: str,
    method: str,
    mandate: str,
    starts_at: str,
    ends_at: str,
    mandated_by: str,
    mandated_on: str,
    mandate_terms: str,
    subsystem: str = "",
    commit_from: str = "",
    commit_to: str = "",
) -> ScanLease:
    """Make known that you mean to scan a product.

    Args:
        actor: Who will scan.
        product: Name of the product.
        method: One of `Method`.
        mandate: One of `Mandate`.
        starts_at: RFC 3339 instant.
        ends_at: RFC 3339 instant; at most 30 days later.
        mandated_by: Who allowed it, by name and office; for research on open source, who decided it.
        mandated_on: The day on which that was said.
        mandate_terms: What was allowed, in the words of whoever allowed it.
        subsystem: A part of the product, written as a path; empty for all of it.
        commit_from: First commit, or version; empty for all.
        commit_to: Last commit, or version.

    Raises:
        SubmissionRefused: A field is missing or wrong.
        ActError: The time, or what the product's owner asks, is against it.
    """
    name, who = plain_line(product, 200), plain_line(mandated_by, 200)
    words = plain_prose(mandate_terms, 2000)
    for field, text in (("product", name), ("mandated_by", who), ("mandate_terms", words)):
        if not text:
            raise SubmissionRefused(f"{field}: must not be empty")
    scope = Scope(
        folded(name),
        (plain_line(commit_from, 80), plain_line(commit_to, 80)),
        plain_line(subsystem, 200),
        _instant("starts_at", starts_at),
        _instant("ends_at", ends_at),
    )
    refused = against(scope, Method(method), rules_for(scope.product), now())
    if refused:
        raise ActError(refused, "lease_refused")
    identity = uuid7()
    fields = {
        "product": name,
        "product_key": scope.product,
        "commit_from": scope.commits[0],
        "commit_to": scope.commits[1],
        "subsystem": scope.subsystem,
        "method": Method(method).value,
        "mandate": Mandate(mandate).value,
        "mandated_by": who,
        "mandate_terms": words,
    }
    digest = sha256_hex(
        canonical(
            {
                **fields,
                "id": str(identity),
                "holder": actor.email,
                "on": mandated_on,
                "from": wire(scope.starts_at),
            }
        )
    )
    entry = record("lease.take", lease_case(identity), {"lease_sha256": digest, "until": wire(scope.ends_at)})
    set_deadline(LEASE_END, entry.case, scope.ends_at)
    return ScanLease.objects.create(
        id=identity,
        holder=actor,
        mandated_on=date.fromisoformat(mandated_on),
        starts_at=scope.starts_at,
        ends_at=scope.ends_at,
        lease_sha256=digest,
        entry=entry,
        taken_at=now(),
        **fields,
    )


def _instant(name: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise SubmissionRefused(f"{name}: {wrong}") from None
    if instant.tzinfo is None:
        raise SubmissionRefused(f"{name}: lacks its offset from UTC")
    return instant


def lease_case(identity: object) -> str:
    """The name of a lease in the ledger."""
    return f"lease:{identity}"


@act(Permission.CASES_LEASE_TAKE)
def end_lease(*, actor: Person, lease: str) -> ScanLease:
    """End a lease before its time: the scan is over, or does not take place.

    Raises:
        ActError: It is over already, or somebody else's.
    """
    row = access(actor, ScanLease, id=lease)
    if row.holder_id != actor.pk:
        raise ActError("a lease is ended by who holds it", "not_the_holder")
    _end(row, LeaseState.ENDED, "lease.end")
    cancel_deadline(LEASE_END, row.entry.case)
    return row


def require_lease(actor: Person | None, made: Iterable[Submission]) -> None:
    """Refuse reports that name a lease which is not the actor's, is not running, or is for something else.

    A lease that the actor may not see and one that does not exist are refused alike.

    Raises:
        SubmissionRefused: With the code `lease_unknown`, `not_the_holder`, `lease_over`, `lease_elsewhere` or
            `lease_otherwise`.
    """
    for each in made:
        if not each.lease:
            continue
        row = None if actor is None else visible(actor, ScanLease).filter(id=each.lease).first()
        if actor is None or row is None:
            raise SubmissionRefused("lease: there is none with this id that you hold", "lease_unknown")
        if row.holder_id != actor.pk:
            raise SubmissionRefused("lease: it is somebody else's", "not_the_holder")
        if row.state != LeaseState.ACTIVE or not row.starts_at <= now() < row.ends_at:
            raise SubmissionRefused("lease: it is not running", "lease_over")
        if row.product_key != folded(each.product):
            raise SubmissionRefused(f"lease: it is for {row.product}", "lease_elsewhere")
        if not covers(Method(row.method), Means(each.provenance["means"])):
            raise SubmissionRefused(f"lease: it is for {row.method}", "lease_otherwise")


@on_deadline(LEASE_END)
def expire_lease(deadline: Deadline) -> None:
    """A lease has run out."""
    row = ScanLease.objects.select_related("entry").get(entry__case=deadline.case)
    if row.state == LeaseState.ACTIVE:
        _end(row, LeaseState.EXPIRED, "lease.expire")


def _end(row: ScanLease, state: LeaseState, kind: str) -> None:
    if row.state != LeaseState.ACTIVE:
        raise ActError(f"the lease is {row.state} already", "lease_over")
    row.state = state
    row.ended_at = now()
    row.save(update_fields=["state", "ended_at"])
    record(kind, row.entry.case, {"lease_sha256": row.lease_sha256})


def scope_of(row: ScanLease) -> tuple[Scope, Mandate, datetime]:
    """A lease as the rules see it."""
    scope = Scope(
        row.product_key, (row.commit_from, row.commit_to), row.subsystem, row.starts_at, row.ends_at
    )
    return scope, Mandate(row.mandate), row.taken_at


def reported(row: ScanLease) -> int:
    """How many reports came in under a lease."""
    return Report.objects.filter(lease=row).count()


def company(row: ScanLease) -> tuple[int, int]:
    """How many other leases overlap with one, and how many of them come before it; never whose."""
    others = ScanLease.objects.filter(
        product_key=row.product_key, state=LeaseState.ACTIVE, ends_at__gt=now()
    ).exclude(pk=row.pk)
    return counts(scope_of(row), map(scope_of, others))


# --- an owner's rules -------------------------------------------------------------------------------------------------


@act(Permission.CASES_RULES_STATE)
def state_rules(
    *,
    actor: Person,
    product: str,
    owner: str,
    methods: list[str],
    security_model: str,
    longest_days: int | None = None,
) -> ProductRules:
    """State what the owner of a product asks of whoever scans it; the newest statement holds for new leases.

    Args:
        actor: A maintainer of the product, or a coordinator to whom its owner said so.
        product: Name of the product.
        owner: Who says so.
        methods: The methods that the owner wants; none for any.
        security_model: What the product promises and what it does not, in words.
        longest_days: How long a lease may last, at most 30.

    Raises:
        SubmissionRefused: A field is missing or wrong.
    """
    name, who = plain_line(product, 200), plain_line(owner, 200)
    if not name or not who:
        raise SubmissionRefused("product, owner: must not be empty")
    if longest_days is not None and not 1 <= longest_days <= 30:
        raise SubmissionRefused("longest_days: 1 to 30")
    wanted = sorted({Method(method).value for method in methods})
    identity = uuid7()
    entry = record(
        "rules.state",
        f"rules:{identity}",
        {"product": name, "owner": who, "methods": wanted, "by": actor.email},
    )
    return ProductRules.objects.create(
        id=identity,
        product=name,
        product_key=folded(name),
        owner=who,
        methods=wanted,
        security_model=plain_prose(security_model, 4000),
        longest_days=longest_days,
        entry=entry,
        stated_at=now(),
    )


def rules_for(product_key: str) -> OwnerRules:
    """What holds for a product now."""
    row = ProductRules.objects.filter(product_key=product_key).order_by("-stated_at", "-id").first()
    if row is None:
        return OwnerRules()
    return OwnerRules(frozenset(Method(method) for method in row.methods), row.longest_days)


# --- is this already known? -------------------------------------------------------------------------------------------


@act(Permission.CASES_LEASE_TAKE)
def ask_blind(*, actor: Person, lease: str, fingerprint: str) -> dict[str, int]:
    """Ask whether a flaw of the product that you hold a lease for is known here: 1 or 0, and nothing else.

    Known and unknown take the same steps: one keyed digest, one look into one index, one row of the log, one entry of
    the ledger. The answer has the same bytes but for the one digit. What was asked is kept under the house's key, and a
    holder may ask so often an hour, so that nobody can try out all classes at all places.

    Args:
        actor: Holder of the lease.
        lease: Id of the lease, which must be running.
        fingerprint: See docs/spec/blind-check.md.

    Raises:
        SubmissionRefused: That is no fingerprint.
        ActError: The lease is not the actor's, not running, or its questions of this hour are used up.
    """
    row = access(actor, ScanLease, id=lease)
    if not DIGEST.fullmatch(fingerprint):
        raise SubmissionRefused("fingerprint: 64 lower-case hex digits")
    if row.holder_id != actor.pk:
        raise ActError("who holds the lease asks", "not_the_holder")
    if row.state != LeaseState.ACTIVE or not row.starts_at <= now() < row.ends_at:
        raise ActError("the lease is not running", "lease_over")
    asked = visible(actor, BlindCheck).filter(lease__holder=actor, asked_at__gt=now() - HOUR).count()
    if asked >= CHECKS_AN_HOUR:
        raise ActError(f"at most {CHECKS_AN_HOUR} questions an hour", "too_many_questions")
    print_ = keyed(blind_key(), row.product_key, fingerprint)
    known = int(_known(print_))
    record("blind.ask", row.entry.case, {"print": print_})
    BlindCheck.objects.create(lease=row, print=print_, known=known, asked_at=now())
    return {"known": known}


def _known(print_: str) -> bool:
    return KnownPrint.objects.filter(print=print_).exists()


def blind_key() -> bytes:
    """The key under which fingerprints are kept; derived from the house's inspection key, and as old as that."""
    return hmac.new(inspection_key(), b"proofhouse/blind-check/1", sha256).digest()


def prints_of(report: Report, classes: list[str], frames: list[str] | None = None) -> list[KnownPrint]:
    """The fingerprints of a report, under the house's key, as rows to be kept."""
    prints = fingerprints(classes, report.location, frames or ())
    if not prints:
        return []
    key, product = blind_key(), folded(report.product)
    return [KnownPrint(print=keyed(key, product, each), report=report) for each in prints]


def keep_prints(report: Report, classes: list[str], frames: list[str] | None = None) -> None:
    """Let a report be found by its fingerprints, as part of the act under way."""
    KnownPrint.objects.bulk_create(prints_of(report, classes, frames), ignore_conflicts=True)


def forget_prints(report: Report) -> None:
    """A report that came to nothing makes nothing known."""
    KnownPrint.objects.filter(report=report).delete()
