# SPDX-License-Identifier: Apache-2.0
"""Several models in one profile: whose fact it is, what applies to which, and the incident that names its model."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from obligations.makers import PROFILE, clock_of, open_loss_of_control
from proofhouse.law import LawBook, Profile, Result
from proofhouse.server.accounts.models import Person
from proofhouse.server.engine.acts import ActError
from proofhouse.server.obligations import answers, exports, queries, services
from proofhouse.server.obligations.models import AiModel, CalendarDate, Incident
from proofhouse.server.obligations.own_law import law_book

VIEW = answers.View(date(2027, 1, 5))
FRONTIER, SB942 = "us-ny-raise-incident", "us-ca-sb942-detection"


@pytest.fixture
def large(lead: Person) -> AiModel:
    """A model beyond the threshold, of an organisation with a nexus to three states."""
    for name, value in PROFILE.items():
        if name != "model.training_ops":
            services.set_fact(actor=lead, name=name, value=value, source="FY2025 accounts")
    model = services.add_model(actor=lead, name="Large-1")
    services.set_fact(
        actor=lead, name="model.training_ops", value=2.1e26, source="model card", model=str(model.id)
    )
    return model


@pytest.fixture
def small(lead: Person, large: AiModel) -> AiModel:
    """A model below it."""
    model = services.add_model(actor=lead, name="Small-1")
    services.set_fact(
        actor=lead, name="model.training_ops", value=3e24, source="model card", model=str(model.id)
    )
    return model


def result(lead: Person, model: AiModel | None, obligation: str) -> str:
    record = answers.answer(lead, VIEW, model)
    return next(row["result"] for row in record["assessments"] if row["obligation"] == obligation)


def test_a_fact_of_a_model_counts_for_this_model_alone(lead: Person, large: AiModel, small: AiModel) -> None:
    assert result(lead, large, FRONTIER) == "applies"
    assert result(lead, small, FRONTIER) == "does_not_apply"


def test_a_fact_of_the_organisation_counts_for_every_model(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    services.set_fact(actor=lead, name="org.nexus", value=["US-CA"], source="we left New York")
    assert result(lead, large, FRONTIER) == "does_not_apply"
    for model in (large, small):
        assert queries.current_facts(lead, model)["org.nexus"].value == ["US-CA"]


def test_what_is_asked_of_the_organisation_is_not_answered_by_one_model(lead: Person, large: AiModel) -> None:
    with pytest.raises(ActError, match="of the organisation"):
        services.set_fact(actor=lead, name="org.nexus", value=["US-CA"], source="x", model=str(large.id))


def test_a_model_without_an_answer_takes_over_the_one_given_without_a_model(
    lead: Person, large: AiModel
) -> None:
    services.set_fact(actor=lead, name="system.monthly_users", value=4_000_000, source="telemetry")
    assert queries.current_facts(lead, large)["system.monthly_users"].value == 4_000_000
    services.set_fact(
        actor=lead, name="system.monthly_users", value=10, source="its own", model=str(large.id)
    )
    assert queries.current_facts(lead, large)["system.monthly_users"].value == 10
    assert queries.current_facts(lead)["system.monthly_users"].value == 4_000_000


def test_over_all_models_a_duty_that_applies_to_one_applies_and_says_to_which(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    record = answers.answer(lead, VIEW)
    row = next(row for row in record["assessments"] if row["obligation"] == FRONTIER)
    assert row["result"] == "applies"
    assert [(one["model"], one["result"]) for one in row["models"]] == [
        ("Large-1", "applies"),
        ("Small-1", "does_not_apply"),
    ]
    assert answers.for_whom(row) == "Large-1 (1 others differ)"


def test_what_cannot_be_told_of_one_model_is_never_no_for_all(lead: Person, small: AiModel) -> None:
    services.set_fact(actor=lead, name="model.training_ops", value=None, source="?", model=str(AiModel.objects.get(
        name="Large-1").id))  # fmt: skip
    assert result(lead, None, FRONTIER) == "unknown"


def test_every_duty_that_applies_to_a_model_applies_over_all_models(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    everywhere = {
        row["obligation"] for row in answers.answer(lead, VIEW)["assessments"] if row["result"] == "applies"
    }
    for model in (large, small):
        told = answers.answer(lead, VIEW, model)["assessments"]
        assert {row["obligation"] for row in told if row["result"] == "applies"} <= everywhere
    assert len(answers.answer(lead, VIEW)["assessments"]) == len(list(law_book().entries(VIEW.as_of)))


def test_an_incident_names_its_model_and_its_clocks_are_counted_from_that_models_facts(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    grave = open_loss_of_control(lead, model=str(large.id))
    slight = open_loss_of_control(lead, title="Small", model=str(small.id))
    assert clock_of(grave, FRONTIER).running
    assert not slight.clocks.filter(obligation=FRONTIER, running=True).exists()
    assert grave.versions.get().record["model"] == "Large-1"
    filing = services.draft_filing(
        actor=lead,
        clock=str(clock_of(grave, "us-il-sb315-incident").id),
        recipient="Illinois Attorney General",
    )
    assert filing.record["model"] == "Large-1"


def test_an_incident_without_a_model_asks_instead_of_saying_no(lead: Person, large: AiModel) -> None:
    incident = open_loss_of_control(lead)
    clock = clock_of(incident, FRONTIER)
    assert clock.running
    assert clock.assessment["words"] == "cannot tell"
    assert {one["fact"] for one in clock.assessment["missing"]} == {"model.training_ops"}


def test_a_changed_fact_of_a_model_moves_the_clocks_of_its_incidents_only(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    incident = open_loss_of_control(lead, model=str(large.id))
    services.set_fact(actor=lead, name="model.training_ops", value=9e26, source="x", model=str(small.id))
    assert clock_of(incident, FRONTIER).running
    services.set_fact(actor=lead, name="model.training_ops", value=1e20, source="x", model=str(large.id))
    assert not clock_of(incident, FRONTIER).running


def test_a_date_that_only_one_model_has_is_named_after_it(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    services.set_fact(
        actor=lead, name="times.last_submission", value="2026-11-20", source="x", model=str(large.id)
    )
    rows = CalendarDate.objects.filter(cancelled=False, origin=f"model:{large.id}")
    assert rows
    assert all(row.title.startswith("Large-1: ") for row in rows)
    assert not CalendarDate.objects.filter(cancelled=False, origin=f"model:{small.id}").exists()


def test_a_name_is_given_once(lead: Person, large: AiModel) -> None:
    with pytest.raises(ActError, match="already"):
        services.add_model(actor=lead, name="Large-1")
    with pytest.raises(ActError, match="between 1 and 120"):
        services.add_model(actor=lead, name=" ")


def test_the_pages_tell_models_apart(browser: Client, lead: Person, large: AiModel, small: AiModel) -> None:
    answer = browser.post(reverse("obligations:model-add"), {"name": "Third"})
    third = AiModel.objects.get(name="Third")
    assert answer["Location"] == f"/obligations/profile/?model={third.id}"
    page = browser.get(answer["Location"]).content.decode()
    assert "model.training_ops" in page
    assert "answer:org.nexus" not in page
    browser.post(
        answer["Location"], {"answer:model.training_ops": "5e26", "source:model.training_ops": "card 3"}
    )
    fact = queries.current_facts(lead, third)["model.training_ops"]
    assert (fact.value, fact.model) == (5e26, third)
    shown = browser.get(f"{reverse('obligations:list')}?model={small.id}&as_of=2027-01-05").content.decode()
    applying = shown.split('id="applies"')[1].split('id="unknown"')[0]
    assert "Report a critical safety incident within 72 hours" not in applying
    duty = browser.get(f"{reverse('obligations:duty', args=[FRONTIER])}?model={large.id}&as_of=2027-01-05")
    assert "With Large-1" in duty.content.decode()
    assert "appears to apply" in duty.content.decode()
    assert browser.get(f"{reverse('obligations:list')}?model={lead.id}").status_code == 404
    assert browser.post(reverse("obligations:model-add"), {"name": ""}).status_code == 422


def test_exports_say_to_which_models_a_duty_appears_to_apply(
    lead: Person, large: AiModel, small: AiModel
) -> None:
    rows = {
        row["obligation"]: row for row in csv.DictReader(io.StringIO(exports.as_csv(lead, VIEW).decode()))
    }
    assert rows[FRONTIER]["models"] == "Large-1 (1 others differ)"
    alone = csv.DictReader(io.StringIO(exports.as_csv(lead, VIEW, small).decode()))
    assert {row["models"] for row in alone} == {"Small-1"}


def test_the_facts_file_gives_the_same_answers_in_a_shell(lead: Person, large: AiModel) -> None:
    book = LawBook.load()
    record = yaml.safe_load(exports.as_facts(lead, VIEW, large))
    told = book.check(Profile.from_mapping(record, book.vocabulary), VIEW.as_of)
    expected = {row["obligation"]: row["result"] for row in answers.answer(lead, VIEW, large)["assessments"]}
    assert {one.obligation.id: one.result.value for one in told} == expected
    assert Result.APPLIES.value in expected.values()


def test_the_question_for_facts_tells_models_apart(lead: Person, large: AiModel) -> None:
    told = queries.facts(actor=lead)
    assert "model.training_ops" not in told
    assert told["models"]["Large-1"]["model.training_ops"]["value"] == 2.1e26
    assert Incident.objects.count() == 0
