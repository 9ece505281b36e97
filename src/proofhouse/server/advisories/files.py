# SPDX-License-Identifier: Apache-2.0
"""Serving the public provider directory."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django.views.static import serve

from proofhouse.server.advisories.services import provider_directory


@login_not_required
@require_safe
def provider_file(request: HttpRequest, file: str) -> HttpResponseBase:
    """One file below `.well-known/`; what lies there is TLP:CLEAR (CSAF 2.0 §7.1)."""
    return serve(request, file, document_root=str(provider_directory() / ".well-known"))
