# SPDX-License-Identifier: Apache-2.0
"""Why an exam could not be held; each message says what to do."""

from __future__ import annotations


class ExamError(Exception):
    """An exam could not be held. This is never a result about the model."""


class GateFailed(ExamError):
    """The reference gate found the harness broken, so nothing was measured."""


class ModelUnavailable(ExamError):
    """The model string cannot be used: unknown provider, missing package or missing key."""


class SandboxUnfit(ExamError):
    """The sandbox is missing, failed its self-test, or is too weak for the subject."""
