"""The operators in plain PyTorch: slow, short, and what every backend's bits are compared with.

Ids are taken as the operators take them, but not checked.
"""

import torch
from torch import Tensor

from torch_moe_ttnn.ops import Routing

__all__ = ["prepare_mapping", "prepare_routing"]


def _signed_ids(selected_experts: Tensor) -> Tensor:
    """Return int64 ids in which "no expert" is -1, whatever the dtype."""
    ids = selected_experts.to(torch.int64)
    all_bits_set = {torch.uint16: 0xFFFF, torch.uint32: 0xFFFFFFFF}.get(selected_experts.dtype, -1)
    return torch.where(ids == all_bits_set, -1, ids)


def prepare_mapping(selected_experts: Tensor, routing_weights: Tensor, num_experts: int) -> Tensor:
    """Do what :func:`torch_moe_ttnn.prepare_mapping` does."""
    ids = _signed_ids(selected_experts)
    mapping = routing_weights.new_zeros(len(ids), num_experts)
    for k in range(ids.shape[1]):  # one after another, so that the last of a repeated id stays
        tokens = torch.nonzero(ids[:, k] != -1)[:, 0]
        mapping[tokens, ids[tokens, k]] = routing_weights[tokens, k]
    return mapping


def prepare_routing(selected_experts: Tensor, routing_weights: Tensor, num_experts: int) -> Routing:
    """Do what :func:`torch_moe_ttnn.prepare_routing` does."""
    ids = _signed_ids(selected_experts)
    # Written out, so that the reference does not share the package's arithmetic.
    rows, width = (num_experts + 31) // 32 * 32, ids.numel()
    # PyTorch writes int32 where it does not write uint32; -1 has the bits of 0xFFFFFFFF.
    counts = torch.zeros(1, rows, dtype=torch.int32)
    tokens = torch.full((rows, width), -1, dtype=torch.int32)
    weights = routing_weights.new_zeros(rows, width)
    for expert in range(num_experts):
        token, k = torch.nonzero(ids == expert, as_tuple=True)  # by ascending token, then ascending k
        counts[0, expert] = len(token)
        tokens[expert, : len(token)] = token
        weights[expert, : len(token)] = routing_weights[token, k]
    return Routing(counts.view(torch.uint32), tokens.view(torch.uint32), weights)
