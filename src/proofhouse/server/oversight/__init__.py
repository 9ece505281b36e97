# SPDX-License-Identifier: Apache-2.0
"""What the inspector and the public may see."""
