# SPDX-License-Identifier: Apache-2.0
"""The whole exam, through the command line and Inspect, in the real sandbox."""

import base64
import copy
import json
import stat
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from proofhouse.attest import Envelope, Signer, sign_statement
from proofhouse.exam.cli import cli
from proofhouse.exam.errors import ExamError, GateFailed, ModelUnavailable, SandboxUnfit
from proofhouse.exam.families import FAMILIES
from proofhouse.exam.families.mem_poc import MemPoc
from proofhouse.exam.outcome import Outcome
from proofhouse.exam.plan import Plan, make_plan
from proofhouse.exam.report import ReportRefused, read_report
from proofhouse.exam.run import run_exam
from proofhouse.sandbox import SandboxUnavailable

pytestmark = pytest.mark.sandbox

KEY = bytes(range(32))


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="module")
def signer():
    return Signer.generate("exam", "office", demo=True)


@pytest.fixture(scope="module")
def held(tmp_path_factory, cache, signer):
    """One exam of the fuzzer over two levels, from plan to report, by the command line."""
    place = tmp_path_factory.mktemp("exam")
    pem = signer.save(place / "keys")
    assert call("plan", "--items", 4, "--out", place / "plan.json").exit_code == 0
    plan = json.loads((place / "plan.json").read_text())
    plan["budget"]["fuzz_runs"] = 200_000
    plan["blocks"] = [plan["blocks"][level] | {"count": 2} for level in (0, 2)]
    (place / "plan.json").write_text(json.dumps(plan))
    (place / "bank.key").write_text(KEY.hex())
    (place / "bank.key").chmod(0o600)
    common = ("--plan", place / "plan.json", "--bank-key", place / "bank.key")
    sealed = call("seal", *common, "--out", place / "seal.json")
    assert sealed.exit_code == 0, sealed.output
    done = call(
        *("run", *common, "--seal", place / "seal.json", "--model", "policy/fuzzer", "--subject", "ab" * 32),
        *("--out", place / "result", "--signer", pem, "--cache", cache, "--json"),
    )
    assert done.exit_code == 0, done.output
    return place, pem, json.loads(done.stdout)


def test_reference_scores_all_null_none_and_the_fuzzer_between(held):
    summary = held[2]["summary"]
    assert summary["gate"]["reference"]["pass"] == 4
    assert summary["gate"]["null"]["fail"] == 4
    assert 0 < summary["outcomes"]["pass"] < 4
    assert summary["outcomes"]["invalid"] == 0


def test_the_report_verifies_and_agrees_with_the_seal(held, signer):
    place, pem, answer = held
    report = read_report((place / "result" / "report.dsse.json").read_bytes(), [signer.public])
    seal = json.loads((place / "seal.json").read_text())
    for name in ("plan_sha256", "rule_sha256", "bank_root_sha256", "grader_sha256"):
        assert report[name] == seal[name]
    assert report["subject_sha256"] == "ab" * 32
    assert report["self_test"]["ok"] is True
    assert report["tier"] == "T0"
    public = place / "office.json"
    public.write_text(json.dumps(signer.public.to_record()))
    for key in (pem, public):
        checked = call("verify", answer["statement"], "--key", key, "--seal", place / "seal.json")
        assert checked.exit_code == 0, checked.output


def test_another_key_or_seal_does_not_verify_the_report(held, tmp_path):
    place, pem, answer = held
    other = Signer.generate("exam", "other", demo=True).save(tmp_path)
    assert call("verify", answer["statement"], "--key", other).exit_code == 1
    seal = json.loads((place / "seal.json").read_text())
    (tmp_path / "seal.json").write_text(json.dumps(seal | {"bank_root_sha256": "00" * 32}))
    refused = call("verify", answer["statement"], "--key", pem, "--seal", tmp_path / "seal.json")
    assert refused.exit_code == 1
    assert "bank_root_sha256" in refused.output


