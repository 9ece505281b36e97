# SPDX-License-Identifier: Apache-2.0
"""`proofhouse report`: report flaws to a house, and see how a report stands. It needs the base install only."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import click

from proofhouse.attest import sha256_hex
from proofhouse.cli import CouldNot
from proofhouse.server.cases.rules import Means, PromptClass
from proofhouse.server.engine.wire import ControlError, request
from proofhouse.server.house import HouseError, load_house

PATIENCE_S = 120.0
ANSWER_BYTES = 1 << 20


@click.group()
def cli() -> None:
    """Report flaws to a house, and see how a report stands."""


_TO = click.option("--to", "address", required=True, help="Address of the house, https://….")
_TOKEN = click.option(
    "--token-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds a token for the scope cases:report:submit.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_MEANS = click.option("--means", type=click.Choice([each.value for each in Means]), default="other")
_TOOL = click.option("--tool", default="", help="The tool that found it.")
_MODEL = click.option("--model", default="", help="The AI model that took part.")
_LEASE = click.option(
    "--lease", type=click.UUID, help="A running scan lease of yours, under which it was found."
)
_PROMPT = click.option(
    "--prompt-class",
    type=click.Choice([each.value for each in PromptClass]),
    default="none",
    help="What the AI system was asked to do.",
)


@cli.command()
@_TO
@_TOKEN
@click.option("--title", required=True, help="One line.")
@click.option("--product", required=True)
@click.option("--description", required=True, help="What happens; @FILE reads it from a file.")
@click.option("--version", default="", help="Where it was found.")
@click.option("--identifier", default="", help="Such as CVE-2026-0001.")
@click.option("--claimed-crash", default="", help="What the sanitizer says, such as heap-use-after-free.")
@click.option("--weakness", default="", help="Such as CWE-416.")
@click.option(
    "--proof",
    "proofs",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that shows it; may be repeated.",
)
@click.option("--recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_MEANS
@_TOOL
@_MODEL
@_PROMPT
@_LEASE
@_JSON
def submit(
    address: str,
    token_file: Path,
    title: str,
    product: str,
    description: str,
    version: str,
    identifier: str,
    claimed_crash: str,
    weakness: str,
    proofs: tuple[Path, ...],
    recipe: Path | None,
    means: str,
    tool: str,
    model: str,
    prompt_class: str,
    lease: UUID | None,
    as_json: bool,
) -> None:
    """Report one flaw. Sent twice, it is one report.

    Exit code 0: taken. 1: refused. 2: wrong use. 3: the house cannot be reached.
    """
    if description.startswith("@"):
        description = _read(Path(description[1:])).decode("utf-8", "replace")
    body = {
        "title": title,
        "product": product,
        "description": description,
        "version": version,
        "identifier": identifier,
        "claimed_crash": claimed_crash,
        "weakness": weakness,
        "provenance": _provenance(means, tool, model, prompt_class),
        "lease": str(lease or ""),
        "files": [{"name": proof.name, "content": _base64(proof)} for proof in proofs],
    }
    if recipe is not None:
        body["recipe"] = _base64(recipe)
    told = ask(address, "submissions", body, token_file)
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"report {told['report']} is taken; how it stands, for whoever has this address:")
    click.echo(told["slip"])


@cli.command("import")
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_TO
@_TOKEN
@click.option("--format", "form", required=True, type=click.Choice(["sarif", "csaf", "osv"]))
@click.option("--product", default="", help="Needed where the document names none, as SARIF does not.")
@_MEANS
@_TOOL
@_MODEL
@_PROMPT
@_LEASE
@_JSON
def import_(
    document: Path,
    address: str,
    token_file: Path,
    form: str,
    product: str,
    means: str,
    tool: str,
    model: str,
    prompt_class: str,
    lease: UUID | None,
    as_json: bool,
) -> None:
    """Report what DOCUMENT tells: each result of a SARIF log, each vulnerability of a CSAF document, an OSV record.

    All of it is taken or nothing. Exit codes as for `submit`.
    """
    body = {
        "format": form,
        "content": _base64(document),
        "product": product,
        "provenance": _provenance(means, tool, model, prompt_class),
        "lease": str(lease or ""),
    }
    told = ask(address, "submissions/documents", body, token_file)
    if as_json:
        click.echo(json.dumps(told))
        return
    for each in told["reports"]:
        click.echo(f"{each['report']}  {each['slip']}")
    click.echo(f"{len(told['reports'])} reports are taken", err=True)


@cli.command()
@click.argument("slip")
@_JSON
def status(slip: str, as_json: bool) -> None:
    """Say how the report of SLIP stands: `waits`, or what running or reading it showed."""
    told = answer(urllib.request.Request(checked(slip), headers={"Accept": "application/json"}))  # noqa: S310 - checked
    click.echo(json.dumps(told) if as_json else f"{told['report']}: {told['state']}")


@cli.command()
@click.argument("flaw_class", metavar="CLASS")
@click.argument("place")
def fingerprint(flaw_class: str, place: str) -> None:
    """Print the fingerprint by which the holder of a scan lease asks whether a flaw is known.

    CLASS is what a sanitizer says or a CWE, PLACE a function or a file. Nothing is sent.
    """
    from proofhouse.server.cases.prints import fingerprint as made

    click.echo(made(flaw_class, place))


@cli.command()
@click.argument("house", type=click.Path(path_type=Path))
@click.option("--as", "actor", required=True, help="E-mail of a coordinator.")
def mail(house: Path, actor: str) -> None:
    """Have the running house in HOUSE read the messages (….eml) that lie in its `mail-in/`."""
    try:
        socket = load_house(house).control_socket
        job = request(socket, {"do": "cases.collect_mail", "actor": actor})
    except (HouseError, ControlError) as refused:
        raise CouldNot(str(refused)) from None
    click.echo(f"job {job['id']} reads them; see `proofhouse house jobs`")


def _provenance(means: str, tool: str, model: str, prompt_class: str) -> dict[str, str]:
    return {"means": means, "tool": tool, "model": model, "prompt_class": prompt_class}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as wrong:
        raise click.BadParameter(f"{file}: {wrong.strerror}") from None


def _base64(file: Path) -> str:
    return base64.b64encode(_read(file)).decode("ascii")


def signed_in(token_file: Path) -> dict[str, str]:
    """The header by which a machine signs in with the token that a file holds."""
    return {"Authorization": f"Bearer {_read(token_file).decode('ascii', 'replace').strip()}"}


def checked(address: str) -> str:
    """An address that a token may be sent to.

    Raises:
        BadParameter: It is in the clear, and not on this machine.
    """
    where = urlsplit(address)
    loopback = where.hostname in ("localhost", "127.0.0.1", "::1")
    if where.scheme != "https" and not (where.scheme == "http" and loopback):
        raise click.BadParameter(f"{address}: https, or http on this machine itself")
    return address


def ask(address: str, path: str, body: Mapping[str, Any], token_file: Path) -> Any:
    """Have an act done by a house over its REST interface, once for the same body; gives its value.

    Raises:
        ClickException: The house refuses; the message says why.
        CouldNot: It cannot be reached.
    """
    content = json.dumps(body).encode()
    headers = {
        **signed_in(token_file),
        "Content-Type": "application/json",
        "Idempotency-Key": f"report/{sha256_hex(content)}",
    }
    where = f"{checked(address).rstrip('/')}/api/v1/{path}"
    return answer(urllib.request.Request(where, content, headers))["value"]  # noqa: S310 - checked


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: a token goes to the house that was named and to no other."""

    def redirect_request(self, *_: Any) -> None:
        """None: the redirection is the answer."""


def answer(asked: urllib.request.Request) -> Any:
    """What a house answers, as plain values; raises as `ask` does."""
    try:
        with urllib.request.build_opener(_Straight).open(asked, timeout=PATIENCE_S) as said:
            return json.loads(said.read(ANSWER_BYTES))
    except urllib.error.HTTPError as refused:
        raise click.ClickException(_reason(refused)) from None
    except (OSError, ValueError) as broken:
        raise CouldNot(f"{asked.host}: {broken}") from None


def _reason(refused: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(refused.read(ANSWER_BYTES))
        fields = "; ".join(f"{each['field']}: {each['detail']}" for each in told["errors"])
        return f"{told['code']}: {fields or told['detail']}"
    except (ValueError, KeyError, TypeError, OSError):
        return f"the house answered {refused.code}"
