"""The TT-Metalium that the metal runtime was built with."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

import torch_moe_ttnn

_Value = TypeVar("_Value")

LIBRARY = Path(torch_moe_ttnn._C.tt.metal_library())
"""The metal runtime, which is there where the package was built with a TT-Metalium."""

SIMULATED = os.environ.get("TORCH_TT_RUNTIME") != "emulated" and bool(os.environ.get("TT_METAL_SIMULATOR"))
"""Whether the device of the tests is a simulated chip, which takes its time."""

needs_simulator = pytest.mark.skipif(not SIMULATED, reason="TT-Metalium has no simulator to run on")

MANY_TOKENS = 1100 if SIMULATED else 5000
"""Tokens of which every core has several: enough for any path of a kernel, and what a simulated chip has time for."""


def few(values: Sequence[_Value]) -> Sequence[_Value]:
    """Return the values to test with: of those in a row, three on a simulated chip, both ends and one between."""
    return [values[0], values[len(values) // 2], values[-1]] if SIMULATED and len(values) > 3 else values


def prefix() -> Path:
    """Return the prefix that the metal runtime was built with."""
    entries = subprocess.run(["readelf", "-d", LIBRARY], check=True, capture_output=True, text=True).stdout
    (entry,) = (line for line in entries.splitlines() if "RUNPATH" in line)
    return Path(entry.partition("[")[2].partition("]")[0]).parent


def runtime_root() -> Path:
    """Return the folder with the device's headers and firmware, which TT_METAL_RUNTIME_ROOT need not name."""
    places = (prefix() / place for place in ("runtime", "libexec/tt-metalium", "."))
    return next(place for place in places if (place / "tt_metal/hw").is_dir())


def two_chips() -> Path:
    """Return the file that describes two chips of the kind that is simulated."""
    chip = Path(os.environ["TT_METAL_SIMULATOR"]).with_name("soc_descriptor.yaml").read_text()
    kind = "blackhole" if "BLACKHOLE" in chip else "wormhole"
    return Path(__file__).parents[2] / f"tools/two_{kind}.yaml"
