# SPDX-License-Identifier: Apache-2.0
"""What people fill in to report a flaw, and to say what they found on reading one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from proofhouse.server.cases.rules import Means, PromptClass, ReportState, Standard
from proofhouse.server.cases.submission import FILE_BYTES, FILES_MOST
from proofhouse.server.web.fields import TEXT, choice, line, prose


class _Files(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files in one field."""

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        """Each of them, checked as one file is."""
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if len(given) > FILES_MOST:
            raise forms.ValidationError(f"At most {FILES_MOST} files.")
        files = [super(FilesField, self).clean(each, initial) for each in given]
        if any(file.size and file.size > FILE_BYTES for file in files):
            raise forms.ValidationError(f"At most {FILE_BYTES >> 20} MiB each.")
        return files


class ReportForm(forms.Form):
    """One vulnerability."""

    title = line("Title", hint="One line, for instance: Use after free when a rule reports.")
    product = line("Product")
    version = line("Version", required=False, length=100)
    identifier = line(
        "Name of the flaw, if it has one", required=False, length=40, hint="For instance CVE-2026-0001."
    )
    description = prose("What happens, and how somebody else sees it")
    proof = FilesField(
        label="Proof",
        required=False,
        help_text="Files that show it. A report with a proof that runs is looked at first.",
        widget=_Files(attrs={"class": "usa-file-input"}),
    )
    claimed_crash = line(
        "What the sanitizer says when the proof runs",
        required=False,
        length=64,
        hint="For instance heap-use-after-free.",
    )
    recipe = forms.FileField(
        label="Recipe that builds the product and runs the proof, if you have one",
        required=False,
        widget=forms.ClearableFileInput(attrs={"class": "usa-file-input"}),
    )
    means = choice(
        "Found by",
        [
            (Means.PERSON, "A person"),
            (Means.AI_SYSTEM, "An AI system"),
            (Means.FUZZER, "A fuzzer"),
            (Means.SCANNER, "A scanner"),
            (Means.OTHER, "Something else"),
        ],
    )
    tool = line("Tool", required=False)
    model = line("AI model", required=False, hint="If an AI system took part.")
    prompt_class = choice(
        "What the AI system was asked to do",
        [
            (PromptClass.NONE, "No AI system took part"),
            (PromptClass.FIND_FLAWS, "Find flaws"),
            (PromptClass.READ_CODE, "Read code"),
            (PromptClass.WRITE_HARNESS, "Write a harness or a proof"),
            (PromptClass.WORK_ALONE, "Work by itself with tools"),
            (PromptClass.SORT_RESULTS, "Sort results of other tools"),
            (PromptClass.OTHER, "Something else"),
        ],
        required=False,
    )
    contact = forms.EmailField(
        label="E-mail, if you want to hear from us",
        required=False,
        max_length=254,
        help_text="You may leave it out: the page that follows shows how your report stands.",
        widget=forms.EmailInput(attrs=TEXT),
    )

    def __init__(self, *data: Any, signed_in: bool) -> None:
        super().__init__(*data)
        if signed_in:
            del self.fields["contact"]

    def arguments(self) -> dict[str, Any]:
        """What `submission` takes."""
        said = self.cleaned_data
        recipe: UploadedFile[Any] | None = said["recipe"]
        return {
            **{
                name: said[name]
                for name in ("title", "product", "version", "identifier", "description", "claimed_crash")
            },
            "provenance": {name: said[name] for name in ("means", "tool", "model", "prompt_class")},
            "files": [(str(file.name), file.read()) for file in said["proof"]],
            "recipe": recipe.read() if recipe else None,
        }


class SplitForm(forms.Form):
    """Why a report shows another flaw than the one that it is said to repeat."""

    reason = prose("Why it shows another flaw", length=1000)


class MergeForm(forms.Form):
    """Which report showed the flaw first, and why they are one."""

    first = choice("The report that showed it first", [])
    reason = prose("Why they are one flaw", length=1000)

    def __init__(self, data: Any, *, firsts: list[tuple[str, str]]) -> None:
        super().__init__(data)
        self.fields["first"].choices = firsts  # type: ignore[attr-defined]  # a choice field, by the line above


class ReadingForm(forms.Form):
    """What somebody found on reading a report."""

    finding = choice(
        "What it shows",
        [
            (ReportState.READ_REAL, "The flaw is real"),
            (ReportState.READ_UNFOUNDED, "There is no such flaw"),
            (ReportState.OUT_OF_MODEL, "It is real, and outside of what the product promises"),
        ],
    )
    standard = choice(
        "On what that stands",
        [
            (Standard.SOURCE_READ, "I read the source: I name the lines and the input that reaches them"),
            (Standard.DEMONSTRATED, "I saw it on the device, or in a recording whose making is described"),
            (Standard.VENDOR_CONFIRMED, "The vendor said so in writing"),
            (Standard.REPEATED_ELSEWHERE, "A laboratory or a second finder has repeated it"),
            (Standard.CONTRADICTED, "Something shows that it cannot be so"),
        ],
    )
    grounds = prose("What you saw", "The second reader looks at the same.")
