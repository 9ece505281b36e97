# SPDX-License-Identifier: Apache-2.0
"""Where other houses hand in their letters."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from proofhouse.letters import MEDIA_TYPE, LetterRefused, ThreadRefused
from proofhouse.server.engine import post

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_POST
def receive_letter(request: HttpRequest) -> HttpResponse:
    """Take one letter; its seal is what lets it in. 200 with an acknowledgement, else an RFC 9457 problem."""
    try:
        acknowledgement = post.receive(request.body)
    except (LetterRefused, ThreadRefused) as refused:
        logger.warning("letter refused: %s: %s", type(refused).__name__, refused)
        return _problem(422, type(refused).__name__, str(refused))
    except Exception as failed:
        logger.exception("a letter could not be followed")
        return _problem(503, "could_not_follow", type(failed).__name__)
    return HttpResponse(acknowledgement, content_type=MEDIA_TYPE)


def _problem(status: int, code: str, detail: str) -> HttpResponse:
    return JsonResponse(
        {
            "type": "about:blank",
            "title": "The letter was not taken",
            "status": status,
            "code": code,
            "detail": detail,
        },
        status=status,
        content_type="application/problem+json",
    )
