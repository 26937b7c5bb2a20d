"""Small Mixture-of-Experts layers of static shapes, to be captured in a graph as a whole."""

from typing import NamedTuple

import torch
from torch import Tensor

import torch_moe_ttnn


class Layer(NamedTuple):
    """The parameters of a layer with E experts of two matrices each, and how many of them a token takes."""

    router: Tensor
    """(hidden, E)"""
    up: Tensor
    """(E, hidden, inner)"""
    down: Tensor
    """(E, inner, hidden)"""
    top_k: int

    def to(self, *to) -> "Layer":
        return Layer(self.router.to(*to), self.up.to(*to), self.down.to(*to), self.top_k)


def make_layer(num_experts=8, top_k=2, hidden=16, inner=24) -> Layer:
    generator = torch.Generator().manual_seed(0)
    shapes = (hidden, num_experts), (num_experts, hidden, inner), (num_experts, inner, hidden)
    return Layer(*(torch.randn(shape, generator=generator) / shape[-1] ** 0.5 for shape in shapes), top_k)


def make_tokens(num_tokens, hidden=16) -> Tensor:
    return torch.randn(num_tokens, hidden, generator=torch.Generator().manual_seed(num_tokens))


def route(layer: Layer, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a router hands out, ids and weights."""
    weights, ids = torch.topk(torch.softmax(tokens @ layer.router, dim=-1), layer.top_k)
    return ids, weights / weights.sum(dim=-1, keepdim=True)


def mapped(layer: Layer, tokens: Tensor) -> Tensor:
    """Compute every expert on every token, and contract with the map."""
    mapping = torch.ops.moe.prepare_mapping(*route(layer, tokens), layer.up.shape[0])
    inner = torch.relu(torch.einsum("th,ehi->eti", tokens, layer.up))
    return torch.einsum("te,eti,eih->th", mapping, inner, layer.down)


def routed(layer: Layer, tokens: Tensor) -> Tensor:
    """Compute every expert on the rows of its tokens, masks in place of what is known only when the graph runs."""
    num_tokens, num_experts = tokens.shape[0], layer.up.shape[0]
    _, rows, weights = torch.ops.moe.prepare_routing(*route(layer, tokens), num_experts)
    # A token's ids differ, so that an expert has at most T tokens. The padding token is -1 in int32.
    rows = rows[:num_experts, :num_tokens].view(torch.int32)
    weights = weights[:num_experts, :num_tokens, None]
    outputs = torch.relu(tokens[rows] @ layer.up) @ layer.down
    outputs = torch.where((rows >= 0)[:, :, None], outputs * weights, 0)
    return torch.zeros_like(tokens).index_add(0, rows.clamp(min=0).flatten(), outputs.flatten(0, 1))


def grouped(layer: Layer, tokens: Tensor) -> Tensor:
    """Compute each expert on its rows alone, with PyTorch's grouped matrix product."""
    ids, weights = route(layer, tokens)
    grouping = torch_moe_ttnn.prepare_grouping(ids, weights, layer.up.shape[0])
    rows = torch_moe_ttnn.permute(tokens, grouping.grouped_tokens)
    inner = torch.relu(torch.nn.functional.grouped_mm(rows, layer.up, offs=grouping.offs))
    outputs = torch.nn.functional.grouped_mm(inner, layer.down, offs=grouping.offs)
    return torch_moe_ttnn.unpermute(outputs, weights, grouping.positions)


def looped(layer: Layer, tokens: Tensor) -> Tensor:
    """Compute each choice by itself, with PyTorch alone: what the others should give."""
    ids, weights = route(layer, tokens)
    outputs = torch.zeros_like(tokens)
    for token in range(ids.shape[0]):
        for expert, weight in zip(ids[token].tolist(), weights[token], strict=True):
            outputs[token] += weight * (torch.relu(tokens[token] @ layer.up[expert]) @ layer.down[expert])
    return outputs
