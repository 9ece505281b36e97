# SPDX-License-Identifier: Apache-2.0
"""No request is larger than this house takes, whichever page it is for: said before a byte of it is read.

A form's files would otherwise be written to disk before anybody looks at them. What has no `Content-Length` has no body
for WSGI, so that a sender cannot leave it out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from django.http import HttpRequest, HttpResponse

REQUEST_BYTES = 32 << 20


def refuse_what_is_too_large(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: 413 for what says of itself that it is too large."""

    def middleware(request: HttpRequest) -> HttpResponse:
        said = request.META.get("CONTENT_LENGTH") or "0"
        if said.isdecimal() and int(said) <= REQUEST_BYTES:
            return get_response(request)
        content = {
            "type": "about:blank",
            "title": "Content Too Large",
            "status": 413,
            "code": "too_large",
            "detail": f"a request has at most {REQUEST_BYTES} bytes here",
            "errors": [],
        }
        return HttpResponse(msgspec.json.encode(content), status=413, content_type="application/problem+json")

    return middleware
