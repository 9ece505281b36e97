# SPDX-License-Identifier: Apache-2.0
"""Law as data: what appears to apply to an organisation, by when, and which clocks one incident starts.

The data lies in ``law/`` of the repository; this package reads it, decides three-valued, computes dates
with a closed set of operators and explains each answer. It knows nothing of Django.
"""

from proofhouse.law.assessment import WORDS, Assessment, Result
from proofhouse.law.book import Entry, LawBook
from proofhouse.law.deadlines import Due, DueState, Meaning
from proofhouse.law.errors import (
    FactRefused,
    LawError,
    LawMalformed,
    LawUnavailable,
    OutsideCalendar,
    PredicateRefused,
)
from proofhouse.law.facts import FactSet, Incident, Profile, Vocabulary
from proofhouse.law.model import Grade, Instrument, Obligation, Standing, Version
from proofhouse.law.predicates import Explanation, Predicate, Truth

__all__ = [
    "WORDS",
    "Assessment",
    "Due",
    "DueState",
    "Entry",
    "Explanation",
    "FactRefused",
    "FactSet",
    "Grade",
    "Incident",
    "Instrument",
    "LawBook",
    "LawError",
    "LawMalformed",
    "LawUnavailable",
    "Meaning",
    "Obligation",
    "OutsideCalendar",
    "Predicate",
    "PredicateRefused",
    "Profile",
    "Result",
    "Standing",
    "Truth",
    "Version",
    "Vocabulary",
]
