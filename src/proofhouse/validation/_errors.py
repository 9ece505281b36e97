# SPDX-License-Identifier: Apache-2.0
"""What can go wrong while a report is being proved, each with one message that says what to do."""


class ValidationError(Exception):
    """Base of this room's errors."""


class RecipeError(ValidationError):
    """A recipe breaks a rule of `docs/spec/recipe.md`.

    Attributes:
        field: dotted name of the field at fault, e.g. `proof[0].inputs.document`.
        reason: what is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class SourceUnavailable(ValidationError):
    """The source cannot be had: no archive in reach and nothing in the cache."""


class SourceChanged(SourceUnavailable):
    """A source was found, but a file or patch that the recipe names is no longer in it."""


class ToolMissing(ValidationError):
    """A program that the work needs is not installed."""


class StorageFull(ValidationError):
    """The cache or output directory cannot be written: most often the disk is full."""


class BuildFailed(ValidationError):
    """The unpatched source does not build, so nothing can be proved.

    Attributes:
        step: argument vector that failed.
        output: the end of what it printed.
    """

    def __init__(self, step: tuple[str, ...], why: str, output: str) -> None:
        super().__init__(f"`{' '.join(step)}` {why}; it last printed:\n{output}")
        self.step = step
        self.output = output


class BoxTooSmall(ValidationError):
    """Source or outputs are larger than a build box allows."""


class PatchDoesNotApply(ValidationError):
    """A patch does not fit the source it was made for."""
