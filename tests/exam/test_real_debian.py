# SPDX-License-Identifier: Apache-2.0
"""`real.debian`: pairs are data with pinned sources, their inputs are our own, and both builds behave as claimed."""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from exam.real_proofs import PROOFS
from proofhouse.exam.bench import Bench
from proofhouse.exam.families.real_debian import REAL_DEBIAN, STOCK, read_recipe
from proofhouse.exam.item import Evidence
from proofhouse.exam.outcome import Outcome
from proofhouse.exam.public_bank import public_items

NAMES = [stock.recipe for level in STOCK for stock in level]


def seed(number):
    return hashlib.sha256(f"real {number}".encode()).digest()


def item_of(name):
    level = next(level for level, stocks in enumerate(STOCK) if name in {each.recipe for each in stocks})
    return next(
        item
        for number in range(200)
        if (item := REAL_DEBIAN.generate(seed(number), level)).facts["recipe"] == name
    )


def test_there_are_eight_pairs_from_four_packages_at_least():
    packages = Counter(read_recipe(name).source.package for name in NAMES)
    assert len(set(NAMES)) >= 8
    assert len(packages) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_inputs_of_a_pair_are_made_by_our_own_generator(name):
    recipe = read_recipe(name)
    [proof], [control] = recipe.proofs, recipe.controls
    assert (proof.inputs["input"].content, control.inputs["input"].content) == PROOFS[name]
    assert all(identifier.startswith("CVE-") for identifier in proof.identifiers)
    assert proof.crash.frame


def test_a_pair_follows_from_seed_and_level():
    first = REAL_DEBIAN.generate(seed(1), 0)
    assert first == REAL_DEBIAN.generate(seed(1), 0)
    drawn = {REAL_DEBIAN.generate(seed(n), 0).facts["recipe"] for n in range(40)}
    assert drawn == {stock.recipe for stock in STOCK[0]}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_at_first_names_neither_error_nor_place(name):
    item = item_of(name)
    recipe = read_recipe(name)
    shown = item.prompt.encode() + b"".join(item.agent_files.values())
    hidden = [recipe.proofs[0].crash.frame, *recipe.proofs[0].identifiers, *recipe.proofs[0].crash.classes]
    assert not [word for word in hidden if word.encode() in shown]
    assert item.solution not in item.agent_files.values()


def test_the_public_bank_holds_each_pair_once():
    held = [item.facts["recipe"] for item in public_items() if item.family == "real.debian"]
    assert sorted(held) == sorted(NAMES)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("builds"))


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.sandbox
@pytest.mark.parametrize("name", NAMES)
def test_the_solution_proves_the_error_and_nothing_else_does(name, bench):
    item = item_of(name)

    def outcome(artefact):
        return REAL_DEBIAN.judge(item, Evidence(artefact), bench).outcome

    assert outcome(item.solution) is Outcome.PASS
    for artefact in (REAL_DEBIAN.corpus(item), b"", b"\0" * 4096, b"==1==ERROR: AddressSanitizer: SEGV"):
        assert outcome(artefact) is Outcome.FAIL


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.sandbox
def test_the_fix_does_not_stand_in_what_is_shown(bench):
    import io
    import tarfile

    from proofhouse.exam.item import SUBJECT, Nonces

    item = item_of("jhead-2021-34055")
    REAL_DEBIAN.prepare(item, bench)
    shown = REAL_DEBIAN.stage(replace(item), Nonces(b"")).files[SUBJECT]
    with tarfile.open(fileobj=io.BytesIO(shown["/work/target/source.tar.gz"])) as tree:
        names = tree.getnames()
        source = tree.extractfile("./exif.c").read()
    assert "./exif.c" in names
    assert not [name for name in names if name.startswith(("./debian", "./.pc"))]
    assert b"int process_EXIF" not in source
    assert b"void process_EXIF" in source
