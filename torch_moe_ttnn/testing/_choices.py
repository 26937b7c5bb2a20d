"""Synthetic router choices: what a router might hand to the operators."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["DISTRIBUTIONS", "make_choices"]


def _uniform(num_tokens: int, num_experts: int, generator: torch.Generator) -> Tensor:
    """Every expert is as likely as every other."""
    return torch.randn(num_tokens, num_experts, generator=generator)


def _zipf(num_tokens: int, num_experts: int, generator: torch.Generator) -> Tensor:
    """The n-th expert is likely in proportion to 1/n: the Gumbel top-k of those probabilities."""
    probabilities = 1 / torch.arange(1, num_experts + 1)
    exponential = torch.empty(num_tokens, num_experts).exponential_(generator=generator)
    return probabilities.log() - exponential.log()


def _same(num_tokens: int, num_experts: int, generator: torch.Generator) -> Tensor:
    """All tokens go to the same experts, with weights that differ."""
    noise = torch.rand(num_tokens, num_experts, generator=generator)
    return noise - torch.arange(num_experts)


DISTRIBUTIONS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "uniform": _uniform,
    "zipf": _zipf,
    "same": _same,
    "padded": _uniform,
}
"""Router logits by name; "padded" is uniform with a last quarter of the rows that routes nowhere."""


def make_choices(
    num_tokens: int,
    top_k: int,
    num_experts: int,
    *,
    distribution: str = "uniform",
    seed: int = 0,
    id_dtype: torch.dtype = torch.int64,
    weight_dtype: torch.dtype = torch.bfloat16,
) -> tuple[Tensor, Tensor]:
    """Do as a router does: softmax, top-k and normalisation of random logits.

    Args:
        num_tokens: T.
        top_k: K, at most ``num_experts``.
        num_experts: E.
        distribution: A name in :data:`DISTRIBUTIONS`.
        seed: The same seed gives the same choices.
        id_dtype: One of the operators' id dtypes.
        weight_dtype: One of the operators' weight dtypes.

    Returns:
        ``selected_experts`` and ``routing_weights``, both (T, K), on the CPU. A token's ids differ and its weights sum
        to 1, except for the "no expert" rows of "padded", whose weights are 0.
    """
    logits = DISTRIBUTIONS[distribution](num_tokens, num_experts, torch.Generator().manual_seed(seed))
    weights, ids = torch.topk(torch.softmax(logits, dim=-1), top_k, dim=-1)
    weights /= weights.sum(dim=-1, keepdim=True)
    if distribution == "padded":
        first = num_tokens - num_tokens // 4
        ids[first:] = -1
        weights[first:] = 0
    return ids.to(id_dtype), weights.to(weight_dtype)
