# SPDX-License-Identifier: Apache-2.0
"""Opening desks for organisations without a house, over REST."""

from __future__ import annotations

from proofhouse.server.correspondence import services
from proofhouse.server.rest import Body, Desk
from proofhouse.server.rest.bodies import Slug

desk = Desk("hosted desks")


class NewDesk(Body):
    """Whose desk it is."""

    organisation: Slug


desk.act("hosted-desks", services.host_organisation, NewDesk)
