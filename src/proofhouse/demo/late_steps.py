# SPDX-License-Identifier: Apache-2.0
"""Steps 5 to 9: from two reports on a real program to a verified bundle."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from proofhouse.attest import Signer
from proofhouse.demo.clocks import incident_clocks
from proofhouse.demo.finding import Finding, example_finding, real_finding
from proofhouse.demo.stage import CouldNot
from proofhouse.demo.steps import (
    CLINIC,
    COORDINATOR,
    INSPECTOR,
    LAB,
    MAINTAINER,
    REVIEWER,
    UTILITY,
    Facts,
    Play,
    _b64,
)
from proofhouse.server.house import House
from proofhouse.validation import DirectorySource, load_recipe


def validation(play: Play) -> Facts:
    """Step 5: two finders report; running the proofs and the patch makes one case of them."""
    stage = play.stage
    clearinghouse = stage.house("clearinghouse")
    finding = _finding(play)
    for (house, actor), report in zip((("lab", LAB), ("utility", UTILITY)), finding.reports, strict=True):
        stage.do(house, actor, "cases.send_report", clearinghouse="clearinghouse", **report)
    play.settled("lab", "utility", "clearinghouse")
    play.say(
        f"two reports received; building {finding.product['name']} vulnerable and fixed, and running the proofs"
    )
    name = _into_house(finding.recipe, clearinghouse)
    asked = stage.do(
        "clearinghouse",
        COORDINATOR,
        "cases.validate",
        recipe=name,
        title=finding.title,
        product=finding.product["name"],
    )["id"]
    came = stage.finished("clearinghouse", COORDINATOR, asked, play.say)
    result = json.loads(stage.blob("clearinghouse", came["result_sha256"]))
    case = came["case"]
    play.settled("clearinghouse")
    opened = next(row for row in stage.ask("clearinghouse", COORDINATOR, "cases.cases") if row["id"] == case)
    play.remember(case=case, real=finding.real, finding=str(finding.recipe))
    return {
        "real": finding.real,
        "why_not_real": finding.why,
        "identifiers": opened["identifiers"],
        "result": result,
        "proved": f"{len(opened['identifiers'])} reports reproduced and merged into one case by one patch: "
        + ", ".join(opened["identifiers"])
        + ("" if finding.real else " (our example program, not a real one)"),
    }


def _into_house(file: Path, house: House) -> str:
    """Put a recipe with all that it names where the house's coordinators keep theirs; returns its name there."""
    recipe = load_recipe(file)
    root = house.recipes / file.stem
    shutil.rmtree(root, ignore_errors=True)
    (root / "recipes").mkdir(parents=True)
    shutil.copy(file, root / "recipes" / file.name)
    shutil.copytree(file.with_suffix(""), root / "recipes" / file.stem)
    if isinstance(recipe.source, DirectorySource):
        shutil.copytree(recipe.root / recipe.source.path, root / recipe.source.path)
    return file.stem


def _finding(play: Play) -> Finding:
    try:
        return real_finding(play.stage.cache)
    except CouldNot as unreachable:
        play.say(f"{unreachable}; using our own example program instead, and saying so")
        return example_finding(play.stage.cache, str(unreachable))


