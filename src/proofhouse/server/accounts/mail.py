# SPDX-License-Identifier: Apache-2.0
"""E-mail of a house: files in its `mail/` directory, unless `house.toml` names a server (`[mail]`)."""

from __future__ import annotations

import logging

from django.core.mail import EmailMessage
from django.urls import reverse

from proofhouse.server.accounts.minting import Kind, link_of
from proofhouse.server.accounts.models import BreakGlass, Invitation, Person
from proofhouse.server.accounts.permissions import Role
from proofhouse.server.house import this_house

logger = logging.getLogger(__name__)

_INVITATION = """{name},

{house} invites you to its house. Follow this link by {until:%d %B %Y, %H:%M} UTC and choose how you will sign in:

    {link}

The link works once, and only for you: do not pass it on. If you expected no invitation, tell {house}.
"""


_EMERGENCY = """Emergency access was declared at {house} by {by}.

{person} is {role} until {until:%d %B %Y, %H:%M} UTC. The reason given: {reason}

All emergencies: {page}
"""


def send_invitation(invitation: Invitation, secret: str) -> None:
    """Send the link; the steward has it as well."""
    house = this_house()
    text = _INVITATION.format(
        name=invitation.name,
        house=house.title,
        until=invitation.expires_at,
        link=link_of(house.address, secret, Kind.INVITATION),
    )
    _send(f"Invitation to {house.title}", text, invitation.email)


def tell_of_emergency(row: BreakGlass, by: str) -> None:
    """Tell every steward and inspector of the house."""
    house = this_house()
    text = _EMERGENCY.format(
        house=house.title,
        by=by,
        person=row.person.name,
        role=row.role,
        until=row.ends_at,
        reason=row.reason,
        page=house.address + reverse("accounts:emergencies"),
    )
    watching = Person.objects.filter(
        is_active=True,
        memberships__organisation__own=True,
        memberships__role__in=(Role.STEWARD, Role.INSPECTOR),
    )
    for address in watching.values_list("email", flat=True).distinct():
        _send(f"Emergency access at {house.title}", text, address)


def _send(subject: str, text: str, address: str) -> None:
    """Send; what cannot be sent is logged, and what it tells stands on a page as well."""
    try:
        EmailMessage(subject, text, to=[address]).send()
    except OSError as failed:  # smtplib's errors are OSErrors too
        logger.warning("e-mail could not be sent: %s", type(failed).__name__)
