# SPDX-License-Identifier: Apache-2.0
"""Every permission there is, alphabetical, named `desk:record:act`; and which role holds which."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What a person may be allowed to do. Reading is decided by the gate, not here."""

    ACCOUNTS_CASE_MARK = "accounts:case:mark"
    ACCOUNTS_EMERGENCY_DECLARE = "accounts:emergency:declare"
    ACCOUNTS_GRANT_GIVE = "accounts:grant:give"
    ACCOUNTS_MEMBERSHIP_CHANGE = "accounts:membership:change"
    ACCOUNTS_ORGANISATION_ADD = "accounts:organisation:add"
    ACCOUNTS_PERSON_INVITE = "accounts:person:invite"
    ACCOUNTS_PERSON_STOP = "accounts:person:stop"
    ACCOUNTS_RECUSAL_DECLARE = "accounts:recusal:declare"
    ACCOUNTS_RECUSAL_LIFT = "accounts:recusal:lift"
    ACCOUNTS_SESSION_END = "accounts:session:end"
    ACCOUNTS_TOKEN_MAKE = "accounts:token:make"  # noqa: S105 - a name
    ADVISORIES_ADVISORY_PUBLISH = "advisories:advisory:publish"
    AUTHORITY_BANK_OPEN = "authority:bank:open"
    AUTHORITY_BANK_SEAL = "authority:bank:seal"
    AUTHORITY_DETERMINATION_MAKE = "authority:determination:make"
    CASES_CASE_ANSWER = "cases:case:answer"
    CASES_CASE_COORDINATE = "cases:case:coordinate"
    CASES_LEASE_TAKE = "cases:lease:take"
    CASES_REPORT_SEND = "cases:report:send"
    CASES_REPORT_SUBMIT = "cases:report:submit"
    CASES_RULES_STATE = "cases:rules:state"
    EXAMS_STATEMENT_ACCEPT = "exams:statement:accept"
    HOUSE_CHECKPOINT_TELL = "house:checkpoint:tell"
    HOUSE_JOB_CANCEL = "house:job:cancel"
    HOUSE_JOB_REQUEUE = "house:job:requeue"
    HOUSE_KEY_RENEW = "house:key:renew"
    HOUSE_LETTER_CARRY = "house:letter:carry"
    HOUSE_LETTER_SETTLE = "house:letter:settle"
    HOUSE_PEER_INTRODUCE = "house:peer:introduce"
    MEMBERS_SBOM_MATCH = "members:sbom:match"
    MEMBERS_SBOM_SEND = "members:sbom:send"
    OBLIGATIONS_BRIDGE_CONSENT = "obligations:bridge:consent"
    OBLIGATIONS_CLOCK_OVERRIDE = "obligations:clock:override"
    OBLIGATIONS_DIGEST_READ = "obligations:digest:read"
    OBLIGATIONS_EVIDENCE_ADD = "obligations:evidence:add"
    OBLIGATIONS_FACT_SET = "obligations:fact:set"
    OBLIGATIONS_FEED_MAKE = "obligations:feed:make"
    OBLIGATIONS_FILING_DRAFT = "obligations:filing:draft"
    OBLIGATIONS_FILING_FILE = "obligations:filing:file"
    OBLIGATIONS_INCIDENT_RECORD = "obligations:incident:record"
    OVERSIGHT_EXPORT_ASK = "oversight:export:ask"
    OVERSIGHT_EXPORT_MAKE = "oversight:export:make"
    RELEASES_AGENT_ENROL = "releases:agent:enrol"
    RELEASES_PATCH_DIRECT = "releases:patch:direct"
    RELEASES_PATCH_SIGN = "releases:patch:sign"
    REVIEWS_AGREEMENT_ANSWER = "reviews:agreement:answer"
    REVIEWS_AGREEMENT_PROPOSE = "reviews:agreement:propose"
    REVIEWS_INQUIRY_SEND = "reviews:inquiry:send"
    REVIEWS_WINDOW_CLOSE = "reviews:window:close"
    REVIEWS_WINDOW_OPEN = "reviews:window:open"

    @property
    def needs_fresh(self) -> bool:
        """Whether somebody at a page must have confirmed within the last minutes that it is still them."""
        return self in _NEEDS_FRESH


_NEEDS_FRESH = frozenset(
    {
        Permission.ACCOUNTS_EMERGENCY_DECLARE,
        Permission.ACCOUNTS_MEMBERSHIP_CHANGE,
        Permission.ACCOUNTS_PERSON_INVITE,
        Permission.ACCOUNTS_PERSON_STOP,
        Permission.ACCOUNTS_TOKEN_MAKE,
        Permission.AUTHORITY_BANK_OPEN,
        Permission.AUTHORITY_BANK_SEAL,
        Permission.AUTHORITY_DETERMINATION_MAKE,
        Permission.OBLIGATIONS_CLOCK_OVERRIDE,
        Permission.RELEASES_PATCH_DIRECT,
        Permission.RELEASES_PATCH_SIGN,
    }
)
"""Acts that take two people or two houses, acts that open a door, and what cannot be taken back."""


