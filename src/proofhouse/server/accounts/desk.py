# SPDX-License-Identifier: Apache-2.0
"""The steward's desk: people, roles, invitations, organisations; and the emergencies, for who watches over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from proofhouse.server.accounts import services, sessions
from proofhouse.server.accounts.forms import InviteForm, OrganisationForm, RoleForm
from proofhouse.server.accounts.gate import NotAllowed, NotFound, visible
from proofhouse.server.accounts.minting import Kind, link_of, mint
from proofhouse.server.accounts.models import BreakGlass, Invitation, Membership, Organisation, Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.engine.acts import ActError
from proofhouse.server.engine.clock import now
from proofhouse.server.house import this_house
from proofhouse.server.web.cells import at, plain, receipt, state
from proofhouse.server.web.pages import Cell, Page, Table, person_of, row_for, show


def _steward(request: HttpRequest) -> Person:
    person = person_of(request)
    if Role.STEWARD not in person.roles:
        raise Http404
    return person


@require_http_methods(["GET", "HEAD"])
def people(request: HttpRequest) -> HttpResponse:
    """Who works here, who is invited, and which organisations are hosted."""
    steward = _steward(request)
    held: dict[Any, list[str]] = {}
    for row in visible(steward, Membership).select_related("organisation").order_by("organisation", "role"):
        where = "" if row.organisation.own else f" of {row.organisation.title}"
        held.setdefault(row.person_id, []).append(f"{row.role}{where}")
    rows = [
        [
            Cell(row.name, reverse("accounts:person", args=[row.id])),
            plain(row.email),
            plain(", ".join(held.get(row.id, [])) or "–"),
            at(row.last_login),
            state("active" if row.is_active else "stopped", good=frozenset({"active"})),
        ]
        for row in visible(steward, Person)
    ]
    context = {
        "people": Table("People", ["Name", "E-mail", "Roles", "Signed in", "State"], rows),
        "invitations": [
            (row, at(row.expires_at))
            for row in visible(steward, Invitation).filter(settled_at=None, expires_at__gt=now())
        ],
        "organisations": Table(
            "Organisations",
            ["Name", "Title", "Contact", "Kind"],
            [
                [
                    plain(row.name),
                    plain(row.title),
                    plain(row.contact or "–"),
                    plain("runs this house" if row.own else "hosted here"),
                ]
                for row in visible(steward, Organisation)
            ],
        ),
    }
    return render(request, "accounts/people.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the link is shown this once."""
    steward = _steward(request)
    return _invite(request, steward)


def _invite(request: HttpRequest, steward: Person) -> HttpResponse:
    organisations = visible(steward, Organisation)
    form = InviteForm(
        request.POST or None,
        organisations=organisations,
        initial={"organisation": organisations.filter(own=True).first()},
    )
    link, problem = "", ""
    if request.method == "POST" and form.is_valid():
        secret, told = mint(Kind.INVITATION), form.cleaned_data
        try:
            services.invite(
                actor=steward,
                secret=secret.text,
                email=told["email"],
                name=told["name"],
                roles=told["roles"],
                organisation=told["organisation"].name,
            )
            link = link_of(this_house().address, secret.text, Kind.INVITATION)
        except ActError as refused:
            problem = str(refused)
    context = {"form": form, "link": link, "problem": problem}
    return render(request, "accounts/invite.html", context, status=422 if problem or form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def add_organisation(request: HttpRequest) -> HttpResponse:
    """Host an organisation that has no house."""
    steward = _steward(request)
    form, problem = OrganisationForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            services.add_organisation(actor=steward, **form.cleaned_data)
        except ActError as refused:
            problem = str(refused)
        else:
            return redirect("accounts:people")
    context = {"form": form, "problem": problem}
    return render(
        request, "accounts/organisation.html", context, status=422 if problem or form.errors else 200
    )


@require_http_methods(["GET", "HEAD"])
def person(request: HttpRequest, person: UUID) -> HttpResponse:
    """One person: roles, sessions, and stopping them."""
    steward = _steward(request)
    who = row_for(steward, Person, id=person)
    context = {
        "who": who,
        "facts": [
            ("E-mail", plain(who.email)),
            ("State", state("active" if who.is_active else "stopped", good=frozenset({"active"}))),
            ("Last signed in", at(who.last_login)),
        ],
        "memberships": visible(steward, Membership)
        .filter(person=who)
        .select_related("organisation")
        .order_by("organisation", "role"),
        "form": RoleForm(
            organisations=visible(steward, Organisation),
            initial={"organisation": visible(steward, Organisation).filter(own=True).first()},
        ),
        "sessions": [
            [at(row.created_at), plain(row.ip), plain(row.user_agent[:80] or "–")]
            for row in sessions.sessions_of(who)
        ],
    }
    context["open"] = Table("Sessions", ["Since", "From", "With"], context["sessions"], "None is open.")  # type: ignore[arg-type]
    return render(request, "accounts/person.html", context)


def _step(
    request: HttpRequest, do: Callable[..., object], back: Callable[[], HttpResponse], **told: Any
) -> HttpResponse:
    """Do an act of the steward's and go back to the page, with what was wrong as a message."""
    try:
        do(actor=_steward(request), **told)
    except (NotAllowed, NotFound):
        raise Http404 from None
    except ActError as refused:
        messages.error(request, f"Not done: {refused}.")
    return back()


@require_POST
def grant(request: HttpRequest, person: UUID) -> HttpResponse:
    """Give a person a role."""
    return _change(request, services.grant_role, person)


@require_POST
def revoke(request: HttpRequest, person: UUID) -> HttpResponse:
    """Take a role from a person."""
    return _change(request, services.revoke_role, person)


def _change(request: HttpRequest, do: Callable[..., object], person: UUID) -> HttpResponse:
    told = {
        "person": str(person),
        "role": request.POST.get("role", ""),
        "organisation": request.POST.get("organisation", ""),
    }
    return _step(request, do, lambda: redirect("accounts:person", person), **told)


@require_POST
def stop(request: HttpRequest, person: UUID) -> HttpResponse:
    """Let a person work here no longer."""
    return _step(request, services.stop_person, lambda: redirect("accounts:people"), person=str(person))


@require_POST
def end_sessions(request: HttpRequest, person: UUID) -> HttpResponse:
    """End all sessions of a person."""
    return _step(
        request, services.end_sessions, lambda: redirect("accounts:person", person), person=str(person)
    )


@require_POST
def withdraw(request: HttpRequest, invitation: UUID) -> HttpResponse:
    """Let an invitation count no more."""
    return _step(
        request,
        services.withdraw_invitation,
        lambda: redirect("accounts:people"),
        invitation=str(invitation),
    )


@require_http_methods(["GET", "HEAD"])
def emergencies(request: HttpRequest) -> HttpResponse:
    """Every emergency there was, for stewards and inspectors."""
    actor = person_of(request)
    if not actor.roles & {Role.STEWARD, Role.INSPECTOR}:
        raise Http404
    rows = [
        [
            plain(row.person.name),
            plain(row.role),
            plain(row.reason),
            at(row.began_at),
            at(row.ends_at),
            state("over" if row.ended_at or row.ends_at <= now() else "in use", bad=frozenset({"in use"})),
            receipt(row.entry),
        ]
        for row in visible(actor, BreakGlass).select_related("person", "entry")
    ]
    columns = ["Person", "Role", "Reason", "From", "Until", "State", "Ledger"]
    lead = "Roles that were lent in an emergency, on the machine of this house. Each ends by itself."
    return show(
        request, Page("Emergencies", lead, tables=[Table("Emergencies", columns, rows, "There was none.")])
    )
