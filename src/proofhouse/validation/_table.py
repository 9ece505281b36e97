# SPDX-License-Identifier: Apache-2.0
"""A strict reader for one TOML table: each field is read once and bounded; what is left over is an error."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from proofhouse.validation._errors import RecipeError

NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
MAX_TEXT_CHARS = 4096
MAX_ITEMS = 64


class Table:
    """A TOML table under its dotted name.

    Args:
        content: what the TOML parser gave; anything but a table is refused.
        where: dotted name of the table, empty for the document.
    """

    def __init__(self, content: object, where: str = "") -> None:
        if not isinstance(content, dict):
            raise RecipeError(where, "must be a table")
        self._rest: dict[str, object] = dict(content)
        self.where = where

    def name(self, key: str) -> str:
        """Dotted name of a field of this table."""
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        """Whether the field is present and not read yet."""
        return key in self._rest

    def __iter__(self) -> Iterator[str]:
        """Names of the fields not read yet."""
        return iter(self._rest)

    def _take(self, key: str) -> object:
        if key not in self._rest:
            raise RecipeError(self.name(key), "is missing")
        return self._rest.pop(key)

    def text(
        self, key: str, pattern: re.Pattern[str] | None = None, *, max_chars: int = MAX_TEXT_CHARS
    ) -> str:
        """A non-empty string without control characters, matching `pattern` in full where one is given."""
        return _text(self._take(key), self.name(key), pattern, max_chars)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number in `low..high`; `default` where the field may be absent."""
        if default is not None and key not in self._rest:
            return default
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise RecipeError(self.name(key), f"must be a whole number from {low} to {high}")
        return value

    def seconds(self, key: str) -> int:
        """The one field `seconds` of the table `key`, at most two minutes; 0 where there is no such table."""
        table = self.table(key, optional=True)
        seconds = table.integer("seconds", 0, 120, 0)
        table.done()
        return seconds

    def integers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """One whole number in `low..high`, or a list of them, not empty."""
        if not isinstance(self._rest.get(key), list):
            return (self.integer(key, low, high),)
        found = tuple(item for _, item in self._items(key, optional=False))
        for index, item in enumerate(found):
            if not isinstance(item, int) or isinstance(item, bool) or not low <= item <= high:
                raise RecipeError(
                    f"{self.name(key)}[{index}]", f"must be a whole number from {low} to {high}"
                )
        return tuple(item for item in found if isinstance(item, int))

    def texts(
        self, key: str, pattern: re.Pattern[str] | None = None, *, optional: bool = False
    ) -> tuple[str, ...]:
        """A list of strings, not empty unless `optional`."""
        return tuple(
            _text(item, name, pattern, MAX_TEXT_CHARS) for name, item in self._items(key, optional=optional)
        )

    def argument_vectors(self, key: str, *, optional: bool = False) -> tuple[tuple[str, ...], ...]:
        """A list of argument vectors."""
        return tuple(argument_vector(item, name) for name, item in self._items(key, optional=optional))

    def argv(self, key: str) -> tuple[str, ...]:
        """One argument vector."""
        return argument_vector(self._take(key), self.name(key))

    def path(self, key: str) -> PurePosixPath:
        """A relative path that stays below its root."""
        return relative_path(self._take(key), self.name(key))

    def paths(self, key: str, *, optional: bool = False) -> tuple[PurePosixPath, ...]:
        """A list of relative paths."""
        return tuple(relative_path(item, name) for name, item in self._items(key, optional=optional))

    def table(self, key: str, *, optional: bool = False) -> "Table":
        """A sub-table; an empty one where it is absent and `optional`."""
        if optional and key not in self._rest:
            return Table({}, self.name(key))
        return Table(self._take(key), self.name(key))

    def tables(self, key: str, *, optional: bool = False) -> tuple["Table", ...]:
        """An array of tables, not empty unless `optional`."""
        return tuple(Table(item, name) for name, item in self._items(key, optional=optional))

    def done(self) -> None:
        """Refuse fields that nobody asked for."""
        if self._rest:
            raise RecipeError(self.name(sorted(self._rest)[0]), "is not a field of this table")

    def _items(self, key: str, *, optional: bool) -> Iterator[tuple[str, object]]:
        if optional and key not in self._rest:
            return
        value = self._take(key)
        where = self.name(key)
        if not isinstance(value, list):
            raise RecipeError(where, "must be a list")
        if not optional and not value:
            raise RecipeError(where, "must not be empty")
        if len(value) > MAX_ITEMS:
            raise RecipeError(where, f"has {len(value)} items; at most {MAX_ITEMS} are allowed")
        for index, item in enumerate(value):
            yield f"{where}[{index}]", item


def _text(value: object, where: str, pattern: re.Pattern[str] | None, max_chars: int) -> str:
    if not isinstance(value, str) or not value:
        raise RecipeError(where, "must be a non-empty string")
    if len(value) > max_chars:
        raise RecipeError(where, f"is longer than {max_chars} characters")
    if not value.isprintable():
        raise RecipeError(where, "must not contain control characters")
    if pattern is not None and not pattern.fullmatch(value):
        raise RecipeError(where, f"{value!r} does not have the form {pattern.pattern}")
    return value


def relative_path(value: object, where: str) -> PurePosixPath:
    """A POSIX path that is relative, has no `..` and no empty part.

    Raises:
        RecipeError: it is absolute, leaves its root, or is not a path at all.
    """
    text = _text(value, where, None, 512)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in text:
        raise RecipeError(where, f"{text!r} must be a relative path that stays below its root")
    return path


_SHELLS = frozenset(
    (
        *(
            "sh",
            "bash",
            "dash",
            "ash",
            "zsh",
            "ksh",
            "mksh",
            "fish",
            "csh",
            "tcsh",
            "busybox",
            "env",
            "xargs",
        ),
        *("python", "python3", "perl", "awk", "sed"),
    )
)


def argument_vector(value: object, where: str) -> tuple[str, ...]:
    """A list of strings that names a program directly, never an interpreter of program text.

    A recipe is read and judged by people; a script smuggled in as one argument would hide what it does.

    Raises:
        RecipeError: not a list of strings, too long, or an interpreter.
    """
    if not isinstance(value, list) or not value or len(value) > 256:
        raise RecipeError(where, "must be a list of 1 to 256 strings: program, argument, argument …")
    argv = tuple(_text(item, f"{where}[{index}]", None, MAX_TEXT_CHARS) for index, item in enumerate(value))
    program = PurePosixPath(argv[0])
    if program.is_absolute() or ".." in program.parts:
        raise RecipeError(
            f"{where}[0]", f"{argv[0]!r} must be a bare program name or a path below the source"
        )
    if program.name in _SHELLS:
        raise RecipeError(f"{where}[0]", f"{program.name!r} interprets program text; name the program itself")
    return argv
