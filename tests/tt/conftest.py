"""What the tests of the device share."""

import pytest
import torch

from support import processes


@pytest.fixture(autouse=True)
def silent_fallback():
    """Let operators without a kernel run on the CPU without a warning, which no test expects."""
    mode = torch.tt.get_fallback_mode()
    torch.tt.set_fallback_mode("silent")
    yield
    torch.tt.set_fallback_mode(mode)


@pytest.fixture
def other_device() -> torch.device:
    """Return a second device."""
    if torch.tt.device_count() < 2:
        pytest.skip("needs two tt devices")
    return torch.device("tt:1")


@pytest.fixture(scope="session")
def room_to_fork():
    """A simulated chip has its DRAM in the process, which may be more than the machine lets a child have as well."""
    process = processes.run(
        "import os, torch, torch_moe_ttnn; torch.ones(2, device='tt'); os.fork() or os._exit(0); os.wait()"
    )
    if "Cannot allocate memory" in process.stderr:
        pytest.skip("no memory to fork a process that holds a simulated chip")
