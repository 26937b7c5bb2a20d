"""What the whole suite is run for: each device and each operator."""

import os
import signal
import warnings

# Two devices, for what happens between them. Read when devices are first asked for.
os.environ.setdefault("TORCH_TT_EMULATED_DEVICES", "2")
# What kernels do to each byte, too.
os.environ.setdefault("TORCH_TT_EMULATED_CHECKS", "all")

import pytest
import torch

from support.operators import GROUPING, MAPPING, ROUTING, Operator
from torch_moe_ttnn._cli import devices

# A shell has what it starts in the background ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# TEST_DEVICES=tt leaves out the CPU, whose results do not depend on the runtime of tt.
DEVICES = os.environ.get("TEST_DEVICES", ",".join(devices.available())).split(",")


@pytest.fixture(scope="session", params=DEVICES)
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


@pytest.fixture(scope="session", params=[MAPPING, ROUTING, GROUPING], ids=lambda operator: operator.name)
def operator(request) -> Operator:
    """Each operator that takes a router's choices."""
    return request.param


@pytest.fixture(scope="session")
def inductor(tmp_path_factory):
    """Import Inductor, with a cache of its own, so that what is tested is compiled and not remembered."""
    with warnings.catch_warnings():
        # PyTorch imports what it deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import torch._inductor.compile_fx  # noqa: F401
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        yield


@pytest.fixture
def backend(device, inductor):
    """Return the name of torch.compile's backend for the device; nothing compiled before or for it is kept."""
    torch.compiler.reset()
    yield {"cpu": "inductor", "tt": "torch_moe_ttnn"}[device.type]
    torch.compiler.reset()
