"""Typed entry points of the operators; ``torch.ops.moe`` has the same ones untyped."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import _register_namedtuple

from torch_moe_ttnn import _C

__all__ = [
    "EXPERT_ALIGNMENT",
    "PADDING_TOKEN",
    "Grouping",
    "Routing",
    "grouped_linear",
    "padded_num_experts",
    "permute",
    "prepare_grouping",
    "prepare_mapping",
    "prepare_routing",
    "unpermute",
]

EXPERT_ALIGNMENT: int = _C.EXPERT_ALIGNMENT
"""Rows of the routing outputs are padded to a multiple of this."""

PADDING_TOKEN: int = _C.PADDING_TOKEN
"""Fills ``routed_tokens`` after a row's last token."""

_Function = TypeVar("_Function", bound=Callable[..., object])

# What the docstrings of several operators say.
_IDS = """\
(T, K), uint16, uint32, int32 or int64. The ids of the experts that each token goes to, each
            in [0, num_experts). The id with all bits set (-1 where signed) is "no expert": the choice goes nowhere."""
_WEIGHTS = "(T, K), bfloat16, float16 or float32, on the same device. The weight of each choice."
_NUM_EXPERTS = "E, at least 1 and at least K, less than 2**32."
_LOCAL_EXPERTS = """\
(L,), any of the id dtypes, on the same device. The ids of the experts that this device holds, in the
            order of its rows; choices of others contribute to nothing, and "no expert" is a row that stays empty. Of a
            repeated id the last place gets the choices. Without it L = E, and row e is expert e."""
_RAISES = """\
RuntimeError: a wrong shape, dtype, device or size.
        IndexError: an id that is neither in [0, num_experts) nor "no expert". An asynchronous device raises it at the
            next synchronisation or copy to the host."""


def _with_shared_text(function: _Function) -> _Function:
    """Fill in what several docstrings say; ``python -OO`` has removed them."""
    if function.__doc__ is not None:
        function.__doc__ = function.__doc__.format(
            ids=_IDS, weights=_WEIGHTS, num_experts=_NUM_EXPERTS, local_experts=_LOCAL_EXPERTS, raises=_RAISES
        )
    return function


class Routing(NamedTuple):
    """What :func:`prepare_routing` returns.

    E_padded is :func:`padded_num_experts` of E, or of L where ``local_experts`` are given; W is T·K, the number of
    choices, or ``max_tokens``.
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


class Grouping(NamedTuple):
    """What :func:`prepare_grouping` returns: rows sorted by group, an expert's group after another's.

    L is E, or the number of ``local_experts``. N depends on shapes alone: with M = T·K, or min(T·K, L·max_tokens), it
    is M for an alignment of 1, else M + min(M, L)·(alignment - 1), rounded up to a multiple of the alignment.
    """

    group_sizes: Tensor
    group_offsets: Tensor
    grouped_tokens: Tensor
    grouped_weights: Tensor
    positions: Tensor

    @property
    def offs(self) -> Tensor:
        """(L,), int32: where each group ends, padding included; ``torch.nn.functional.grouped_mm`` takes it as such."""
        return self.group_offsets[1:]


Grouping.group_sizes.__doc__ = "(L,), int32: how many choices are in each group."
Grouping.group_offsets.__doc__ = (
    "(L + 1,), int32: where each group begins, a multiple of the alignment; the last is the number of rows in use, "
    "padding included. An empty group takes no rows."
)
Grouping.grouped_tokens.__doc__ = (
    "(N,), int32: the token of each row, within a group by ascending token, then ascending k; -1 in padding rows and "
    "after the last group."
)
Grouping.grouped_weights.__doc__ = "(N,), dtype of the weights given: each row's weight; 0 in padding."
Grouping.positions.__doc__ = "(T, K), int32: the row of each choice; -1 where it has none."


# Programs that return them are exported, saved and packaged: a file names their types.
for _type in (Routing, Grouping):
    _register_namedtuple(_type, serialized_type_name=f"torch_moe_ttnn.{_type.__name__}")


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
def prepare_mapping(
    selected_experts: Tensor, routing_weights: Tensor, num_experts: int, *, local_experts: Tensor | None = None
) -> Tensor:
    """Turn a router's sparse choice into a dense map of weights.

    Args:
        selected_experts: {ids}
            A token's ids differ; if one is repeated, its last weight is kept.
        routing_weights: {weights}
        num_experts: {num_experts}
        local_experts: {local_experts} A
            row is a column of the map.

    Returns:
        (T, L), dtype of ``routing_weights``: at [t, e] the weight with which token t goes to expert e, else 0. New and
        contiguous. The weights have a gradient; that of a repeated id's overwritten weight is 0.

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
    mapping: Tensor = torch.ops.moe.prepare_mapping.default(
        selected_experts, routing_weights, num_experts, local_experts=local_experts
    )
    return mapping


