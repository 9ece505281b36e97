# SPDX-License-Identifier: Apache-2.0
"""Serving the TUF repositories of this house."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django.views.static import serve

from proofhouse.server.house import this_house


@login_not_required
@require_safe
def repository_file(request: HttpRequest, file: str) -> HttpResponseBase:
    """One file of a repository; agents verify every byte themselves, whoever serves it."""
    return serve(request, file, document_root=str(this_house().repositories / "public"))
