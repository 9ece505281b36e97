# SPDX-License-Identifier: Apache-2.0
"""The predicate language: what it refuses, and that unknown is never hidden."""

import itertools
import random

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from law.engines import celpy_truth
from law.profiles import facts, random_values, value_sets
from proofhouse.law import FactSet, LawBook, Predicate, PredicateRefused, Truth
from proofhouse.law.predicates import MAX_LENGTH, all_of, any_of, negation

VALUES: dict[str, float | int] = {"big": 1.0e26, "many": 1_000_000}


def predicates(book: LawBook) -> list[Predicate]:
    found: dict[str, Predicate] = {}
    for instrument in book.instruments.values():
        for version in instrument.versions:
            for definition in version.definitions.values():
                found[definition.predicate.cel] = definition.predicate
            for obligation in version.obligations.values():
                for predicate in (obligation.applies_when, obligation.trigger_when):
                    if predicate is not None:
                        found[predicate.cel] = predicate
    return list(found.values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("has(event.death)", "cannot"),
        ("event.death == true", "constants"),
        ("model.training_ops > 1.0e26", "named value"),
        ("model.training_ops > v.none", "no value"),
        ("model.training_ops > v.many", "cannot compare"),
        ("org.nexus", "not a yes-or-no"),
        ("org.unheard_of", "vocabulary"),
        ("d.nothing", "no definition"),
        ('"US-CA" == org.nexus', "cannot compare"),
        ('"US-CA" in org.roles || ', "cannot use"),
        ("(event.death", "expected"),
        ("event.death)", "cannot read on"),
        ("event.death; event.death", "cannot read"),
        ('"a" == "b"', "must read a fact"),
        ("org.nexus.exists(n, n == v.big)", "cannot read"),
        ("!" * 20 + "event.death", "nested"),
        ("(" * 20 + "event.death" + ")" * 20, "nested"),
        ("event.death && " * 200 + "event.death", "longer"),
        ("d.wide && d.wide", "more than"),
    ],
)
def test_what_is_outside_the_language_is_refused(book: LawBook, text: str, reason: str) -> None:
    wide = Predicate(" && ".join(["event.death"] * 40), book.vocabulary)
    with pytest.raises(PredicateRefused, match=reason):
        Predicate(text, book.vocabulary, VALUES, {"wide": wide})


def test_the_longest_allowed_expression_compiles(book: LawBook) -> None:
    text = " || ".join(["event.death"] * 64)
    assert len(text) <= MAX_LENGTH
    assert Predicate(text, book.vocabulary).evaluate(FactSet({"event.death": True})) is Truth.TRUE


TERMS = {"event.death": Truth.TRUE, "event.serious_harm": Truth.FALSE, "event.material": Truth.UNKNOWN}
KNOWN = FactSet({"event.death": True, "event.serious_harm": False})


@pytest.mark.parametrize("terms", list(itertools.product(TERMS, repeat=3)))
def test_three_valued_logic_is_kleenes_whatever_the_order(book: LawBook, terms: tuple[str, ...]) -> None:
    truths = [TERMS[term] for term in terms]
    for sign, join in (("&&", all_of), ("||", any_of)):
        predicate = Predicate(f" {sign} ".join(terms), book.vocabulary)
        assert predicate.evaluate(KNOWN) is join(truths)
        negated = Predicate(f"!({predicate.source})", book.vocabulary)
        assert negated.evaluate(KNOWN) is negation(join(truths))


def test_a_missing_fact_is_asked_for_only_while_it_can_decide(book: LawBook) -> None:
    predicate = Predicate("event.death && (event.material || event.serious_harm)", book.vocabulary)
    assert predicate.explain(KNOWN).open_questions() == ("event.material",)
    assert predicate.explain(FactSet({"event.death": False})).open_questions() == ()


def test_exact_equality_does_not_exceed(book: LawBook) -> None:
    predicate = Predicate("model.training_ops > v.big", book.vocabulary, VALUES)
    assert predicate.evaluate(facts(book, {"model.training_ops": 10**26})) is Truth.FALSE
    assert predicate.evaluate(facts(book, {"model.training_ops": 10**26 + 10**11})) is Truth.TRUE


def test_every_expression_of_the_data_compiles_in_both_engines(book: LawBook) -> None:
    found = predicates(book)
    assert len(found) > 50
    for predicate in found:
        cel.compile(predicate.cel)
        assert celpy_truth(predicate.cel, FactSet({})) in set(Truth)


def agree(book: LawBook, seeds: range) -> int:
    """Compare both engines and the explanation; the slower engine is not asked the same twice."""
    compared = 0
    every = predicates(book)
    answered: dict[tuple[str, str], Truth] = {}
    for seed in seeds:
        known = facts(book, random_values(book, random.Random(seed)))
        for predicate in every:
            truth = predicate.evaluate(known)
            assert predicate.explain(known).truth is truth, (predicate.cel, known.names())
            key = (predicate.cel, repr([(n, known.get(n)) for n in predicate.facts if known.has(n)]))
            if key not in answered:
                answered[key] = celpy_truth(predicate.cel, known)
            assert answered[key] is truth, (predicate.cel, known.nested())
            compared += 1
    return compared


def test_both_engines_and_the_explanation_agree_on_generated_profiles(book: LawBook) -> None:
    assert agree(book, range(100)) > 5_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tenth", range(10))
def test_both_engines_agree_on_ten_thousand_generated_profiles(book: LawBook, tenth: int) -> None:
    assert agree(book, range(1_000 * tenth, 1_000 * (tenth + 1))) > 50_000


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_saying_more_never_turns_an_answer_round(book: LawBook, data: st.DataObject) -> None:
    values = data.draw(value_sets(book))
    more = {**data.draw(value_sets(book)), **values}
    less, full = facts(book, values), facts(book, more)
    for predicate in predicates(book):
        before = predicate.evaluate(less)
        if before is not Truth.UNKNOWN:
            assert predicate.evaluate(full) is before


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_an_unknown_answer_always_has_a_question(book: LawBook, data: st.DataObject) -> None:
    known = facts(book, data.draw(value_sets(book)))
    for predicate in predicates(book):
        asked = predicate.explain(known).open_questions()
        assert bool(asked) == (predicate.evaluate(known) is Truth.UNKNOWN)
        assert all(not known.has(name) and book.vocabulary.question(name) for name in asked)
