# SPDX-License-Identifier: Apache-2.0
"""Organisations, people, roles and the gate."""
