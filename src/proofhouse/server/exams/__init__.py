# SPDX-License-Identifier: Apache-2.0
"""Sealed banks and signed exam reports."""