def test_a_changed_report_does_not_verify(held, signer):
    content = json.loads((held[0] / "result" / "report.dsse.json").read_text())
    payload = base64.b64decode(content["payload"])
    for old, new in (
        (b'"verdict":"', b'"verdict":"x'),
        (b'"pass"', b'"fail"'),
        (b'"tier":"T0"', b'"tier":"T1"'),
    ):
        assert old in payload
        changed = content | {"payload": base64.b64encode(payload.replace(old, new, 1)).decode()}
        with pytest.raises(ReportRefused, match="signature"):
            read_report(json.dumps(changed).encode(), [signer.public])


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("verdict",), "exceeds", "verdict"),
        (("samples", 3, "outcome"), "pass", "samples_root"),
        (("samples", 3, "outcome"), "won", "outcome"),
        (("samples",), [], "samples"),
        (("outcomes", "pass"), 4, "outcomes"),
        (("estimate", "ability"), 3.0, "ability"),
        (("estimates", "excluded", "passes"), 4, "passes"),
        (("p_below",), 0.0, "p_below"),
        (("gate", "reference", "pass"), 3, "gate"),
        (("self_test", "ok"), False, "self_test"),
        (("plan", "rule", "threshold"), -3.0, "plan_sha256"),
        (("rule_sha256",), "00" * 32, "rule_sha256"),
        (("subject_sha256",), "00" * 32, "subject"),
        (("extra",), 1, "unknown extra"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused_even_when_signed(held, signer, path, value, says):
    content = (held[0] / "result" / "report.dsse.json").read_bytes()
    statement = json.loads(Envelope.from_json(content).payload)
    place = statement["predicate"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = copy.deepcopy(value)
    with pytest.raises(ReportRefused, match=says):
        read_report(sign_statement(statement, [signer]).to_json(), [signer.public])


def test_logs_and_artefacts_are_kept_for_their_owner(held):
    result = held[0] / "result"
    assert stat.S_IMODE(result.stat().st_mode) == 0o700
    assert len(list((result / "logs").glob("*/*.eval"))) == 3
    artefacts = list((result / "artefacts").iterdir())
    assert len(artefacts) == held[2]["summary"]["outcomes"]["pass"]


def test_the_seal_opens_and_an_outsider_checks_the_reveal(held, tmp_path):
    place = held[0]
    common = ("--plan", place / "plan.json", "--seal", place / "seal.json")
    reveal = tmp_path / "reveal.json"
    opened = call("open-seal", *common, "--bank-key", place / "bank.key", "--out", reveal)
    assert opened.exit_code == 0
    checked = call("check-reveal", reveal, "--seal", place / "seal.json", "--out", tmp_path / "items")
    assert checked.exit_code == 0
    assert len(list((tmp_path / "items").glob("*/hidden/parser.c"))) == 4
    other = tmp_path / "other.key"
    other.write_text("11" * 32)
    other.chmod(0o600)
    refused = call("open-seal", *common, "--bank-key", other)
    assert refused.exit_code == 1
    assert "item 0" in refused.output


def test_an_exam_does_not_run_under_another_seal(held, tmp_path):
    place, pem, _ = held
    call("plan", "--items", 5, "--out", tmp_path / "plan.json")
    refused = call(
        *("run", "--plan", tmp_path / "plan.json", "--bank-key", place / "bank.key"),
        *(
            "--seal",
            place / "seal.json",
            "--model",
            "policy/null",
            "--out",
            tmp_path / "out",
            "--signer",
            pem,
        ),
    )
    assert refused.exit_code == 3
    assert "not the plan that was sealed" in refused.output


@pytest.mark.parametrize("model", ["nobody/knows", "policy/unknown", "no-slash", "openai/gpt-none"])
def test_a_model_that_cannot_be_used_is_one_message_and_exit_3(held, tmp_path, monkeypatch, model):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    place, pem, _ = held
    refused = call(
        *("run", "--plan", place / "plan.json", "--bank-key", place / "bank.key", "--model", model),
        *("--out", tmp_path / "out", "--signer", pem),
    )
    assert refused.exit_code == 3
    assert f"the model {model!r} cannot be used" in refused.output
    assert "[bold]" not in refused.output
    assert not (tmp_path / "out").exists()


def test_a_frontier_model_is_refused_on_t0(tmp_path, signer):
    with pytest.raises(SandboxUnfit, match="T1"):
        run_exam(make_plan(1), KEY, "policy/null", tmp_path / "out", signer, frontier=True)


def test_a_tier_that_is_not_here_is_never_replaced_by_a_weaker_one(tmp_path, signer, monkeypatch):
    def missing():
        raise SandboxUnavailable("no runsc here")

    monkeypatch.setattr("proofhouse.sandbox._runsc.runsc", missing)
    with pytest.raises(SandboxUnfit, match="no runsc here"):
        run_exam(make_plan(1), KEY, "policy/null", tmp_path / "out", signer, tier="T1", frontier=True)


def test_a_directory_with_other_files_is_refused(tmp_path, signer):
    (tmp_path / "old.txt").write_text("")
    with pytest.raises(ExamError, match="other files"):
        run_exam(make_plan(1), KEY, "policy/null", tmp_path, signer)


def test_a_finished_exam_is_not_held_again(held, tmp_path, signer):
    result = held[0] / "result"
    plan, seen = Plan.load(result / "plan.json"), []
    again = run_exam(plan, KEY, "policy/fuzzer", result, signer, seen.append, subject_sha256="ab" * 32)
    assert again.statement == (result / "report.dsse.json").read_bytes()
    assert again.summary == held[2]["summary"]
    assert seen == []
    with pytest.raises(ExamError, match="another exam"):
        run_exam(plan, KEY, "policy/null", result, signer, subject_sha256="ab" * 32)
    with pytest.raises(ExamError, match="cannot be relied on"):
        run_exam(plan, KEY, "policy/fuzzer", result, Signer.generate("exam", "other", demo=True))


class BrokenFamily(MemPoc):
    """A harness fault: the reference solution of every item is wrong."""

    def generate(self, seed, level):
        return replace(super().generate(seed, level), solution=b"")


def test_a_broken_harness_stops_at_the_gate_and_the_attempt_is_counted(tmp_path, signer, cache, monkeypatch):
    monkeypatch.setitem(FAMILIES, "mem.poc", BrokenFamily())
    seen = []
    with pytest.raises(GateFailed, match="policy/reference must pass every item, but 1 of 1"):
        run_exam(make_plan(1), KEY, "policy/null", tmp_path / "out", signer, seen.append, cache=cache)
    assert {progress.phase for progress in seen} == {"build", "gate"}
    monkeypatch.undo()
    result = run_exam(make_plan(1), KEY, "policy/null", tmp_path / "out", signer, cache=cache)
    assert read_report(result.statement, [signer.public])["aborted_attempts"] == 1
    assert list((tmp_path / "out" / "aborted-1" / "logs").iterdir())


@pytest.fixture
def killer_model():
    """A subject during whose turn the sandbox dies, by the host's hand, as by a crash or a kill."""
    from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi
    from inspect_ai.util import sandbox

    from proofhouse.sandbox.inspect_provider import BwrapSandboxEnvironment

    @modelapi(name="test-killer")
    class Killer(ModelAPI):
        async def generate(self, input, tools, tool_choice, config):  # noqa: A002
            sandbox().as_type(BwrapSandboxEnvironment).box.kill("killed by the test")
            output = ModelOutput.for_tool_call("killer", "submit", {"answer": "done"})
            output.usage = ModelUsage()
            return output

        async def count_text_tokens(self, text):
            return len(text)

    return "test-killer/any"


def test_a_dead_sandbox_is_invalid_retried_once_and_counted(tmp_path, signer, cache, killer_model):
    seen = []
    result = run_exam(make_plan(1), KEY, killer_model, tmp_path / "out", signer, seen.append, cache=cache)
    report = read_report(result.statement, [signer.public])
    assert report["outcomes"] == {name.value: int(name is Outcome.INVALID) for name in Outcome}
    assert report["samples"][0]["attempts"] == 2
    assert "the sandbox died" in report["samples"][0]["reason"]
    assert report["estimate"]["items"] == 0
    assert report["verdict"] == "inconclusive"
    assert "retry" in {progress.phase for progress in seen}


@pytest.fixture
def refuser_model():
    from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi

    @modelapi(name="test-refuser")
    class Refuser(ModelAPI):
        async def generate(self, input, tools, tool_choice, config):  # noqa: A002
            output = ModelOutput.from_content("refuser", "I cannot help.", stop_reason="content_filter")
            output.usage = ModelUsage()
            return output

        async def count_text_tokens(self, text):
            return len(text)

    return "test-refuser/any"


def test_a_refusal_is_counted_as_refused_under_each_treatment(tmp_path, signer, cache, refuser_model):
    result = run_exam(make_plan(1), KEY, refuser_model, tmp_path / "out", signer, cache=cache)
    report = read_report(result.statement, [signer.public])
    assert report["outcomes"]["refused"] == 1
    assert [report["estimates"][name]["items"] for name in ("as_failures", "excluded", "as_successes")] == [
        1,
        0,
        1,
    ]
    assert report["verdict"] == "inconclusive"


def test_model_errors_are_typed(tmp_path, signer):
    with pytest.raises(ModelUnavailable, match="policy/fuzzer"):
        run_exam(make_plan(1), KEY, "policy/unknown", tmp_path / "out", signer)


def test_importing_the_package_does_not_import_inspect():
    code = "import sys, proofhouse.exam, proofhouse.exam.cli; sys.exit('inspect_ai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_the_fuzzer_lies_strictly_between_on_the_full_bank(tmp_path, signer, cache):
    plan = make_plan(12)
    result = run_exam(plan, KEY, "policy/fuzzer", tmp_path / "out", signer, cache=cache)
    assert result.summary["gate"]["reference"]["pass"] == 12
    assert result.summary["gate"]["null"]["fail"] == 12
    assert 0 < result.summary["outcomes"]["pass"] < 12
    assert Plan.load(tmp_path / "out" / "plan.json") == plan
