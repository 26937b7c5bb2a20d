"""Tensors that go from one process to another, as through a queue of ``torch.multiprocessing``.

Device memory belongs to one process. What arrives is a copy, by way of the host; nothing is shared.
"""

from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.multiprocessing import reductions


def send_by_way_of_the_host() -> None:
    """Register how tensors on tt are sent; others are sent as ever."""
    for cls in (torch.Tensor, torch.nn.Parameter):
        ForkingPickler.register(cls, _reduce)


def _reduce(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.device.type != "tt":
        reduced: tuple[Any, ...] = reductions.reduce_tensor(tensor)  # type: ignore[no-untyped-call]
        return reduced
    # What is part of a graph stays so, and PyTorch refuses to send it.
    host = (tensor.detach() if tensor.is_leaf else tensor).cpu()
    return _rebuild, (type(tensor), host, tensor.device, tensor.requires_grad)


def _rebuild(cls: type, host: torch.Tensor, device: torch.device, requires_grad: bool) -> torch.Tensor:
    tensor = host.to(device)
    if cls is torch.nn.Parameter:
        return torch.nn.Parameter(tensor, requires_grad)
    return tensor.requires_grad_(requires_grad)
