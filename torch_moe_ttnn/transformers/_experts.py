"""A layer's experts: what transformers' own ``grouped_mm`` computes, with this package's operators."""

from typing import Any

import torch
from torch import Tensor

from torch_moe_ttnn.ops import Grouping, grouped_linear, prepare_grouping, unpermute
from torch_moe_ttnn.transformers._gate import activate


def _group(experts: Any, top_k_index: Tensor, top_k_weights: Tensor) -> Grouping:  # noqa: ANN401
    num_experts = experts.num_experts
    # Weights are applied where the outputs are summed, and those of the grouping are not used.
    weights = top_k_weights.detach().float()
    if not experts._is_expert_parallel:
        return prepare_grouping(top_k_index, weights, num_experts)
    # Ids are of this rank's experts, and what is another rank's has an id behind them. There may be fewer experts here
    # than a token has choices.
    ids = top_k_index.masked_fill(top_k_index >= num_experts, -1)
    local_experts = torch.arange(num_experts, device=ids.device)
    return prepare_grouping(ids, weights, max(num_experts, ids.shape[1]), local_experts=local_experts)


def _linear(experts: Any, name: str, rows: Tensor, grouping: Grouping, tokens: Tensor | None = None) -> Tensor:  # noqa: ANN401
    weight = getattr(experts, name)
    bias = getattr(experts, f"{name}_bias") if experts.has_bias else None
    if experts.is_transposed:
        weight = weight.transpose(1, 2)
    return grouped_linear(rows.to(weight.dtype), weight, grouping.group_offsets, bias=bias, grouped_tokens=tokens)


def experts_forward(
    experts: Any,  # noqa: ANN401
    hidden_states: Tensor,
    top_k_index: Tensor,
    top_k_weights: Tensor,
) -> Tensor:
    """Compute a layer's experts on the tokens routed to each; what :func:`register` registers.

    Args:
        experts: A module of a class that transformers' ``use_experts_implementation`` decorates: L experts' weights in
            3D parameters, with or without gate, biases, transposition and a norm after the experts.
        hidden_states: (T, hidden).
        top_k_index: (T, K), the experts of each token. Where transformers has split the experts over ranks, an id of
            L and more is another rank's.
        top_k_weights: (T, K), their weights.

    Returns:
        (T, hidden), dtype of ``hidden_states``: for each token the weighted sum of its experts' outputs, in order of k,
        summed in float32.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
        IndexError: an id out of range; on ``tt`` at the next synchronisation or copy to the host.

    Source: ``torch_moe_ttnn/transformers/_experts.py``.
    """
    grouping = _group(experts, top_k_index, top_k_weights)
    projection = "gate_up_proj" if experts.has_gate else "up_proj"
    inner = _linear(experts, projection, hidden_states, grouping, grouping.grouped_tokens)
    outputs = _linear(experts, "down_proj", activate(experts, inner), grouping)
    if experts.has_post_expert_norm:
        outputs = experts.post_expert_norm(outputs)
    return unpermute(outputs, top_k_weights, grouping.positions).to(hidden_states.dtype)
