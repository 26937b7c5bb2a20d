"""What the whole suite is run for: each device and each operator."""

import os

# Two devices, for what happens between them. Read when devices are first asked for.
os.environ.setdefault("TORCH_TT_EMULATED_DEVICES", "2")

import pytest
import torch
from operators import MAPPING, ROUTING, Operator

from torch_moe_ttnn import _devices


@pytest.fixture(scope="session", params=_devices.available())
def device(request) -> torch.device:
    """Each device of this machine that runs the operators."""
    return torch.device(request.param)


@pytest.fixture(scope="session", params=[MAPPING, ROUTING], ids=lambda operator: operator.name)
def operator(request) -> Operator:
    """Each operator."""
    return request.param
