# SPDX-License-Identifier: Apache-2.0
"""Programs that run on the hosts of an item, not here: Python 3.11 and its standard library, nothing else.

They are modules like others so that they are linted, typed and tested, and are put on a host as this package, with
the item's canary on top (`families._guest`).
"""
