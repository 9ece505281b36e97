# SPDX-License-Identifier: Apache-2.0
"""Acts of the steward's desk and of need to know.

Who works here, for which organisation, in which roles; tokens for machines; who is named to a case, who stands back
from it, and how it is marked. A secret is minted by whoever asks for an act and comes in as an argument, so that no
answer of an act ever holds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import transaction

from proofhouse.server.accounts import emergencies, mail, sessions
from proofhouse.server.accounts.casefiles import MARKING, mark_of, put_mark
from proofhouse.server.accounts.files import Grant, Recusal, running_grants, standing_recusals
from proofhouse.server.accounts.gate import NotFound, access, may_do, require, visible
from proofhouse.server.accounts.marks import Mark
from proofhouse.server.accounts.minting import Kind, digest_of
from proofhouse.server.accounts.models import (
    BreakGlass,
    Invitation,
    MachineToken,
    Membership,
    Organisation,
    Person,
    own_organisation,
)
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.accounts.tokens import LONGEST, scopes_named
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.deadlines import set_deadline
from proofhouse.server.engine.models import LedgerEntry
from proofhouse.server.engine.record import record
from proofhouse.server.engine.registry import OWN_AFFAIRS

INVITATION_LASTS = timedelta(days=7)


@act(Permission.ACCOUNTS_ORGANISATION_ADD)
def add_organisation(*, actor: Person, name: str, title: str, contact: str = "") -> Organisation:
    """Host an organisation that has no house of its own.

    Args:
        actor: A steward.
        name: Its slug, 2 to 31 characters.
        title: Its name for people.
        contact: E-mail address at which it is reached, if any.

    Raises:
        ActError: The name is no slug or taken, the title is empty, or the contact is no address.
    """
    name, title = _slug(name), _text("title", title, 120)
    if contact:
        contact = _address(contact)
    if Organisation.objects.filter(name=name).exists():
        raise ActError(f"there is an organisation {name} already", "name_taken")
    made = Organisation.objects.create(name=name, title=title, contact=contact, made_at=now())
    record("organisation.add", f"organisation:{name}", {"title": title, "by": actor.name})
    return made


@act(Permission.ACCOUNTS_PERSON_INVITE)
def invite(
    *, actor: Person, secret: str, email: str, name: str, roles: Sequence[str], organisation: str = ""
) -> Invitation:
    """Invite somebody by e-mail; whoever is here already gets a way back in, with nothing else changed.

    Args:
        actor: A steward.
        secret: A new secret of the kind for invitations; the link holds it, the house keeps its digest.
        email: Where the link goes.
        name: The person's name.
        roles: Roles in the organisation from the moment the invitation is taken up; none for somebody who is here.
        organisation: Its name; the house's own if empty.

    Raises:
        ActError: A field cannot be used; the message names it.
    """
    digest = digest_of(secret, Kind.INVITATION)
    if digest is None:
        raise ActError("secret: not one for invitations", "bad_secret")
    email, name = _address(email), _text("name", name, 120)
    wanted = sorted(_role(role).value for role in set(roles))
    where = _organisation(organisation)
    known = Person.objects.filter(email__iexact=email).first()
    if known is None and not wanted:
        raise ActError("roles: name at least one", "bad_role")
    for before in Invitation.objects.filter(email__iexact=email, settled_at=None):
        _settle(before)
    made = Invitation(
        secret_sha256=digest, email=email, name=name, organisation=where, roles=wanted,
        invited_at=now(), expires_at=now() + INVITATION_LASTS,
    )  # fmt: skip
    if known is not None:
        made.person_id, made.name, made.email = known.id, known.name, known.email
    made.entry = note_invitation(made, actor.name, back=known is not None)
    made.save()
    transaction.on_commit(lambda: mail.send_invitation(made, secret))
    return made


def note_invitation(made: Invitation, by: str, *, back: bool) -> LedgerEntry:
    """Record an invitation: the person by id, never by address."""
    told = {
        "organisation": made.organisation_id,
        "roles": made.roles,
        "back": back,
        "until": wire(made.expires_at),
        "by": by,
    }
    return record("person.invite", f"person:{made.person_id}", told)


@act(Permission.ACCOUNTS_PERSON_INVITE)
def withdraw_invitation(*, actor: Person, invitation: str) -> Invitation:
    """Let an invitation that nobody has taken up count no more."""
    row = access(actor, Invitation, id=invitation, settled_at=None)
    _settle(row)
    record("invitation.withdraw", f"person:{row.person_id}", {"by": actor.name})
    return row


def _settle(row: Invitation) -> None:
    row.settled_at = now()
    row.save(update_fields=["settled_at"])


@act(Permission.ACCOUNTS_MEMBERSHIP_CHANGE)
def grant_role(*, actor: Person, person: str, role: str, organisation: str = "") -> Membership:
    """Give a person a role in an organisation, the house's own if none is named.

    Raises:
        ActError: There is no such role or organisation, or the person holds it already.
    """
    who, what, where = access(actor, Person, id=person), _role(role), _organisation(organisation)
    made, new = Membership.objects.get_or_create(person=who, organisation=where, role=what)
    if not new:
        raise ActError(f"{who.name} is {what.value} of {where.title} already", "has_role")
    _note("membership.grant", who, where, what, actor)
    return made


@act(Permission.ACCOUNTS_MEMBERSHIP_CHANGE)
def revoke_role(*, actor: Person, person: str, role: str, organisation: str = "") -> Person:
    """Take a role from a person; what it opened is closed at once.

    Raises:
        ActError: The person does not hold it, or it would leave the house without a steward.
    """
    who, what, where = access(actor, Person, id=person), _role(role), _organisation(organisation)
    if where.own and what is Role.STEWARD:
        _keep_a_steward(who)
    taken, _ = Membership.objects.filter(person=who, organisation=where, role=what).delete()
    if not taken:
        raise ActError(f"{who.name} is not {what.value} of {where.title}", "no_role")
    _note("membership.revoke", who, where, what, actor)
    return who


def _note(kind: str, who: Person, where: Organisation, what: Role, actor: Person) -> None:
    told = {"organisation": where.name, "role": what.value, "by": actor.name}
    record(kind, f"person:{who.id}", told)


@act(Permission.ACCOUNTS_PERSON_STOP)
def stop_person(*, actor: Person, person: str) -> Person:
    """Somebody works here no longer: every session ends and every token of theirs stops at once.

    Roles are kept, so that the record says who had them; a new invitation brings the person back.

    Raises:
        ActError: It would leave the house without a steward.
    """
    who = access(actor, Person, id=person, is_active=True)
    _keep_a_steward(who)
    who.is_active = False
    who.save(update_fields=["is_active"])
    ended = sessions.end_all(who)
    record("person.stop", f"person:{who.id}", {"sessions": ended, "by": actor.name})
    return who


def _keep_a_steward(leaving: Person) -> None:
    stewards = Membership.objects.filter(
        role=Role.STEWARD, organisation__own=True, person__is_active=True
    ).values_list("person", flat=True)
    if set(stewards) == {leaving.id}:
        raise ActError(f"{leaving.name} is the only steward of this house", "last_steward")


@act(Permission.ACCOUNTS_SESSION_END)
def end_sessions(*, actor: Person, person: str) -> Person:
    """End all sessions of a person, wherever they are signed in."""
    who = access(actor, Person, id=person)
    ended = sessions.end_all(who)
    record("session.revoke", f"person:{who.id}", {"sessions": ended, "by": actor.name})
    return who


@act(Permission.ACCOUNTS_TOKEN_MAKE)
def make_token(
    *, actor: Person, secret: str, name: str, scopes: Sequence[str], days: int, organisation: str = ""
) -> MachineToken:
    """Let a machine of an organisation do some of what the person may do, until a day.

    Args:
        actor: In whose name the machine acts.
        secret: A new secret of the kind for tokens; shown once, the house keeps its digest.
        name: What people call the machine.
        scopes: Permissions and named scopes, at least one, none that the person lacks.
        days: How long it lasts, 1 to 366.
        organisation: Whose machine it is; the house's own if empty.

    Raises:
        ActError: A field cannot be used; the message names it.
        UnknownScope: A scope that does not exist.
    """
    digest = digest_of(secret, Kind.TOKEN)
    if digest is None:
        raise ActError("secret: not one for tokens", "bad_secret")
    named = scopes_named(scopes)
    if not named:
        raise ActError("scopes: name at least one", "no_scope")
    for scope in named:
        if isinstance(scope, Permission) and not may_do(actor, scope):
            raise ActError(f"scopes: {actor.name} lacks {scope.value}", "beyond_person")
        if isinstance(scope, Permission) and scope.needs_fresh:
            raise ActError(f"scopes: {scope.value} takes a person, not a machine", "needs_person")
    if not 1 <= days <= LONGEST.days:
        raise ActError(f"days: 1 to {LONGEST.days}", "bad_days")
    where = _organisation(organisation)
    if not where.own and where not in actor.organisations:
        raise ActError(f"organisation: {actor.name} does not work for {where.title}", "beyond_person")
    made = MachineToken(
        secret_sha256=digest, name=_text("name", name, 80), organisation=where, person=actor,
        scopes=sorted(scope.value for scope in named), made_at=now(), expires_at=now() + timedelta(days=days),
    )  # fmt: skip
    told = {
        "name": made.name,
        "organisation": where.name,
        "scopes": made.scopes,
        "until": wire(made.expires_at),
        "by": actor.name,
    }
    made.entry = record("token.make", f"token:{made.id}", told)
    made.save()
    return made


@act(Permission.ACCOUNTS_TOKEN_MAKE)
def revoke_token(*, actor: Person, token: str) -> MachineToken:
    """Let a token count no more, at once: one's own, or for a steward anybody's."""
    row = access(actor, MachineToken, id=token, revoked_at=None)
    row.revoked_at = now()
    row.save(update_fields=["revoked_at"])
    record("token.revoke", f"token:{row.id}", {"by": actor.name})
    return row


@act(Permission.ACCOUNTS_EMERGENCY_DECLARE)
def break_glass(
    *, actor: Person, person: str, role: str, reason: str, minutes: int, secret: str = ""
) -> BreakGlass:
    """Lend somebody a role at once, for an emergency; it ends by itself.

    Args:
        actor: The steward who answers for it.
        person: E-mail address of who is to have the role.
        role: Which.
        reason: Why; everybody who is steward or inspector reads it.
        minutes: How long, 1 to 480.
        secret: A new secret of the kind for emergencies, whose link opens one session for who has lost their proof;
            empty for none.

    Raises:
        ActError: A field cannot be used; the message names it.
    """
    who = Person.objects.filter(email__iexact=person, is_active=True).first()
    if who is None:
        raise ActError(f"person: nobody here is {person!r}", "unknown_person")
    if not 1 <= minutes <= emergencies.LONGEST // timedelta(minutes=1):
        raise ActError("minutes: 1 to 480", "bad_minutes")
    digest = digest_of(secret, Kind.EMERGENCY) if secret else None
    if secret and digest is None:
        raise ActError("secret: not one for emergencies", "bad_secret")
    made = BreakGlass(
        person=who, role=_role(role), reason=_text("reason", reason, 300), secret_sha256=digest,
        began_at=now(), ends_at=now() + timedelta(minutes=minutes),
    )  # fmt: skip
    told = {
        "person": str(who.id),
        "role": made.role,
        "reason": made.reason,
        "until": wire(made.ends_at),
        "session": bool(secret),
        "by": actor.name,
    }
    made.entry = record("break-glass.use", emergencies.case_of(made), told)
    made.save()
    set_deadline(emergencies.ENDS, emergencies.case_of(made), made.ends_at)
    transaction.on_commit(lambda: mail.tell_of_emergency(made, actor.name))
    return made


def _organisation(name: str) -> Organisation:
    if not name:
        return own_organisation()
    found = Organisation.objects.filter(name=name).first()
    if found is None:
        raise ActError(f"organisation: there is no {name} here", "unknown_organisation")
    return found


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise ActError(f"roles: there is no role {name!r}", "bad_role") from None


def _text(field: str, value: str, most: int) -> str:
    value = " ".join(value.split())
    if not value or len(value) > most:
        raise ActError(f"{field}: 1 to {most} characters", f"bad_{field}")
    return value


def _slug(value: str) -> str:
    try:
        validate_slug(value)
    except ValidationError:
        raise ActError("name: letters, digits and dashes only", "bad_name") from None
    return _text("name", value, 31).lower()


def _address(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError:
        raise ActError(f"email: {value!r} is no address", "bad_email") from None
    return value.strip().lower()


# --- need to know -----------------------------------------------------------------------------------------------------


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
    if case.startswith(OWN_AFFAIRS) or not case or not entries.filter(case=case).exists():
        raise NotFound("no case like that")
    return case
