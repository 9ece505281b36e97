# SPDX-License-Identifier: Apache-2.0
"""Durable background work (docs/engine.md).

`port` is what desks use: `@job`, `@step`, `enqueue`. `programs` runs subprocesses inside a job. Behind the port stands
`durable`, the only module that imports DBOS, or `eager`, the fake of the tests; one contract suite holds for both.
"""
