"""What the tests of the device share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def silent_fallback():
    """Let operators without a kernel run on the CPU without a warning, which no test expects."""
    torch.tt.set_fallback_mode("silent")
    yield
    torch.tt.set_fallback_mode("silent")


@pytest.fixture
def other_device() -> torch.device:
    """Return a second device."""
    if torch.tt.device_count() < 2:
        pytest.skip("needs two tt devices")
    return torch.device("tt:1")
