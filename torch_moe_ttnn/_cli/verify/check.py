"""What a check is, what it is told and what it tells."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

Details: TypeAlias = dict[str, Any]
"""What a check found, by name, as JSON has it: numbers, texts, lists of them, tables (:func:`table`)."""


class SkippedError(Exception):
    """A check cannot run here; its message says why."""


class FailedError(Exception):
    """Something is not as it should be; its message says what."""


class Setting(NamedTuple):
    """What a check is told."""

    seed: int
    """Of random shapes and values."""

    full: bool
    """Whether to take every size, which takes longer."""

    at: Callable[[str], None]
    """Says what is under way: it is named where the process hangs or dies, and the time limit begins anew."""


class Check(NamedTuple):
    """Something to be verified. It fails by any exception but ``SkippedError``."""

    name: str
    description: str
    run: Callable[[Setting], Details]


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Details:
    """Return a table as one of a check's details."""
    return {"header": list(header), "rows": [list(row) for row in rows]}


def require(holds: bool, message: str) -> None:
    """Raise ``FailedError`` with a message that says what was expected, unless that holds."""
    if not holds:
        raise FailedError(message)


def message_of(error: type[Exception], call: Callable[[], object]) -> str:
    """Return the first line of the error that a call must raise."""
    try:
        call()
    except error as raised:
        return str(raised).partition("\n")[0]
    raise FailedError(f"expected {error.__name__}, and nothing was raised")
