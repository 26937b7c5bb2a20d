"""Tokens to the ranks that hold their experts, and back."""

import contextlib
import operator
from dataclasses import dataclass

import torch
from torch import Tensor

import torch_moe_ttnn
from torch_moe_ttnn.distributed._agreement import DTYPES, MAX_SIZE, NAME, Offer, agree
from torch_moe_ttnn.distributed._exchange import Exchange, PermuteInOrderOfK
from torch_moe_ttnn.distributed._placement import Placement
from torch_moe_ttnn.distributed._plan import plan


@dataclass(frozen=True, eq=False)
class Dispatched:
    """What :func:`dispatch` returns: the rows that this rank's experts compute, and what :func:`combine` needs.

    Attributes:
        rows: (N, H), dtype of ``hidden``: the hidden states that came to this rank, by the rank that sent them, then
            local expert, then token. An expert's rows are in the order of ranks, then tokens.
        local_experts: (N,), int64, on the same device: the place in this rank's local experts that each row is for.
        dropped: (E,), int64, on the CPU: how many choices of each expert, on all ranks, were beyond ``max_tokens``.
        positions: (T, K), int32: which of the rows that this rank sent is each choice's; -1 where it has none.
        routing_weights: (T, K), as given.
        input_split_sizes: How many rows this rank sent to each rank.
        output_split_sizes: How many rows came from each rank.
        token: (0,), which makes the backward pass of every rank take part in both exchanges.
        placement: As given.
    """

    rows: Tensor
    local_experts: Tensor
    dropped: Tensor
    positions: Tensor
    routing_weights: Tensor
    input_split_sizes: list[int]
    output_split_sizes: list[int]
    token: Tensor
    placement: Placement


def dispatch(
    hidden: Tensor,
    selected_experts: Tensor,
    routing_weights: Tensor,
    placement: Placement,
    *,
    max_tokens: int | None = None,
    experts_require_grad: bool = True,
) -> Dispatched:
    """Send each token's hidden states to the ranks that hold its experts.

    A collective call, which waits for the other ranks: one all-gather of E + 6 numbers, then one all-to-all of rows.
    The backward pass has an all-to-all too, so that every rank of the group has to run it, or none.

    Args:
        hidden: (T, H), bfloat16, float16, float32 or float64: this rank's tokens. T differs between ranks and may be 0;
            H and the dtype are the same.
        selected_experts: (T, K), uint16, uint32, int32 or int64, on the same device. The ids of the experts that each
            token goes to, each in [0, E), wherever they are held. The id with all bits set is "no expert".
        routing_weights: (T, K), bfloat16, float16 or float32, on the same device. They stay on this rank.
        placement: Which rank holds which experts.
        max_tokens: At least 0, the same on every rank. No expert takes more choices of all ranks together; those that
            come later, by rank and then token, are dropped, and contribute nothing. None: no limit.
        experts_require_grad: Whether what this rank's experts compute may require a gradient when ``hidden`` does not.
            False avoids an exchange of gradients that nobody needs; one rank's True makes all take part.

    Returns:
        A :class:`Dispatched`. Its ``rows`` have a gradient, which is that of ``hidden``.

    Raises:
        RuntimeError: a wrong shape, dtype, device or size; hidden sizes, dtypes or ``max_tokens`` that differ between
            ranks (on every rank); another rank could not prepare its tokens; a collective call that failed.
        IndexError: an id that is neither in [0, E) nor "no expert", from this call also on asynchronous devices.

    Source: ``torch_moe_ttnn/distributed/_dispatch.py``.
    """
    try:
        grouping, offer = _prepare(
            hidden, selected_experts, routing_weights, placement, max_tokens, experts_require_grad
        )
    except Exception:
        _tell_of_failure(placement)
        raise
    agreement = agree(offer, placement)
    planned = plan(agreement.counts, placement, max_tokens)

    device = hidden.device
    rows_to_send = planned.rows_to_send.to(device)
    tokens = grouping.grouped_tokens[rows_to_send]
    # Where each row of the grouping went. A choice without a row has the position -1, the last one, which is -1.
    places = torch.full((grouping.grouped_tokens.shape[0] + 1,), -1, dtype=torch.int32, device=device)
    places[rows_to_send] = torch.arange(tokens.shape[0], dtype=torch.int32, device=device)
    positions = places[grouping.positions]

    rows = PermuteInOrderOfK.apply(hidden, tokens, positions)  # type: ignore[no-untyped-call]
    token = hidden.new_empty(0).requires_grad_(agreement.rows_require_grad)
    rows, token = Exchange.apply(  # type: ignore[no-untyped-call]
        rows, token, planned.input_split_sizes, planned.output_split_sizes, placement.group
    )
    if agreement.outputs_require_grad and not agreement.rows_require_grad:
        # The backward pass has the combination's exchange and ends there.
        token = token.requires_grad_()
    return Dispatched(
        rows,
        planned.received_experts.to(device),
        planned.dropped,
        positions,
        routing_weights,
        planned.input_split_sizes,
        planned.output_split_sizes,
        token,
        placement,
    )


