"""Makes the device known to PyTorch."""

import atexit
import warnings

import torch
from torch.utils import backend_registration

from torch_moe_ttnn import _C, tt
from torch_moe_ttnn._when_imported import when_imported
from torch_moe_ttnn.tt import _beside_ttnn
from torch_moe_ttnn.tt._distributed import carry_by_way_of_the_host
from torch_moe_ttnn.tt._dlpack import refuse_dlpack
from torch_moe_ttnn.tt._multiprocessing import send_by_way_of_the_host
from torch_moe_ttnn.tt._printing import print_from_host


def register() -> None:
    """Register the device ``tt`` and the module ``torch.tt``. Opens no device.

    Where another backend has taken PyTorch's one place for a device from outside, warn: the operators work on the CPU.
    """
    try:
        _C.tt.register()
    except RuntimeError as error:
        warnings.warn(str(error), RuntimeWarning, stacklevel=3)
        return
    backend_registration.rename_privateuse1_backend("tt")
    torch._register_device_module("tt", tt)  # type: ignore[no-untyped-call]
    backend_registration.generate_methods_for_privateuse1_backend(for_storage=True)
    print_from_host()
    refuse_dlpack()
    when_imported("torch._dynamo", _register_with_dynamo)
    _beside_ttnn.guard()
    send_by_way_of_the_host()
    carry_by_way_of_the_host()
    # While there are Python objects, which lend it.
    atexit.register(_C.tt.return_borrowed_memory)
    _C.tt.close_at_exit()


def _register_with_dynamo() -> None:
    from torch_moe_ttnn.tt import _dynamo

    _dynamo.register()
