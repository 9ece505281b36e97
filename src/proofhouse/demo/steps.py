# SPDX-License-Identifier: Apache-2.0
"""The nine steps. Each does the real thing, returns what it proved, and may be run again where it stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from proofhouse.attest import sha256_hex
from proofhouse.demo.cast import CAST, KNOWS, PURPOSES
from proofhouse.demo.stage import WITNESS, CouldNot, Stage, free_port
from proofhouse.server.opening import open_house

Facts = dict[str, Any]
Say = Callable[[str], None]

LAB = CAST["lab"].who("developer")
REVIEWER = CAST["office"].who("reviewer")
AUTHORITY = CAST["office"].who("authority")
COORDINATOR = CAST["clearinghouse"].who("coordinator")
MAINTAINER = CAST["vendor"].who("maintainer")
CLINIC = CAST["clinic"].who("operator")
UTILITY = CAST["utility"].who("operator")
INSPECTOR = CAST["inspector"].who("inspector")

DEFAULT_MODEL = "policy/fuzzer"

TERMS = {
    "access_days": 30,
    "uses": ["Measure cyber capability with the bank that is sealed in the ledger, and nothing else."],
    "protections": {
        "confidentiality": "Prompts and answers stay in the office's enclave.",
        "cybersecurity": "Every run in its own sandbox without a network; proved before each exam.",
        "insider_risk": "Named reviewers; every act in the ledger.",
        "intellectual_property": "No copy of weights, no training on outputs.",
        "use": "Only the exam named here; findings go to the developer first.",
        "nondisclosure": "Reviewers sign before access.",
    },
    "deletion_days": 30,
    "withdrawal": "at-any-time",
}


@dataclass
class Play:
    """What the steps hand on to each other; it is kept in `demo-state.json`."""

    stage: Stage
    model: str
    memory: dict[str, Any]
    say: Say

    def remember(self, **facts: Any) -> None:
        """Keep facts for later steps."""
        self.memory.update(facts)

    def settled(self, *houses: str) -> None:
        """Wait until houses have no entry without a receipt and no letter on its way."""
        for name in houses:
            person = CAST[name].people[0].email

            def rest(name: str = name, person: str = person) -> bool:
                standing = self.stage.ask(name, person, "engine.standing")
                if standing["dead"]:
                    raise CouldNot(f"a letter of {name} could not be delivered; see its log")
                return bool(standing["pending"] == 0 and standing["queued"] == 0)

            self.stage.until(rest, f"{name} to have its receipts and its letters delivered")


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def open_doors(play: Play) -> None:
    """Start the witness and the seven houses; also when a demo is continued."""
    play.stage.open_witness(play.memory["witness_port"])
    play.stage.open_doors()


def open_houses(play: Play) -> Facts:
    """Step 1: seven houses with keys and people, a witness of their ledgers, and introductions."""
    stage = play.stage
    for name, part in CAST.items():
        directory = stage.directory / name
        if not (directory / "house.toml").exists():
            open_house(
                directory,
                name=name,
                title=part.title,
                desks=part.desks,
                address=f"http://localhost:{free_port()}",
                people=part.people,
                demo=True,
            )
            play.say(f"{part.title}: {', '.join(sorted(part.desks))}")
    play.memory.setdefault("witness_port", free_port())
    open_doors(play)
    tell = {name: stage.ask(name, part.people[0].email, "engine.introduction") for name, part in CAST.items()}
    for one, other in KNOWS:
        for writer, reader in ((one, other), (other, one)):
            stage.do(
                reader,
                CAST[reader].people[0].email,
                "engine.introduce",
                introduction=tell[writer],
                purposes=list(PURPOSES[writer, reader]),
            )
    return {
        "houses": list(CAST),
        "people": sum(len(part.people) for part in CAST.values()),
        "introductions": 2 * len(KNOWS),
        "witness": WITNESS,
        "proved": f"{len(CAST)} houses open, each with its own ledger and process; "
        f"{2 * len(KNOWS)} introductions; one witness",
    }


def review(play: Play) -> Facts:
    """Step 2: inquiry, agreement, sealed bank and rule, then a window of at most 30 days."""
    stage = play.stage
    if play.model != DEFAULT_MODEL:
        stage.run("exam", "check-model", play.model)
    play.remember(model=play.model)
    subject = sha256_hex(f"endpoint:{play.model}".encode())
    release = (datetime.now(UTC) + timedelta(days=45)).date().isoformat()
    inquiry = stage.do(
        "lab",
        LAB,
        "reviews.inquire",
        office="office",
        model_name=play.model,
        model_sha256=subject,
        planned_partner_release=release,
        capabilities="Finds memory errors in small C parsers.",
    )["id"]
    play.settled("lab", "office")
    stage.do("office", REVIEWER, "reviews.propose_agreement", inquiry=inquiry, terms=TERMS)
    play.settled("office", "lab")
    stage.do("lab", LAB, "reviews.accept_agreement", inquiry=inquiry, signatory="Head of release")
    play.settled("lab", "office")
    stage.do("lab", LAB, "reviews.offer_access", inquiry=inquiry, days=30)
    play.settled("lab", "office")
    play.say("agreement accepted, access offered; sealing the bank before any access")

    custody, work = stage.directory / "custody", stage.house("office").work
    custody.mkdir(mode=0o700, exist_ok=True)
    plan, key, seal_file = work / "plan.json", custody / "bank.key", work / "seal.json"
    stage.run("exam", "plan", "--items", "12", "--out", str(plan))
    stage.run("exam", "seal", "--plan", str(plan), "--bank-key", str(key), "--out", str(seal_file))
    commitments = json.loads(seal_file.read_text())
    seal = stage.do(
        "office", AUTHORITY, "exams.seal_bank", case=f"review:{inquiry}", commitments=commitments
    )["id"]
    play.settled("office")
    window = stage.do("office", REVIEWER, "reviews.open_window", inquiry=inquiry, days=30)["id"]
    play.settled("office", "lab")
    opened = next(row for row in stage.ask("lab", LAB, "reviews.inquiries") if row["id"] == inquiry)
    if opened["state"] != "access-open":
        raise CouldNot(f"the lab still sees the inquiry as {opened['state']}")
    play.remember(inquiry=inquiry, seal=seal, plan=str(plan), bank_key=str(key), subject=subject)
    return {
        "inquiry": inquiry,
        "window": window,
        "items_sealed": commitments["items"],
        "bank_root_sha256": commitments["bank_root_sha256"],
        "rule_sha256": commitments["rule_sha256"],
        "sealed_before_access": True,
        "proved": f"agreement accepted; {commitments['items']} items and the rule sealed in the ledger "
        "before the 30-day window opened",
    }


def determination(play: Play) -> Facts:
    """Step 4: the authority's word on the reviewed model, and by the same rule on one that nobody submitted."""
    stage = play.stage
    stage.do("office", AUTHORITY, "reviews.determine", statement=play.memory["statement"], basis="review")
    play.settled("office", "lab")
    play.say("label of the reviewed model determined, notice delivered; now a model that nobody submitted")
    second = _run_exam(play, "policy/reference", "second")
    stage.do("office", AUTHORITY, "reviews.determine", statement=second["sha256"], basis="public-access")
    play.settled("office")
    stage.do("office", REVIEWER, "reviews.close_window", inquiry=play.memory["inquiry"])
    opening_file = stage.house("office").work / "opening.json"
    stage.run(
        "exam",
        "open-seal",
        "--plan",
        play.memory["plan"],
        "--bank-key",
        play.memory["bank_key"],
        "--out",
        str(opening_file),
    )
    stage.do(
        "office",
        AUTHORITY,
        "exams.open_seal",
        seal=play.memory["seal"],
        opening=json.loads(opening_file.read_text()),
    )
    play.settled("office", "lab")
    made = stage.ask("office", AUTHORITY, "reviews.determinations")
    told = stage.ask("lab", LAB, "reviews.determinations")
    if len(made) != 2 or len(told) != 1 or made[0]["rule_sha256"] != made[1]["rule_sha256"]:
        raise CouldNot("expected two determinations by one rule, and one notice at the lab")
    play.remember(second_case=second["case"])
    return {
        "determinations": made,
        "notice_at_lab": [row["label"] for row in told],
        "never_submitted": {"model": "policy/reference", "verdict": second["verdict"]},
        "same_rule_sha256": made[0]["rule_sha256"],
        "seal_opened": True,
        "proved": f"{play.model} is {made[0]['label']}, and the lab has the notice; "
        f"a model that nobody submitted is {made[1]['label']} by the same rule; the seal is open",
    }


