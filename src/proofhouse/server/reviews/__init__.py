# SPDX-License-Identifier: Apache-2.0
"""Inquiries, agreements, windows, determinations, the register."""
