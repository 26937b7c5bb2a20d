"""An address on tt is no one else's: exporting it is an error, exporting a copy in host memory is not."""

import numpy as np
import pytest
import torch
from torch.utils import dlpack

DEVICE_ADDRESS = r"expected a tensor whose address other libraries can use, got one on tt:0: call \.cpu\(\) first"


@pytest.mark.parametrize(
    "export",
    [dlpack.to_dlpack, torch.to_dlpack, torch._C._to_dlpack, torch.Tensor.__dlpack__],
    ids=lambda f: f.__name__,
)
def test_a_tensor_on_tt(export):
    with pytest.raises(BufferError, match=DEVICE_ADDRESS):
        export(torch.ones(3, device="tt"))


@pytest.mark.parametrize("library", [np.from_dlpack, torch.from_dlpack], ids=["numpy", "torch"])
def test_a_library_that_asks(library):
    with pytest.raises((BufferError, ValueError, RuntimeError, TypeError)):
        library(torch.ones(3, device="tt"))


def test_a_copy_in_host_memory():
    tensor = torch.arange(6.0, device="tt")
    capsule = tensor.__dlpack__(dl_device=(dlpack.DLDeviceType.kDLCPU, 0), copy=True)
    assert torch.equal(dlpack.from_dlpack(capsule), torch.arange(6.0))


def test_other_devices_as_ever():
    host = torch.arange(6.0)
    assert dlpack.from_dlpack(dlpack.to_dlpack(host)).data_ptr() == host.data_ptr()
    assert np.from_dlpack(host).tolist() == host.tolist()
