"""The operators as plain PyTorch writes them: the same outputs, without checks and without "no expert"."""

import torch
from torch import Tensor

from torch_moe_ttnn import padded_num_experts


def plain_mapping(ids: Tensor, weights: Tensor, num_experts: int) -> Tensor:
    """Do what ``prepare_mapping`` does."""
    return torch.zeros(len(ids), num_experts, dtype=weights.dtype).scatter_(1, ids, weights)


def plain_routing(ids: Tensor, weights: Tensor, num_experts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Do what ``prepare_routing`` does."""
    rows, width = padded_num_experts(num_experts), ids.numel()
    flat = ids.flatten()
    order = torch.argsort(flat, stable=True)
    counts = torch.bincount(flat, minlength=rows)
    experts = flat[order]
    places = torch.arange(width) - (counts.cumsum(0) - counts)[experts]
    # PyTorch puts int32 where it does not put uint32; -1 has the bits of the padding.
    tokens = torch.full((rows, width), -1, dtype=torch.int32)
    tokens.index_put_((experts, places), (order // ids.shape[1]).to(torch.int32))
    token_weights = torch.zeros((rows, width), dtype=weights.dtype)
    token_weights.index_put_((experts, places), weights.flatten()[order])
    return counts.to(torch.int32).view(1, rows).view(torch.uint32), tokens.view(torch.uint32), token_weights


def plain_grouping(ids: Tensor, weights: Tensor, num_experts: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Do what ``prepare_grouping`` does with an alignment of 1."""
    flat = ids.flatten()
    _, order = flat.sort(stable=True)
    sizes = torch.bincount(flat, minlength=num_experts).to(torch.int32)
    offsets = torch.nn.functional.pad(sizes.cumsum(0, dtype=torch.int32), (1, 0))
    tokens = (order // ids.shape[1]).to(torch.int32)
    places = torch.arange(len(flat), dtype=torch.int32)
    positions = torch.empty_like(places).scatter_(0, order, places).view(ids.shape)
    return sizes, offsets, tokens, weights.flatten()[order], positions
