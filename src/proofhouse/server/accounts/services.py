# SPDX-License-Identifier: Apache-2.0
"""The acts of need to know: who is named to a case, who stands back from it, and how it is marked."""

from __future__ import annotations

from datetime import datetime, timedelta

from proofhouse.server.accounts.casefiles import MARKING, mark_of, put_mark
from proofhouse.server.accounts.files import Grant, Recusal, running_grants, standing_recusals
from proofhouse.server.accounts.gate import NotFound, access, may_do, require, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import record

GRANT_CEILING = timedelta(days=366)
"""A need to know that lasts longer is asked for again."""


@act(Permission.ACCOUNTS_GRANT_GIVE)
def grant_access(*, actor: Person, person: str, case: str, reason: str, until: str) -> Grant:
    """Name a person to a case. It opens once its ledger entry has a receipt, and never what the person is recused from.

    Args:
        actor: A steward, or somebody who sees the case; never the person.
        person: E-mail address of who is named.
        case: The case's name in the ledger, `case:…`.
        reason: Why the person needs to know.
        until: RFC 3339 instant at which the need ends; a year ahead at most.

    Raises:
        ActError: Nobody here has that address, it is the actor's own, or the reason or the instant will not do.
        NotFound: There is no such case for the actor.
    """
    known = _known(actor, case)
    named = _person(person)
    ends = datetime.fromisoformat(until)
    if named == actor:
        raise ActError("person: nobody grants themselves access", "own_grant")
    if not reason.strip():
        raise ActError("reason: say why the person needs to know", "no_reason")
    if ends.tzinfo is None or not now() < ends <= now() + GRANT_CEILING:
        raise ActError("until: an instant with its zone, ahead of now by a year at most", "bad_until")
    if Recusal.objects.filter(standing_recusals(), person=named, case=known).exists():
        raise ActError("person: stands back from this case", "recused")
    entry = record(
        "grant.give",
        known,
        {"person": named.email, "reason": reason, "until": wire(ends), "by": actor.email},
    )
    return Grant.objects.create(
        person=named,
        case=known,
        reason=reason[:300],
        granted_by=actor,
        granted_at=now(),
        until=ends,
        entry=entry,
    )


@act(Permission.ACCOUNTS_GRANT_GIVE)
def withdraw_grant(*, actor: Person, grant: str) -> Grant:
    """Take a grant back; it opens nothing from this moment on."""
    row = access(actor, Grant, id=grant)
    if row.withdrawn_at is None:
        row.withdrawn_at = now()
        row.save(update_fields=["withdrawn_at"])
        record("grant.withdraw", row.case, {"grant": str(row.id), "by": actor.email})
    return row


@act(Permission.ACCOUNTS_RECUSAL_DECLARE)
def recuse(*, actor: Person, person: str, case: str, reason: str) -> Recusal:
    """Stand back from a case, or have somebody stand back: the case is shut to them at once, whatever else they hold.

    Args:
        actor: The person; a steward for anybody else.
        person: E-mail address of who stands back.
        case: The case's name in the ledger.
        reason: The conflict of interest, in words.

    Raises:
        ActError: Nobody here has that address, or no reason is given.
        NotAllowed: The actor is neither the person nor a steward.
        NotFound: There is no such case for the actor.
    """
    recused = _person(person)
    if recused != actor:
        require(actor, Permission.ACCOUNTS_RECUSAL_LIFT)
    if not reason.strip():
        raise ActError("reason: name the conflict of interest", "no_reason")
    stands = Recusal.objects.filter(standing_recusals(), person=recused, case=case, lifting=None).first()
    if stands is not None:
        return stands
    known = _known(actor, case)
    entry = record("recusal.declare", known, {"person": recused.email, "reason": reason, "by": actor.email})
    return Recusal.objects.create(
        person=recused, case=known, reason=reason[:300], since=entry.created_at, entry=entry
    )


@act(Permission.ACCOUNTS_RECUSAL_LIFT)
def lift_recusal(*, actor: Person, recusal: str, reason: str) -> Recusal:
    """Let a recused person back to a case, once this has its receipt.

    Raises:
        ActError: It is the actor's own, or no reason is given.
    """
    row = access(actor, Recusal, id=recusal)
    if row.person == actor:
        raise ActError("recusal: nobody lifts their own", "own_recusal")
    if not reason.strip():
        raise ActError("reason: say why the conflict of interest is over", "no_reason")
    if row.lifting is None:
        row.lifting = record(
            "recusal.lift", row.case, {"recusal": str(row.id), "reason": reason, "by": actor.email}
        )
        row.save(update_fields=["lifting"])
    return row


@act(Permission.ACCOUNTS_CASE_MARK)
def mark_case(*, actor: Person, case: str, mark: str, reason: str) -> str:
    """Change the TLP mark of a case and all its parts. A narrower circle holds at once, a wider one with the receipt.

    Args:
        actor: Somebody who sees the case.
        case: The case's name in the ledger.
        mark: `TLP:RED`, `TLP:AMBER+STRICT`, `TLP:AMBER`, `TLP:GREEN` or `TLP:CLEAR`.
        reason: Why.

    Raises:
        ActError: There is no such mark, or the case would be RED while nobody is named to it.
        NotFound: There is no such case for the actor.
    """
    if mark not in set(Mark):
        raise ActError(f"mark: {mark[:40]} is no mark of TLP 2.0", "bad_mark")
    wanted = Mark(mark)
    if not visible(actor, LedgerEntry).filter(case=case).exists():
        raise NotFound("no case like that")
    if wanted is Mark.RED and not Grant.objects.filter(running_grants(now()), case=case).exists():
        raise ActError(
            "mark: RED is for people named one by one; grant somebody access first", "nobody_named"
        )
    before = mark_of(case)
    record(MARKING, case, {"mark": wanted, "before": before, "reason": reason, "by": actor.email})
    if Mark.narrowest(before, wanted) is wanted:
        put_mark(case, wanted)
    return wanted


def _person(email: str) -> Person:
    found = Person.objects.filter(email=email, is_active=True).first()
    if found is None:
        raise ActError("person: nobody here has that address", "unknown_person")
    return found


def _known(actor: Person, case: str) -> str:
    """The case, if there is one for the actor; a steward keeps the access of all without seeing what lies there."""
    entries = (
        LedgerEntry.objects.all()
        if may_do(actor, Permission.ACCOUNTS_RECUSAL_LIFT)
        else visible(actor, LedgerEntry)
    )
    if not case or not entries.filter(case=case).exists():
        raise NotFound("no case like that")
    return case