def advisory(play: Play) -> Facts:
    """Step 6: vendor told, embargo set and lifted, patch taken, advisory published."""
    stage, case = play.stage, play.memory["case"]
    finding = Finding.again(Path(play.memory["finding"]), stage.cache)
    until = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    stage.do(
        "clearinghouse",
        COORDINATOR,
        "cases.notify_vendor",
        case=case,
        vendor="vendor",
        product=finding.product,
        embargo_until=until.isoformat(),
    )
    play.settled("clearinghouse", "vendor")
    stage.do("vendor", MAINTAINER, "cases.acknowledge_case", case=case)
    play.settled("vendor", "clearinghouse")
    stage.do(
        "vendor",
        MAINTAINER,
        "cases.offer_patch",
        case=case,
        name=finding.patch_name,
        content=_b64(finding.patch),
        fixed_version=finding.package["fixed"],
    )
    play.settled("vendor", "clearinghouse")
    stage.do("clearinghouse", COORDINATOR, "cases.accept_patch", case=case)
    stage.do("clearinghouse", COORDINATOR, "cases.lift_embargo", case=case)
    play.settled("clearinghouse", "vendor")
    number = stage.do(
        "clearinghouse",
        COORDINATOR,
        "advisories.publish_advisory",
        case=case,
        summary=finding.summary,
        vulnerabilities=finding.vulnerabilities,
        package=finding.package,
        finders=finding.finders,
    )["id"]
    stage.until(
        lambda: stage.ask("clearinghouse", COORDINATOR, "advisories.advisories")[0]["published"],
        "the provider directory to be written",
    )
    checked = stage.ask("clearinghouse", COORDINATOR, "advisories.provider")
    if checked["problems"]:
        raise CouldNot(f"the provider directory is not right: {checked['problems'][0]}")
    play.remember(advisory=number)
    return {
        "advisory": number,
        "embargo": "set, accepted, lifted",
        "provider_files": checked["files"],
        "proved": f"{number} published as CSAF 2.0 and OSV, schema-checked and signed; "
        f"{checked['files']} files in the provider directory",
    }


def match(play: Play) -> Facts:
    """Step 7: only the member whose parts list holds the affected version is told."""
    stage = play.stage
    finding = Finding.again(Path(play.memory["finding"]), stage.cache)
    for house, actor, name in (
        ("clinic", CLINIC, "imaging gateway"),
        ("utility", UTILITY, "metering head-end"),
    ):
        stage.do(
            house,
            actor,
            "members.send_sbom",
            clearinghouse="clearinghouse",
            name=name,
            content=_b64(finding.sbom(house)),
        )
    play.settled("clinic", "utility", "clearinghouse")
    stage.do("clearinghouse", COORDINATOR, "members.match_advisory", advisory=play.memory["advisory"])
    play.settled("clearinghouse", "clinic", "utility")
    matches = stage.ask("clearinghouse", COORDINATOR, "members.matches")
    told = {
        house: len(stage.ask(house, actor, "members.notifications"))
        for house, actor in (("clinic", CLINIC), ("utility", UTILITY))
    }
    unknown = [row for row in matches if row["answer"] == "unknown"]
    if told != {"clinic": 1, "utility": 0} or not unknown:
        raise CouldNot(
            f"expected the clinic alone to be told and one unknown; got {told}, {len(unknown)} unknown"
        )
    return {
        "notified": told,
        "matches": matches,
        "proved": "the clinic is told, the utility hears nothing; "
        f"{unknown[0]['component']} {unknown[0]['version']} comes out as unknown",
    }


def release(play: Play) -> Facts:
    """Step 8: the vendor signs, the clearinghouse directs, the member's agent checks both and the ledger."""
    stage = play.stage
    stage.do("clearinghouse", COORDINATOR, "releases.open_repositories")
    keys = stage.ask("vendor", MAINTAINER, "releases.release_keys")
    stage.do("clearinghouse", COORDINATOR, "releases.enrol_vendor", vendor="vendor", keys=keys)
    stage.do("vendor", MAINTAINER, "releases.sign_release", case=play.memory["case"])
    play.settled("vendor", "clearinghouse")
    stage.do("clearinghouse", COORDINATOR, "releases.direct_patch", advisory=play.memory["advisory"])
    live = stage.until(
        lambda: next(
            (
                row
                for row in stage.ask("clearinghouse", COORDINATOR, "releases.releases")
                if row["manifest_version"]
            ),
            None,
        ),
        "the director to name the patch",
    )
    play.say(f"patch in manifest version {live['manifest_version']}; starting the clinic's agent")
    agent = stage.directory / "clinic-agent"
    trust = stage.ask("clearinghouse", COORDINATOR, "releases.agent_trust")
    answer = run_agent(play, agent, trust)
    stage.until(
        lambda: stage.ask("clearinghouse", COORDINATOR, "releases.acknowledgements"),
        "the clinic's acknowledgement to reach the clearinghouse",
    )
    play.settled("clinic", "clearinghouse")
    received = stage.ask("clearinghouse", COORDINATOR, "releases.acknowledgements")
    if received[0]["stage"] != "staged":
        raise CouldNot(f"the agent answered {received[0]['stage']}: {received[0]['reason']}")
    return {
        "item": live["item"],
        "manifest_version": live["manifest_version"],
        "sha256": live["sha256"],
        "agent": answer,
        "acknowledgements": received,
        "proved": "the agent verified vendor, director and ledger proof, staged the patch and signed its answer",
    }


