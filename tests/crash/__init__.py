# SPDX-License-Identifier: Apache-2.0
"""The crash harness: acts and jobs in child processes that are killed at every boundary (docs/durability.md)."""
