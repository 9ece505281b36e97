# SPDX-License-Identifier: Apache-2.0
"""The member agent: refresh, verify both authorities and the ledger proof, stage, acknowledge."""

from proofhouse.agent._agent import Agent, AgentBusy
from proofhouse.agent.acknowledgement import ACKNOWLEDGEMENT_TYPE, Reason, Stage
from proofhouse.agent.config import AgentConfig, ApplyHook, ConfigRefused, Source
from proofhouse.agent.report import AgentReport, ItemOutcome
from proofhouse.agent.state import StateBroken

__all__ = [
    "ACKNOWLEDGEMENT_TYPE",
    "Agent",
    "AgentBusy",
    "AgentConfig",
    "AgentReport",
    "ApplyHook",
    "ConfigRefused",
    "ItemOutcome",
    "Reason",
    "Source",
    "Stage",
    "StateBroken",
]
