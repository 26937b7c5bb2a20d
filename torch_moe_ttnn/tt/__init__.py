"""``torch.tt``: Tenstorrent devices in PyTorch.

A device is opened at its first use and closed when the interpreter exits. Each has one in-order queue: launches and
copies to the device return before they are done, copies to the host wait.
"""

from torch_moe_ttnn.tt._devices import (
    DeviceProperties,
    current_device,
    device,
    device_count,
    device_of,
    dram_traffic,
    get_amp_supported_dtype,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_bf16_supported,
    is_initialized,
    num_launches,
    set_device,
    synchronize,
)

# PyTorch looks these up by name: before it makes a tensor on a device, and when torch.manual_seed seeds devices.
from torch_moe_ttnn.tt._devices import _is_in_bad_fork as _is_in_bad_fork
from torch_moe_ttnn.tt._devices import _lazy_init as _lazy_init
from torch_moe_ttnn.tt._fallback import get_fallback_mode, set_fallback_mode
from torch_moe_ttnn.tt._fallback_report import FallbackReport, OperatorFallbacks, fallback_report
from torch_moe_ttnn.tt._graphs import Graph, graph, is_current_stream_capturing
from torch_moe_ttnn.tt._memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_peak_memory_stats,
)

# And these: torch.utils.checkpoint does, and torch.compile where it recomputes.
from torch_moe_ttnn.tt._random import _get_generator as _get_generator
from torch_moe_ttnn.tt._random import _initialized as _initialized
from torch_moe_ttnn.tt._random import (
    default_generators,
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from torch_moe_ttnn.tt._streams import Event, Stream, current_stream, default_stream, set_stream, stream

__all__ = [
    "DeviceProperties",
    "Event",
    "FallbackReport",
    "Graph",
    "OperatorFallbacks",
    "Stream",
    "current_device",
    "current_stream",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "device_of",
    "dram_traffic",
    "empty_cache",
    "fallback_report",
    "get_amp_supported_dtype",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_fallback_mode",
    "get_rng_state",
    "get_rng_state_all",
    "graph",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "num_launches",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_fallback_mode",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "synchronize",
]
