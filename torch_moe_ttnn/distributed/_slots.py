"""Places for experts on all ranks, as tensors to compute with."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Slots(NamedTuple):
    """A slot is a place for an expert on a rank. Slots are in the order of ranks, and on a rank as it has its experts.

    All are (S,), int64, on the CPU.
    """

    ranks: Tensor
    """The rank of each slot."""
    experts: Tensor
    """Its expert, or -1 where it stays empty."""
    replica: Tensor
    """How many slots before it have the same expert."""
    num_replicas: Tensor
    """How many slots have the same expert."""


def slots_of(experts_of_ranks: Sequence[Sequence[int]]) -> Slots:
    """Return the slots of a placement."""
    ranks, experts, replica = [], [], []
    seen: dict[int, int] = {}
    for rank, held in enumerate(experts_of_ranks):
        for expert in held:
            ranks.append(rank)
            experts.append(expert)
            replica.append(seen.get(expert, 0))
            seen[expert] = replica[-1] + 1
    columns = ranks, experts, replica, [seen[expert] for expert in experts]
    return Slots(*(torch.tensor(column, dtype=torch.int64, device="cpu") for column in columns))
