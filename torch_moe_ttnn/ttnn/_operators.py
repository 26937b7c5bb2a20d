"""The operators."""

from collections.abc import Callable
from typing import NamedTuple

import ttnn

from torch_moe_ttnn import _C
from torch_moe_ttnn.ttnn._arguments import (
    Call,
    Permutation,
    check_choices,
    check_memory_config,
    check_permutation,
)
from torch_moe_ttnn.ttnn._device import Device, rows_of

__all__ = ["Grouping", "Routing", "check", "permute", "prepare_grouping", "prepare_mapping", "prepare_routing"]


class Routing(NamedTuple):
    """What :func:`prepare_routing` returns: ROW_MAJOR tensors, with E_padded = E rounded up to a multiple of 32."""

    num_routed_tokens: ttnn.Tensor
    routed_tokens: ttnn.Tensor
    routed_token_weights: ttnn.Tensor


class Grouping(NamedTuple):
    """What :func:`prepare_grouping` returns: ROW_MAJOR tensors of E groups and N rows."""

    group_sizes: ttnn.Tensor
    group_offsets: ttnn.Tensor
    grouped_tokens: ttnn.Tensor
    grouped_weights: ttnn.Tensor
    positions: ttnn.Tensor


def prepare_mapping(
    selected_experts: ttnn.Tensor,
    routing_weights: ttnn.Tensor,
    num_experts: int,
    *,
    local_experts: ttnn.Tensor | None = None,
    memory_config: ttnn.MemoryConfig | None = None,
) -> ttnn.Tensor:
    """Turn a router's sparse choice into a dense map of weights, on ttnn tensors.

    Args:
        selected_experts: (T, K), with any leading dimensions of 1; uint32, int32 or uint16, ROW_MAJOR, interleaved in
            DRAM or L1. The ids of the experts that each token goes to, each in [0, num_experts). The id with all bits
            set is "no expert": the choice goes nowhere.
        routing_weights: The same shape; bfloat16 or float32, stored likewise. The weight of each choice.
        num_experts: E, at least 1 and at least K.
        local_experts: (L,), with any leading dimensions of 1, dtypes and memory as ``selected_experts``: the ids of the
            experts that this device holds, in the order of the map's columns. Choices of others go nowhere.
        memory_config: Of the output; interleaved. ``ttnn.DRAM_MEMORY_CONFIG`` where it is not given.

    Returns:
        (T, E), or (T, L) with ``local_experts``, ROW_MAJOR, dtype of ``routing_weights``: at [t, e] the weight with
        which token t goes to expert e, else 0. ``ttnn.reshape(mapping, (1, 1, T, E))`` is a view.

    Raises:
        TypeError: an argument is no ``ttnn.Tensor``.
        RuntimeError: a wrong shape, dtype, layout, memory, device or size; the text says what to call. An id out of
            range is no error here, for the call waits for nothing: see :func:`check`.

    Example:
        >>> experts = ttnn.from_torch(torch.tensor([[2, 0], [1, -1]]), dtype=ttnn.int32, device=device)
        >>> weights = ttnn.from_torch(torch.tensor([[0.75, 0.25], [1.0, 0.0]]), dtype=ttnn.bfloat16, device=device)
        >>> ttnn.to_torch(torch_moe_ttnn.ttnn.prepare_mapping(experts, weights, 3))
        tensor([[0.2500, 0.0000, 0.7500],
                [0.0000, 1.0000, 0.0000]], dtype=torch.bfloat16)
    """
    (mapping,) = _call(
        "prepare_mapping",
        _C.launch.prepare_mapping,
        selected_experts,
        routing_weights,
        num_experts,
        local_experts,
        memory_config,
    )
    return mapping


