# SPDX-License-Identifier: Apache-2.0
"""The letters desk: threads and keys for the people of this house, and a desk for organisations without one."""
