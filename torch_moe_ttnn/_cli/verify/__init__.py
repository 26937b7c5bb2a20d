"""``python -m torch_moe_ttnn --verify``: all that a device must do, checked, in two files that a user can send.

A group is a module whose ``CHECKS`` run in a process of their own. ``PREFIX.json`` is the document, whose format
``docs/command-line.md`` has; ``PREFIX.md`` is a page made of it.
"""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch_moe_ttnn._cli.verify.document import Document
from torch_moe_ttnn._cli.verify.page import page
from torch_moe_ttnn._cli.verify.processes import checks_of, run_group

GROUPS = tuple(
    f"{__name__}.{group}"
    for group in ("environment", "device", "operators", "times", "clocks", "ttnn_first", "tt_first")
)

DEFAULT_PREFIX = "torch_moe_ttnn-verify"
"""Of the two files' names, in the working directory."""

LIMIT = 180.0
"""Seconds without a sign of life after which a check's process is ended. Kernels are compiled in them."""

INTERRUPTED = 130
"""The exit status where the user interrupted it."""


def _print(entry: dict[str, Any]) -> None:
    """Print a line of a check that has ended."""
    if entry["result"] != "running":
        line = f"{entry['result']:<7}  {entry['seconds']:>6.1f} s  {entry['group']}: {entry['name']}"
        reason = entry["reason"].partition("\n")[0]
        print(f"{line}: {reason}" if reason else line, flush=True)


def verify(prefix: Path, *, seed: int, full: bool = False, groups: Sequence[str] = GROUPS, limit: float = LIMIT) -> int:
    """Run the checks, print a line of each as it ends, and write the document and the page.

    Args:
        prefix: Of the two files' names; its folder exists.
        seed: Of random shapes and values.
        full: Whether to take every size.
        groups: Names of modules.
        limit: Seconds without a sign of life after which a check is ended.

    Returns:
        The exit status: 0 where nothing failed, 1 where something did, 130 where the user interrupted it.

    Raises:
        OSError: a file cannot be written.
    """
    for group in groups:
        checks_of(group)  # what cannot be imported is an error now, and not when its turn comes
    file = prefix.with_name(f"{prefix.name}.json")
    document = Document(file, seed=seed, full=full)
    begin = time.perf_counter()
    status = INTERRUPTED
    try:
        for group in groups:
            with contextlib.closing(run_group(group, seed=seed, full=full, limit=limit)) as entries:
                for entry in entries:
                    _print(document.note(entry))
        status = 0 if document.finish() else 1
    except KeyboardInterrupt:
        print("interrupted")
    written = prefix.with_name(f"{prefix.name}.md")
    written.write_text(page(document.content), encoding="utf-8")
    print(f"\n{document.content['result']} in {time.perf_counter() - begin:.0f} s: {file} and {written}")
    return status
