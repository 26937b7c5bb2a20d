"""Build and run the C++ programs of the tests."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("make") is None, reason="needs Linux, make and a C++ compiler"
)


@functools.cache
def _folder():
    # One of its own for each run, that programs share; it goes when this process ends.
    return tempfile.TemporaryDirectory(prefix="moe_programs_")


def _place() -> Path:
    return Path(os.environ.get("TEST_PROGRAMS") or _folder().name)


@functools.cache
def build(name: str, sanitizer: str) -> Path:
    """Build the program of tests/NAME with a sanitizer, or with none if that is empty; return its file."""
    folder = _place() / (sanitizer or "plain")
    command = ["make", "-C", TESTS / name, f"-j{os.cpu_count()}", f"SANITIZE={sanitizer}", f"BUILD={folder}"]
    # What cpu/ takes beside these: the Python whose torch it links, and where it keeps what no sanitizer changes.
    command += [f"PYTHON={sys.executable}", f"PLAIN={folder.parent / 'checks'}"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder / f"{name}_tests"


def run(name: str, sanitizer: str = "", *tests: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a program, or some of its tests, with variables of the environment instead of this process's TORCH_TT_*."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCH_TT_")}
    command = [build(name, sanitizer), *tests]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment | variables)
