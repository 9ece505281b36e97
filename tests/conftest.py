# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: a machine that is busy with other work is no finding of hypothesis."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("busy")
