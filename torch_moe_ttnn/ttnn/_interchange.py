"""Tensors of ttnn as tensors on ``tt``, and the other way round."""

import torch
import ttnn

from torch_moe_ttnn import _C

__all__ = ["from_ttnn", "to_ttnn"]

_DTYPES = {
    torch.bfloat16: ttnn.bfloat16,
    torch.float32: ttnn.float32,
    torch.int32: ttnn.int32,
    torch.uint8: ttnn.uint8,
    torch.uint16: ttnn.uint16,
    torch.uint32: ttnn.uint32,
}

_MIN_PAGE, _MAX_PAGE = 64, 4096
"""Bytes of a page that kernels read and write on every chip: ``csrc/tt/kernels/common/args.h``."""


def from_ttnn(tensor: ttnn.Tensor, *, copy: bool | None = None) -> torch.Tensor:
    """Return a tensor on ``tt`` with the shape and values of a ``ttnn.Tensor``.

    Without a copy the two share their memory: what either writes, the other reads. ``tt`` keeps the memory allocated as
    long as it uses it, whatever becomes of ``tensor``, except that ``ttnn.deallocate`` must not be called on it. That
    takes rows that are pages of ``tt``: a row's bytes are a power of two between 64 and 4096.

    Args:
        tensor: ROW_MAJOR, interleaved in DRAM, on one chip; bfloat16, float32, int32, uint8, uint16 or uint32.
        copy: ``False`` never copies, ``True`` always does; ``None`` copies where the memory cannot be shared. That is
            one copy on the device, by ``ttnn.reshape``, where the tensor's bytes are a multiple of 64 and its dtype is
            bfloat16, float32, int32 or uint32. Other copies go by way of the host.

    Raises:
        ValueError: the tensor is none that ``tt`` can have, or a copy is needed and ``copy`` is ``False``.
        RuntimeError: ``tt`` cannot use the chip; ``docs/tt-metalium.md`` says when.
    """
    if not isinstance(tensor, ttnn.Tensor):
        raise ValueError(f"expected a ttnn.Tensor, got {type(tensor).__name__}")
    dtype = next((ours for ours, theirs in _DTYPES.items() if theirs == tensor.dtype), None)
    if dtype is None:
        wanted = ", ".join(theirs.name.lower() for theirs in _DTYPES.values())
        raise ValueError(f"expected one of {wanted}, got {tensor.dtype}: call ttnn.typecast first")
    if not ttnn.is_tensor_storage_on_device(tensor) or not tensor.is_allocated():
        raise ValueError(
            "expected a tensor that is allocated on a device, got one that is not: call ttnn.to_device first"
        )
    if tensor.layout != ttnn.ROW_MAJOR_LAYOUT:
        raise ValueError(f"expected ROW_MAJOR, got {tensor.layout}: call ttnn.to_layout(tensor, ttnn.ROW_MAJOR_LAYOUT)")
    config = tensor.memory_config()
    if config.buffer_type != ttnn.BufferType.DRAM or config.memory_layout != ttnn.TensorMemoryLayout.INTERLEAVED:
        raise ValueError(
            f"expected a tensor interleaved in DRAM, got {config}: call ttnn.to_memory_config(tensor, "
            "ttnn.DRAM_MEMORY_CONFIG)"
        )
    chips = tensor.device().get_device_ids()
    if len(chips) != 1:
        raise ValueError(
            f"expected a tensor on one chip, got one on chips {chips}: allocate it on a mesh of one chip, as "
            "mesh.create_submeshes(ttnn.MeshShape(1, 1)) gives"
        )
    shape = list(tensor.shape)
    page = tensor.buffer_page_size()
    shared = (
        tensor.logical_volume() > 0
        and shape == list(tensor.padded_shape)
        and page == tensor.buffer_aligned_page_size()
        and _MIN_PAGE <= page <= _MAX_PAGE
        and page.bit_count() == 1
    )
    if copy is False and not shared:
        raise ValueError(
            f"expected rows of a power of two between {_MIN_PAGE} and {_MAX_PAGE} bytes, which are pages of tt too, "
            f"got rows of {page} bytes in a tensor of shape {shape}: leave out copy=False"
        )
    if copy or not shared:
        copied = None if shared else _with_pages_of_tt(tensor, dtype)
        if copied is None:
            host: torch.Tensor = ttnn.to_torch(tensor)
            return host.to(dtype).reshape(shape).to(f"tt:{chips[0]}")
        tensor, page = copied, copied.buffer_page_size()
    return _C.tt.borrow_memory(chips[0], tensor.buffer_address(), page, shape, dtype, tensor)


def _with_pages_of_tt(tensor: ttnn.Tensor, dtype: torch.dtype) -> ttnn.Tensor | None:
    """Return a copy, made on the device, whose rows are pages of ``tt``; None where there is no such shape."""
    num_bytes = tensor.logical_volume() * dtype.itemsize
    page = min(num_bytes & -num_bytes, _MAX_PAGE)
    if page < _MIN_PAGE or dtype in (torch.uint8, torch.uint16):  # which ttnn.reshape does not take
        return None
    copied = ttnn.reshape(tensor, (num_bytes // page, page // dtype.itemsize), memory_config=ttnn.DRAM_MEMORY_CONFIG)
    return None if copied.buffer_address() == tensor.buffer_address() else copied


def to_ttnn(tensor: torch.Tensor, device: ttnn.MeshDevice | None = None) -> ttnn.Tensor:
    """Return a ``ttnn.Tensor`` with the shape and values of a tensor on ``tt``.

    What ``from_ttnn`` made without a copy comes back as the tensor that it was made of, and what it copied on the
    device by ``ttnn.reshape``. Anything else is copied by way of the host, for ttnn's Python makes no tensor of an
    address, and waits for what was launched.

    Args:
        tensor: on ``tt``; bfloat16, float32, int32, uint8, uint16 or uint32.
        device: ttnn's device of the same chip; not needed for what comes back.

    Raises:
        IndexError: an operator that ran since the last wait found an expert id out of range.
        ValueError: there is no ttnn tensor of this dtype, or the device is another chip's.
    """
    if tensor.device.type != "tt":
        raise ValueError(f"expected a tensor on tt, got one on {tensor.device}")
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"expected one of {', '.join(map(str, _DTYPES))}, got {tensor.dtype}: convert it first")
    lender: ttnn.Tensor | None = _C.tt.lender_of(tensor)
    if (
        lender is not None
        and lender.is_allocated()
        and lender.logical_volume() == tensor.numel()
        and lender.dtype == _DTYPES[tensor.dtype]
        and tensor.is_contiguous()
        and tensor.storage_offset() == 0
    ):
        shape = list(tensor.shape)
        return lender if list(lender.shape) == shape else ttnn.reshape(lender, shape)
    if device is None:
        if lender is None:
            raise ValueError("expected ttnn's device, to allocate on it: the tensor's memory is not ttnn's own")
        device = lender.device()
    if list(device.get_device_ids()) != [tensor.device.index]:
        raise ValueError(f"expected ttnn's device of {tensor.device}, got one of the chips {device.get_device_ids()}")
    return ttnn.from_torch(
        tensor.cpu(),
        dtype=_DTYPES[tensor.dtype],
        layout=ttnn.ROW_MAJOR_LAYOUT,
        device=device,
        memory_config=ttnn.DRAM_MEMORY_CONFIG,
    )
