# SPDX-License-Identifier: Apache-2.0
"""Acts, ledger entries, letters and the outbox: what every desk stands on."""
