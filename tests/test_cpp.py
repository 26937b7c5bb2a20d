"""The emulated device and its kernels in a plain C++ program, as it is and under the sanitizers."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "cpp"
RACES = ["race_without_any_signal", "race_of_signal_and_write", "race_behind_a_common_counter"]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("make") is None, reason="needs Linux, make and a C++ compiler"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs tests of the program, all by default, built with a sanitizer."""

    @functools.cache
    def build(sanitizer: str) -> Path:
        folder = tmp_path_factory.mktemp("cpp")
        command = ["make", "-C", PROGRAM, f"-j{os.cpu_count()}", f"SANITIZE={sanitizer}", f"BUILD={folder}"]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return folder / "run_tests"

    def run_tests(sanitizer: str, *names: str) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCH_TT_")}
        return subprocess.run([build(sanitizer), *names], capture_output=True, text=True, timeout=300, env=environment)

    return run_tests


@pytest.mark.parametrize("sanitizer", ["", "address,undefined", "thread"])
def test_emulated_device(run, sanitizer):
    result = run(sanitizer)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("race", RACES)
def test_thread_sanitizer_finds_races_of_kernels(run, race):
    result = run("thread", race)
    assert result.returncode != 0
    assert "WARNING: ThreadSanitizer: data race" in result.stderr
