# SPDX-License-Identifier: Apache-2.0
"""Law as data: what appears to apply to an organisation, by when, and which clocks one incident starts.

The data lies in ``law/`` of the repository; this package reads it, decides three-valued, computes dates
with a closed set of operators and explains each answer. It knows nothing of Django.
"""

from proofhouse.law.assessment import WORDS, Assessment, Result
from proofhouse.law.book import Entry, LawBook
from proofhouse.law.deadlines import Due, DueState, Meaning
from proofhouse.law.difference import Change, Viewpoint, compare
from proofhouse.law.errors import (
    FactRefused,
    LawError,
    LawMalformed,
    LawUnavailable,
    OutsideCalendar,
    PredicateRefused,
)
from proofhouse.law.facts import FactSet, Incident, Profile, Vocabulary
from proofhouse.law.linting import Finding, Severity, lint
from proofhouse.law.model import Grade, Instrument, Obligation, Standing, Version
from proofhouse.law.predicates import Explanation, Predicate, Truth
from proofhouse.law.records import assessment_record, check_record, incident_record, value_text

__all__ = [
    "WORDS",
    "Assessment",
    "Change",
    "Due",
    "DueState",
    "Entry",
    "Explanation",
    "FactRefused",
    "FactSet",
    "Finding",
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
    "Severity",
    "Standing",
    "Truth",
    "Version",
    "Viewpoint",
    "Vocabulary",
    "assessment_record",
    "check_record",
    "compare",
    "incident_record",
    "lint",
    "value_text",
]
