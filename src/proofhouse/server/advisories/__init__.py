# SPDX-License-Identifier: Apache-2.0
"""Advisories: written, checked, signed and served."""
