"""Memory: what is allocated, what is cached."""

from collections import OrderedDict

import torch

from torch_moe_ttnn.tt._devices import DeviceLike, index_of


def empty_cache() -> None:
    """Give the memory of freed tensors back to the devices."""
    torch.accelerator.empty_cache()


def memory_allocated(device: DeviceLike = None) -> int:
    """Return the bytes that tensors take on a device, in whole pages."""
    return torch.accelerator.memory_allocated(index_of(device))


def max_memory_allocated(device: DeviceLike = None) -> int:
    """Return the most bytes that tensors took at a time since ``reset_peak_memory_stats``."""
    return torch.accelerator.max_memory_allocated(index_of(device))


def memory_reserved(device: DeviceLike = None) -> int:
    """Return the bytes that tensors and the cache of freed memory take on a device."""
    return torch.accelerator.memory_reserved(index_of(device))


def max_memory_reserved(device: DeviceLike = None) -> int:
    """Return the most bytes that tensors and the cache took at a time since ``reset_peak_memory_stats``."""
    return torch.accelerator.max_memory_reserved(index_of(device))


def memory_stats(device: DeviceLike = None) -> "OrderedDict[str, int]":
    """Return the statistics of ``torch.accelerator.memory_stats``, of which there is one pool, ``all``."""
    return torch.accelerator.memory_stats(index_of(device))


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """Start the statistics' ``peak`` anew from what is current."""
    torch.accelerator.reset_peak_memory_stats(index_of(device))


def reset_accumulated_memory_stats(device: DeviceLike = None) -> None:
    """Start the statistics' ``allocated`` and ``freed`` and the counters anew from 0."""
    torch.accelerator.reset_accumulated_memory_stats(index_of(device))


def mem_get_info(device: DeviceLike = None) -> tuple[int, int]:
    """Return a device's bytes of DRAM: those that this process has not reserved, and all. Opens it."""
    return torch.accelerator.get_memory_info(index_of(device))
