# SPDX-License-Identifier: Apache-2.0
"""The router of a desk: lists of rows, single rows, answers to questions, and acts.

    desk = Desk("cases")
    desk.rows("cases", Case, CaseRow)
    desk.row("cases/{uuid:case}", Case, CaseRow)
    desk.act("cases/{uuid:case}/embargo-end", services.lift_embargo)

Reading passes the gate and nothing else. An act is asked for under an `Idempotency-Key` and done once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.params.models import Body as FromBody
from ninja.params.models import Header, Path, Query
from ninja.signature.utils import get_path_param_names
from pydantic import BaseModel, Field, create_model

from proofhouse.attest import sha256_hex
from proofhouse.server.accounts.gate import NotFound, visible
from proofhouse.server.engine.acts import PERMISSIONS, do_once, plain, public_name
from proofhouse.server.rest.bodies import Body, Row
from proofhouse.server.rest.door import actor, reader
from proofhouse.server.rest.paging import Listing, PageAsked, page
from proofhouse.server.rest.problems import Problem

R = TypeVar("R", bound=Row)

REFUSED_READS = (401, 403, 404, 422, 503)
REFUSED_ACTS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)

Key = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._:/-]{1,80}$",
        description="Chosen by the client, one for each act that is meant; the same key again gives the first answer",
    ),
]


class Page(BaseModel, Generic[R]):
    """One page of a list, newest first."""

    items: list[R]
    next: str | None = Field(description="Give it as `after` to read on; null at the end")


class Done(BaseModel):
    """What an act brought about. Its effect is in force once the ledger's receipt is there."""

    act: str
    id: str | None = Field(description="Key of the record that the act made or changed")
    state: str | None = Field(description="The state of that record")
    value: Any = Field(description="What else the act answers")


class Desk(Router):
    """The part of the interface that one desk answers for."""

    def __init__(self, name: str) -> None:
        super().__init__(tags=[name])

    def rows(
        self,
        path: str,
        model: type[Model],
        row: type[Row],
        *,
        order: str = "",
        by: tuple[str, ...] = (),
        **computed: Any,
    ) -> None:
        """Let the rows of a model be listed, newest first.

        Args:
            path: Below `/api/v1/`.
            model: Whose rows; the gate decides which.
            row: What is shown of each.
            order: The column by which the list runs; its time-ordered key by default.
            by: Columns by whose value the list may be narrowed.
            computed: Expressions for the fields of `row` that are no columns.
        """
        pk = _key_of(model)
        order = order or pk
        columns = _columns(model, row, computed, {pk, order})
        narrowing: dict[str, Any] = {name: (row.model_fields[name].annotation | None, None) for name in by}  # type: ignore[operator]
        narrowed = create_model(f"{row.__name__}List", __base__=PageAsked, **narrowing)

        listing = Listing(model, tuple(columns), computed, order)

        def view(request: HttpRequest, asked: Any) -> HttpResponse:
            wanted = {name: value for name in by if (value := getattr(asked, name)) is not None}
            return tagged(request, page(reader(request), listing, asked, wanted))

        title = str(model._meta.verbose_name_plural)
        self._read(path, view, f"List {title}", Page[row], {"asked": Annotated[narrowed, Query(...)]})  # type: ignore[valid-type]

    def row(self, path: str, model: type[Model], row: type[Row], **computed: Any) -> None:
        """Let one row be read; the path's one parameter is its key. A row that is not there for somebody is 404."""
        (name,) = get_path_param_names(path)
        columns = _columns(model, row, computed, set())

        def view(request: HttpRequest, **where: Any) -> HttpResponse:
            found = visible(reader(request), model).filter(pk=where[name])
            values = found.values(*columns, **computed).first()
            if values is None:
                raise NotFound(f"no {model._meta.verbose_name} like that")
            return tagged(request, msgspec.json.encode(values))

        self._read(path, view, f"Read one {model._meta.verbose_name}", row, _path_types(path))

    def answer(self, path: str, question: Callable[..., Any], shape: Any, **asked: Any) -> None:
        """Let a question of `queries.py` be asked; the path's parameters and those of `asked` are its arguments."""

        def view(request: HttpRequest, **where: Any) -> HttpResponse:
            said = question(actor=reader(request), **{name: str(value) for name, value in where.items()})
            return tagged(request, msgspec.json.encode(said))

        self._read(path, view, _first_line(question), shape, _path_types(path) | asked)

    def act(self, path: str, act: Callable[..., Any], body: type[Body] | None = None) -> None:
        """Let an act of `services.py` be asked for; path and body together are its arguments.

        Raises:
            TypeError: At import, when path and body do not give what the act takes.
        """
        name = public_name(act)
        in_path = _path_types(path)
        parameters = {
            key: each
            for key, each in inspect.signature(act).parameters.items()
            if key not in ("actor", *in_path)
        }
        offered = set(body.model_fields) if body else set()
        needed = {key for key, each in parameters.items() if each.default is each.empty}
        if not needed <= offered <= set(parameters):
            raise TypeError(f"{path}: {name} takes {sorted(parameters)}, the body gives {sorted(offered)}")

        def view(
            request: HttpRequest, idempotency_key: str, body: Body | None = None, **where: Any
        ) -> HttpResponse:
            given = body.model_dump(mode="json", exclude_unset=True) if body else {}
            arguments = {
                "actor": actor(request, PERMISSIONS[name]),
                **given,
                **{key: str(each) for key, each in where.items()},
            }
            asked = sha256_hex(msgspec.json.encode([given, where], order="deterministic"))
            return _done(name, do_once(name, idempotency_key, arguments, plain, asked=asked))

        types = {**in_path, "idempotency_key": Annotated[Key, Header(..., alias="Idempotency-Key")]}
        if body:
            types["body"] = Annotated[body, FromBody(...)]
        self._add(
            "POST", path, view, _first_line(act), Done, types, REFUSED_ACTS, act.__doc__ or "", act=name
        )

    def _read(
        self, path: str, view: Callable[..., Any], summary: str, shape: Any, types: Mapping[str, Any]
    ) -> None:
        self._add("GET", path, view, summary, shape, types, REFUSED_READS, "")

    def _add(
        self,
        method: str,
        path: str,
        view: Callable[..., Any],
        summary: str,
        shape: Any,
        types: Mapping[str, Any],
        refused: tuple[int, ...],
        about: str,
        act: str = "",
    ) -> None:
        view.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
                for name, annotation in {"request": HttpRequest, **types}.items()
            ]
        )
        self.add_api_operation(
            f"/{path}",
            [method],
            view,
            response={200: shape, refused: Problem},
            operation_id=_operation_id(method, path),
            summary=summary,
            description=_prose(about) or None,
            openapi_extra={"x-act": act} if act else None,
        )


