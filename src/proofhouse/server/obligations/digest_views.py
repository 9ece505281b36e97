# SPDX-License-Identifier: Apache-2.0
"""Pages of the weekly digests: the list, one week, its files."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from proofhouse.server.accounts.gate import access, visible
from proofhouse.server.obligations.desk import attempt, desk_page, download, show
from proofhouse.server.obligations.digest_services import files_of, read_digest
from proofhouse.server.obligations.models import DigestReading, WeeklyDigest
from proofhouse.server.web.cells import at, plain
from proofhouse.server.web.pages import Cell, Table, person_of

_TYPES = {
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
    "ics": "text/calendar; charset=utf-8",
}


@desk_page()
def digests(request: HttpRequest) -> HttpResponse:
    """All digests, newest first."""
    person = person_of(request)
    read = set(visible(person, DigestReading).filter(person=person).values_list("digest_id", flat=True))
    rows = [
        [
            Cell(row.week, reverse("obligations:digest", args=[row.week])),
            plain(len(row.record["changes"])),
            plain(len(row.record["due"])),
            at(row.made_at),
            plain("read" if row.week in read else "not yet read"),
        ]
        for row in visible(person, WeeklyDigest)
    ]
    columns = ["Week", "Changes for us", "Dates within 90 days", "Made", "You"]
    empty = "None yet. The house makes one for each week that is over, once the profile is answered."
    context = {
        "title": "Weekly digests",
        "lead": "What changed for you, once a week. The same lies in the house's mailbox as text, JSON and calendar.",
        "tables": [Table("Digests", columns, rows, empty)],
        "links": [("What changed between two days of your choice", reverse("obligations:changes"))],
    }
    return show(request, "tables", context)


@desk_page("GET", "HEAD", "POST")
def digest(request: HttpRequest, week: str) -> HttpResponse:
    """One week, as it was told; sent, it is read."""
    person, problems = person_of(request), list[str]()
    row = access(person, WeeklyDigest, week=week)
    if request.method == "POST":
        attempt(read_digest, problems, actor=person, week=week)
        if not problems:
            return redirect("obligations:digests")
    read = visible(person, DigestReading).filter(person=person, digest=row).exists()
    files = [(form, reverse("obligations:digest-file", args=[week, form])) for form in _TYPES]
    title = f"What changed for you in week {week}"
    context = {
        "title": title,
        "record": row.record,
        "files": files,
        "read": read,
        "problems": problems,
        "row": row,
    }
    return show(request, "changes", context, status=422 if problems else 200)


@desk_page()
def digest_file(request: HttpRequest, week: str, form: str) -> HttpResponse:
    """The digest as a file."""
    row = access(person_of(request), WeeklyDigest, week=week)
    if form not in _TYPES:
        raise Http404
    return download(files_of(row)[form], _TYPES[form], f"obligations-{week}.{form}")
