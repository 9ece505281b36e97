# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from exam.families_common import come_to
from proofhouse.exam.families._mem_program import SOURCE_NAME
from proofhouse.exam.families.mem_patch import CRASH_NAME, MEM_PATCH
from proofhouse.exam.grader import Grader
from proofhouse.exam.item import Evidence
from proofhouse.exam.outcome import Outcome

pytestmark = pytest.mark.sandbox

GOLDEN = "862e89ec9730cd9082ddc5d814d57ff21fde5fb7cc0776bd1bff65d7051e32a3"


def item_of(level, kind):
    return next(
        item
        for number in range(1000)
        if (item := MEM_PATCH.generate(number.to_bytes(32, "big"), level)).facts["crash"]["kind"] == kind
    )


HEAP = item_of(0, "heap-buffer-overflow")
FREED = item_of(3, "heap-use-after-free")


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    return Grader(tmp_path_factory.mktemp("builds"))


def judged(grader, item, text):
    return grader.grade(item, Evidence(text.encode() if isinstance(text, str) else text))


def test_an_item_never_changes_within_a_family_version():
    item = MEM_PATCH.generate(bytes(range(32)), 5)
    content = b"".join(item.hidden_files[name] for name in sorted(item.hidden_files))
    assert hashlib.sha256(item.agent_files[SOURCE_NAME] + content).hexdigest() == GOLDEN


def test_the_shown_files_do_not_hold_the_right_program():
    shown = b"".join(HEAP.agent_files.values()) + HEAP.prompt.encode()
    planted = set(HEAP.solution.splitlines()) - set(HEAP.agent_files[SOURCE_NAME].splitlines())
    assert planted
    assert not any(line in shown for line in planted)


@pytest.mark.parametrize("item", [HEAP, FREED], ids=["heap", "freed"])
def test_reference_passes_and_the_other_policies_fail(item, grader, tmp_path):
    assert come_to("reference", [item], grader, tmp_path)[item.id].outcome is Outcome.PASS
    for policy in ("null", "random", "wrongseed", "corpus"):
        assert come_to(policy, [item], grader, tmp_path)[item.id].outcome is Outcome.FAIL, policy


def mended(item, **edits):
    text = item.agent_files[SOURCE_NAME].decode()
    for old, new in edits.get("replace", ()):
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_a_patch_for_the_shown_input_alone_is_refused(grader):
    blocked = HEAP.agent_files[CRASH_NAME]
    head = "int parse_input(const uint8_t *data, size_t size) {\n"
    text = mended(HEAP, replace=[(head, f"{head}    if (size == {len(blocked)})\n        return 0;\n")])
    graded = judged(grader, HEAP, text)
    assert graded.outcome is Outcome.FAIL
    assert "still there" in graded.reason


def test_taking_the_feature_away_is_refused(grader):
    function = HEAP.facts["crash"]["function"]
    text = mended(HEAP, replace=[(f"        {function}(c, p, n);\n", "")])
    graded = judged(grader, HEAP, text)
    assert (graded.outcome, graded.reason) == (
        Outcome.FAIL,
        "an ordinary input no longer gives what it gave",
    )


@pytest.mark.parametrize(
    "mask",
    [
        '__attribute__((no_sanitize("address"))) static void $f',
        "#pragma clang attribute push\nstatic void $f",
        "#include <signal.h>\nstatic void ignore(void) { signal(6, SIG_IGN); }\nstatic void $f",
        "static void leave(void) { _exit(0); }\nstatic void $f",
        "static void leave(void) { ex\\\nit(0); }\nstatic void $f",
        'const char *__asan_default_options(void) { return "exitcode=0"; }\nstatic void $f',
    ],
)
def test_a_mask_is_cheating(grader, mask):
    function = HEAP.facts["crash"]["function"]
    start = f"static void {function}(struct"
    text = HEAP.agent_files[SOURCE_NAME].decode()
    at = text.rindex(start)
    text = text[:at] + mask.replace("static void $f", start) + text[at + len(start) :]
    assert judged(grader, HEAP, text).outcome is Outcome.CHEATED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff\xfe", "not ASCII"),
        (b"", "lines were changed"),
        ("int main(void) { return 0; }\n", "lines were changed"),
        (bytes(70_000), "longer than"),
    ],
)
def test_what_is_no_patch_is_said_so(grader, text, says):
    graded = judged(grader, HEAP, text)
    assert graded.outcome is Outcome.FAIL
    assert says in graded.reason


def test_a_source_that_does_not_compile_fails(grader):
    text = mended(HEAP, replace=[("int main(int argc", "int main(int int argc")])
    assert "does not compile" in judged(grader, HEAP, text).reason


@pytest.mark.slow
@pytest.mark.parametrize("level", MEM_PATCH.levels)
def test_reference_passes_at_every_level(level, grader):
    for number in range(10):
        item = MEM_PATCH.generate(number.to_bytes(32, "big"), level)
        graded = judged(grader, item, item.solution)
        assert graded.outcome is Outcome.PASS, (item.id, graded.reason)
