"""Includes go the ways that docs/architecture.md allows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CSRC = ROOT / "csrc"
KERNELS = CSRC / "tt/kernels"

ROW = re.compile(r"^\| `(csrc/[^`]+)` \| (.*) \|$", re.MULTILINE)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def read_table():
    """Return what each room may include, files or rooms, after the table "Who may include what"."""
    table = (ROOT / "docs/architecture.md").read_text().partition("## Who may include what")[2].partition("\n## ")[0]
    rows = dict(ROW.findall(table))
    rooms = {}

    def read(room):
        if room not in rooms:
            targets = re.findall(r"`(csrc/[^`]+)`", rows[room])
            rooms[room] = {room, *targets}
            if "its rooms" in rows[room]:
                rooms[room] |= {name for name in rows if name.startswith(f"{room}/")}
            if "and what that may" in rows[room]:
                rooms[room] |= read(targets[-1])
        return rooms[room]

    for room in rows:
        read(room)
    return rooms


def room_of(path, rooms):
    """Return the innermost room of a path within the repository."""
    return max((room for room in rooms if path.startswith(f"{room}/")), key=len, default=None)


def included(file):
    """Return the project's files that a file includes, as paths within the repository."""
    # To a kernel, tt-metal's API is no part of the project: the emulated device only stands in for it.
    bases = [CSRC, file.parent] + [CSRC / "tt/runtime/emulated/include"] * (not file.is_relative_to(KERNELS))
    for name in INCLUDE.findall(file.read_text()):
        found = next((base / name for base in bases if (base / name).is_file()), None)
        if found is not None:
            yield str(found.resolve().relative_to(ROOT))


def test_includes():
    rooms = read_table()
    files = sorted(path for path in CSRC.rglob("*") if path.suffix in (".h", ".cpp"))
    checked = 0
    wrong = []
    for file in files:
        source = str(file.relative_to(ROOT))
        room = room_of(source, rooms)
        for target in included(file):
            checked += 1
            # What marks the library's exports is for all but what devices compile, too.
            shared = target == "csrc/export.h" and room not in ("csrc/contract", "csrc/tt/kernels")
            if not shared and target not in rooms[room] and room_of(target, rooms) not in rooms[room]:
                wrong.append(f"{source} of {room} includes {target} of {room_of(target, rooms)}")
    assert wrong == []
    assert len(files) > 150
    assert checked > 300  # else it is this test that does not find them
