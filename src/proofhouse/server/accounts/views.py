# SPDX-License-Identifier: Apache-2.0
"""Signing in and out. A demo house offers its demo people by click; a real house never does."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from proofhouse.server.accounts.models import Person
from proofhouse.server.house import this_house

_BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show who may sign in here, or take e-mail and password."""
    people = (
        list(Person.objects.filter(is_active=True).prefetch_related("memberships"))
        if this_house().demo
        else []
    )
    problem = ""
    if request.method == "POST":
        if this_house().demo:
            person = get_object_or_404(Person, email=request.POST.get("person", ""), is_active=True)
            login(request, person, backend=_BACKEND)
            return redirect("web:home")
        found = authenticate(
            request, username=request.POST.get("email", ""), password=request.POST.get("password", "")
        )
        if found is not None:
            login(request, found)
            return redirect("web:home")
        problem = "E-mail and password do not belong together."
    return render(request, "accounts/sign_in.html", {"people": people, "problem": problem})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("accounts:sign-in")
