# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the law room; each message says what to do."""


class LawError(Exception):
    """Base of every refusal of this room."""


class LawUnavailable(LawError):
    """No law data was found where it was looked for."""


class LawMalformed(LawError):
    """A file of the law data breaks a rule; the message names file and place."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class PredicateRefused(LawError):
    """An expression is outside the small language that law files may use."""


class FactRefused(LawError):
    """A profile or an incident names a fact that is unknown or has the wrong type."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class OutsideCalendar(LawError):
    """A business-day count leaves the years for which the calendar is pinned."""
