"""Makes the device known to ``torch.compile``, which is imported when it is first used and not with torch."""

from typing import Any, NoReturn

import torch
from torch._dynamo.device_interface import DeviceInterface, register_interface_for_device
from torch._dynamo.variables import ctx_manager
from torch._inductor.codegen.common import (
    DeviceOpOverrides,
    register_backend_for_device,
    register_device_op_overrides,
)
from torch._inductor.custom_graph_pass import CustomGraphModulePass

from torch_moe_ttnn import tt


class TTInterface(DeviceInterface):
    """What Dynamo and Inductor ask of a device. There is one stream a device, whose number is 0."""

    device = tt.device
    Event = torch.Event
    Stream = torch.Stream

    class Worker(DeviceInterface.Worker):
        """What a process that compiles for a device asks of it. None does for tt."""

        @staticmethod
        def get_device_properties(device: torch.types.Device = None) -> None:
            """Return nothing: Inductor asks for every available device, and the answer would open it."""

    current_device = staticmethod(tt.current_device)
    set_device = staticmethod(tt.set_device)
    device_count = staticmethod(tt.device_count)
    exchange_device = staticmethod(torch._C._accelerator_exchangeDevice)  # type: ignore[assignment]
    maybe_exchange_device = staticmethod(torch._C._accelerator_maybeExchangeDevice)  # type: ignore[assignment]
    is_available = staticmethod(tt.is_available)
    synchronize = staticmethod(tt.synchronize)
    current_stream = staticmethod(torch.accelerator.current_stream)
    set_stream = staticmethod(torch.accelerator.set_stream)
    memory_allocated = staticmethod(tt.memory_allocated)
    get_device_properties = staticmethod(tt.get_device_properties)
    is_bf16_supported = staticmethod(tt.is_bf16_supported)

    @staticmethod
    def stream(stream: torch.Stream) -> torch.Stream:
        """Return a context manager that makes a stream the current one: PyTorch's streams are that themselves."""
        return stream

    @staticmethod
    def get_raw_stream(device_idx: int) -> int:
        """Return the number of the device's one stream."""
        return 0

    @staticmethod
    def get_compute_capability(device: torch.types.Device = None) -> str:
        """Return the architecture, by tt-metal's name. Opens the device."""
        return tt.get_device_properties(device).architecture


class _RefuseGraphs(CustomGraphModulePass):
    """Ends Inductor's compilation of a graph that takes or returns tt tensors, before it looks for a code generator."""

    def __call__(self, graph_module: torch.fx.GraphModule) -> NoReturn:
        _refuse()

    def uuid(self) -> str:
        return "torch_moe_ttnn: no code for tt"


class _RefuseCode:
    """Ends it where tt tensors are only inside the graph."""

    supports_caching = False

    @staticmethod
    def create(*arguments: object) -> NoReturn:
        """Do so, in place of a generator for the code around kernels."""
        _refuse()


def _refuse(*arguments: object) -> NoReturn:
    raise RuntimeError(
        "Inductor, the default backend of torch.compile, generates no code for tt: use "
        'torch.compile(..., backend="torch_moe_ttnn")'
    )


def register() -> None:
    """Register the device with Dynamo and AOTAutograd, and Inductor's refusal."""
    register_interface_for_device("tt", TTInterface)
    code: Any = _RefuseCode
    register_backend_for_device("tt", _refuse, code, code, code, _RefuseGraphs())
    register_device_op_overrides("tt", DeviceOpOverrides())
    # Before torch 2.13, no device from outside can be in a graph by these.
    if hasattr(ctx_manager, "register_device_context_manager"):
        from torch_moe_ttnn.tt import _dynamo_contexts

        _dynamo_contexts.register()
    # Neither changes while a process runs, and Dynamo cannot look into them.
    for function in (tt.device_count, tt.is_available):
        torch.compiler.assume_constant_result(function)  # type: ignore[no-untyped-call]