def tagged(request: HttpRequest, content: bytes, media_type: str = "application/json") -> HttpResponse:
    """An answer with its ETag; 304 where the client has these very bytes.

    The tag is a digest of what this person is shown, so that it tells nothing that the answer itself does not.
    """
    tag = f'"{sha256_hex(content)[:32]}"'
    known = request.headers.get("If-None-Match", "")
    if known and (
        known.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in known.split(",")}
    ):
        answer = HttpResponse(status=304)
    else:
        answer = HttpResponse(content, content_type=media_type)
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    answer["Vary"] = "Authorization, Cookie"
    return answer


def _done(name: str, value: Any) -> HttpResponse:
    record = value if isinstance(value, dict) else {}
    is_record = bool(record) and set(record) <= {"id", "state"}
    content = {
        "act": name,
        "id": record.get("id"),
        "state": record.get("state"),
        "value": None if is_record else value,
    }
    answer = HttpResponse(msgspec.json.encode(content), content_type="application/json")
    answer["Cache-Control"] = "no-store"
    return answer


def _key_of(model: type[Model]) -> str:
    return str(model._meta.pk.name)


def _columns(model: type[Model], row: type[Row], computed: Mapping[str, Any], needed: set[str]) -> list[str]:
    columns = [name for name in row.model_fields if name not in computed]
    there = {field.name for field in model._meta.get_fields()}
    if not set(columns) <= there or not set(computed) <= set(row.model_fields) or not needed <= set(columns):
        raise TypeError(f"{row.__name__} does not show rows of {model.__name__}")
    return columns


def _path_types(path: str) -> dict[str, Any]:
    return {
        name: Annotated[UUID if f"{{uuid:{name}}}" in path else str, Path(...)]
        for name in get_path_param_names(path)
    }


def _operation_id(method: str, path: str) -> str:
    words = path.replace("{uuid:", "{").replace("{str:", "{").replace("{", "by-").replace("}", "")
    verb = "ask" if method == "POST" else "read"
    return f"{verb}-{words.replace('/', '-').replace('_', '-')}"


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _prose(docstring: str) -> str:
    """A docstring without the part that speaks to Python programmers."""
    return inspect.cleandoc(docstring).split("\nArgs:")[0].split("\nRaises:")[0].strip()
