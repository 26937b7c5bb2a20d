"""Runs groups of checks, each in a process of its own, which may hang or die.

A group is a module with a list ``CHECKS``. Its process opens the chip, which one process can have at a time, so groups
run one after another. Where a check takes its process with it, another process runs those that come after it.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from typing import IO, Any

from torch_moe_ttnn._cli.verify.check import Check

_OUTPUT_BYTES = 6000
"""Of what a process printed, the end, for the report."""

_SECONDS_OF_PYTHON = 60.0
"""That Python and torch have at least to start and to end, on a busy machine."""

_SECONDS_TO_ABORT = 5
"""That a process has to print where it hangs."""

_MOST_LOST = 2
"""Processes of a group that may be lost in a row: a chip that does not answer will not answer the next one."""

THE_END = "the process ends"
"""What is reported, as a check, of a process that ran all its checks: it closes the device and exits."""


def checks_of(group: str) -> list[Check]:
    """Return the checks of a group, which is the name of a module."""
    checks: list[Check] = importlib.import_module(group).CHECKS
    return checks


class _LostError(Exception):
    """The process hung or died; the message says how."""


class _Child:
    """A process that runs checks."""

    def __init__(self, group: str, names: Sequence[str], seed: int, full: bool, limit: float) -> None:
        self._limit = limit
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._told = 0
        self._pending = len(names)
        self._lines, writing = os.pipe()
        task = json.dumps({"module": group, "names": list(names), "seed": seed, "full": full})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}._child", str(writing), task],
                env=os.environ | {"TORCH_TT_FALLBACK": "silent"},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                # A group of its own, so that what it started ends with it.
                start_new_session=True,
            )
        finally:
            os.close(writing)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the process tells, and end when it has ended well; else raise ``_LostError``."""
        patient = max(self._limit, _SECONDS_OF_PYTHON)
        buffer, limit = b"", patient
        while True:
            if not select.select([self._lines], [], [], limit)[0]:
                raise _LostError(f"nothing was heard for {limit:g} seconds, and the process was ended")
            chunk = os.read(self._lines, 1 << 16)
            if not chunk:
                break
            *lines, buffer = (buffer + chunk).split(b"\n")
            for event in map(json.loads, lines):
                self._pending -= event["event"] == "end"
                yield event
            limit = self._limit if self._pending else patient
        try:
            status = self._process.wait(patient)
        except subprocess.TimeoutExpired:
            raise _LostError(f"the process did not end within {patient:g} seconds, and was ended") from None
        if status != 0:
            raise _LostError(f"the process ended {_in_words(status)}")

    def output(self, end: int | None = None) -> str:
        """Return what was printed since the last time, up to a position or all of it: the end, where it is long."""
        # Not by read(): the process writes where this file stands.
        if end is None:
            end = os.fstat(self._output.fileno()).st_size
        begin, self._told = max(self._told, end - _OUTPUT_BYTES), end
        return os.pread(self._output.fileno(), end - begin, begin).decode(errors="replace")

    def end(self) -> None:
        """End the process, if it has not ended, and what it started."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_ABORT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the process and forget what it printed."""
        self.end()
        os.close(self._lines)
        self._output.close()


def _in_words(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    return f"by {signal.Signals(-status).name}"


def run_group(group: str, *, seed: int, full: bool, limit: float) -> Generator[dict[str, Any], None, None]:
    """Run the checks of a group.

    Args:
        group: The name of a module with a list ``CHECKS``.
        seed: Of random shapes and values.
        full: Whether to take every size.
        limit: Seconds without a sign of life after which a process is ended.

    Yields:
        An entry of the document for each check: first with the result ``running``, then with its result.
    """
    pending = [check.name for check in checks_of(group)]
    descriptions = {check.name: check.description for check in checks_of(group)}
    lost = 0
    while pending:
        if lost == _MOST_LOST:
            for name in pending:
                reason = f"{lost} processes in a row were lost: the device does not answer"
                yield _entry(group, name, descriptions[name], "skipped", reason=reason)
            return
        child = _Child(group, pending, seed, full, limit)
        entry = _entry(group, "the process begins", "Python and the package start.", "running")
        since = time.perf_counter()
        try:
            for event in child.events():
                match event.pop("event"):
                    case "begin":
                        name = event["name"]
                        entry, since = _entry(group, name, descriptions[name], "running"), time.perf_counter()
                        yield entry
                    case "at":
                        entry["at"] = event["text"]
                        yield entry
                    case "end":
                        pending.remove(entry["name"])
                        output = child.output(event.pop("printed"))
                        if event["result"] == "failed":
                            entry["output"] = output
                        else:
                            entry["at"] = ""
                        yield entry | event
                        lost = 0
                        entry = _entry(group, THE_END, "The device is closed and Python exits.", "running")
                        since = time.perf_counter()
            if pending:
                raise _LostError("the process ended with status 0")
            yield entry | {"result": "passed", "seconds": round(time.perf_counter() - since, 3)}
        except _LostError as error:
            child.end()
            failed = {"result": "failed", "reason": str(error), "output": child.output()}
            yield entry | failed | {"seconds": round(time.perf_counter() - since, 3)}
            lost += 1
            if entry["name"] in pending:
                pending = pending[pending.index(entry["name"]) + 1 :]
        finally:
            child.close()


def _entry(group: str, name: str, description: str, result: str, *, reason: str = "") -> dict[str, Any]:
    return {
        "group": group.rpartition(".")[2],
        "name": name,
        "description": description,
        "result": result,
        "reason": reason,
        "at": "",
        "seconds": 0.0,
        "details": {},
    }
