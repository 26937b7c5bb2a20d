"""What the operators take: checks, and the sizes that come of them."""

from functools import lru_cache
from typing import NamedTuple

import torch
import ttnn

from torch_moe_ttnn import _C

__all__ = ["Call", "Permutation", "check_choices", "check_memory_config", "check_permutation"]

_ID_DTYPES = {ttnn.uint32: torch.uint32, ttnn.int32: torch.int32, ttnn.uint16: torch.uint16}
_FLOAT_DTYPES = {ttnn.bfloat16: torch.bfloat16, ttnn.float32: torch.float32}
_ROW_DTYPES = {ttnn.uint32: torch.int32, ttnn.int32: torch.int32}
# Of outputs. Those that are int32 in PyTorch, which can compute with it, are uint32 here: that is what ttnn's operators
# take for counts, offsets and rows. The bits are the same.
_TTNN_DTYPES = {torch.uint32: ttnn.uint32, torch.int32: ttnn.uint32} | {
    theirs: ours for ours, theirs in _FLOAT_DTYPES.items()
}


class Call(NamedTuple):
    """An operator with sizes and dtypes: all that a call depends on but memory."""

    shape: _C.launch.ChoicesShape
    size: int  # choices or experts, whichever are more
    outputs: list[tuple[ttnn.Shape, ttnn.DataType]]

    @classmethod
    @lru_cache(maxsize=4096)
    def of(
        cls,
        op: str,
        ids_shape: tuple[int, ...],
        weights_shape: tuple[int, ...],
        ids_dtype: ttnn.DataType,
        weights_dtype: ttnn.DataType,
        num_experts: int,
        local_shape: tuple[int, ...] | None,
        local_dtype: ttnn.DataType | None,
        **options: int | None,
    ) -> "Call":
        """Check shapes, dtypes and sizes as every backend does, in its words: on meta tensors."""
        ids = torch.empty(_matrix(ids_shape), dtype=_ID_DTYPES[ids_dtype], device="meta")
        weights = torch.empty(_matrix(weights_shape), dtype=_FLOAT_DTYPES[weights_dtype], device="meta")
        local = None
        if local_shape is not None:
            local = torch.empty(_without_ones(local_shape, 1), dtype=_ID_DTYPES[local_dtype], device="meta")
        outputs = getattr(torch.ops.moe, op).default(ids, weights, num_experts, local_experts=local, **options)
        if ids.numel() == 0 or (local is not None and local.numel() == 0) or options.get("max_tokens") == 0:
            raise RuntimeError(
                f"moe::{op}: expected one token, choice, local expert and capacity or more on ttnn tensors, got "
                f"selected_experts of shape {list(ids.shape)}, local_experts of shape {local_shape} and max_tokens "
                f"{options.get('max_tokens')}; there is nothing to launch"
            )
        num_tokens, top_k = ids.shape
        shape = _C.launch.ChoicesShape(
            num_tokens,
            top_k,
            num_experts,
            ids.element_size(),
            ids.dtype.is_signed,
            weights.element_size(),
            None if local is None else (local.numel(), local.element_size(), local.dtype.is_signed),
        )
        described = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        return cls(
            shape,
            max(num_tokens * top_k, num_experts),
            [(ttnn.Shape(list(output.shape)), _TTNN_DTYPES[output.dtype]) for output in described],
        )


class Permutation(NamedTuple):
    """A permutation with sizes and dtypes."""

    num_tokens: int
    num_rows: int
    output: tuple[ttnn.Shape, ttnn.DataType]

    @classmethod
    @lru_cache(maxsize=4096)
    def of(
        cls, hidden_shape: tuple[int, ...], tokens_shape: tuple[int, ...], hidden_dtype: ttnn.DataType
    ) -> "Permutation":
        """Check shapes as every backend does, in its words: on meta tensors."""
        hidden = torch.empty(_matrix(hidden_shape), dtype=_FLOAT_DTYPES[hidden_dtype], device="meta")
        tokens = torch.empty(_without_ones(tokens_shape, 1), dtype=torch.int32, device="meta")
        permuted = torch.ops.moe.permute.default(hidden, tokens)
        if permuted.numel() == 0:
            raise RuntimeError(
                f"moe::permute: expected one row and one element of it or more on ttnn tensors, got shape "
                f"{list(permuted.shape)}; there is nothing to launch"
            )
        (num_tokens, width), num_rows = hidden.shape, permuted.shape[0]
        return cls(num_tokens, num_rows, (ttnn.Shape([num_rows, width]), hidden_dtype))


