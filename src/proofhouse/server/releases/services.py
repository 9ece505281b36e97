# SPDX-License-Identifier: Apache-2.0
"""Releasing a patch: the vendor signs it, the clearinghouse directs it, the member's agent answers.

Two authorities must agree (Uptane): the vendor's own key in the image repository, and the clearinghouse's director. The
director publishes only after the ledger's receipt for `release.authorise` is there, and agents check that receipt.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from proofhouse.agent.acknowledgement import ACKNOWLEDGEMENT_TYPE
from proofhouse.agent.enrolment import enrolment_message
from proofhouse.attest import (
    BadSignature,
    Envelope,
    KeyProblem,
    MalformedEnvelope,
    MalformedStatement,
    PublicKey,
    SignatureMismatch,
    verify_statement,
)
from proofhouse.distribution import (
    DirectorRepository,
    ImageFile,
    ImageRepository,
    Item,
    KeyRing,
    ReleaseProof,
    RingStep,
    authorisation_record,
    key_records,
    keys_from_records,
    new_item_id,
    sign_vendor_release,
)
from proofhouse.distribution.files import fsync_directory
from proofhouse.distribution.paths import group_of, vendor_role
from proofhouse.distribution.rings import RINGS
from proofhouse.ledger import Leaf, Receipt
from proofhouse.server.accounts.gate import access
from proofhouse.server.accounts.minting import Kind, digest_of
from proofhouse.server.accounts.models import Person
from proofhouse.server.accounts.permissions import Permission
from proofhouse.server.advisories.models import Advisory
from proofhouse.server.cases.models import Case
from proofhouse.server.engine.acts import ActError, act, one_transaction
from proofhouse.server.engine.blobs import get_blob, put_blob
from proofhouse.server.engine.clock import now, wire
from proofhouse.server.engine.effects import when_in_force
from proofhouse.server.engine.models import LedgerEntry, Peer
from proofhouse.server.engine.post import Enclosure, Received, on_letter, send, start_thread
from proofhouse.server.engine.record import record
from proofhouse.server.engine.work import each_hour
from proofhouse.server.house import this_house
from proofhouse.server.releases.models import Acknowledgement, Agent, Enrolment, Release, ReleaseKey

AUDIENCE = "public"
METADATA_NAME = "vendor-metadata.json"
RENEWED_BEFORE = timedelta(days=10)
"""The director's release role is good for 30 days and is signed anew when so little is left."""

GROUPS = 4
"""Vendors are spread over so many delegations (`docs/spec/manifest.md`)."""


class AcknowledgementRefused(Exception):
    """An agent's answer that this house does not take."""

    code = "acknowledgement_refused"


def _ring(name: str) -> KeyRing:
    return KeyRing(this_house().keys / name, allow_demo=this_house().demo)


def _repository(name: str) -> Path:
    directory: Path = this_house().repositories / "public" / name
    return directory


def image_repository() -> ImageRepository:
    """The image repository that this house serves; vendors sign what lies in it."""
    return ImageRepository(_repository("image"), _ring("image"))


def director_repository() -> DirectorRepository:
    """The director repository of this house."""
    return DirectorRepository(_repository("director"), _ring("director"))


def repositories_published() -> bool:
    """Whether both repositories are there; they are once the entry that opened them is in force."""
    return _repository("image").exists() and _repository("director").exists()


@act(Permission.RELEASES_PATCH_DIRECT)
def open_repositories(*, actor: Person) -> None:
    """Open both repositories; done once, it changes nothing afterwards. They appear with the ledger's receipt."""
    if not LedgerEntry.objects.filter(kind="repositories.open").exists():
        record("repositories.open", f"repositories:{AUDIENCE}", {"audience": AUDIENCE, "by": actor.email})


