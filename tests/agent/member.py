# SPDX-License-Identifier: Apache-2.0
"""A member's installation, and readers of what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distribution.world import AUDIENCE, PRODUCT, World
from proofhouse.agent import ACKNOWLEDGEMENT_TYPE, Agent, AgentConfig
from proofhouse.agent.config import write_config
from proofhouse.attest import Envelope, Signer, verify_statement


class Member:
    """A member with an `agent.toml` of its own."""

    def __init__(self, world: World, name: str = "clinic", **member: Any) -> None:
        self.world = world
        self.directory = world.directory / name
        self.signer = Signer.generate("agent", name, demo=True)
        key = self.signer.save(self.directory / "keys")
        (self.directory / "director-root.json").write_bytes(world.director.root_bytes())
        (self.directory / "image-root.json").write_bytes(world.image.root_bytes())
        (self.directory / "ledger.policy").write_bytes(bytes(world.ledger.policy))
        self.config_path = self.directory / "agent.toml"
        self.settings: dict[str, dict[str, Any]] = {
            "member": {
                "id": name,
                "audience": AUDIENCE,
                "ring": 1,
                "products": [PRODUCT],
                "key": str(key.relative_to(self.directory)),
                **member,
            },
            "director": {"url": f"{world.site.url}/director", "root": "director-root.json"},
            "image": {"url": f"{world.site.url}/image", "root": "image-root.json"},
            "ledger": {"policy": "ledger.policy"},
            "acknowledge": {"url": f"{world.site.url}/acks"},
        }
        self.write()

    def write(self) -> None:
        write_config(self.config_path, self.settings)

    def agent(self, clock: Callable[[], datetime] | None = None, **changed: Any) -> Agent:
        config = replace(AgentConfig.load(self.config_path), **changed)
        return Agent(config, clock or (lambda: datetime.now(UTC)))

    def staged(self) -> dict[str, bytes]:
        """Staged files by their path below the staging area."""
        area = self.directory / "stage"
        return {
            str(path.relative_to(area)): path.read_bytes()
            for path in sorted(area.rglob("*"))
            if path.is_file()
            and path.name != "item.json"
            and not path.relative_to(area).parts[0].startswith(".")
        }

    def acknowledged(self) -> list[dict[str, Any]]:
        """What arrived at the clearinghouse, signatures verified."""
        return [self.read(content) for content in self.world.site.acknowledgements]

    def read(self, content: bytes) -> dict[str, Any]:
        return verify_statement(
            Envelope.from_json(content), [self.signer.public], predicate_type=ACKNOWLEDGEMENT_TYPE
        )

    def stages(self) -> list[tuple[str, str | None]]:
        """Stage and reason code of each acknowledgement that arrived."""
        predicates = [entry["predicate"] for entry in self.acknowledged()]
        return [(entry["stage"], entry["reason"] and entry["reason"]["code"]) for entry in predicates]

    def state(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.directory / "state/state.json").read_bytes())
        return record


def tree(directory: Path) -> dict[str, bytes]:
    """All files below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
