"""Which rows go where: arithmetic on counts, without communication, the same on every rank.

The choices of an expert have an order that does not depend on how tokens are divided among ranks: by rank, then token,
then k. A capacity takes the first ones of all ranks together. An expert that several places hold gets as many blocks
of what was taken, consecutive and of equal size up to one, a place each.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from torch_moe_ttnn.distributed._placement import Placement


class Plan(NamedTuple):
    """What one rank sends and receives. All tensors are int64 on the CPU."""

    rows_to_send: Tensor
    """(M,): rows of this rank's grouping in the order in which they leave: by rank, then that rank's local expert."""
    received_experts: Tensor
    """(N,): the local expert of each row that arrives: by rank that sent it, then local expert."""
    input_split_sizes: list[int]
    """How many rows go to each rank."""
    output_split_sizes: list[int]
    """How many rows come from each rank."""
    dropped: Tensor
    """(E,): how many choices of each expert, on all ranks, were beyond the capacity."""


def plan(counts: Tensor, placement: Placement, max_tokens: int | None) -> Plan:
    """Plan the exchange of one layer's rows.

    Args:
        counts: (R, E), int64: how many choices of each expert each rank has.
        placement: Which rank holds which experts.
        max_tokens: The capacity of an expert over all ranks; None for no limit.
    """
    rank, slots = placement.rank, placement.slots
    total = counts.sum(0)
    taken = total if max_tokens is None else total.clamp(max=max_tokens)

    # An empty slot's expert is -1, the last column, which has no choices.
    def of_slots(values: Tensor) -> Tensor:
        return torch.nn.functional.pad(values, (0, 1))[..., slots.experts]

    first = slots.replica * of_slots(taken) // slots.num_replicas
    last = (slots.replica + 1) * of_slots(taken) // slots.num_replicas
    # (R, S): the part of a slot's block that a rank has, counted from the rank's own first choice of that expert.
    before = of_slots(counts.cumsum(0) - counts)
    available = of_slots(counts)
    begins = (first - before).clamp(min=0).minimum(available)
    ends = (last - before).clamp(min=0).minimum(available)
    lengths = ends - begins

    own = counts[rank]
    rows_to_send = _ranges(of_slots(own.cumsum(0) - own) + begins[rank], lengths[rank])
    received = lengths[:, slots.ranks == rank]
    places = torch.arange(received.shape[1], device="cpu").expand_as(received)
    return Plan(
        rows_to_send,
        places.flatten().repeat_interleave(received.flatten()),
        torch.zeros(counts.shape[0], dtype=torch.int64, device="cpu").index_add(0, slots.ranks, lengths[rank]).tolist(),
        received.sum(1).tolist(),
        total - taken,
    )


def _ranges(begins: Tensor, lengths: Tensor) -> Tensor:
    """Return the numbers of several ranges, one range after another."""
    offsets = lengths.cumsum(0)
    return (begins - offsets + lengths).repeat_interleave(lengths) + torch.arange(int(lengths.sum()), device="cpu")
