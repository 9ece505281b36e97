# SPDX-License-Identifier: Apache-2.0
"""Obligations of the own house: profile, evidence, incidents, clocks, filings."""
