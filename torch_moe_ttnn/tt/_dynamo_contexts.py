"""The device's context and its generators within the graphs of ``torch.compile``, from torch 2.13 on."""

import torch
from torch._dynamo.variables.ctx_manager import AcceleratorDeviceIndexVariable, register_device_context_manager
from torch._functorch._aot_autograd.utils import register_graphsafe_rng_device_type

from torch_moe_ttnn import tt
from torch_moe_ttnn.tt._devices import DeviceLike, index_of


class _DeviceVariable(AcceleratorDeviceIndexVariable):
    """``torch.tt.device`` in a graph."""

    @staticmethod
    def _get_device_index_fn(device: DeviceLike, **kwargs: object) -> int | None:
        # Whatever the current device is when the graph runs, these change nothing.
        return None if device in (None, "tt", torch.device("tt")) else index_of(device)

    @staticmethod
    def _exchange_fn(index: int | None) -> int:
        return -1 if index is None else torch._C._accelerator_exchangeDevice(index)

    @staticmethod
    def _maybe_exchange_fn(index: int) -> int:
        return -1 if index < 0 else torch._C._accelerator_maybeExchangeDevice(index)

    def module_name(self) -> str:
        return "torch.tt"

    def fn_name(self) -> str:
        return "device"

    def python_type(self) -> type:
        return tt.device


def register() -> None:
    """Let ``torch.tt.device`` be in a graph, and a graph that recomputes a random operator draw the same numbers."""
    register_device_context_manager(tt.device, _DeviceVariable)
    register_graphsafe_rng_device_type("tt")
