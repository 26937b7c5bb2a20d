"""What runtime.h promises, checked by one plain C++ program for each runtime; emulated, under the sanitizers too."""

import os
from pathlib import Path

import pytest

import torch_moe_ttnn
from support import programs

LIBRARY = Path(torch_moe_ttnn._C.tt.metal_library())
RUNTIME = os.environ.get("TORCH_TT_RUNTIME", "")

pytestmark = [pytest.mark.chip, pytest.mark.dispatch, programs.needs_compiler]


@pytest.mark.skipif(RUNTIME == "metal", reason="the emulated runtime has its turn without TORCH_TT_RUNTIME=metal")
@pytest.mark.parametrize("chip", ["wormhole_b0", "blackhole"])
@pytest.mark.parametrize("sanitizer", ["", "address,undefined", "thread"])
def test_emulated(sanitizer, chip):
    result = programs.run("conformance", sanitizer, TORCH_TT_EMULATED_ARCH=chip)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(RUNTIME == "emulated", reason="TORCH_TT_RUNTIME=emulated leaves TT-Metalium out")
@pytest.mark.skipif(not LIBRARY.exists(), reason="built without TT-Metalium")
@pytest.mark.skipif("TT_METAL_SIMULATOR" not in os.environ, reason="TT-Metalium has no simulator to run on")
def test_metal():
    result = programs.run("conformance", TORCH_TT_RUNTIME="metal")
    assert result.returncode == 0, result.stdout + result.stderr
