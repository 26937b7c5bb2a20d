"""The operators in plain PyTorch: slow, short, and what every backend's bits are compared with.

Ids are taken as the operators take them, but not checked.
"""

from itertools import pairwise

import torch
from torch import Tensor

from torch_moe_ttnn.ops import Grouping, Routing

__all__ = ["grouped_linear", "permute", "prepare_grouping", "prepare_mapping", "prepare_routing", "unpermute"]


def _signed_ids(ids: Tensor) -> Tensor:
    """Return int64 ids in which "no expert" is -1, whatever the dtype."""
    all_bits_set = {torch.uint16: 0xFFFF, torch.uint32: 0xFFFFFFFF}.get(ids.dtype, -1)
    ids = ids.to(torch.int64)
    return torch.where(ids == all_bits_set, -1, ids)


def _rows(selected_experts: Tensor, num_experts: int, local_experts: Tensor | None) -> tuple[Tensor, int]:
    """Return the row of each choice, -1 where it has none, and the number of rows."""
    ids = _signed_ids(selected_experts)
    if local_experts is None:
        return ids, num_experts
    rows = torch.full_like(ids, -1)
    for row, expert in enumerate(_signed_ids(local_experts).tolist()):
        if expert != -1:
            rows[ids == expert] = row
    return rows, len(local_experts)


def _choices_of(rows: Tensor, row: int, max_tokens: int | None) -> tuple[Tensor, Tensor]:
    """Return the tokens and the k of a row's choices, by ascending token, then ascending k."""
    tokens, k = torch.nonzero(rows == row, as_tuple=True)
    return tokens[:max_tokens], k[:max_tokens]


def prepare_mapping(
    selected_experts: Tensor, routing_weights: Tensor, num_experts: int, *, local_experts: Tensor | None = None
) -> Tensor:
    """Do what :func:`torch_moe_ttnn.prepare_mapping` does."""
    rows, num_rows = _rows(selected_experts, num_experts, local_experts)
    mapping = routing_weights.new_zeros(len(rows), num_rows)
    for k in range(rows.shape[1]):  # one after another, so that the last of a repeated id stays
        tokens = torch.nonzero(rows[:, k] != -1)[:, 0]
        mapping[tokens, rows[tokens, k]] = routing_weights[tokens, k]
    return mapping


def prepare_routing(
    selected_experts: Tensor,
    routing_weights: Tensor,
    num_experts: int,
    *,
    local_experts: Tensor | None = None,
    max_tokens: int | None = None,
) -> Routing:
    """Do what :func:`torch_moe_ttnn.prepare_routing` does."""
    rows, num_rows = _rows(selected_experts, num_experts, local_experts)
    # Written out, so that the reference does not share the package's arithmetic.
    padded_rows, width = (num_rows + 31) // 32 * 32, rows.numel() if max_tokens is None else max_tokens
    # PyTorch writes int32 where it does not write uint32; -1 has the bits of 0xFFFFFFFF.
    counts = torch.zeros(1, padded_rows, dtype=torch.int32)
    tokens = torch.full((padded_rows, width), -1, dtype=torch.int32)
    weights = routing_weights.new_zeros(padded_rows, width)
    for row in range(num_rows):
        token, k = _choices_of(rows, row, max_tokens)
        counts[0, row] = len(token)
        tokens[row, : len(token)] = token
        weights[row, : len(token)] = routing_weights[token, k]
    return Routing(counts.view(torch.uint32), tokens.view(torch.uint32), weights)


def prepare_grouping(
    selected_experts: Tensor,
    routing_weights: Tensor,
    num_experts: int,
    *,
    local_experts: Tensor | None = None,
    alignment: int = 1,
    max_tokens: int | None = None,
) -> Grouping:
    """Do what :func:`torch_moe_ttnn.prepare_grouping` does."""
    rows, num_groups = _rows(selected_experts, num_experts, local_experts)
    num_choices = rows.numel() if max_tokens is None else min(rows.numel(), num_groups * max_tokens)
    num_rows = num_choices
    if alignment > 1:
        num_rows = -(-(num_choices + min(num_choices, num_groups) * (alignment - 1)) // alignment) * alignment
    sizes = torch.zeros(num_groups, dtype=torch.int32)
    offsets = torch.zeros(num_groups + 1, dtype=torch.int32)
    tokens = torch.full((num_rows,), -1, dtype=torch.int32)
    weights = routing_weights.new_zeros(num_rows)
    positions = torch.full(rows.shape, -1, dtype=torch.int32)
    begin = 0
    for group in range(num_groups):
        token, k = _choices_of(rows, group, max_tokens)
        end = begin + len(token)
        sizes[group] = len(token)
        tokens[begin:end] = token
        weights[begin:end] = routing_weights[token, k]
        positions[token, k] = torch.arange(begin, end, dtype=torch.int32)
        begin = -(-end // alignment) * alignment
        offsets[group + 1] = begin
    return Grouping(sizes, offsets, tokens, weights, positions)


def permute(hidden: Tensor, grouped_tokens: Tensor) -> Tensor:
    """Do what :func:`torch_moe_ttnn.permute` does."""
    permuted = hidden.new_zeros(len(grouped_tokens), hidden.shape[1])
    for row, token in enumerate(grouped_tokens.tolist()):
        if token != -1:
            permuted[row] = hidden[token]
    return permuted


def unpermute(expert_outputs: Tensor, routing_weights: Tensor, positions: Tensor) -> Tensor:
    """Do what :func:`torch_moe_ttnn.unpermute` does."""
    dtype = torch.float64 if expert_outputs.dtype == torch.float64 else torch.float32
    sums = expert_outputs.new_zeros(len(positions), expert_outputs.shape[1], dtype=dtype)
    for token, rows in enumerate(positions.tolist()):
        for k, row in enumerate(rows):
            if row != -1:
                sums[token] += routing_weights[token, k].to(dtype) * expert_outputs[row].to(dtype)
    return sums.to(expert_outputs.dtype)


def grouped_linear(
    input: Tensor,
    weight: Tensor,
    group_offsets: Tensor,
    *,
    bias: Tensor | None = None,
    grouped_tokens: Tensor | None = None,
) -> Tensor:
    """Do what :func:`torch_moe_ttnn.grouped_linear` does, but for the order of its sums."""
    rows = input if grouped_tokens is None else permute(input, grouped_tokens)
    output = rows.new_zeros(len(rows), weight.shape[1])
    for group, (begin, end) in enumerate(pairwise(group_offsets.tolist())):
        group_bias = None if bias is None else bias[group]
        output[begin:end] = torch.nn.functional.linear(rows[begin:end], weight[group], group_bias)
    return output
