"""Says on a terminal what is under way, and nothing where nobody watches."""

import sys
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")

# To the line's begin, and away with what it holds.
_CLEAR = "\r\x1b[K"


def _words(item: object) -> str:
    return " ".join(map(str, item)) if isinstance(item, tuple) else str(item)


def progress(items: Collection[_Item], describe: Callable[[_Item], str] = _words) -> Iterator[_Item]:
    """Yield the items; while one is worked on, a line of stderr says which it is, of how many."""
    if not sys.stderr.isatty():
        yield from items
        return
    try:
        for number, item in enumerate(items, start=1):
            print(f"{_CLEAR}{number} of {len(items)}: {describe(item)}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        print(_CLEAR, end="", file=sys.stderr, flush=True)
