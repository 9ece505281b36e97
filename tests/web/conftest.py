# SPDX-License-Identifier: Apache-2.0
"""The house of the server tests, for pages."""

from __future__ import annotations

from server.conftest import house

__all__ = ["house"]