@when_in_force("repositories.open")
def lay_out_repositories(entry: LedgerEntry) -> None:
    """Make the keys and the two empty repositories; each appears whole, whenever the house is killed."""
    demo = this_house().demo
    if not _repository("image").exists():
        ring = _ring("image")
        for role, count in (("root", 3), ("targets", 3), ("groups", 1), ("snapshot", 1), ("timestamp", 1)):
            ring.ensure(role, count, demo=demo)
        with _whole("image") as directory:
            ImageRepository.create(directory, ring, now=now(), groups=GROUPS)
    if not _repository("director").exists():
        ring = _ring("director")
        for role, count in (("root", 3), ("targets", 1), ("snapshot", 1), ("timestamp", 1)):
            ring.ensure(role, count, demo=demo)
        with _whole("director") as directory:
            DirectorRepository.create(directory, AUDIENCE, ring, now=now())


@contextmanager
def _whole(name: str) -> Iterator[Path]:
    """Where to lay out a new repository: it takes its place when it is complete, whenever the house is killed."""
    scratch: Path = this_house().scratch / name
    if scratch.exists():
        shutil.rmtree(scratch)
    yield scratch
    place = _repository(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(place)
    fsync_directory(place.parent)


@each_hour
def renew_repositories() -> None:
    """Sign what is online anew well before it expires, so that agents never take silence for a freeze."""
    if repositories_published():
        image_repository().renew(now())
        director = director_repository()
        if director.published_roles()["targets"].expires - now() < RENEWED_BEFORE:
            director.renew_release_role(now=now())
        else:
            director.renew(now())


@act(Permission.RELEASES_PATCH_DIRECT)
def enrol_vendor(*, actor: Person, vendor: str, keys: list[dict[str, Any]]) -> dict[str, str]:
    """Delegate a vendor's paths to the vendor's own keys, which its maintainer handed over in person.

    The delegation is published with the ledger's receipt. Enrolling a vendor again replaces its keys.

    Args:
        actor: A coordinator.
        vendor: Name of the vendor's house.
        keys: TUF public key records.

    Raises:
        ActError: Nobody introduced that house, or the repositories were not opened.
        KeyRefused: A record is no TUF public key.
    """
    peer = Peer.objects.filter(name=vendor).first()
    if peer is None:
        raise ActError(f"no house called {vendor} was introduced to us", "unknown_house")
    opened = LedgerEntry.objects.filter(kind="repositories.open").exists()
    if not opened and not repositories_published():
        raise ActError("open the repositories first", "no_repositories")
    known = keys_from_records(keys)
    if not known:
        raise ActError("hand over at least one key of the vendor", "no_key")
    role = vendor_role(group_of(vendor, GROUPS), vendor)
    entry = record(
        "vendor.enrol",
        f"repositories:{AUDIENCE}",
        {"vendor": vendor, "role": role, "keys": sorted(key.keyid for key in known), "by": actor.email},
    )
    ReleaseKey.objects.update_or_create(
        vendor=peer, defaults={"public_key": keys, "told_at": now(), "entry": entry}
    )
    return {"role": role}


@when_in_force("vendor.enrol")
def delegate_to_vendor(entry: LedgerEntry) -> None:
    """Publish the delegation; keys that were replaced meanwhile are left to the entry that replaced them."""
    enrolled = ReleaseKey.objects.filter(entry=entry).first()
    if enrolled is not None:
        image_repository().add_vendor(enrolled.vendor_id, keys_from_records(enrolled.public_key), now=now())


@act(Permission.RELEASES_PATCH_SIGN)
def sign_release(*, actor: Person, case: str) -> Case:
    """The vendor signs the patch of a case with its own key and hands it to the clearinghouse.

    Args:
        actor: A maintainer.
        case: Id of the case, whose patch was offered before.
    """
    row = access(actor, Case, id=case)
    patch = row.patches.last()
    if row.thread is None or patch is None:
        raise ActError("offer a patch in this case first", "no_patch")
    content = get_blob(patch.sha256)
    signers = _ring("release").ensure("vendor", demo=this_house().demo)
    earlier = row.thread.letters.filter(type="release-request", direction="sent").last()
    previous = Received.reopen(earlier).enclosures[METADATA_NAME] if earlier else None
    path = f"{_own_group()}/{this_house().name}/patches/{patch.sha256[:12]}-{_plain_name(patch.name)}"
    signed = sign_vendor_release(path, content, signers, previous=previous, now=now())
    record("release.sign", row.thread.case, {"path": path, "sha256": signed.image.sha256, "by": actor.email})
    send(
        "release-request",
        row.thread,
        {
            "case": str(row.id),
            "product": {"name": row.product},
            "fixes": row.identifiers,
            "targets": [
                {"path": path, "sha256": signed.image.sha256, "size_bytes": signed.image.length_bytes}
            ],
            "image_targets_version": signed.version,
            "metadata": METADATA_NAME,
            "content": _plain_name(patch.name),
        },
        enclosures=[
            Enclosure(METADATA_NAME, "application/json", signed.metadata),
            Enclosure(_plain_name(patch.name), "text/x-diff", content),
        ],
    )
    return row


def vendor_key_records() -> list[dict[str, Any]]:
    """Public records of the keys with which this vendor signs; made at the first call."""
    return key_records(
        signer.public_key for signer in _ring("release").ensure("vendor", demo=this_house().demo)
    )


def _plain_name(name: str) -> str:
    return name.lower().replace("_", "-")


def _own_group() -> str:
    return group_of(this_house().name, GROUPS)


@on_letter("release-request")
def receive_release_request(letter: Received) -> None:
    """A vendor hands over a signed patch; it waits for a coordinator to direct it."""
    for content in letter.enclosures.values():
        put_blob(content)


@act(Permission.RELEASES_PATCH_DIRECT)
def direct_patch(*, actor: Person, advisory: str) -> Release:
    """Direct the vendor's signed patch to members. It takes effect when the ledger's receipt is there.

    Args:
        actor: A coordinator.
        advisory: Public number of the advisory that the patch answers.

    Raises:
        ActError: The vendor is not enrolled, has signed no patch, or another patch than the one that was proved.
    """
    row = access(actor, Advisory, number=advisory)
    case = row.case
    if case.thread is None:
        raise ActError("no vendor was told of this case yet", "no_vendor")
    if not ReleaseKey.objects.filter(vendor=case.thread.peer).exists():
        raise ActError("enrol the vendor's key first; nobody could take its patch", "not_enrolled")
    request = case.thread.letters.filter(type="release-request", direction="received").last()
    if request is None:
        raise ActError("the vendor has not signed a patch for this case yet", "not_signed")
    target = request.body["targets"][0]
    if not case.patches.filter(sha256=target["sha256"], proved=True).exists():
        raise ActError("the signed patch is not the one that was proved by execution", "not_proved")
    item = _item(new_item_id(), advisory, target, now())
    entry = record(
        "release.authorise",
        f"case:{case.id}",
        authorisation_record(AUDIENCE, item) | {"vendor": case.thread.peer.name, "by": actor.email},
    )
    return Release.objects.create(
        item=item.id,
        advisory=advisory,
        vendor=case.thread.peer,
        path=target["path"],
        sha256=target["sha256"],
        length_bytes=target["size_bytes"],
        entry=entry,
        authorised_at=entry.created_at,
    )


def _item(identity: str, advisory: str, target: dict[str, Any], at: datetime) -> Item:
    """The item, open to every ring at once."""
    return Item(
        id=identity,
        image=ImageFile(target["path"], target["sha256"], target["size_bytes"]),
        advisory=advisory,
        tlp="TLP:CLEAR",
        rings=tuple(RingStep(ring, at, 100) for ring in RINGS),
        not_before=at,
    )


@when_in_force("release.authorise")
def publish_release(entry: LedgerEntry) -> None:
    """Take the vendor's metadata into the image repository and name the patch in the director's manifest."""
    row = Release.objects.select_related("vendor").get(entry=entry)
    director = director_repository()
    if director.manifest.item(row.item) is None:
        request = _request_of(row)
        image = image_repository()
        if not image.names(row.vendor_id, row.path, row.sha256):
            content = request.enclosures[request.body["content"]]
            image.accept_vendor_metadata(row.vendor_id, request.enclosures[METADATA_NAME], content, now=now())
        target = {"path": row.path, "sha256": row.sha256, "size_bytes": row.length_bytes}
        proof = ReleaseProof.of_record(
            Receipt.from_bytes(entry.receipt.encode()),
            Leaf.from_bytes(bytes(entry.leaf)),
            entry.record,
            bytes(entry.record_key),
        )
        item = _item(row.item, row.advisory, target, row.authorised_at)
        director.authorise(item, proof, now=now(), issued=row.authorised_at)
    row.manifest_version = director.manifest.version
    row.save(update_fields=["manifest_version"])


def _request_of(row: Release) -> Received:
    thread = Advisory.objects.select_related("case__thread").get(number=row.advisory).case.thread
    if thread is None:
        raise ActError("the case of this release has no thread with its vendor", "no_vendor")
    for letter in thread.letters.filter(type="release-request", direction="received").order_by("-sequence"):
        if letter.body["targets"][0]["path"] == row.path:
            return Received.reopen(letter)
    raise ActError("the signed patch of this release is in none of the vendor's letters", "not_signed")


# --- the member's side ------------------------------------------------------------------------------------------------


@act(Permission.RELEASES_AGENT_ENROL)
def enrol_agent(*, actor: Person, name: str, public_key: dict[str, str]) -> Agent:
    """Enrol an agent of this member by its public key; only enrolled agents' answers are taken."""
    PublicKey.from_record(public_key)
    agent, _ = Agent.objects.update_or_create(
        name=name, defaults={"member": this_house().name, "public_key": public_key, "enrolled_at": now()}
    )
    return agent


ENROLMENT_LASTS = timedelta(hours=24)


@act(Permission.RELEASES_AGENT_ENROL)
def make_enrolment(*, actor: Person, agent: str, secret: str) -> Enrolment:
    """Let an agent enrol its own key once, within a day, by a code that goes with it to its machine.

    Args:
        actor: An operator.
        agent: Name of the agent, as answers are shown under.
        secret: A new secret of the kind for enrolments.

    Raises:
        ActError: A field cannot be used; the message names it.
    """
    digest = digest_of(secret, Kind.ENROLMENT)
    if digest is None:
        raise ActError("secret: not one for enrolments", "bad_secret")
    if not agent.strip() or len(agent) > 120:
        raise ActError("agent: 1 to 120 characters", "bad_agent")
    made = Enrolment(
        agent=agent.strip(), secret_sha256=digest, made_at=now(), expires_at=now() + ENROLMENT_LASTS
    )
    told = {"agent": made.agent, "until": wire(made.expires_at), "by": actor.name}
    made.entry = record("enrolment.make", f"enrolment:{made.id}", told)
    made.save()
    return made


class EnrolmentRefused(Exception):
    """The code or the key that came with it cannot be taken."""

    code = "enrolment_refused"


def take_enrolment(code: str, key: dict[str, str], signature: bytes) -> Agent:
    """Enrol the key of an agent that shows a code, and proves that it holds the key.

    Raises:
        EnrolmentRefused: The code is unknown, used or over, or the signature is not the key's.
    """
    try:
        public = PublicKey.from_record(key)
        public.verify(enrolment_message(code), signature)
    except (KeyProblem, SignatureMismatch, KeyError, TypeError, ValueError):
        raise EnrolmentRefused("that is no key, or no signature by it") from None
    with one_transaction("releases.take_enrolment"):
        row = Enrolment.objects.filter(
            secret_sha256=digest_of(code, Kind.ENROLMENT), used_at=None, expires_at__gt=now()
        ).first()
        if row is None:
            raise EnrolmentRefused("that code is unknown, used or over")
        row.used_at = now()
        row.save(update_fields=["used_at"])
        record("agent.enrol", f"enrolment:{row.id}", {"agent": row.agent, "key": public.key_id})
        agent, _ = Agent.objects.update_or_create(
            name=row.agent,
            defaults={"member": this_house().name, "public_key": key, "enrolled_at": now()},
        )
    return agent


def take_acknowledgement(envelope: bytes) -> None:
    """Take one answer of an agent of this member, and pass it on to the clearinghouse that directed the item.

    Raises:
        AcknowledgementRefused: Not signed by an enrolled agent, or no acknowledgement.
    """
    agent, answer = _read(envelope)
    with one_transaction("releases.take_acknowledgement"):
        digest = put_blob(envelope)
        if Acknowledgement.objects.filter(envelope_sha256=digest).exists():
            return
        _keep(answer, this_house().name, agent.name, digest, f"acknowledgement:{digest[:32]}")
        thread = start_thread(
            _clearinghouse(), subject=f"Answer of {agent.name}", case=f"acknowledgement:{digest[:32]}"
        )
        send(
            "deployment-acknowledgement",
            thread,
            _relay(answer),
            enclosures=[Enclosure("agent.dsse.json", "application/json", envelope)],
        )


def _read(envelope: bytes) -> tuple[Agent, dict[str, Any]]:
    try:
        parsed = Envelope.from_json(envelope)
    except MalformedEnvelope as wrong:
        raise AcknowledgementRefused(str(wrong)) from None
    for agent in Agent.objects.all():
        try:
            content = verify_statement(
                parsed, [PublicKey.from_record(agent.public_key)], predicate_type=ACKNOWLEDGEMENT_TYPE
            )
        except BadSignature:
            continue
        except MalformedStatement as wrong:
            raise AcknowledgementRefused(str(wrong)) from None
        return agent, {"subject": content["subject"][0], **content["predicate"]}
    raise AcknowledgementRefused("no enrolled agent has signed this")


def _relay(answer: dict[str, Any]) -> dict[str, Any]:
    stage = answer["stage"]
    return {
        "manifest_version": max(1, answer["manifest_version"]),
        "target": {
            "path": answer["subject"]["name"],
            "sha256": answer["subject"]["digest"]["sha256"],
            "size_bytes": 0,
        },
        "stage": "failed" if stage == "refused" else stage,
        "assets": "1",
        "acknowledgements": ["agent.dsse.json"],
    }


def _clearinghouse() -> str:
    directs = [
        peer.name
        for peer in Peer.objects.all()
        if any("manifest" in entry["purposes"] for entry in peer.introductions)
    ]
    if not directs:
        raise ActError("no clearinghouse was introduced to this member", "unknown_house")
    return directs[0]


@on_letter("deployment-acknowledgement")
def receive_acknowledgement(letter: Received) -> None:
    """A member passes on what its agent answered."""
    envelope = letter.enclosures[letter.body["acknowledgements"][0]]
    digest = put_blob(envelope)
    case = f"acknowledgement:{digest[:32]}"
    letter.thread.case = case
    letter.thread.save(update_fields=["case"])
    content = Envelope.from_json(envelope)
    _keep(_claimed(content), letter.thread.peer.name, "agent of the member", digest, case)


def _claimed(envelope: Envelope) -> dict[str, Any]:
    statement = json.loads(envelope.payload)
    return {"subject": statement["subject"][0], **statement["predicate"]}


def _keep(answer: dict[str, Any], member: str, agent: str, digest: str, case: str) -> None:
    entry = record(
        "acknowledgement.receive",
        case,
        {"item": answer["item"] or "", "stage": answer["stage"], "member": member, "envelope_sha256": digest},
    )
    Acknowledgement.objects.create(
        item=answer["item"] or "",
        member=member,
        agent=agent,
        stage=answer["stage"],
        reason=(answer["reason"] or {"text": ""})["text"][:300],
        envelope_sha256=digest,
        entry=entry,
        received_at=now(),
    )
