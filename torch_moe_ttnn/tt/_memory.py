"""Memory: what is allocated, what is cached."""

from collections import OrderedDict

import torch

from torch_moe_ttnn.tt._devices import DeviceLike, index_of


def empty_cache() -> None:
    """Give the memory of freed tensors back to the devices."""
    torch.accelerator.empty_cache()


def memory_allocated(device: DeviceLike = None) -> int:
    """Return the bytes that tensors take on a device.

    A tensor takes whole pages, at the same addresses in every bank of DRAM: a small one takes a page of each.
    """
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
    """Return a device's bytes of DRAM: those that nothing takes, and all. Opens it.

    What is free may be in pieces. Where ttnn shares the chip, its tensors count too.
    """
    return torch.accelerator.get_memory_info(index_of(device))


def memory_summary(device: DeviceLike = None, abbreviated: bool = False) -> str:
    """Return the statistics of a device's memory as a table, for people. Opens it.

    Args:
        device: the device.
        abbreviated: leaves out the columns of what was allocated and freed in all.
    """
    index = index_of(device)
    stats = memory_stats(index)
    free, total = mem_get_info(index)
    columns = ("current", "peak") if abbreviated else ("current", "peak", "allocated", "freed")
    lines = [
        f"Memory of tt:{index}: {_size(free)} of {_size(total)} are free; out of memory {stats['num_ooms']} times, "
        f"cache emptied for room {stats['num_alloc_retries']} times",
        " | ".join(["", *(f"{name:<16}" for name in ("", *columns)), ""]).strip(),
    ]
    for key, name, text in (
        ("allocated_bytes", "tensors", _size),
        ("requested_bytes", "asked for", _size),
        ("reserved_bytes", "with the cache", _size),
        ("allocation", "allocations", str),
        ("segment", "buffers", str),
    ):
        cells = [name, *(text(stats[f"{key}.all.{column}"]) for column in columns)]
        lines.append(" | ".join(["", *(f"{cell:<16}" for cell in cells), ""]).strip())
    return "\n".join(lines) + "\n"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
