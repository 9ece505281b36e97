# SPDX-License-Identifier: Apache-2.0
"""Exports for the inspector."""
