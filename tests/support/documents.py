"""The documents of the repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks_of(document: Path) -> list[str]:
    """Return a document's Python."""
    return re.findall(r"^```python\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def run_blocks(document: Path) -> dict[str, object]:
    """Execute all Python blocks of a document, one after the other, and return their names."""
    found: dict[str, object] = {}
    for block in blocks_of(document):
        # No file's name: Dynamo would look for the code's lines there.
        exec(compile(block, f"<{document.name}>", "exec"), found)
    return found