def combine(expert_outputs: Tensor, dispatched: Dispatched) -> Tensor:
    """Send the experts' outputs back, and sum each token's, weighted.

    A collective call, with one all-to-all of rows; as :func:`dispatch`, with a backward pass that every rank runs.

    Args:
        expert_outputs: (N, H), of the shape, dtype and device of ``dispatched.rows``: row i is what the expert
            ``dispatched.local_experts[i]`` makes of row i.
        dispatched: What :func:`dispatch` returned.

    Returns:
        (T, H), of the same dtype: for each token the sum over k, in order of k, of its weight times its expert's
        output, as ``unpermute`` rounds it. The number of ranks and the placement have no part in it. Both
        ``expert_outputs`` and the weights have gradients.

    Raises:
        RuntimeError: a wrong shape, dtype or device; a collective call that failed.

    Source: ``torch_moe_ttnn/distributed/_dispatch.py``.
    """
    rows = dispatched.rows
    expected, given = (f"{tuple(each.shape)}, {each.dtype} on {each.device}" for each in (rows, expert_outputs))
    if given != expected:
        raise RuntimeError(
            f"torch_moe_ttnn.distributed.combine: expected expert_outputs like dispatched.rows, {expected}; got {given}"
        )
    # The way back: what came in goes out.
    returned, _ = Exchange.apply(  # type: ignore[no-untyped-call]
        expert_outputs,
        dispatched.token,
        dispatched.output_split_sizes,
        dispatched.input_split_sizes,
        dispatched.placement.group,
    )
    return torch_moe_ttnn.unpermute(returned, dispatched.routing_weights, dispatched.positions)


def _prepare(
    hidden: Tensor,
    selected_experts: Tensor,
    routing_weights: Tensor,
    placement: Placement,
    max_tokens: int | None,
    experts_require_grad: bool,
) -> tuple[torch_moe_ttnn.Grouping, Offer]:
    """Do all that can fail on this rank alone."""
    if max_tokens is not None and not 0 <= operator.index(max_tokens) <= MAX_SIZE:
        raise RuntimeError(f"{NAME}: expected max_tokens in [0, 2^31 - 1] or None, got {max_tokens}")
    # The weights' gradient is that of the combination.
    grouping = torch_moe_ttnn.prepare_grouping(selected_experts, routing_weights.detach(), placement.num_experts)
    if hidden.ndim != 2 or hidden.shape[0] != selected_experts.shape[0]:
        raise RuntimeError(
            f"{NAME}: expected hidden of shape (T, H) with T = {selected_experts.shape[0]}, got {tuple(hidden.shape)}"
        )
    if hidden.dtype not in DTYPES:
        raise RuntimeError(
            f"{NAME}: expected hidden of dtype bfloat16, float16, float32 or float64, got {hidden.dtype}"
        )
    if hidden.device != selected_experts.device:
        raise RuntimeError(
            f"{NAME}: expected hidden and selected_experts on one device, got {hidden.device} and "
            f"{selected_experts.device}"
        )
    requires_grad = torch.is_grad_enabled() and hidden.requires_grad
    outputs_require_grad = torch.is_grad_enabled() and (hidden.requires_grad or experts_require_grad)
    # Reading the counts waits for the device, which then tells of an id out of range.
    counts = grouping.group_sizes.tolist()
    return grouping, Offer(hidden.shape[1], hidden.dtype, max_tokens, requires_grad, outputs_require_grad, counts)


def _tell_of_failure(placement: Placement) -> None:
    """Take this rank's part in the exchange that the others wait for; that they will fail is known."""
    # The error that this rank has to raise is its own.
    with contextlib.suppress(RuntimeError):
        agree(None, placement)
