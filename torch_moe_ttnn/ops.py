"""Typed entry points of the operators; ``torch.ops.moe`` has the same ones untyped."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from torch_moe_ttnn import _C

__all__ = ["EXPERT_ALIGNMENT", "PADDING_TOKEN", "Routing", "padded_num_experts", "prepare_mapping", "prepare_routing"]

EXPERT_ALIGNMENT: int = _C.EXPERT_ALIGNMENT
"""Rows of the routing outputs are padded to a multiple of this."""

PADDING_TOKEN: int = _C.PADDING_TOKEN
"""Fills ``routed_tokens`` after a row's last token."""

_Function = TypeVar("_Function", bound=Callable[..., object])

# What both operators' docstrings say.
_IDS = """\
(T, K), uint16, uint32, int32 or int64. The ids of the experts that each token goes to, each
            in [0, num_experts). The id with all bits set (-1 where signed) is "no expert": the choice goes nowhere."""
_WEIGHTS = "(T, K), bfloat16, float16 or float32, on the same device. The weight of each choice."
_NUM_EXPERTS = "E, at least 1 and at least K, less than 2**32."
_RAISES = """\
RuntimeError: a wrong shape, dtype, device or size.
        IndexError: an id that is neither in [0, num_experts) nor "no expert". An asynchronous device raises it at the
            next synchronisation or copy to the host."""


def _with_shared_text(function: _Function) -> _Function:
    """Fill in what both operators' docstrings say; ``python -OO`` has removed them."""
    if function.__doc__ is not None:
        function.__doc__ = function.__doc__.format(ids=_IDS, weights=_WEIGHTS, num_experts=_NUM_EXPERTS, raises=_RAISES)
    return function


class Routing(NamedTuple):
    """What :func:`prepare_routing` returns.

    E_padded is :func:`padded_num_experts` of E; W is T·K, the number of choices.
    """

    num_routed_tokens: Tensor
    routed_tokens: Tensor
    routed_token_weights: Tensor


# A string below a field would reach readers of this file, and not help().
Routing.num_routed_tokens.__doc__ = "(1, E_padded), uint32: how many choices went to each expert, n_e."
Routing.routed_tokens.__doc__ = (
    "(E_padded, W), uint32: row e lists the tokens of expert e, ascending, in its first n_e places; "
    "0xFFFFFFFF after them."
)
Routing.routed_token_weights.__doc__ = (
    "(E_padded, W), dtype of the weights given: their weights, in the same order; 0 after them."
)


def padded_num_experts(num_experts: int) -> int:
    """Return E_padded, the rows of the routing outputs: E rounded up to a multiple of ``EXPERT_ALIGNMENT``.

    Args:
        num_experts: E, at least 1.

    Example:
        >>> torch_moe_ttnn.padded_num_experts(40)
        64
    """
    return (num_experts + EXPERT_ALIGNMENT - 1) // EXPERT_ALIGNMENT * EXPERT_ALIGNMENT


@_with_shared_text
def prepare_mapping(selected_experts: Tensor, routing_weights: Tensor, num_experts: int) -> Tensor:
    """Turn a router's sparse choice into a dense map of weights.

    Args:
        selected_experts: {ids}
            A token's ids differ; if one is repeated, its last weight is kept.
        routing_weights: {weights}
        num_experts: {num_experts}

    Returns:
        (T, E), dtype of ``routing_weights``: at [t, e] the weight with which token t goes to expert e, else 0. New and
        contiguous. There is no gradient: a backward pass through it raises.

    Raises:
        {raises}

    Example:
        >>> experts = torch.tensor([[2, 0], [1, -1]])
        >>> weights = torch.tensor([[0.75, 0.25], [1.0, 0.0]])
        >>> torch_moe_ttnn.prepare_mapping(experts, weights, 3)
        tensor([[0.2500, 0.0000, 0.7500],
                [0.0000, 1.0000, 0.0000]])

    Source: ``csrc/ops/cpu/prepare_mapping.cpp``.
    """
    mapping: Tensor = torch.ops.moe.prepare_mapping.default(selected_experts, routing_weights, num_experts)
    return mapping


@_with_shared_text
def prepare_routing(selected_experts: Tensor, routing_weights: Tensor, num_experts: int) -> Routing:
    """Turn a router's sparse choice into a list of tokens for each expert.

    Args:
        selected_experts: {ids}
            A token's ids differ; if one is repeated, each is listed, by ascending k.
        routing_weights: {weights} There
            are fewer than 2**32 choices (T·K).
        num_experts: {num_experts}

    Returns:
        A :class:`Routing` of three new, contiguous tensors with E_padded rows, E rounded up to a multiple of 32, and
        W = T·K columns: ``num_routed_tokens`` (1, E_padded), uint32; ``routed_tokens`` (E_padded, W), uint32, padded
        with 0xFFFFFFFF; ``routed_token_weights`` (E_padded, W), dtype of ``routing_weights``, padded with 0. There is
        no gradient: a backward pass through the weights raises.

    Raises:
        {raises}

    Example:
        >>> experts = torch.tensor([[2, 0], [2, -1]])
        >>> weights = torch.tensor([[0.75, 0.25], [1.0, 0.0]])
        >>> routing = torch_moe_ttnn.prepare_routing(experts, weights, 3)
        >>> routing.num_routed_tokens[0, :3].tolist()
        [1, 0, 2]
        >>> routing.routed_tokens[2].tolist()
        [0, 1, 4294967295, 4294967295]
        >>> routing.routed_token_weights[2].tolist()
        [0.75, 1.0, 0.0, 0.0]

    Source: ``csrc/ops/cpu/prepare_routing.cpp``.
    """
    # Unpacked by name, for torch.fx cannot trace a star.
    num_routed_tokens, routed_tokens, routed_token_weights = torch.ops.moe.prepare_routing.default(
        selected_experts, routing_weights, num_experts
    )
    return Routing(num_routed_tokens, routed_tokens, routed_token_weights)
