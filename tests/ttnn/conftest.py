"""What the tests on ttnn tensors share. They need a chip, or a simulated one, that no other process has."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def device():
    """Return the chip as ttnn opens it."""
    if "TT_METAL_SIMULATOR" not in os.environ and not any(Path("/dev").glob("tenstorrent/[0-9]*")):
        pytest.skip("needs a Tenstorrent chip, or a simulated one that TT_METAL_SIMULATOR names")
    import ttnn

    fast_dispatch = "TT_METAL_SLOW_DISPATCH_MODE" not in os.environ
    device = ttnn.open_device(device_id=0, trace_region_size=1 << 20 if fast_dispatch else 0)
    yield device
    ttnn.close_device(device)