@_with_shared_text
def prepare_routing(
    selected_experts: Tensor,
    routing_weights: Tensor,
    num_experts: int,
    *,
    local_experts: Tensor | None = None,
    max_tokens: int | None = None,
) -> Routing:
    """Turn a router's sparse choice into a list of tokens for each expert.

    Args:
        selected_experts: {ids}
            A token's ids differ; if one is repeated, each is listed, by ascending k.
        routing_weights: {weights} There
            are fewer than 2**32 choices (T·K).
        num_experts: {num_experts}
        local_experts: {local_experts}
        max_tokens: W, at least 0: no row takes more choices; those that come later are dropped, and the counts say what
            was taken. T loses nothing, as a token's ids differ. None: T·K.

    Returns:
        A :class:`Routing` of three new, contiguous tensors with E_padded rows, L rounded up to a multiple of 32, and
        W columns: ``num_routed_tokens`` (1, E_padded), uint32; ``routed_tokens`` (E_padded, W), uint32, padded
        with 0xFFFFFFFF; ``routed_token_weights`` (E_padded, W), dtype of ``routing_weights``, padded with 0. The
        weights have a gradient.

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
        selected_experts, routing_weights, num_experts, local_experts=local_experts, max_tokens=max_tokens
    )
    return Routing(num_routed_tokens, routed_tokens, routed_token_weights)


@_with_shared_text
def prepare_grouping(
    selected_experts: Tensor,
    routing_weights: Tensor,
    num_experts: int,
    *,
    local_experts: Tensor | None = None,
    alignment: int = 1,
    max_tokens: int | None = None,
) -> Grouping:
    """Turn a router's sparse choice into rows sorted by expert, as ``torch.nn.functional.grouped_mm`` takes them.

    Args:
        selected_experts: {ids}
            A token's ids differ; if one is repeated, each has a row, by ascending k.
        routing_weights: {weights} There
            are fewer than 2**31 choices (T·K).
        num_experts: {num_experts}
        local_experts: {local_experts} A
            row is a group.
        alignment: At least 1. Groups begin at multiples of it, with padding rows after a group's last choice.
        max_tokens: At least 0. No group takes more choices; those that come later are dropped. None: no limit.

    Returns:
        A :class:`Grouping` of five new, contiguous tensors. The weights have a gradient.

    Raises:
        {raises}

    Example:
        >>> experts = torch.tensor([[2, 0], [2, -1]])
        >>> weights = torch.tensor([[0.75, 0.25], [1.0, 0.0]])
        >>> grouping = torch_moe_ttnn.prepare_grouping(experts, weights, 3)
        >>> grouping.group_sizes.tolist(), grouping.offs.tolist()
        ([1, 0, 2], [1, 1, 3])
        >>> grouping.grouped_tokens.tolist(), grouping.grouped_weights.tolist()
        ([0, 0, 1, -1], [0.25, 0.75, 1.0, 0.0])
        >>> grouping.positions.tolist()
        [[1, 0], [2, -1]]

    Source: ``csrc/ops/cpu/prepare_grouping.cpp``.
    """
    # Unpacked by name, for torch.fx cannot trace a star.
    group_sizes, group_offsets, grouped_tokens, grouped_weights, positions = torch.ops.moe.prepare_grouping.default(
        selected_experts,
        routing_weights,
        num_experts,
        local_experts=local_experts,
        alignment=alignment,
        max_tokens=max_tokens,
    )
    return Grouping(group_sizes, group_offsets, grouped_tokens, grouped_weights, positions)


def permute(hidden: Tensor, grouped_tokens: Tensor) -> Tensor:
    """Copy tokens' rows to where a grouping has them.

    Args:
        hidden: (T, H), any floating dtype.
        grouped_tokens: (N,), int32, on the same device: :attr:`Grouping.grouped_tokens`.

    Returns:
        (N, H), dtype of ``hidden``: row i is ``hidden[grouped_tokens[i]]``, zeros where that is -1. New and contiguous.
        ``hidden`` has a gradient.

    Raises:
        RuntimeError: a wrong shape, dtype or device.
        IndexError: a token that is neither in [0, T) nor -1; on ``tt`` at the next synchronisation or copy to the host.

    Example:
        >>> torch_moe_ttnn.permute(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, -1, 0], dtype=torch.int32))
        tensor([[3., 4.],
                [0., 0.],
                [1., 2.]])

    Source: ``csrc/ops/cpu/permute.cpp``.
    """
    permuted: Tensor = torch.ops.moe.permute.default(hidden, grouped_tokens)
    return permuted


def grouped_linear(
    input: Tensor,
    weight: Tensor,
    group_offsets: Tensor,
    *,
    bias: Tensor | None = None,
    grouped_tokens: Tensor | None = None,
) -> Tensor:
    """Apply to each group of rows a linear layer of its own, as ``torch.nn.functional.linear`` does to all.

    Args:
        input: (N, in), bfloat16, float16, float32 or float64: rows sorted by group.
        weight: (L, out, in), dtype and device of ``input``, of any strides: of weights that are stored as (L, in, out),
            ``weight.transpose(1, 2)``.
        group_offsets: (L + 1,), int32, on the same device: :attr:`Grouping.group_offsets`.
        bias: (L, out), dtype and device of ``input``. None: no bias.
        grouped_tokens: (N,), int32, on the same device: :attr:`Grouping.grouped_tokens`. Where it is given, ``input``
            is (T, in), and what is multiplied are the rows of ``permute(input, grouped_tokens)``. On the CPU each
            thread has a group's in memory at a time, and none are kept for the backward pass.

    Returns:
        (N, out), dtype of ``input``: row i of group l is ``weight[l] @ row i + bias[l]``, zeros after the last group.
        New and contiguous. Its bits are the device's matrix product's, which may depend on the number of threads.
        ``input``, ``weight`` and ``bias`` have gradients. Under ``torch.autocast`` it runs in the lower precision.

    Raises:
        RuntimeError: a wrong shape, dtype or device.
        IndexError: offsets that do not ascend from 0 to at most N, or a token that is neither in [0, T) nor -1.

    Example:
        >>> weight = torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]])
        >>> offsets = torch.tensor([0, 1, 3], dtype=torch.int32)
        >>> torch_moe_ttnn.grouped_linear(torch.tensor([[1.0, 2.0], [3.0, 4.0], [7.0, 5.0]]), weight, offsets)
        tensor([[ 3.],
                [-1.],
                [ 2.]])

    Source: ``csrc/ops/cpu/grouped_linear.cpp``.
    """
    output: Tensor = torch.ops.moe.grouped_linear.default(
        input, weight, group_offsets, bias=bias, grouped_tokens=grouped_tokens
    )
    return output


def unpermute(expert_outputs: Tensor, routing_weights: Tensor, positions: Tensor) -> Tensor:
    """Sum each token's rows of the experts' outputs, weighted.

    Args:
        expert_outputs: (N, H), bfloat16, float16, float32 or float64.
        routing_weights: (T, K), of these dtypes too, float64 only beside float64; on the same device.
        positions: (T, K), int32, on the same device: :attr:`Grouping.positions`.

    Returns:
        (T, H), dtype of ``expert_outputs``: row t is the sum over k, in order of k and starting from 0, of
        ``routing_weights[t, k] * expert_outputs[positions[t, k]]``; a position of -1 is left out. Each product and each
        sum is rounded to float32 (float64 stays float64), and the last sum to the dtype. New and contiguous. Both the
        weights and ``expert_outputs`` have gradients.

    Raises:
        RuntimeError: a wrong shape, dtype or device.
        IndexError: a position that is neither in [0, N) nor -1.

    Example:
        >>> outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> weights = torch.tensor([[0.5, 0.25], [2.0, 9.0]])
        >>> torch_moe_ttnn.unpermute(outputs, weights, torch.tensor([[0, 1], [1, -1]], dtype=torch.int32))
        tensor([[1.2500, 2.0000],
                [6.0000, 8.0000]])

    Source: ``csrc/ops/cpu/unpermute.cpp``.
    """
    sums: Tensor = torch.ops.moe.unpermute.default(expert_outputs, routing_weights, positions)
    return sums
