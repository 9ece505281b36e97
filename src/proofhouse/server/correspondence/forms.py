# SPDX-License-Identifier: Apache-2.0
"""What people fill in at the letters desk: one form for each letter type, and the steward's forms."""

from __future__ import annotations

import base64
import json
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from proofhouse.attest import KeyProblem
from proofhouse.letters import LETTER_TYPES, Introduction
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.ids import uuid7
from proofhouse.server.engine.models import Letter, Thread
from proofhouse.server.web.fields import TEXT, area, choice, line, prose


class LetterForm(forms.Form):
    """A letter to write; `thread` is what it goes on with, None for a new one."""

    title = ""
    lead = ""
    multipart = False

    def __init__(self, thread: Thread | None, *data: Any) -> None:
        super().__init__(*data)
        self.thread = thread

    def body(self) -> dict[str, Any]:
        """What the letter says."""
        raise NotImplementedError

    def enclosures(self) -> list[dict[str, str]]:
        """What it encloses."""
        return []

    def in_reply_to(self) -> str:
        """Digest of the letter that it answers, or empty."""
        return ""

    def latest(self, letter_type: str, **body: str) -> Letter:
        """The newest letter of this house in the thread of a type that somebody has opened.

        Raises:
            Letter.DoesNotExist: There is none.
        """
        if self.thread is None:
            raise Letter.DoesNotExist
        where = {f"body__{name}": value for name, value in body.items()}
        opened = self.thread.letters.exclude(acknowledged_at=None)
        return opened.filter(type=letter_type, direction="sent", **where).latest("sequence")


class ReasonForm(forms.Form):
    """Why something is done: a stuck letter tried again or given up, a key renewed."""

    reason = line("Reason", hint="Kept in the ledger.")


class EndForm(forms.Form):
    """Which key is believed no longer, and why."""

    key = choice("Key", [])
    reason = line("Reason", hint="Kept in the ledger.")

    def __init__(self, keys: list[tuple[str, str]], *data: Any) -> None:
        super().__init__(*data)
        self.fields["key"].choices = keys  # type: ignore[attr-defined]  # a ChoiceField


class HandedForm(forms.Form):
    """What another house's steward handed over."""

    introduction = forms.CharField(
        label="Introduction of the other house",
        help_text="The JSON object that its steward gave you.",
        max_length=5000,
        widget=forms.Textarea(attrs=area(5)),
    )

    def clean_introduction(self) -> dict[str, Any]:
        """Read it.

        Raises:
            ValidationError: It is no introduction; the message says why.
        """
        try:
            handed = json.loads(self.cleaned_data["introduction"])
            Introduction.from_record({**handed, "purposes": []})
            if not all(isinstance(handed[name], str) for name in ("house", "title", "address")):
                raise ValueError("house, title and address are text")
            bool(handed["demo"])
        except (ValueError, KeyError, TypeError, KeyProblem) as wrong:
            raise forms.ValidationError(f"This is no introduction: {wrong}") from wrong
        return dict(handed)


class IntroduceForm(HandedForm):
    """For what its key is believed, once the fingerprint was compared."""

    purposes = forms.MultipleChoiceField(
        label="Letters that its key may sign",
        choices=[(name, name) for name in sorted({spec.name for spec in LETTER_TYPES.values()})],
        widget=forms.SelectMultiple(attrs={"class": "usa-select", "size": 8}),
    )
    transport = choice("How letters travel", [("https", "HTTPS"), ("file", "By file, carried by a courier")])
    compared = forms.BooleanField(
        label="I compared this fingerprint with somebody of that house over another channel",
        error_messages={
            "required": "Compare the fingerprint first: it is all that the trust in a house rests on."
        },
    )

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["introduction"].widget = forms.HiddenInput()


class InquiryForm(LetterForm):
    """A developer asks whether a model is covered."""

    title = "Ask whether a model is covered"
    lead = "Voluntary: nothing follows from not asking, and you may withdraw the question at any time."
    model_name = line("Model")
    model_sha256 = forms.RegexField(
        r"^[0-9a-f]{64}$",
        label="Digest of the model",
        help_text="SHA-256 of the weights or of the description of the endpoint, 64 hexadecimal digits.",
        widget=forms.TextInput(attrs=TEXT),
        error_messages={"invalid": "Write 64 digits, 0 to 9 and a to f."},
    )
    capabilities = prose("What it can do", required=False, rows=5)
    planned_partner_release = forms.DateField(
        label="Planned release to trusted partners",
        widget=forms.DateInput(attrs={"class": "usa-input", "type": "date"}),
    )

    def body(self) -> dict[str, Any]:
        """See `LetterForm`."""
        said = self.cleaned_data
        return {
            "inquiry": str(uuid7()),
            "model": {"name": said["model_name"], "digest": {"sha256": said["model_sha256"]}},
            "planned_partner_release": said["planned_partner_release"].isoformat(),
        } | ({"capabilities": said["capabilities"]} if said["capabilities"] else {})


class AcceptanceForm(LetterForm):
    """The developer agrees to the newest version of the terms."""

    title = "Agree to the terms"
    lead = "Your agreement names exactly the version that was proposed to you last."
    name = line("Name of who signs")
    role = line("Role of who signs", hint="For instance general counsel.")

    def body(self) -> dict[str, Any]:
        """See `LetterForm`."""
        proposed = self.latest("agreement")
        return {
            "agreement": proposed.body["agreement"],
            "version": proposed.body["version"],
            "letter_sha256": proposed.digest,
            "signatory": {"name": self.cleaned_data["name"], "role": self.cleaned_data["role"]},
        }

    def in_reply_to(self) -> str:
        """See `LetterForm`."""
        return str(self.latest("agreement").digest)


