"""Python processes of their own, for what a process can do only once."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

# Where Tenstorrent's simulator stands in for a chip, it says how long it ran when its process ends.
SIMULATOR_REPORT = re.compile(r"^\[\d+\] [\d.]+ seconds \([\d.]+ [kKMG]?Hz\)\n", re.MULTILINE)

# Python's queues have threads that may hold the last reference to a semaphore; where the process ends between that
# thread's unlinking it and its telling the resource tracker, the tracker reports a leak that is none.
TRACKER_IN_DOUBT = "ignore:resource_tracker:UserWarning"

# TT-Metalium's threads may still be at the kernels of a launch.
EXECUTOR_AT_FORK = re.compile(r"^WARNING: fork\(\) called while executor has in-flight work.*\n?", re.MULTILINE)

no_card = pytest.mark.skipif(any(Path("/dev/tenstorrent").glob("[0-9]*")), reason="this machine has a card")
"""For programs that behave differently where there is a card."""


def has_chip() -> bool:
    """Return whether this process has a real chip open."""
    simulated = bool(os.environ.get("TT_METAL_SIMULATOR"))
    return not simulated and torch.tt.is_initialized() and torch.tt.get_device_properties().runtime == "metal"


def run(code: str, **environment: str | None) -> subprocess.CompletedProcess:
    """Run Python code; ``None`` unsets an environment variable."""
    variables = os.environ | {"TORCH_TT_FALLBACK": "silent"} | environment
    if variables.get("TORCH_TT_RUNTIME") != "emulated" and has_chip():
        pytest.skip("a chip is open in one process at a time, and this one has it")
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        # Not where the tests were started: the source tree there would hide other packages of its name.
        cwd=os.path.dirname(__file__),
        timeout=300,
        check=False,
    )
    process.stdout = SIMULATOR_REPORT.sub("", process.stdout)
    process.stderr = EXECUTOR_AT_FORK.sub("", process.stderr)
    return process


def output_of_script(folder: Path, code: str) -> str:
    """Run code as a script in the folder, which processes that it spawns can import; return what it prints."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    start = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    return output(start, PYTHONWARNINGS=TRACKER_IN_DOUBT)


def output(code: str, **environment: str | None) -> str:
    """Run Python code that must succeed and say nothing to stderr; return what it prints."""
    process = run(code, **environment)
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout.strip()


def error(code: str, **environment: str | None) -> str:
    """Run Python code that must end with an exception; return the exception's line."""
    process = run(code, **environment)
    assert process.returncode == 1, process.stderr
    return process.stderr.strip().splitlines()[-1]
