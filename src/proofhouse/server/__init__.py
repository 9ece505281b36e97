# SPDX-License-Identifier: Apache-2.0
"""The upper floor: one Django project, one app for each desk of a house."""
