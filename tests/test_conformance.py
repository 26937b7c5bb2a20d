"""What runtime.h promises, checked by one plain C++ program for each runtime; emulated, under the sanitizers too."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "conformance"
LIBRARY = Path(__file__).parents[1] / "torch_moe_ttnn" / "libmoe_tt_metal.so"
RUNTIME = os.environ.get("TORCH_TT_RUNTIME", "")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("make") is None, reason="needs Linux, make and a C++ compiler"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the program, built with a sanitizer, with variables of the environment."""

    @functools.cache
    def build(sanitizer: str) -> Path:
        folder = tmp_path_factory.mktemp("conformance")
        command = ["make", "-C", PROGRAM, f"-j{os.cpu_count()}", f"SANITIZE={sanitizer}", f"BUILD={folder}"]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return folder / "run_tests"

    def run_program(sanitizer: str = "", **variables: str) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCH_TT_")}
        command = [build(sanitizer)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment | variables)

    return run_program


@pytest.mark.skipif(RUNTIME == "metal", reason="the emulated runtime has its turn without TORCH_TT_RUNTIME=metal")
@pytest.mark.parametrize("chip", ["wormhole_b0", "blackhole"])
@pytest.mark.parametrize("sanitizer", ["", "address,undefined", "thread"])
def test_emulated(run, sanitizer, chip):
    result = run(sanitizer, TORCH_TT_EMULATED_ARCH=chip)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(RUNTIME == "emulated", reason="TORCH_TT_RUNTIME=emulated leaves TT-Metalium out")
@pytest.mark.skipif(not LIBRARY.exists(), reason="built without TT-Metalium")
@pytest.mark.skipif("TT_METAL_SIMULATOR" not in os.environ, reason="TT-Metalium has no simulator to run on")
def test_metal(run):
    result = run(TORCH_TT_RUNTIME="metal")
    assert result.returncode == 0, result.stdout + result.stderr