def prepare_routing(
    selected_experts: ttnn.Tensor,
    routing_weights: ttnn.Tensor,
    num_experts: int,
    *,
    local_experts: ttnn.Tensor | None = None,
    max_tokens: int | None = None,
    memory_config: ttnn.MemoryConfig | None = None,
) -> Routing:
    """Turn a router's sparse choice into a list of tokens for each expert, on ttnn tensors.

    Args:
        selected_experts: As :func:`prepare_mapping` takes it.
        routing_weights: As :func:`prepare_mapping` takes it.
        num_experts: E, at least 1 and at least K.
        local_experts: As :func:`prepare_mapping` takes it; the rows are theirs, and L takes the place of E below.
        max_tokens: No row takes more choices, later ones are dropped, and W is this.
        memory_config: Of the outputs; interleaved. ``ttnn.DRAM_MEMORY_CONFIG`` where it is not given.

    Returns:
        A :class:`Routing` of ROW_MAJOR tensors, with W = T·K: ``num_routed_tokens`` (1, E_padded), uint32;
        ``routed_tokens`` (E_padded, W), uint32, ascending, padded with 0xFFFFFFFF; ``routed_token_weights``
        (E_padded, W), dtype of ``routing_weights``, padded with 0.

    Raises:
        TypeError: an argument is no ``ttnn.Tensor``.
        RuntimeError: a wrong shape, dtype, layout, memory, device or size; the text says what to call. An id out of
            range is no error here, for the call waits for nothing: see :func:`check`.
    """
    counts, tokens, weights = _call(
        "prepare_routing",
        _C.launch.prepare_routing,
        selected_experts,
        routing_weights,
        num_experts,
        local_experts,
        memory_config,
        max_tokens=max_tokens,
    )
    return Routing(counts, tokens, weights)


def prepare_grouping(
    selected_experts: ttnn.Tensor,
    routing_weights: ttnn.Tensor,
    num_experts: int,
    *,
    local_experts: ttnn.Tensor | None = None,
    alignment: int = 1,
    max_tokens: int | None = None,
    memory_config: ttnn.MemoryConfig | None = None,
) -> Grouping:
    """Sort a router's choices by expert, on ttnn tensors: rows for each expert, one expert's after the other's.

    Args:
        selected_experts: As :func:`prepare_mapping` takes it.
        routing_weights: As :func:`prepare_mapping` takes it.
        num_experts: E, at least 1 and at least K.
        local_experts: As :func:`prepare_mapping` takes it; the groups are theirs, and L takes the place of E below.
        alignment: Each expert's rows begin at a multiple of it; 32 makes them whole tiles.
        max_tokens: No group takes more choices, and later ones are dropped.
        memory_config: Of the outputs; interleaved. ``ttnn.DRAM_MEMORY_CONFIG`` where it is not given.

    Returns:
        A :class:`Grouping` of ROW_MAJOR tensors, uint32 but for the weights: ``group_sizes`` (E,); ``group_offsets``
        (E + 1,), where each expert's rows begin; ``grouped_tokens`` (N,), the token of each row, 0xFFFFFFFF in padding;
        ``grouped_weights`` (N,), dtype of ``routing_weights``, 0 in padding; ``positions`` (T, K), the row of each
        choice, 0xFFFFFFFF where it has none. N = T·K for alignment 1, else T·K + min(T·K, E)·(alignment - 1) rounded up
        to it.

    Raises:
        TypeError: an argument is no ``ttnn.Tensor``.
        RuntimeError: a wrong shape, dtype, layout, memory, device or size; the text says what to call. An id out of
            range is no error here, for the call waits for nothing: see :func:`check`.
    """
    outputs = _call(
        "prepare_grouping",
        _C.launch.prepare_grouping,
        selected_experts,
        routing_weights,
        num_experts,
        local_experts,
        memory_config,
        alignment=alignment,
        max_tokens=max_tokens,
    )
    return Grouping(*outputs)


