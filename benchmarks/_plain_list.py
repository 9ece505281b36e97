# SPDX-License-Identifier: Apache-2.0
"""The peer of `spine.py`: the same 50 rows as a Django view is commonly written, without session and without gate."""

from __future__ import annotations

from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path

django.setup()

from django.conf import settings  # noqa: E402 - the models need the set-up

from proofhouse.server.cases.models import Case  # noqa: E402

FIELDS = (
    "id",
    "title",
    "product",
    "identifiers",
    "state",
    "embargo",
    "embargo_until",
    "vendor_id",
    "opened_at",
)


def cases(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view takes it
    """Give the newest 50 cases."""
    rows: list[dict[str, Any]] = [
        {name: getattr(case, name) for name in FIELDS} | {"in_force": case.entry.in_force}
        for case in Case.objects.select_related("entry").order_by("-id")[:50]
    ]
    return JsonResponse({"items": rows, "next": None})


urlpatterns = [path("cases", cases)]
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
application = WSGIHandler()
