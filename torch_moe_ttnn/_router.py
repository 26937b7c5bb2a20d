"""From a router's logits to the experts of each token and their weights, as the published models do it."""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["select_experts"]

# DeepSeek-V3's: a group is as good as the sum of this many of its scores.
_SCORES_A_GROUP = 2
# DeepSeek-V3's: keeps a sum of scores that are all 0 from dividing by it.
_SMALLEST_SUM = 1e-20


def select_experts(
    router_logits: Tensor,
    top_k: int,
    *,
    scoring: Literal["softmax", "sigmoid"] = "softmax",
    bias: Tensor | None = None,
    num_groups: int = 1,
    top_groups: int = 1,
    renormalize: bool = True,
    scale: float = 1.0,
    padding_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Pick the experts of each token, and their weights, from a router's logits.

    Without options it is the router of Mixtral, Qwen3-MoE and gpt-oss; with ``renormalize=False`` that of OLMoE and
    Qwen2-MoE, where ``norm_topk_prob`` is false; with ``scoring="sigmoid", bias=e_score_correction_bias,
    num_groups=n_group, top_groups=topk_group, scale=routed_scaling_factor`` that of DeepSeek-V3, GLM-4-MoE and Kimi-K2.

    Args:
        router_logits: (T, E), any floating dtype. Scores are computed in float32, whatever it is.
        top_k: K, from 0 to the number of experts in ``top_groups`` groups.
        scoring: How a logit becomes a score: "softmax" over the experts, or "sigmoid" of each.
        bias: (E,), on the same device; added to the scores for the choice, and not to the weights. It has no gradient.
        num_groups: The experts are this many groups of consecutive ones; divides E.
        top_groups: Experts are chosen from this many groups of a token: those whose two best scores, bias included,
            have the greatest sums.
        renormalize: Divide the weights of a token by their sum (plus 1e-20).
        scale: Multiplies the weights at the end.
        padding_mask: (T,), bool, on the same device; True where a token is padding, which goes to no expert.

    Returns:
        ``selected_experts`` (T, K), int64, which is what ``torch.topk`` gives and indexing takes, by descending score;
        -1, "no expert", for padding. ``routing_weights`` (T, K), float32, as the scores are; 0 for padding. They have
        a gradient; that of padding's logits is 0.

    Raises:
        RuntimeError: a wrong shape, dtype, device or number.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]])
        >>> ids, weights = torch_moe_ttnn.select_experts(logits, 2, padding_mask=torch.tensor([False, True]))
        >>> ids.tolist()
        [[1, 2], [-1, -1]]
        >>> weights
        tensor([[0.7311, 0.2689],
                [0.0000, 0.0000]])
    """
    _check(router_logits, top_k, scoring, bias, num_groups, top_groups, padding_mask)
    logits = router_logits.to(torch.float32)
    if padding_mask is not None:
        # Before anything else: what padding holds may be no number, which a gradient of 0 would not stop.
        logits = logits.masked_fill(padding_mask.unsqueeze(1), 0)
    scores = torch.softmax(logits, dim=-1) if scoring == "softmax" else torch.sigmoid(logits)
    preferences = scores.detach() if bias is None else scores.detach() + bias.detach()
    if top_groups < num_groups:
        preferences = _in_best_groups(preferences, num_groups, top_groups)
    ids = torch.topk(preferences, top_k, dim=-1).indices
    weights = scores.gather(1, ids)
    if renormalize:
        weights = weights / (weights.sum(dim=-1, keepdim=True) + _SMALLEST_SUM)
    if scale != 1:
        weights = weights * scale
    if padding_mask is not None:
        ids = ids.masked_fill(padding_mask.unsqueeze(1), -1)
        weights = weights.masked_fill(padding_mask.unsqueeze(1), 0)
    return ids, weights


def _in_best_groups(preferences: Tensor, num_groups: int, top_groups: int) -> Tensor:
    """Make experts outside a token's best groups infinitely bad."""
    num_tokens, num_experts = preferences.shape
    groups = preferences.view(num_tokens, num_groups, num_experts // num_groups)
    group_scores = groups.topk(min(_SCORES_A_GROUP, groups.shape[2]), dim=-1).values.sum(dim=-1)
    best = group_scores.topk(top_groups, dim=-1).indices
    excluded = torch.ones_like(group_scores, dtype=torch.bool).scatter(1, best, False)
    return groups.masked_fill(excluded.unsqueeze(2), float("-inf")).view_as(preferences)


def _check(
    router_logits: Tensor,
    top_k: int,
    scoring: str,
    bias: Tensor | None,
    num_groups: int,
    top_groups: int,
    padding_mask: Tensor | None,
) -> None:
    _expect(router_logits.dim() == 2, "router_logits of shape (T, E)", f"shape {tuple(router_logits.shape)}")
    _expect(router_logits.is_floating_point(), "router_logits of a floating dtype", router_logits.dtype)
    num_tokens, num_experts = router_logits.shape
    _expect(scoring in ("softmax", "sigmoid"), 'scoring "softmax" or "sigmoid"', repr(scoring))
    _expect(
        num_groups >= 1 and num_experts % num_groups == 0,
        f"num_groups that divides the {num_experts} experts of router_logits",
        num_groups,
    )
    _expect(1 <= top_groups <= num_groups, f"top_groups from 1 to num_groups, {num_groups}", top_groups)
    eligible = num_experts // num_groups * top_groups
    _expect(
        0 <= top_k <= eligible, f"top_k from 0 to the {eligible} experts of {top_groups} of {num_groups} groups", top_k
    )
    for name, tensor, size in (("bias", bias, num_experts), ("padding_mask", padding_mask, num_tokens)):
        if tensor is not None:
            _expect(tensor.shape == (size,), f"{name} of shape ({size},)", f"shape {tuple(tensor.shape)}")
            _expect(
                tensor.device == router_logits.device,
                f"{name} on {router_logits.device}, where router_logits are",
                f"{tensor.device}: move it there",
            )
    if bias is not None:
        _expect(bias.is_floating_point(), "bias of a floating dtype", bias.dtype)
    if padding_mask is not None:
        _expect(
            padding_mask.dtype == torch.bool,
            "padding_mask of torch.bool, True where a token is padding",
            f"{padding_mask.dtype}: of an attention mask it is `attention_mask == 0`",
        )


def _expect(condition: bool, expected: str, given: object) -> None:
    if not condition:
        raise RuntimeError(f"torch_moe_ttnn.select_experts: expected {expected}, got {given}")