def _matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    return _without_ones(shape, 2)


def _without_ones(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Return a shape without leading dimensions of 1 before its last ones."""
    while len(shape) > rank and shape[0] == 1:
        shape = shape[1:]
    return shape


def check_choices(
    op: str, selected_experts: ttnn.Tensor, routing_weights: ttnn.Tensor, local_experts: ttnn.Tensor | None
) -> None:
    """Raise what is wrong with how the tensors are stored, and what to call about it.

    Raises:
        TypeError: An argument is no ``ttnn.Tensor``.
        RuntimeError: Not on a device, not on the same one, another layout, memory or dtype.
    """
    _check_tensor(op, "selected_experts", selected_experts, _ID_DTYPES)
    _check_tensor(op, "routing_weights", routing_weights, _FLOAT_DTYPES)
    _check_same_chip(op, "selected_experts and routing_weights", selected_experts, routing_weights)
    if local_experts is not None:
        _check_tensor(op, "local_experts", local_experts, _ID_DTYPES)
        _check_same_chip(op, "selected_experts and local_experts", selected_experts, local_experts)


def check_permutation(hidden: ttnn.Tensor, grouped_tokens: ttnn.Tensor) -> None:
    """Do as :func:`check_choices` for the operator ``permute``."""
    _check_tensor("permute", "hidden", hidden, _FLOAT_DTYPES)
    _check_tensor("permute", "grouped_tokens", grouped_tokens, _ROW_DTYPES)
    _check_same_chip("permute", "hidden and grouped_tokens", hidden, grouped_tokens)


def _check_same_chip(op: str, names: str, first: ttnn.Tensor, second: ttnn.Tensor) -> None:
    device, other = first.device(), second.device()
    if device is not other:
        raise RuntimeError(
            f"moe::{op}: expected {names} on the same device, got {device} (id {device.id()}) and {other} (id "
            f"{other.id()})"
        )
    if device.get_num_devices() != 1:
        raise RuntimeError(
            f"moe::{op}: expected tensors of one chip, got those of {device}; allocate them on a mesh of one chip, as "
            "mesh.create_submeshes(ttnn.MeshShape(1, 1)) gives"
        )


def _check_tensor(op: str, name: str, tensor: ttnn.Tensor, dtypes: dict[ttnn.DataType, torch.dtype]) -> None:
    if not isinstance(tensor, ttnn.Tensor):
        raise TypeError(
            f"moe::{op}: expected a ttnn.Tensor for {name}, got {type(tensor).__name__}; torch_moe_ttnn.{op} takes "
            "PyTorch's tensors, and ttnn.from_torch turns them into ttnn's"
        )
    if not ttnn.is_tensor_storage_on_device(tensor):
        raise RuntimeError(
            f"moe::{op}: expected {name} on a device, got a tensor in the host's memory; call ttnn.to_device"
        )
    if not tensor.is_allocated():
        raise RuntimeError(f"moe::{op}: expected {name} with its memory, got a tensor that was deallocated")
    if tensor.layout != ttnn.ROW_MAJOR_LAYOUT:
        raise RuntimeError(
            f"moe::{op}: expected {name} in ttnn.ROW_MAJOR_LAYOUT, got {tensor.layout}; call "
            f"ttnn.to_layout({name}, ttnn.ROW_MAJOR_LAYOUT)"
        )
    memory = tensor.memory_config()
    if memory.memory_layout != ttnn.TensorMemoryLayout.INTERLEAVED:
        raise RuntimeError(
            f"moe::{op}: expected {name} interleaved, got {memory.memory_layout}; call "
            f"ttnn.to_memory_config({name}, ttnn.DRAM_MEMORY_CONFIG)"
        )
    if tensor.dtype not in dtypes:
        wanted = " or ".join(dtype.name.lower() for dtype in dtypes)
        raise RuntimeError(
            f"moe::{op}: expected {name} of dtype {wanted}, got {tensor.dtype.name.lower()}; call "
            f"ttnn.typecast({name}, ttnn.{next(iter(dtypes)).name.lower()})"
        )


def check_memory_config(op: str, memory_config: ttnn.MemoryConfig) -> None:
    """Raise a RuntimeError unless outputs can have this memory."""
    if memory_config.memory_layout != ttnn.TensorMemoryLayout.INTERLEAVED:
        raise RuntimeError(
            f"moe::{op}: expected an interleaved memory_config, got {memory_config.memory_layout}; shard the output "
            "with ttnn.to_memory_config"
        )
