# SPDX-License-Identifier: Apache-2.0
"""Layout and the pages that no other desk owns."""
