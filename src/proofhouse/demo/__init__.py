# SPDX-License-Identifier: Apache-2.0
"""One line through seven houses: a model goes in, an installed patch comes out."""
