"""What the whole suite is run for: each device and each operator."""

import os

# Two devices, for what happens between them. Read when devices are first asked for.
os.environ.setdefault("TORCH_TT_EMULATED_DEVICES", "2")

import pytest
import torch
from operators import MAPPING, ROUTING, Operator

from torch_moe_ttnn import _devices


@pytest.fixture(scope="session", params=_devices.available())
def device(request):
    """Each device of this machine that runs the operators."""
    device = torch.device(request.param)
    if device.type != "tt":
        yield device
        return
    # What the tests do beside the operators may well run on the CPU.
    mode = torch.tt.get_fallback_mode()
    torch.tt.set_fallback_mode("silent")
    yield device
    torch.tt.set_fallback_mode(mode)


@pytest.fixture(scope="session", params=[MAPPING, ROUTING], ids=lambda operator: operator.name)
def operator(request) -> Operator:
    """Each operator."""
    return request.param
