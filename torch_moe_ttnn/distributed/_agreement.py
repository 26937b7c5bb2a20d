"""What ranks tell each other before rows travel: one all-gather of a few numbers and the counts."""

from typing import NamedTuple

import torch
from torch import Tensor

from torch_moe_ttnn.distributed._gather import gather_numbers
from torch_moe_ttnn.distributed._placement import Placement

NAME = "torch_moe_ttnn.distributed.dispatch"
DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
MAX_SIZE = 2**31 - 1


class Offer(NamedTuple):
    """What a rank brings to a dispatch."""

    hidden_size: int
    dtype: torch.dtype
    max_tokens: int | None
    rows_require_grad: bool
    outputs_require_grad: bool
    counts: list[int]
    """(E,): how many of its choices go to each expert."""


class Agreement(NamedTuple):
    """What all ranks know after it."""

    counts: Tensor
    """(R, E), int64, on the CPU."""
    rows_require_grad: bool
    outputs_require_grad: bool


_FIELDS = 6


def agree(offer: Offer | None, placement: Placement) -> Agreement:
    """Exchange offers with the other ranks, of which one may have failed.

    Args:
        offer: This rank's, or None where it has an error to raise: it makes the call all the same, so that no other
            rank waits for it.
        placement: Which rank holds which experts.

    Raises:
        RuntimeError: a rank has failed, or ranks differ in what must be the same. Raised on every rank alike.
    """
    received = gather_numbers(_encoded(offer, placement.num_experts), torch.int32, placement.group)
    failed, hidden_sizes, dtypes, capacities, rows, outputs = received[:, :_FIELDS].T.tolist()
    if any(failed):
        raise RuntimeError(f"{NAME}: rank {failed.index(1)} could not prepare its tokens; its own error tells why")
    for name, values in (
        ("hidden size", hidden_sizes),
        ("dtype of hidden", [DTYPES[dtype] for dtype in dtypes]),
        ("max_tokens", [None if capacity < 0 else capacity for capacity in capacities]),
    ):
        if len(set(values)) > 1:
            raise RuntimeError(f"{NAME}: expected the same {name} on every rank, got {values} on ranks 0, 1, ...")
    return Agreement(received[:, _FIELDS:], any(rows), any(outputs))


def _encoded(offer: Offer | None, num_experts: int) -> list[int]:
    if offer is None:
        return [1] + [0] * (_FIELDS - 1 + num_experts)
    capacity = -1 if offer.max_tokens is None else offer.max_tokens
    flags = [int(offer.rows_require_grad), int(offer.outputs_require_grad)]
    return [0, offer.hidden_size, DTYPES.index(offer.dtype), capacity, *flags, *offer.counts]
