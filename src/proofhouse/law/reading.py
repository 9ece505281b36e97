# SPDX-License-Identifier: Apache-2.0
"""Read law files: bounded YAML, no aliases, no repeated keys, no implicit dates, schema-checked.

Law files are contributed data. A file that is too large, too deep, repeats a key or refers to another part
of itself is refused before anything looks at its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from proofhouse.law.errors import LawMalformed, LawUnavailable

MAX_FILE_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_NODES = 20_000
MAX_FILES = 2_000

Document = dict[str, Any]
"""One parsed file: strings, numbers, booleans, null, lists and maps only."""

Documents = dict[str, Document]
"""Parsed files by path relative to the law directory, with forward slashes."""


class _Loader(yaml.CSafeLoader):
    """Safe loader that keeps dates as text and refuses repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a map, refusing a key that occurs twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} occurs twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: bytes, path: str) -> Document:
    """Parse one law or facts file.

    Args:
        text: the file's bytes, at most ``MAX_FILE_BYTES``.
        path: name for error messages.

    Returns:
        The top-level map.

    Raises:
        LawMalformed: too large, not YAML, an alias, a repeated key, too deep, or no map on top.
    """
    if len(text) > MAX_FILE_BYTES:
        raise LawMalformed(path, f"larger than {MAX_FILE_BYTES} bytes; split the file")
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise LawMalformed(path, "uses a YAML alias; write the value out")
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer powers
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise LawMalformed(path, f"not readable as YAML: {error}") from error
    if not isinstance(document, dict):
        raise LawMalformed(path, "the file must hold one map")
    if sum(1 for _ in _nodes(document, path, 0)) > MAX_NODES:
        raise LawMalformed(path, f"more than {MAX_NODES} values; split the file")
    return document


def _nodes(value: Any, path: str, depth: int) -> Iterator[None]:
    if depth > MAX_DEPTH:
        raise LawMalformed(path, f"nested deeper than {MAX_DEPTH} levels")
    yield None
    if isinstance(value, dict):
        for child in value.values():
            yield from _nodes(child, path, depth + 1)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child, path, depth + 1)


def law_directory(directory: Path | None = None) -> Path:
    """Find the law data.

    Args:
        directory: where the caller says it is; None looks at the copy inside the installed package, then at
            ``law/`` of the checkout that this module lies in.

    Returns:
        A directory that holds ``edition.yaml``.

    Raises:
        LawUnavailable: there is none.
    """
    here = Path(__file__).resolve().parent
    candidates = [directory] if directory is not None else [here / "data", here.parents[2] / "law"]
    for candidate in candidates:
        if (candidate / "edition.yaml").is_file():
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise LawUnavailable(f"no law data (edition.yaml) in {looked}; name its directory with --law DIR")


def read_directory(directory: Path) -> Documents:
    """Parse every ``*.yaml`` below a directory.

    Args:
        directory: the law directory.

    Returns:
        Documents by relative path, in path order.

    Raises:
        LawMalformed: a file is refused, or there are too many.
    """
    paths = sorted(directory.rglob("*.yaml"))
    if len(paths) > MAX_FILES:
        raise LawMalformed(str(directory), f"more than {MAX_FILES} files")
    documents: Documents = {}
    for path in paths:
        name = path.relative_to(directory).as_posix()
        documents[name] = parse(path.read_bytes(), name)
    return documents


def schema_name(path: str) -> str:
    """Return the schema that the file at a relative path must meet, without its ending."""
    name = path.rsplit("/", 1)[-1].removesuffix(".yaml")
    if path.startswith("calendars/"):
        return "calendar"
    if "/" in path and name.startswith("v"):
        return "version"
    return name


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    folder = resources.files("proofhouse.law") / "schemas"
    schema = json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@cache
def _schemas() -> frozenset[str]:
    folder = resources.files("proofhouse.law") / "schemas"
    return frozenset(file.name.removesuffix(".schema.json") for file in folder.iterdir())


def check_schema(path: str, document: Document) -> None:
    """Check one document against the schema of its kind.

    Args:
        path: relative path of the file; it decides the kind.
        document: the parsed file.

    Raises:
        LawMalformed: a file of an unknown kind, or one that breaks its schema; the message names the place.
    """
    name = schema_name(path)
    if name not in _schemas():
        raise LawMalformed(path, "no file of this name belongs in the law directory")
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(document))
    if error is not None:
        place = "/".join(str(part) for part in error.absolute_path) or "top"
        raise LawMalformed(path, f"{place}: {error.message[:300]}")