class Role(StrEnum):
    """What a person is in this house."""

    AUTHORITY = "authority"
    COMPLIANCE = "compliance"
    COORDINATOR = "coordinator"
    DEVELOPER = "developer"
    INSPECTOR = "inspector"
    MAINTAINER = "maintainer"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    STEWARD = "steward"


_OWN_OBLIGATIONS = frozenset(
    {
        Permission.OBLIGATIONS_CLOCK_OVERRIDE,
        Permission.OBLIGATIONS_DIGEST_READ,
        Permission.OBLIGATIONS_EVIDENCE_ADD,
        Permission.OBLIGATIONS_FACT_SET,
        Permission.OBLIGATIONS_FEED_MAKE,
        Permission.OBLIGATIONS_FILING_DRAFT,
        Permission.OBLIGATIONS_INCIDENT_RECORD,
    }
)
"""What a developer, an operator and a compliance lead may each do at the desk of their own house."""

_OF_EVERYBODY = frozenset(
    {Permission.ACCOUNTS_RECUSAL_DECLARE, Permission.ACCOUNTS_TOKEN_MAKE, Permission.CASES_REPORT_SUBMIT}
)
"""Whoever works here may stand back from a case, lend a machine what they may do themselves, and report a flaw."""

_OF_CASES = frozenset({Permission.ACCOUNTS_CASE_MARK, Permission.ACCOUNTS_GRANT_GIVE})
"""Whoever runs cases says how narrow their circle is, and names people to them."""

_OF_DESKS: dict[Role, frozenset[Permission]] = {
    Role.AUTHORITY: _OF_CASES
    | frozenset(
        {
            Permission.AUTHORITY_BANK_OPEN,
            Permission.AUTHORITY_BANK_SEAL,
            Permission.AUTHORITY_DETERMINATION_MAKE,
        }
    ),
    Role.COMPLIANCE: _OWN_OBLIGATIONS
    | {Permission.OBLIGATIONS_BRIDGE_CONSENT, Permission.OBLIGATIONS_FILING_FILE},
    Role.COORDINATOR: _OF_CASES
    | frozenset(
        {
            Permission.ADVISORIES_ADVISORY_PUBLISH,
            Permission.CASES_CASE_COORDINATE,
            Permission.CASES_LEASE_TAKE,
            Permission.CASES_RULES_STATE,
            Permission.MEMBERS_SBOM_MATCH,
            Permission.OVERSIGHT_EXPORT_MAKE,
            Permission.RELEASES_PATCH_DIRECT,
        }
    ),
    Role.DEVELOPER: frozenset(
        {
            Permission.CASES_LEASE_TAKE,
            Permission.CASES_REPORT_SEND,
            Permission.REVIEWS_AGREEMENT_ANSWER,
            Permission.REVIEWS_INQUIRY_SEND,
        }
    )
    | _OWN_OBLIGATIONS,
    Role.INSPECTOR: frozenset({Permission.OVERSIGHT_EXPORT_ASK}),
    Role.MAINTAINER: frozenset(
        {
            Permission.CASES_CASE_ANSWER,
            Permission.CASES_LEASE_TAKE,
            Permission.CASES_RULES_STATE,
            Permission.RELEASES_PATCH_SIGN,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            Permission.CASES_LEASE_TAKE,
            Permission.CASES_REPORT_SEND,
            Permission.MEMBERS_SBOM_SEND,
            Permission.RELEASES_AGENT_ENROL,
        }
    )
    | _OWN_OBLIGATIONS,
    Role.REVIEWER: _OF_CASES
    | frozenset(
        {
            Permission.CASES_LEASE_TAKE,
            Permission.EXAMS_STATEMENT_ACCEPT,
            Permission.OVERSIGHT_EXPORT_MAKE,
            Permission.REVIEWS_AGREEMENT_PROPOSE,
            Permission.REVIEWS_WINDOW_CLOSE,
            Permission.REVIEWS_WINDOW_OPEN,
        }
    ),
    Role.STEWARD: frozenset(
        {
            Permission.ACCOUNTS_EMERGENCY_DECLARE,
            Permission.ACCOUNTS_GRANT_GIVE,
            Permission.ACCOUNTS_MEMBERSHIP_CHANGE,
            Permission.ACCOUNTS_ORGANISATION_ADD,
            Permission.ACCOUNTS_PERSON_INVITE,
            Permission.ACCOUNTS_PERSON_STOP,
            Permission.ACCOUNTS_RECUSAL_LIFT,
            Permission.ACCOUNTS_SESSION_END,
            Permission.HOUSE_CHECKPOINT_TELL,
            Permission.HOUSE_JOB_CANCEL,
            Permission.HOUSE_JOB_REQUEUE,
            Permission.HOUSE_KEY_RENEW,
            Permission.HOUSE_LETTER_CARRY,
            Permission.HOUSE_LETTER_SETTLE,
            Permission.HOUSE_PEER_INTRODUCE,
        }
    ),
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    role: held | _OF_EVERYBODY for role, held in _OF_DESKS.items()
}
"""Default deny: what is not listed is not allowed."""
