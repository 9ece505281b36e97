# SPDX-License-Identifier: Apache-2.0
"""Members, their SBOMs, matches and notifications."""