def verify(play: Play) -> Facts:
    """Step 9: the inspector checks the bundle offline; then the clocks that the finding would start for the lab."""
    stage = play.stage
    review, case = f"review:{play.memory['inquiry']}", f"case:{play.memory['case']}"
    related = stage.ask("clearinghouse", COORDINATOR, "cases.related", case=play.memory["case"])
    for house, cases in (
        ("office", [review, play.memory["second_case"]]),
        ("clearinghouse", [case, *related]),
    ):
        origin = stage.house(house).log_origin
        stage.do("inspector", INSPECTOR, "oversight.ask_export", house=house, origin=origin, cases=cases)
    play.settled("inspector", "office", "clearinghouse")
    for house, actor in (("office", REVIEWER), ("clearinghouse", COORDINATOR)):
        stage.finished(house, actor, stage.do(house, actor, "oversight.make_export")["id"])
    play.settled("office", "clearinghouse", "inspector")
    bundle = stage.directory / "bundle.zip"
    stage.do("inspector", INSPECTOR, "oversight.write_combined_bundle", path=str(bundle))
    checked = stage.run_json("verify", str(bundle))
    opened = _open_seal_again(play, bundle)
    play.remember(bundle=str(bundle))
    lines = [line for line in checked["lines"] if line["ok"]]
    clocks = incident_clocks(play)
    dated = [clock for clock in clocks if clock["due"]]
    return {
        "incident_clocks": clocks,
        "bundle": str(bundle),
        "bundle_bytes": bundle.stat().st_size,
        "lines": [line["line"] for line in lines],
        "seal_opens": opened,
        "proved": f"bundle.zip verified offline: {len(lines)} lines proved, none failed; the seal opens; "
        f"the finding would start {len(dated)} dated clocks for the lab on {clocks[0]['law_day']} (law time set "
        f"for the demo), the first due {dated[0]['due'][:16]}Z",
    }


def _open_seal_again(play: Play, bundle: Path) -> str:
    """As an outsider would: take seal and opening from the bundle and regenerate every item."""
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(bundle) as archive:
        seal, opening = (
            archive.extract(f"documents/bank-{name}.json", scratch) for name in ("seal", "opening")
        )
        return play.stage.run("exam", "check-reveal", opening, "--seal", seal).strip()


def run_agent(play: Play, directory: Path, trust: dict[str, Any]) -> Any:
    """Set the clinic's agent up once, enrol its key in the clinic's house, and run it as its own process."""
    stage = play.stage
    pins = stage.directory / "pins"
    pins.mkdir(exist_ok=True)
    for name, content in trust["files"].items():
        (pins / name).write_bytes(base64.b64decode(content))
    config = directory / "agent.toml"
    if not config.exists():
        stage.run(
            "agent", "init",
            "--dir", str(directory),
            "--member", "clinic",
            "--audience", trust["audience"],
            "--director", trust["director_url"],
            "--director-root", str(pins / "director-root.json"),
            "--image", trust["image_url"],
            "--image-root", str(pins / "image-root.json"),
            "--ledger-policy", str(pins / "ledger-policy"),
            "--acknowledge", f"{stage.house('clinic').address}/acknowledgements/",
            "--demo",
        )  # fmt: skip
    key = Signer.load(directory / "keys" / "agent" / "member.pem").public.to_record()
    stage.do("clinic", CLINIC, "releases.enrol_agent", name="clinic-agent", public_key=key)
    return stage.run_json("agent", "run", "--config", str(config))
