# SPDX-License-Identifier: Apache-2.0
"""The exam: generated tasks in a sealed bank, run through Inspect AI, judged by execution, signed.

`proofhouse.exam.run.run_exam` holds an exam; it stands apart because it imports Inspect.
"""

from proofhouse.exam._records import BadRecord
from proofhouse.exam.bank import (
    Bank,
    BankKeyProblem,
    OpenedSeal,
    SealBroken,
    load_bank_key,
    open_reveal,
    open_seal,
)
from proofhouse.exam.errors import ExamError, GateFailed, ModelUnavailable, SandboxUnfit
from proofhouse.exam.estimate import AbilityScale, Estimate, Treatments, estimate_ability
from proofhouse.exam.families import FAMILIES, get_family
from proofhouse.exam.item import Domain, Family, Item
from proofhouse.exam.outcome import Outcome
from proofhouse.exam.plan import Budget, Plan, make_plan
from proofhouse.exam.report import PREDICATE_TYPE, ReportRefused, read_report
from proofhouse.exam.verdict import Conclusion, Rule, Verdict, decide

__all__ = [
    "FAMILIES",
    "PREDICATE_TYPE",
    "AbilityScale",
    "BadRecord",
    "Bank",
    "BankKeyProblem",
    "Budget",
    "Conclusion",
    "Domain",
    "Estimate",
    "ExamError",
    "Family",
    "GateFailed",
    "Item",
    "ModelUnavailable",
    "OpenedSeal",
    "Outcome",
    "Plan",
    "ReportRefused",
    "Rule",
    "SandboxUnfit",
    "SealBroken",
    "Treatments",
    "Verdict",
    "decide",
    "estimate_ability",
    "get_family",
    "load_bank_key",
    "make_plan",
    "open_reveal",
    "open_seal",
    "read_report",
]
