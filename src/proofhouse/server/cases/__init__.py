# SPDX-License-Identifier: Apache-2.0
"""Reports, validation, cases, embargoes, vendor answers."""