def exam(play: Play) -> Facts:
    """Step 3: the sealed items through Inspect AI in the sandbox, after the reference gate."""
    return _run_exam(play, play.model, "first")


def _run_exam(play: Play, model: str, name: str) -> Facts:
    stage = play.stage
    office = stage.house("office")
    out = office.work / f"exam-{name}"
    subject = sha256_hex(f"endpoint:{model}".encode())
    result = stage.run_json(
        "exam", "run",
        "--plan", play.memory["plan"],
        "--bank-key", play.memory["bank_key"],
        "--model", model,
        "--subject", subject,
        "--out", str(out),
        "--signer", str(next((office.keys / "exam").glob("*.pem"))),
    )  # fmt: skip
    envelope = Path(result["statement"]).read_bytes()
    case = f"review:{play.memory['inquiry']}" if name == "first" else f"model:{subject[:32]}"
    accepted = stage.do(
        "office",
        REVIEWER,
        "exams.accept_statement",
        seal=play.memory["seal"],
        case=case,
        envelope=_b64(envelope),
    )["id"]
    play.settled("office")
    if name == "first":
        play.remember(statement=accepted)
    summary = result["summary"]
    estimate = summary["estimate"]
    return {
        **summary,
        "sha256": accepted,
        "case": case,
        "proved": f"reference solved all, null none, {model} {summary['outcomes']['pass']} of {summary['items']}; "
        f"ability {estimate['ability']:+.2f} ({estimate['low']:+.2f} to {estimate['high']:+.2f}), "
        f"verdict {summary['verdict']}",
    }
