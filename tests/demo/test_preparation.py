# SPDX-License-Identifier: Apache-2.0
"""Where the demo begins and what it refuses, before any house is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from proofhouse.cli import CouldNot, main
from proofhouse.demo import cast
from proofhouse.demo.cli import _STEPS, STATE, _prepare
from proofhouse.letters import LETTER_TYPES
from proofhouse.server.accounts.permissions import Role


def test_a_new_directory_is_made_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    assert _prepare(tmp_path / "a" / "house", fresh=True).done == {}
    (tmp_path / "empty").mkdir()
    assert _prepare(tmp_path / "empty", fresh=True).done == {}


@pytest.mark.parametrize("fresh", [True, False])
def test_a_directory_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(CouldNot, match="holds something else than a demo; choose another --house"):
        _prepare(tmp_path, fresh)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_fresh_refuses_a_demo_that_is_there_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    state = _prepare(tmp_path, fresh=True)
    state.done["1"] = {"seconds": 1.0, "facts": {}}
    state.save()
    before = (tmp_path / STATE).read_bytes()
    with pytest.raises(CouldNot, match="leave out --fresh to continue it"):
        _prepare(tmp_path, fresh=True)
    assert (tmp_path / STATE).read_bytes() == before


def test_a_demo_that_was_interrupted_goes_on_where_it_stood(tmp_path: Path) -> None:
    state = _prepare(tmp_path, fresh=False)
    state.memory["inquiry"] = "an id"
    state.done["1"] = {"seconds": 1.0, "facts": {"houses": 7}}
    state.save()
    (tmp_path / STATE).with_suffix(".new").write_text("{ half a st")
    again = _prepare(tmp_path, fresh=False)
    assert again.memory == {"inquiry": "an id"}
    assert again.done == {"1": {"seconds": 1.0, "facts": {"houses": 7}}}
    assert json.loads((tmp_path / STATE).read_text())["memory"] == {"inquiry": "an id"}


def test_the_command_says_what_is_wrong_in_one_message_and_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    answer = CliRunner().invoke(
        main, ["demo", "--house", str(tmp_path), "--json", str(tmp_path / "out.json")]
    )
    assert answer.exit_code == 3
    assert len(answer.stderr.splitlines()) == 1
    assert "holds something else" in answer.stderr
    assert not (tmp_path / "out.json").exists()


def test_up_without_a_demo_says_to_play_it_first(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["up", "--house", str(tmp_path)])
    assert answer.exit_code == 3
    assert "run `proofhouse demo --house" in answer.stderr


def test_there_are_nine_steps() -> None:
    assert len(_STEPS) == 9


def test_everybody_in_the_cast_has_a_role_that_exists_and_each_house_a_steward() -> None:
    for part in cast.CAST.values():
        for person in part.people:
            assert {Role(role) for role in person.roles}
        assert part.people[0].email == part.who("steward"), "the steward is who introduces"
    emails = [person.email for part in cast.CAST.values() for person in part.people]
    assert len(emails) == len(set(emails))


def test_houses_are_introduced_for_letter_types_that_exist_and_only_where_they_know_each_other() -> None:
    pairs = {pair for one, other in cast.KNOWS for pair in ((one, other), (other, one))}
    assert set(cast.PURPOSES) == pairs
    types = {spec.name for spec in LETTER_TYPES.values()}
    for purposes in cast.PURPOSES.values():
        assert set(purposes) <= types
    assert ("lab", "clinic") not in pairs
