"""Rows that travel between ranks, and their gradients that travel back."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable

import torch_moe_ttnn


class Exchange(torch.autograd.Function):
    """An ``all_to_all_single`` of rows whose gradient every rank computes, or none.

    The gradient is a collective call too, and a rank on which autograd finds no way to it would leave the others
    waiting: a rank without rows whose experts return plain zeros, or one whose experts have no parameters. Therefore
    each exchange passes an empty tensor on, the token, from the dispatch to its combination. Where it requires a
    gradient, the exchanges of all ranks are in their graphs, in one order.

    ``torch.distributed._functional_collectives`` has an exchange with a gradient, which is private and without a token.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        rows: Tensor,
        token: Tensor,
        input_split_sizes: list[int],
        output_split_sizes: list[int],
        group: dist.ProcessGroup,
    ) -> tuple[Tensor, Tensor]:
        """Send (M, H) rows, the first ``input_split_sizes[0]`` of them to rank 0; return those received."""
        ctx.split_sizes = input_split_sizes, output_split_sizes
        ctx.group = group
        return _all_to_all(rows, input_split_sizes, output_split_sizes, group), token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_token: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Send each row's gradient to where the row came from."""
        input_split_sizes, output_split_sizes = ctx.split_sizes
        return _all_to_all(grad, output_split_sizes, input_split_sizes, ctx.group), grad_token, None, None, None


def _all_to_all(
    rows: Tensor, input_split_sizes: list[int], output_split_sizes: list[int], group: dist.ProcessGroup
) -> Tensor:
    received = rows.new_empty(sum(output_split_sizes), *rows.shape[1:])
    dist.all_to_all_single(received, rows.contiguous(), output_split_sizes, input_split_sizes, group=group)
    return received


class PermuteInOrderOfK(torch.autograd.Function):
    """``permute``, whose gradient sums a token's rows in the order of its choices.

    The operator's own sums them in the order of rows, which here depends on where experts are.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, tokens: Tensor, positions: Tensor) -> Tensor:  # noqa: ANN401
        """Return (M, H): row i is ``hidden[tokens[i]]``; ``positions`` (T, K) has the row of each choice, or -1."""
        ctx.save_for_backward(positions)
        return torch_moe_ttnn.permute(hidden, tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        """Sum each token's rows."""
        (positions,) = ctx.saved_tensors
        return torch_moe_ttnn.unpermute(grad, grad.new_ones(positions.shape), positions), None, None