def permute(
    hidden: ttnn.Tensor, grouped_tokens: ttnn.Tensor, *, memory_config: ttnn.MemoryConfig | None = None
) -> ttnn.Tensor:
    """Copy tokens' rows to where a grouping has them, on ttnn tensors.

    Args:
        hidden: (T, H), with any leading dimensions of 1; bfloat16 or float32, ROW_MAJOR, interleaved in DRAM or L1.
        grouped_tokens: (N,), likewise; uint32 or int32: :attr:`Grouping.grouped_tokens`.
        memory_config: Of the output; interleaved. ``ttnn.DRAM_MEMORY_CONFIG`` where it is not given.

    Returns:
        (N, H), ROW_MAJOR, dtype of ``hidden``: row i is ``hidden[grouped_tokens[i]]``, zeros where that is 0xFFFFFFFF.
        ``ttnn.to_layout(rows, ttnn.TILE_LAYOUT)`` makes tiles of them.

    Raises:
        TypeError: an argument is no ``ttnn.Tensor``.
        RuntimeError: a wrong shape, dtype, layout, memory, device or size; the text says what to call. A token out of
            range is no error here, and its row is zeros: see :func:`check`.
    """
    check_permutation(hidden, grouped_tokens)
    call = Permutation.of(tuple(hidden.shape), tuple(grouped_tokens.shape), hidden.dtype)
    owner = hidden.device()
    device = Device.of(owner)
    (permuted,) = _allocate("permute", owner, [call.output], memory_config)
    tensors = [grouped_tokens, hidden, device.records, permuted]
    launches = _C.launch.permute(
        device.target(call.num_rows), device.log, call.num_tokens, call.num_rows, *map(rows_of, tensors)
    )
    device.programs.launch(launches, tensors)
    return permuted


def check(device: ttnn.MeshDevice) -> None:
    """Wait for the operators on a device, and raise if one of them met an id out of range since the last check.

    Such an id routes nowhere, and nothing else is affected. This reads from the device: call it where the host waits
    anyway, and not while a trace is captured.

    Args:
        device: As ``ttnn.open_device`` returns it; its submeshes are asked too.

    Raises:
        IndexError: an id was neither in [0, num_experts) nor "no expert". The text names the operator, the first
            position, the id and the number of experts.
    """
    for mesh in (device, *device.get_submeshes()):
        found = Device.find(mesh)
        message = None if found is None else found.take_invalid_id()
        if message is not None:
            raise IndexError(message)


def _call(
    op: str,
    plan: Callable[..., list[_C.launch.Launch]],
    selected_experts: ttnn.Tensor,
    routing_weights: ttnn.Tensor,
    num_experts: int,
    local_experts: ttnn.Tensor | None,
    memory_config: ttnn.MemoryConfig | None,
    **options: int | None,
) -> list[ttnn.Tensor]:
    """Check, allocate, plan and launch. Reads nothing back."""
    check_choices(op, selected_experts, routing_weights, local_experts)
    call = Call.of(
        op,
        tuple(selected_experts.shape),
        tuple(routing_weights.shape),
        selected_experts.dtype,
        routing_weights.dtype,
        num_experts,
        None if local_experts is None else tuple(local_experts.shape),
        None if local_experts is None else local_experts.dtype,
        **options,
    )
    owner = selected_experts.device()
    device = Device.of(owner)
    outputs = _allocate(op, owner, call.outputs, memory_config)
    tensors = [selected_experts, routing_weights, device.records, local_experts, *outputs]
    rows = [None if tensor is None else rows_of(tensor) for tensor in tensors]
    launches = plan(device.target(call.size), device.log, call.shape, *rows, **options)
    device.programs.launch(launches, [tensor for tensor in tensors if tensor is not None])
    return outputs


def _allocate(
    op: str,
    owner: ttnn.MeshDevice,
    outputs: list[tuple[ttnn.Shape, ttnn.DataType]],
    memory_config: ttnn.MemoryConfig | None,
) -> list[ttnn.Tensor]:
    if memory_config is None:
        memory_config = ttnn.DRAM_MEMORY_CONFIG
    else:
        check_memory_config(op, memory_config)
    return [
        ttnn.allocate_tensor_on_device(shape, dtype, ttnn.ROW_MAJOR_LAYOUT, owner, memory_config)
        for shape, dtype in outputs
    ]
