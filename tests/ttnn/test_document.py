"""The Python in docs/ttnn.md runs. It opens the chip itself, and so in a process of its own."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

from support.documents import ROOT

PROGRAM = """
from support.documents import ROOT, run_blocks
run_blocks(ROOT / "docs/ttnn.md")
"""


def has_ttnn():
    try:
        return importlib.metadata.version("ttnn") < "0.8"
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif("TT_METAL_SIMULATOR" not in os.environ, reason="needs a chip that no other process has")
@pytest.mark.skipif(not has_ttnn(), reason="needs a ttnn whose slice the compiler beside the simulator takes")
def test_python_runs():
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=300, env=os.environ | {"PYTHONPATH": path})
