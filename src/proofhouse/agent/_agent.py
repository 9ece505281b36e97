# SPDX-License-Identifier: Apache-2.0
"""The agent of one member: its directory, its lock, its runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

from proofhouse.agent._run import Run
from proofhouse.agent.acknowledgement import Outbox
from proofhouse.agent.config import AgentConfig
from proofhouse.agent.report import AgentReport
from proofhouse.agent.staging import Staging
from proofhouse.agent.state import State
from proofhouse.distribution.errors import DistributionError
from proofhouse.distribution.files import exclusive


class AgentBusy(DistributionError):
    """Another run of this agent is under way."""

    code = "agent-busy"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Agent:
    """A member's agent.

    Args:
        config: its configuration.
        clock: gives the present, aware.
    """

    def __init__(self, config: AgentConfig, clock: Callable[[], datetime] = _utc_now) -> None:
        self.config = config
        self._clock = clock
        self._state_directory = config.directory / "state"
        self.outbox = Outbox(config.directory / "acks")
        self.staging = Staging(config.directory / "stage")

    @property
    def state(self) -> State:
        """What the agent remembers now.

        Raises:
            StateBroken: its memory cannot be read.
        """
        return State.load(self._state_directory / "state.json")

    def run_once(self) -> AgentReport:
        """Do one complete run; running again changes nothing that is already so.

        Returns:
            The report. Refusals and unreachable repositories are in it, not raised.

        Raises:
            AgentBusy: another run is under way.
            StateBroken: the agent's memory cannot be read.
            OSError: the agent's own directory cannot be written.
        """
        with ExitStack() as held:
            try:
                held.enter_context(exclusive(self._state_directory / "lock", wait=False))
            except BlockingIOError:
                raise AgentBusy("another run of this agent is under way; wait for it to end") from None
            return Run(self.config, self._state_directory, self.staging, self.outbox, self._clock()).go()