class AccessForm(LetterForm):
    """The developer offers access under the agreement."""

    title = "Offer access"
    lead = "For at most thirty days, and yours to end at any time."
    interface = choice(
        "How", [("api", "An API"), ("hosted-weights", "Hosted weights"), ("on-premises", "On your premises")]
    )
    days = forms.IntegerField(
        label="Days", min_value=1, max_value=30, widget=forms.NumberInput(attrs={"class": "usa-input"})
    )
    restrictions = prose("Restrictions", required=False, rows=5)

    def body(self) -> dict[str, Any]:
        """See `LetterForm`."""
        said, agreed = self.cleaned_data, self.latest("agreement").body
        return {
            "agreement": agreed["agreement"],
            "model": agreed["model"],
            "interface": said["interface"],
            "days": said["days"],
        } | ({"restrictions": said["restrictions"]} if said["restrictions"] else {})


class ReportForm(LetterForm):
    """A finder reports one vulnerability with a proof that runs."""

    title = "Report a vulnerability"
    lead = "One vulnerability, with the file that shows it. You keep the credit."
    multipart = True
    report_title = line("Title")
    identifier = line("Name of the flaw, if it has one", required=False, hint="For instance CVE-2026-0001.")
    product_name = line("Product")
    product_version = line("Version", required=False, length=100)
    description = prose("What happens", length=8000, rows=5)
    claimed_crash = line("Sanitizer class that the proof shows", required=False, length=100)
    means = choice(
        "Found by",
        [
            ("person", "A person"),
            ("ai-system", "An AI system"),
            ("fuzzer", "A fuzzer"),
            ("scanner", "A scanner"),
            ("other", "Something else"),
        ],
    )
    proof = forms.FileField(label="Proof", max_length=100)
    recipe = forms.FileField(label="Recipe that builds and runs it, if you have one", required=False)

    def body(self) -> dict[str, Any]:
        """See `LetterForm`."""
        said = self.cleaned_data
        product = {"name": said["product_name"]}
        if said["product_version"]:
            product["version"] = said["product_version"]
        body = {
            "report": str(uuid7()),
            "title": said["report_title"],
            "identifiers": [said["identifier"]] if said["identifier"] else [],
            "product": product,
            "description": said["description"].replace("\r\n", "\n"),
            "proofs": [said["proof"].name],
            "provenance": {"means": said["means"], "found_at": wire(now())},
            "tlp": "TLP:AMBER",
        }
        if said["claimed_crash"]:
            body["claimed_crash"] = said["claimed_crash"]
        if said["recipe"]:
            body["recipe"] = said["recipe"].name
        return body

    def enclosures(self) -> list[dict[str, str]]:
        """See `LetterForm`."""
        return [_enclosed(file) for file in (self.cleaned_data["proof"], self.cleaned_data["recipe"]) if file]


class CaseForm(LetterForm):
    """A vendor answers in a case."""

    title = "Answer in this case"
    lead = "Each answer moves the case one step; both sides see the same steps."
    multipart = True
    act = choice(
        "Answer",
        [
            ("vendor-acknowledged", "We have it and look into it"),
            ("embargo-accepted", "We keep silent until the proposed day"),
            ("vendor-answered", "Whether we are affected"),
            ("patch-offered", "Here is a patch"),
            ("note", "A note"),
        ],
    )
    status = choice(
        "Status",
        [
            ("", "–"),
            ("affected", "Affected"),
            ("not-affected", "Not affected"),
            ("under-investigation", "Under investigation"),
            ("fixed", "Fixed"),
        ],
        required=False,
    )
    text = prose("Text", required=False, length=8000, rows=5)
    patch = forms.FileField(label="Patch", required=False, max_length=100)
    fixed_version = line("First version with the patch", required=False, length=100)

    def body(self) -> dict[str, Any]:
        """See `LetterForm`."""
        said = self.cleaned_data
        body: dict[str, Any] = {
            "case": self.latest("case-message").body["case"],
            "act": said["act"],
            "tlp": "TLP:AMBER",
        }
        if said["act"] == "embargo-accepted":
            proposed = self.latest("case-message", act="embargo-proposed")
            body["embargo_until"] = proposed.body["embargo_until"]
        if said["patch"]:
            body["patch"] = said["patch"].name
        for name in ("status", "text", "fixed_version"):
            if said[name]:
                body[name] = said[name].replace("\r\n", "\n")
        return body

    def enclosures(self) -> list[dict[str, str]]:
        """See `LetterForm`."""
        patch = self.cleaned_data["patch"]
        return [_enclosed(patch)] if patch else []


class SbomForm(LetterForm):
    """A member gives the parts list of a system."""

    title = "Give a parts list"
    lead = "So that you hear only of what touches you."
    multipart = True
    name = line("Which system it describes")
    sbom = forms.FileField(label="Parts list, CycloneDX JSON", max_length=100)

    def body(self) -> dict[str, Any]:
        """See `LetterForm`."""
        return {
            "name": self.cleaned_data["name"],
            "format": "cyclonedx",
            "file": self.cleaned_data["sbom"].name,
        }

    def enclosures(self) -> list[dict[str, str]]:
        """See `LetterForm`."""
        return [_enclosed(self.cleaned_data["sbom"])]


def _enclosed(file: UploadedFile[Any]) -> dict[str, str]:
    file.seek(0)
    return {
        "name": str(file.name),
        "media_type": "application/octet-stream",
        "content": base64.b64encode(file.read()).decode("ascii"),
    }


FORMS: dict[str, type[LetterForm]] = {
    "access-offer": AccessForm,
    "agreement-acceptance": AcceptanceForm,
    "case-message": CaseForm,
    "inquiry": InquiryForm,
    "report": ReportForm,
    "sbom": SbomForm,
}
