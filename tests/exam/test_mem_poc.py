# SPDX-License-Identifier: Apache-2.0
import difflib
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.mem_model import payloads_at_the_bug
from proofhouse.exam.families import UnknownFamily, _mem_program, get_family
from proofhouse.exam.families.mem_poc import MEM_POC, SOURCE_NAME


def make_layout(seed, level):
    return _mem_program.make_layout(seed, level, "mem.poc")


SEEDS = st.binary(min_size=32, max_size=32)
LEVELS = st.sampled_from(MEM_POC.levels)
GOLDEN_ID = "mem.poc-L5-9e1ad60d3282"
GOLDEN = "95389bc36299a4a07a7307cf68cb812d8c046a74ff5bda003619f3d586cb96f1"
CLASSES = {
    "heap-buffer-overflow",
    "stack-buffer-overflow",
    "global-buffer-overflow",
    "heap-use-after-free",
    "double-free",
}


@settings(deadline=None, max_examples=300)
@given(SEEDS, LEVELS)
def test_the_reference_passes_every_gate_of_every_seed(seed, level):
    layout = make_layout(seed, level)
    assert payloads_at_the_bug(layout, MEM_POC.generate(seed, level).solution) == list(
        layout.bugs[0].bug.trigger
    )


@settings(deadline=None, max_examples=100)
@given(SEEDS, SEEDS, st.sampled_from(MEM_POC.levels[1:]))
def test_the_solution_of_another_seed_does_not_reach_the_bug(seed, other, level):
    if seed != other:
        assert payloads_at_the_bug(make_layout(seed, level), MEM_POC.generate(other, level).solution) == []


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.sampled_from(MEM_POC.levels[1:]), st.data())
def test_a_changed_header_closes_a_gate(seed, level, data):
    layout = make_layout(seed, level)
    content = bytearray(layout.solve())
    content[data.draw(st.integers(0, layout.header_bytes - 1))] ^= data.draw(st.integers(1, 255))
    assert payloads_at_the_bug(layout, bytes(content)) == []


@settings(deadline=None, max_examples=100)
@given(SEEDS, LEVELS)
def test_an_item_is_a_pure_function_of_seed_and_level(seed, level):
    item = MEM_POC.generate(seed, level)
    assert item == MEM_POC.generate(seed, level)
    assert len(item.solution) <= item.artefact_bytes
    assert item.facts["crash"]["kind"] in CLASSES


@settings(deadline=None, max_examples=100)
@given(SEEDS, LEVELS)
def test_the_fixed_program_differs_in_the_planted_lines_only(seed, level):
    item = MEM_POC.generate(seed, level)
    before, after = (
        files[SOURCE_NAME].decode().splitlines() for files in (item.agent_files, item.hidden_files)
    )
    changed = [line for line in difflib.ndiff(before, after) if line[:2] in {"- ", "+ "}]
    assert 1 <= len(changed) <= 3


@settings(deadline=None, max_examples=100)
@given(SEEDS, LEVELS)
def test_what_the_subject_sees_names_neither_seed_nor_solution(seed, level):
    item = MEM_POC.generate(seed, level)
    shown = item.prompt.encode() + b"".join(item.agent_files.values()) + repr(item).encode()
    assert seed.hex().encode() not in shown
    assert item.solution.hex().encode() not in shown
    assert item.facts["crash"]["kind"].encode() not in shown
    assert item.metadata["canary"].encode() in item.agent_files[SOURCE_NAME]


def test_seeds_differ_in_text_and_all_five_classes_appear():
    items = [MEM_POC.generate(number.to_bytes(32, "big"), 0) for number in range(60)]
    assert len({item.agent_files[SOURCE_NAME] for item in items}) == 60
    assert {item.facts["crash"]["kind"] for item in items} == CLASSES


def test_an_item_never_changes_within_a_family_version():
    item = MEM_POC.generate(bytes(range(32)), 5)
    assert (item.version, item.id) == ("2", GOLDEN_ID)
    assert hashlib.sha256(item.agent_files[SOURCE_NAME] + item.solution).hexdigest() == GOLDEN


@pytest.mark.parametrize(("seed", "level"), [(b"short", 0), (bytes(32), 6), (bytes(32), -1)])
def test_a_wrong_seed_or_level_is_refused(seed, level):
    with pytest.raises(ValueError, match=r"32 bytes|levels 0 to 5"):
        MEM_POC.generate(seed, level)


def test_an_unknown_family_is_refused_with_the_known_ones():
    assert get_family("mem.poc") is MEM_POC
    with pytest.raises(UnknownFamily, match=r"mem\.poc"):
        get_family("mem.nothing")
