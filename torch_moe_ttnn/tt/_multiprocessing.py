"""Tensors that go from one process to another, as arguments of a process or through a queue.

Device memory belongs to one process. What arrives is a copy, by way of the host; nothing is shared. The bytes travel in
the message itself: shared memory of the host would have to outlive it, and nobody holds what is copied for it alone.
"""

import io
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.multiprocessing import reductions


def send_by_way_of_the_host() -> None:
    """Register how tensors and storages on tt are sent; others are sent as ever."""
    for cls in (torch.Tensor, torch.nn.Parameter):
        ForkingPickler.register(cls, _reduce_tensor)
    ForkingPickler.register(torch.UntypedStorage, _reduce_storage)


def _reduce_tensor(tensor: torch.Tensor) -> tuple[Any, ...]:
    # PyTorch refuses to send what is part of a graph.
    if tensor.device.type != "tt" or not tensor.is_leaf:
        reduced: tuple[Any, ...] = reductions.reduce_tensor(tensor)  # type: ignore[no-untyped-call]
        return reduced
    return _rebuild_tensor, (type(tensor), _pack(tensor.detach()), tensor.device, tensor.requires_grad)


def _rebuild_tensor(cls: type, packed: bytes, device: torch.device, requires_grad: bool) -> torch.Tensor:
    tensor = _unpack(packed).to(device)
    if cls is torch.nn.Parameter:
        return torch.nn.Parameter(tensor, requires_grad)
    return tensor.requires_grad_(requires_grad)


def _reduce_storage(storage: torch.UntypedStorage) -> tuple[Any, ...]:
    if storage.device.type != "tt":
        reduced: tuple[Any, ...] = reductions.reduce_storage(storage)  # type: ignore[no-untyped-call]
        return reduced
    as_bytes = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)  # type: ignore[call-overload]
    return _rebuild_storage, (_pack(as_bytes), storage.device)


def _rebuild_storage(packed: bytes, device: torch.device) -> torch.UntypedStorage:
    return _unpack(packed).to(device).untyped_storage()


def _pack(tensor: torch.Tensor) -> bytes:
    file = io.BytesIO()
    torch.save(tensor.cpu(), file)
    return file.getvalue()


def _unpack(packed: bytes) -> torch.Tensor:
    tensor: torch.Tensor = torch.load(io.BytesIO(packed), weights_only=True)
    return tensor
