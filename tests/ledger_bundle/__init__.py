# SPDX-License-Identifier: Apache-2.0
"""Claims about the inspector's bundle."""
