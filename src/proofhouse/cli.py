# SPDX-License-Identifier: Apache-2.0
"""The command `proofhouse`: a noun for each room. A room's code is loaded when its noun is used, never before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

import proofhouse

_NOUNS: dict[str, tuple[str, str]] = {
    "agent": ("proofhouse.agent.cli", "What a member installs: refresh, verify, stage, acknowledge."),
    "demo": ("proofhouse.demo.cli", "One line through seven houses, on a real CVE."),
    "exam": ("proofhouse.exam.cli", "Plan, seal and run an exam; verify its report."),
    "house": ("proofhouse.server.cli", "Open and run one organisation's installation."),
    "law": ("proofhouse.law.cli", "What appears to apply, by when, and which clocks an incident starts."),
    "ledger": ("proofhouse.ledger.cli", "Witness, audit and read transparency logs."),
    "letters": ("proofhouse.server.letters_cli", "Read, verify and carry letters between houses."),
    "match": (
        "proofhouse.matching.cli",
        "Which components of an SBOM an advisory touches: yes, no or unknown.",
    ),
    "release": ("proofhouse.distribution.cli", "Sign and inspect released patches."),
    "report": ("proofhouse.server.report_cli", "Report flaws to a house, and see how a report stands."),
    "sandbox": ("proofhouse.sandbox.cli", "Prove and use the sandbox."),
    "scan": ("proofhouse.server.scan_cli", "Look for flaws under a scan lease, in the sandbox."),
    "up": ("proofhouse.demo.up", "Serve the portal of one house on 127.0.0.1."),
    "validate": ("proofhouse.validation.cli", "Prove a report and its patch by running them."),
    "verify": ("proofhouse.ledger.verify_cli", "Check an inspector's bundle offline, line by line."),
}


class CouldNot(click.ClickException):
    """Something that is needed is missing or broken; the message says what to do."""

    exit_code = 3


@contextmanager
def _extras_named(noun: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("proofhouse"):
            raise
        raise CouldNot(
            f"`proofhouse {noun}` needs {missing.name}, which is not installed here; "
            "install proofhouse with its extras: pip install 'proofhouse[exam,server]'"
        ) from None


class _Rooms(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        return sorted(_NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click calls it so
        if cmd_name not in _NOUNS:
            return None
        module, _ = _NOUNS[cmd_name]
        with _extras_named(cmd_name):
            command: click.Command = import_module(module).cli
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; one that needs an extra only when it works says so as well."""
        with _extras_named(ctx.invoked_subcommand or "…"):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Rooms"):
            formatter.write_dl([(noun, _NOUNS[noun][1]) for noun in self.list_commands(ctx)])


@click.group(cls=_Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(proofhouse.__version__, prog_name="proofhouse")
def main() -> None:
    """Pre-release cyber review of frontier models, and the clearinghouse next door.

    Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 could not.
    """


if __name__ == "__main__":
    main(prog_name="proofhouse")
