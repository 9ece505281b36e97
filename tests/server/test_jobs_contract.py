# SPDX-License-Identifier: Apache-2.0
"""What the port promises, on the fake, on DBOS with SQLite and on DBOS with PostgreSQL."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from proofhouse.server.accounts.models import Membership, Person
from proofhouse.server.accounts.permissions import Permission, Role
from proofhouse.server.engine.acts import ActError, act
from proofhouse.server.engine.jobs import port
from proofhouse.server.engine.jobs.eager import Eager
from proofhouse.server.engine.jobs.port import (
    Work,
    enqueue,
    job,
    perform,
    report_progress,
    slow_step,
    step,
)
from proofhouse.server.engine.jobs.programs import run_program
from proofhouse.server.engine.jobs.rules import JobState, Queue
from proofhouse.server.engine.models import DoneAct, Job, JobStep, LedgerEntry
from proofhouse.server.engine.record import record
from proofhouse.server.engine.services import cancel_job, requeue_job
from proofhouse.server.house import House
from server.floors import FLOORS, Floor, fresh_database
from server.makers import make_person


@pytest.fixture(scope="module", params=FLOORS)
def ground(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: Any,
) -> Iterator[Floor]:
    """A database of its own for all tests of a floor, and its worker."""
    kind = "postgresql" if request.param == "postgresql" else "sqlite"
    with django_db_blocker.unblock(), fresh_database(kind, tmp_path_factory.mktemp("jobs") / "db.sqlite3"):
        made = Floor(request.param)
        yield made
        made.use()
        made.stop()


@pytest.fixture
def floor(ground: Floor, house: House, desk: None) -> Floor:
    for model in (JobStep, Job, DoneAct, LedgerEntry, Membership, Person):
        model.objects.all().delete()
    ground.use()
    if ground.worker is None:
        ground.restart()
    return ground


def note(text: str) -> None:
    """Leave a row that a test can count."""
    DoneAct.objects.create(key=f"{text}/{time.monotonic_ns()}", act=text, value=None)


def notes(text: str) -> int:
    return DoneAct.objects.filter(act=text).count()


@step
def write(*, text: str) -> str:
    note(text)
    record("inquiry.send", f"review:{text}", {})
    return f"wrote {text}"


@pytest.fixture
def ask() -> Callable[..., Job]:
    """An act that puts a job in its queue, and can be told to fail after it."""

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def ask_for(
        *, actor: Person, work: Work, arguments: dict[str, Any], fail: bool = False, key: str = ""
    ) -> Job:
        note("asked")
        made = enqueue(work, arguments, asked_by=actor, key=key, case="review:1")
        if fail:
            raise ActError("told to fail")
        return made

    return lambda work, arguments=None, **said: ask_for(
        actor=make_person(Role.STEWARD), work=work, arguments=arguments or {}, **said
    )


@pytest.fixture
def steward(floor: Floor) -> Person:
    return make_person(Role.STEWARD)


def test_a_job_runs_and_its_step_wrote_once(floor: Floor, ask: Callable[..., Job]) -> None:
    @job("test.simple", queue=Queue.DESK)
    def simple(*, text: str) -> str:
        return str(write(text=text))

    asked = ask(simple, {"text": "hello"})
    floor.settle()
    row = Job.objects.get()
    assert (row.id, row.state, row.result, row.percent) == (asked.id, JobState.DONE, "wrote hello", 100)
    assert (row.attempts, row.run, row.problem) == (1, 1, "")
    assert notes("hello") == 1
    assert LedgerEntry.objects.get().case == "review:hello", "a step records as an act does"


def test_an_act_that_is_rolled_back_leaves_no_job(floor: Floor, ask: Callable[..., Job]) -> None:
    @job("test.never", queue=Queue.DESK)
    def never() -> None:
        write(text="never")

    with pytest.raises(ActError, match="told to fail"):
        ask(never, fail=True)
    asked = ask(never)
    floor.settle()
    time.sleep(0.1 if floor.worker else 0)
    assert Job.objects.get().id == asked.id
    assert notes("never") == 1
    assert notes("asked") == 1


def test_nothing_is_enqueued_outside_an_act(floor: Floor) -> None:
    @job("test.outside", queue=Queue.DESK)
    def outside() -> None: ...

    with pytest.raises(RuntimeError, match="made by acts only"):
        enqueue(outside, {})
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "arguments", [{"text": b"bytes"}, {"text": {1, 2}}, {"text": float("nan")}, {"other": 1}, {}]
)
def test_arguments_are_what_json_holds_and_the_job_takes(
    floor: Floor, ask: Callable[..., Job], arguments: dict[str, Any]
) -> None:
    @job("test.typed", queue=Queue.DESK)
    def typed(*, text: Any) -> None: ...

    with pytest.raises(TypeError):
        ask(typed, arguments)
    assert not Job.objects.exists()


def test_a_replay_reads_what_a_step_gave_and_does_it_no_second_time(
    floor: Floor, ask: Callable[..., Job]
) -> None:
    tries: list[str] = []

    @slow_step
    def measure(*, text: str) -> list[Any]:
        note("measured")
        return [text, 1]

    @job("test.replay", queue=Queue.DESK, retry_s=0.01)
    def replay(*, text: str) -> Any:
        first = write(text=text)
        second = measure(text=text)
        tries.append(first)
        if len(tries) < 3:
            raise OSError("the disk is full")
        return [first, second]

    ask(replay, {"text": "once"})
    floor.settle()
    row = Job.objects.get()
    assert tries == ["wrote once"] * 3
    assert (row.state, row.attempts) == (JobState.DONE, 3)
    assert row.result == ["wrote once", ["once", 1]]
    assert (notes("once"), notes("measured"), JobStep.objects.count()) == (1, 1, 2)


def test_what_a_step_wrote_goes_when_the_step_fails(floor: Floor, ask: Callable[..., Job]) -> None:
    tries: list[int] = []

    @step
    def half() -> None:
        note("half")
        tries.append(1)
        if len(tries) < 2:
            raise OSError("in the middle")

    @job("test.half", queue=Queue.DESK, retry_s=0.01)
    def halves() -> None:
        half()

    ask(halves)
    floor.settle()
    assert notes("half") == 1
    assert len(tries) == 2


def test_a_job_that_fails_every_time_is_poisoned_and_a_steward_puts_it_back(
    floor: Floor, ask: Callable[..., Job], steward: Person
) -> None:
    tries: list[int] = []

    @job("test.poison", queue=Queue.DESK, attempts=3, retry_s=0.01)
    def poison() -> None:
        write(text="before")
        tries.append(1)
        if len(tries) <= 3:
            raise OSError("no space left")

    ask(poison)
    floor.settle()
    row = Job.objects.get()
    assert (row.state, row.attempts, row.problem) == (JobState.POISONED, 3, "OSError: no space left")
    assert row.finished_at is not None
    requeue_job(actor=steward, job=str(row.id))
    floor.settle()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.problem) == (JobState.DONE, 1, "")
    assert notes("before") == 1, "what was done stays done"


def test_a_refusal_is_an_answer_and_is_not_tried_again(floor: Floor, ask: Callable[..., Job]) -> None:
    tries: list[int] = []

    @job("test.refused", queue=Queue.DESK)
    def refused() -> None:
        tries.append(1)
        raise ActError("nothing waits here", "nothing_asked")

    ask(refused)
    floor.settle()
    row = Job.objects.get()
    assert (row.state, row.problem) == (JobState.FAILED, "ActError: nothing waits here")
    assert len(tries) == 1


def test_an_act_inside_a_job_is_done_once_and_needs_its_permission(
    floor: Floor, ask: Callable[..., Job]
) -> None:
    tries: list[int] = []

    @act(Permission.HOUSE_PEER_INTRODUCE)
    def note_down(*, actor: Person, text: str) -> None:
        note(text)
        record("inquiry.send", "review:1", {"by": actor.email})

    name = next(each for each in port.ACTS if each.endswith(".note_down"))

    @job("test.acting", queue=Queue.DESK, retry_s=0.01)
    def acting(*, who: str) -> None:
        perform(name, actor=who, text="acted")
        tries.append(1)
        if len(tries) < 2:
            raise OSError("after the act")

    ask(acting, {"who": make_person(Role.STEWARD).email})
    ask(acting, {"who": make_person(Role.LAB if hasattr(Role, "LAB") else Role.OPERATOR).email})
    floor.settle()
    assert notes("acted") == 1
    assert sorted(Job.objects.values_list("state", flat=True)) == [JobState.DONE, JobState.FAILED]


def test_one_key_is_one_job_while_it_lives(floor: Floor, ask: Callable[..., Job]) -> None:
    go = threading.Event()

    @job("test.keyed", queue=Queue.DESK)
    def keyed() -> None:
        if floor.worker:
            go.wait(20)

    first, second = ask(keyed, key="export:1"), ask(keyed, key="export:1")
    assert first.id == second.id
    go.set()
    floor.settle()
    assert ask(keyed, key="export:1").id != first.id
    floor.settle()
    assert Job.objects.count() == 2


def test_a_cancelled_job_never_starts(floor: Floor, ask: Callable[..., Job], steward: Person) -> None:
    @job("test.unwanted", queue=Queue.DESK)
    def unwanted() -> None:
        write(text="unwanted")

    floor.stop()
    asked = ask(unwanted)
    cancel_job(actor=steward, job=str(asked.id))
    floor.restart()
    floor.settle()
    time.sleep(0.3 if floor.worker else 0)
    row = Job.objects.get()
    assert (row.state, row.run) == (JobState.CANCELLED, 0)
    assert not notes("unwanted")
    assert "job.cancel" in LedgerEntry.objects.values_list("kind", flat=True)


def wait_for(file: Path, patience_s: float = 20.0) -> str:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.02)
    raise TimeoutError(file)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


LINGERER = """
import os, sys, time
child = os.fork()
if child == 0:
    os.setsid()                       # leaves the group, as a daemon does
    grand = os.fork()
    with open(sys.argv[1] + str(bool(grand)), "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
time.sleep(600)
"""


def test_cancelling_kills_the_program_and_all_that_it_started(
    floor: Floor, ask: Callable[..., Job], steward: Person, tmp_path: Path
) -> None:
    @job("test.program", queue=Queue.PROOF)
    def program(*, file: str) -> None:
        run_program([sys.executable, "-c", LINGERER, file], timeout_s=60)
        write(text="after")

    asked = ask(program, {"file": str(tmp_path / "pid")})

    def cancel() -> None:
        for name in ("pid", "pidTrue", "pidFalse"):
            wait_for(tmp_path / name)
        cancel_job(actor=steward, job=str(asked.id))
        connections.close_all()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    floor.settle()
    canceller.join()
    pids = [int((tmp_path / name).read_text()) for name in ("pid", "pidTrue", "pidFalse")]
    until = time.monotonic() + 10
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_alive(pid)]
    assert Job.objects.get().state == JobState.CANCELLED
    assert not notes("after")


def test_a_program_gets_a_scrubbed_environment_and_its_files_are_kept(
    floor: Floor, ask: Callable[..., Job], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROOFHOUSE_SECRET", "hidden")
    code = (
        "import os, sys, json\n"
        "open('out.json', 'w').write(json.dumps(sorted(os.environ)))\n"
        "print('said', file=sys.stdout); print('half way', file=sys.stderr); sys.exit(1)"
    )

    @job("test.files", queue=Queue.PROOF)
    def files() -> Any:
        ran = run_program(
            [sys.executable, "-c", code],
            timeout_s=60,
            ok=(0, 1),
            keep=["out.json", "absent"],
            env={"EXTRA": "1"},
            on_line=lambda line: report_progress(50, line),
        )
        return [ran.code, ran.said, ran.kept]

    ask(files)
    floor.settle()
    row = Job.objects.get()
    assert row.state == JobState.DONE, row.problem
    code_of, said, kept = row.result
    assert (code_of, said, row.text) == (1, "said\n", "half way")
    from proofhouse.server.engine.blobs import get_blob

    names = get_blob(kept["out.json"]).decode()
    assert "PROOFHOUSE_SECRET" not in names
    assert "PROOFHOUSE_HOUSE" not in names
    assert '"EXTRA"' in names
    assert list(kept) == ["out.json"]
    assert not list((house.work / "jobs").iterdir()), "its directory is gone"


def test_a_program_that_takes_too_long_is_killed_and_counts_as_a_failure(
    floor: Floor, ask: Callable[..., Job], tmp_path: Path
) -> None:
    @job("test.slow_program", queue=Queue.PROOF, attempts=1)
    def slow_program(*, file: str) -> None:
        run_program([sys.executable, "-c", LINGERER, file], timeout_s=1.0)

    ask(slow_program, {"file": str(tmp_path / "pid")})
    floor.settle()
    row = Job.objects.get()
    assert (row.state, row.problem) == (
        JobState.POISONED,
        "ProgramTimeout: the program took longer than it may",
    )
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_program_that_breaks_says_its_last_line(floor: Floor, ask: Callable[..., Job]) -> None:
    @job("test.broken", queue=Queue.PROOF, attempts=1)
    def broken() -> None:
        run_program(["sh", "-c", "echo one >&2; echo 'no such recipe' >&2; exit 3"], timeout_s=20)

    @job("test.absent", queue=Queue.PROOF, attempts=1)
    def absent() -> None:
        run_program(["no-such-program-anywhere"], timeout_s=20)

    ask(broken)
    ask(absent)
    floor.settle()
    assert {row.problem for row in Job.objects.all()} == {
        "ProgramFailed: sh ended with 3: no such recipe",
        "ProgramFailed: no-such-program-anywhere ended with 127: "
        "no-such-program-anywhere: No such file or directory",
    }


def test_progress_is_on_the_row_while_the_job_runs(floor: Floor, ask: Callable[..., Job]) -> None:
    seen: list[tuple[int, str]] = []

    @job("test.progress", queue=Queue.DESK)
    def progress() -> None:
        report_progress(40, "of the way")
        seen.append(Job.objects.values_list("percent", "text").get())

    ask(progress)
    floor.settle()
    assert seen == [(40, "of the way")]


def test_a_run_that_was_taken_over_writes_nothing_more(floor: Floor, ask: Callable[..., Job]) -> None:
    stopped: list[bool] = []

    @job("test.zombie", queue=Queue.DESK)
    def zombie() -> None:
        Job.objects.update(run=7)  # as another worker's start does
        try:
            write(text="ghost")
        except Exception:
            stopped.append(False)

    ask(zombie)
    until = time.monotonic() + 20
    fake = port.dispatcher()
    if isinstance(fake, Eager):
        fake.run_all()
    while Job.objects.get().run != 7 and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3 if floor.worker else 0)
    row = Job.objects.get()
    assert (notes("ghost"), JobStep.objects.count(), stopped) == (0, 0, [])
    assert (row.state, row.run) == (JobState.RUNNING, 7), "the row belongs to whoever took it over"


def test_steps_that_changed_their_order_are_refused(floor: Floor, ask: Callable[..., Job]) -> None:
    tries: list[int] = []

    @step
    def other() -> None: ...

    @job("test.changed", queue=Queue.DESK, attempts=2, retry_s=0.01)
    def changed() -> None:
        tries.append(1)
        if len(tries) == 1:
            write(text="first")
            raise OSError("again, please")
        other()

    ask(changed)
    floor.settle()
    row = Job.objects.get()
    assert row.state == JobState.POISONED
    assert row.problem == "JobChanged: step 1 was write when it was done, and is other now"


def test_a_queue_keeps_its_limit(floor: Floor, ask: Callable[..., Job]) -> None:
    guard, at_once, most = threading.Lock(), [0], [0]
    full = threading.Event()

    @job("test.limited", queue=Queue.EXAM_CPU)
    def limited() -> None:
        with guard:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            if at_once[0] >= 2:
                full.set()
        if floor.worker:
            full.wait(10)
            time.sleep(0.1)
        with guard:
            at_once[0] -= 1

    for _ in range(6):
        ask(limited)
    floor.settle()
    assert Job.objects.filter(state=JobState.DONE).count() == 6
    assert most[0] == (2 if floor.worker else 1)


def test_a_worker_takes_from_its_own_queues_only(floor: Floor, ask: Callable[..., Job]) -> None:
    if floor.worker is None:
        pytest.skip("the fake has no workers")

    @job("test.gpu", queue=Queue.EXAM_GPU)
    def gpu() -> None: ...

    @job("test.desk", queue=Queue.DESK)
    def plain_desk() -> None: ...

    floor.restart((Queue.DESK,))
    waits, runs = ask(gpu), ask(plain_desk)
    until = time.monotonic() + 20
    while Job.objects.get(id=runs.id).state != JobState.DONE and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    assert Job.objects.get(id=waits.id).state == JobState.QUEUED
    floor.restart()
    floor.settle()
    assert Job.objects.get(id=waits.id).state == JobState.DONE


def test_draining_lets_a_short_job_end_and_hands_a_long_one_back(
    floor: Floor, ask: Callable[..., Job], tmp_path: Path
) -> None:
    if floor.worker is None:
        pytest.skip("the fake has no workers")

    @job("test.short", queue=Queue.DESK)
    def short(*, file: str) -> None:
        Path(file).write_text("begun")
        time.sleep(0.8)
        write(text="short")

    @job("test.long", queue=Queue.PROOF)
    def long(*, file: str) -> None:
        write(text="begun")
        if not Path(file).exists():
            Path(file).write_text("begun")
            run_program(["sleep", "600"], timeout_s=900)
        write(text="ended")

    short_file, long_file = tmp_path / "short", tmp_path / "long"
    ask(short, {"file": str(short_file)})
    ask(long, {"file": str(long_file)})
    wait_for(short_file)
    wait_for(long_file)
    floor.stop(2)
    rows = {row.name: row for row in Job.objects.all()}
    assert rows["test.short"].state == JobState.DONE
    assert (rows["test.long"].state, rows["test.long"].attempts) == (JobState.QUEUED, 0)
    floor.restart()
    floor.settle()
    assert (notes("begun"), notes("ended"), notes("short")) == (1, 1, 1)


def test_nothing_is_pickled(floor: Floor, ask: Callable[..., Job]) -> None:
    if floor.worker is None:
        pytest.skip("the fake stores rows only")
    from proofhouse.server.engine.jobs.durable import Durable

    @job("test.stored", queue=Queue.DESK)
    def stored(*, text: str) -> None: ...

    asked = ask(stored, {"text": "x"})
    floor.settle()
    durable = port.dispatcher()
    assert isinstance(durable, Durable)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        [order] = durable.client.list_workflows(workflow_ids=[f"{asked.id}/1"])
        if order.status == "SUCCESS":
            break
        time.sleep(0.05)
    assert order.status == "SUCCESS"
    tables = ("workflow_status", "workflow_input")
    schema = "dbos." if floor.name == "postgresql" else ""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT serialization FROM {schema}{tables[0]}")
        assert {row[0] for row in cursor.fetchall()} == {"portable_json"}
        cursor.execute(f"SELECT inputs FROM {schema}{tables[1]}")
        assert all(row[0].startswith("{") for row in cursor.fetchall())
