# SPDX-License-Identifier: Apache-2.0
"""A door for programs that report to VINCE: the same address, fields, token and answers (docs/spec/vince-report.md).

What such a program sends is a form (`vul_description` and others, files as `user_file`), or a CSAF-shaped document, as
the field `csaf` or as the whole body. 201 gives `vrf_id`; 400 names the fields; the header is `Authorization: Token …`,
with a token that a person of this house made for the scope `cases:report:submit`.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from proofhouse.formats import FormatError, read_csaf_findings
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.accounts.tokens import authenticate_token
from proofhouse.server.cases.intake_services import (
    QuotaUsed,
    finder_of_machine,
    refuse,
    take_report,
    told,
)
from proofhouse.server.cases.rules import Channel, Means
from proofhouse.server.cases.submission import Submission, SubmissionRefused, of_finding, submission

NEEDED = ("product_name", "vul_description")
_WORDS = {
    "vul_description": "",
    "vul_exploit": "How it is used",
    "vul_impact": "What it lets somebody do",
    "vul_discovery": "How it was found",
    "public_references": "Public references",
    "exploit_references": "Known use",
    "comments": "Comments",
}
"""The fields whose words make the description, each with its heading."""


class FieldsRefused(SubmissionRefused):
    """Fields of the form that are missing."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"{', '.join(names)}: required", "fields_refused")
        self.names = names


@csrf_exempt
@login_not_required
@require_POST
def vulnerability_report(request: HttpRequest) -> JsonResponse:
    """Take one report."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    machine = authenticate_token(f"Bearer {secret}") if scheme.lower() in ("token", "bearer") else None
    if machine is None:
        return _said(401, {"status": "error", "detail": "send Authorization: Token …"})
    if not machine.may(Permission.CASES_REPORT_SUBMIT):
        return _said(
            403, {"status": "error", "detail": f"the token lacks {Permission.CASES_REPORT_SUBMIT.value}"}
        )
    try:
        report = take_report(
            _read(request), Channel.VINCE, finder_of_machine(machine.person, machine.organisation)
        )
    except QuotaUsed as refused:
        refuse(Channel.VINCE, refused.code)
        return _said(429, {"status": "error", "detail": str(refused)})
    except FieldsRefused as refused:
        refuse(Channel.VINCE, refused.code)
        return _said(
            400, {"status": "error", "errors": {name: ["This field is required."] for name in refused.names}}
        )
    except RequestDataTooBig:
        refuse(Channel.VINCE, "too_large")
        return _said(413, {"status": "error", "detail": "the request is larger than this house takes"})
    except MultiPartParserError as wrong:
        refuse(Channel.VINCE, "not_multipart")
        return _said(400, {"status": "error", "errors": {"body": [str(wrong)]}})
    except FormatError as refused:
        code = getattr(refused, "code", "record_refused")
        refuse(Channel.VINCE, code)
        status = 413 if code == "too_large" else 400
        return _said(status, {"status": "error", "code": code, "errors": {_field(refused): [str(refused)]}})
    return _said(201, {"status": "success", "vrf_id": str(report.id), "slip": told(report)["slip"]})


def _read(request: HttpRequest) -> Submission:
    if request.content_type == "application/json":
        return _of_csaf(request.body, [])
    files = [(str(file.name), file.read()) for file in _files(request)]
    if "csaf" in request.POST:
        return _of_csaf(request.POST["csaf"].encode(), files)
    missing = [name for name in NEEDED if not request.POST.get(name, "").strip()]
    if missing:
        raise FieldsRefused(missing)
    said = request.POST
    parts = [
        f"{heading}\n{said[name].strip()}" if heading else said[name].strip()
        for name, heading in _WORDS.items()
        if said.get(name, "").strip()
    ]
    description = said["vul_description"].strip()
    return submission(
        title=f"{said['product_name']}: {description.splitlines()[0]}",
        product=said["product_name"],
        version=said.get("product_version", ""),
        description="\n\n".join(parts),
        provenance={"means": Means.AI_SYSTEM if said.get("ai_ml_system") == "found" else Means.OTHER},
        files=files,
    )


def _files(request: HttpRequest) -> list[UploadedFile[Any]]:
    return [file for file in request.FILES.getlist("user_file") if isinstance(file, UploadedFile)]


def _of_csaf(document: bytes, files: list[tuple[str, bytes]]) -> Submission:
    """The first vulnerability of a document; a program that reports to VINCE sends one at a time."""
    first, *more = read_csaf_findings(document)
    if more:
        raise SubmissionRefused("csaf: one vulnerability a report", "too_many_results")
    return of_finding(first, "", {}, files)


def _field(refused: Exception) -> str:
    name, colon, _ = str(refused).partition(":")
    return name if colon and name.replace("_", "").isalnum() else "csaf"


def _said(status: int, content: dict[str, object]) -> JsonResponse:
    answer = JsonResponse(content, status=status)
    answer["Cache-Control"] = "no-store"
    if status == 401:
        answer["WWW-Authenticate"] = 'Token realm="proofhouse"'
    return answer
