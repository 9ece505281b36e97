# SPDX-License-Identifier: Apache-2.0
"""What the REST interface of every desk is made of: problems, bodies, pages of rows, sign-in, acts done once.

A desk's `api.py` says which rows may be read and which acts may be asked for; that they pass the gate, are paged,
tagged, done once and refused in one form is said here and nowhere else.
"""

from proofhouse.server.rest.bodies import Body, Row
from proofhouse.server.rest.desk import Desk

__all__ = ["Body", "Desk", "Row"]
