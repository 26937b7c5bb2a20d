"""The document of a verification: what its JSON file holds, and nothing of who ran it."""

import contextlib
import datetime
import json
import os
import pwd
import re
import socket
from pathlib import Path
from typing import Any

FORMAT = "torch_moe_ttnn-verify"
VERSION = 1
"""Goes up where a reader of an earlier version would misunderstand; what is merely new does not change it."""

# Absolute paths, but for those that are the same on every machine.
_PATHS = re.compile(r"(?<![\w./<])(?!/(?:dev|proc|sys)/)~?/(?:[^\s/'\":,;()\[\]<>]+/)+([^\s/'\":,;()\[\]<>]*)")

# Of a check's entry, what does not come from this package alone.
_FREE_TEXTS = ("reason", "at", "details", "traceback", "output")

# Shorter ones are parts of words, such as the user "tt".
_SHORTEST_NAME = 3


class Anonymous:
    """Leaves out of texts who ran it, where: names of users and hosts, and all of a path but its last part."""

    def __init__(self) -> None:
        homes = {os.environ.get("HOME", ""), str(Path.home())}
        names = {os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}
        with contextlib.suppress(KeyError):
            entry = pwd.getpwuid(os.getuid())
            homes.add(entry.pw_dir)
            names.add(entry.pw_name)
        names.discard("root")
        host = socket.gethostname()
        hosts = {host, host.partition(".")[0]} - {"localhost"}
        self._homes = [(home, "~") for home in homes if len(home) > 1]
        self._names = [(name, "<user>") for name in names] + [(name, "<host>") for name in hosts]

    def text(self, text: str) -> str:
        """Return a text without them."""
        for home, instead in self._homes:
            text = re.sub(rf"{re.escape(home)}(?![\w-])", instead, text)
        text = _PATHS.sub(r"…/\1", text)
        # The longest first: one may be a part of another.
        for name, instead in sorted(self._names, key=lambda pair: -len(pair[0])):
            if len(name) >= _SHORTEST_NAME:
                text = re.sub(rf"\b{re.escape(name)}(?![\w-])", instead, text)
        return text

    def value(self, value: object) -> object:
        """Return a value of JSON without them; what it holds by name keeps its names."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value


class Document:
    """A verification so far.

    It is written at each step and reaches the disk at once, so that a machine that stops leaves a file that says where.
    """

    def __init__(self, file: Path, *, seed: int, full: bool) -> None:
        self._file = file
        self._anonymous = Anonymous()
        self._began = datetime.datetime.now(datetime.timezone.utc)
        self._entries: list[dict[str, Any]] = []
        self.content: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "began": self._began.isoformat(timespec="seconds"),
            "seed": seed,
            "full": full,
            "result": "unfinished",
            "seconds": 0.0,
            "checks": self._entries,
        }

    def note(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Take a check's entry, in place of the last one if that was still running; return it as it is written."""
        entry = {name: self._anonymous.value(value) if name in _FREE_TEXTS else value for name, value in entry.items()}
        if self._entries and self._entries[-1]["result"] == "running":
            self._entries.pop()
        self._entries.append(entry)
        self._write()
        return entry

    def finish(self) -> bool:
        """Note that all checks were made; return whether none failed."""
        passed = all(entry["result"] != "failed" for entry in self._entries)
        self.content["result"] = "passed" if passed else "failed"
        self._write()
        return passed

    def _write(self) -> None:
        seconds = datetime.datetime.now(datetime.timezone.utc) - self._began
        self.content["seconds"] = round(seconds.total_seconds(), 1)
        text = json.dumps(self.content, indent=1, ensure_ascii=False)
        beside = self._file.with_name(f"{self._file.name}.part")
        with beside.open("w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)
