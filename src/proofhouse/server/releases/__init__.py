# SPDX-License-Identifier: Apache-2.0
"""Patches, manifests, agents' acknowledgements."""
