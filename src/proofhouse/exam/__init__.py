# SPDX-License-Identifier: Apache-2.0
"""The exam: generated tasks in a sealed bank, run through Inspect AI, judged by execution, signed."""
