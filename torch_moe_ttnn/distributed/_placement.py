"""Which rank holds which experts."""

import contextlib
import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from torch_moe_ttnn.distributed._gather import gather_numbers
from torch_moe_ttnn.distributed._slots import Slots, slots_of

_NAME = "torch_moe_ttnn.distributed.place_experts"
# In place of a number of experts.
_FAILED = -1
_ID_DTYPES = (torch.uint16, torch.uint32, torch.int32, torch.int64)


@dataclass(frozen=True, eq=False)
class Placement:
    """Which rank of a process group holds which experts, as :func:`place_experts` found it; the same on every rank.

    Attributes:
        group: The process group.
        rank: This process's rank in the group.
        num_experts: E.
        experts_of_ranks: For each rank its local experts' ids, in the order in which the rank holds them; -1 is a place
            that stays empty.

    Raises:
        IndexError: an id that is neither in [0, E) nor -1.
        ValueError: an expert that no rank holds.

    Source: ``torch_moe_ttnn/distributed/_placement.py``.
    """

    group: dist.ProcessGroup
    rank: int
    num_experts: int
    experts_of_ranks: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        held = set()
        for rank, experts in enumerate(self.experts_of_ranks):
            for place, expert in enumerate(experts):
                if not -1 <= expert < self.num_experts:
                    raise IndexError(
                        f'{_NAME}: expected expert ids in [0, {self.num_experts}) or the "no expert" id (all bits '
                        f"set), got {expert} at local_experts[{place}] of rank {rank} with num_experts = "
                        f"{self.num_experts}"
                    )
                held.add(expert)
        missing = [expert for expert in range(self.num_experts) if expert not in held]
        if missing:
            raise ValueError(
                f"{_NAME}: expected a rank for each of {self.num_experts} experts, got none for {len(missing)} of "
                f"them, the first being expert {missing[0]}: name it in the local_experts of a rank"
            )

    @property
    def local_experts(self) -> tuple[int, ...]:
        """The ids of this rank's experts."""
        return self.experts_of_ranks[self.rank]

    @functools.cached_property
    def slots(self) -> Slots:
        """The places for experts on all ranks, as tensors."""
        return slots_of(self.experts_of_ranks)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Placement":
        """Return the placement itself, so that modules which hold it can be copied: a process group cannot."""
        return self


def place_experts(
    num_experts: int,
    local_experts: Tensor | Sequence[int] | None = None,
    group: dist.ProcessGroup | DeviceMesh | None = None,
) -> Placement:
    """Tell the other ranks which experts this one holds, and learn which they hold.

    A collective call: every rank of the group makes it, once for all layers that are divided alike.

    Args:
        num_experts: E, at least 1, the same on every rank.
        local_experts: (L,), a tensor of any of the operators' id dtypes or a sequence of ints: the ids of the experts
            that this rank holds, in its order. L may differ between ranks and be 0. An expert may be held by several
            ranks, which share its tokens. "No expert" (all bits set, -1 where signed) is a place that stays empty.
            None: this rank's part of ``torch.tensor_split``, whose first E mod R parts have one expert more.
        group: A process group, a device mesh of one dimension, or None, the default group.

    Returns:
        A :class:`Placement`, the same on every rank.

    Raises:
        IndexError: an id that is neither in [0, E) nor "no expert".
        ValueError: an expert that no rank holds, ``num_experts`` that differ or are below 1, a mesh of several
            dimensions, a group that this process is not in.
        TypeError, ValueError: ``local_experts`` of another type or shape.
        RuntimeError: another rank could not say what it holds. Of these errors, all that concern what ranks told each
            other are raised on every rank alike.

    Source: ``torch_moe_ttnn/distributed/_placement.py``.
    """
    group = _process_group(group)
    rank, num_ranks = dist.get_rank(group), dist.get_world_size(group)
    try:
        num_experts = operator.index(num_experts)
        if num_experts < 1:
            raise ValueError(f"{_NAME}: expected num_experts of at least 1, got {num_experts}")
        if local_experts is None:
            parts = torch.arange(num_experts, device="cpu").tensor_split(num_ranks)
            local_experts = parts[rank]
        ids = _as_ids(local_experts)
        # Numbers that can be sent.
        torch.tensor([num_experts, *ids], dtype=torch.int64, device="cpu")
    except Exception:
        # The others wait for this rank's word.
        with contextlib.suppress(RuntimeError):
            gather_numbers([_FAILED, 0], torch.int64, group)
        raise
    counts, lengths = gather_numbers([num_experts, len(ids)], torch.int64, group).T.tolist()
    if _FAILED in counts:
        raise RuntimeError(
            f"{_NAME}: rank {counts.index(_FAILED)} could not say what it holds; its own error tells why"
        )
    if len(set(counts)) > 1:
        raise ValueError(f"{_NAME}: expected the same num_experts on every rank, got {counts}")
    padded = [*ids, *[-1] * (max(lengths) - len(ids))]
    held = gather_numbers(padded, torch.int64, group).tolist()
    return Placement(
        group, rank, num_experts, tuple(tuple(each[:length]) for each, length in zip(held, lengths, strict=True))
    )


def _process_group(group: dist.ProcessGroup | DeviceMesh | None) -> dist.ProcessGroup:
    if isinstance(group, DeviceMesh):
        if group.ndim != 1:
            raise ValueError(
                f"{_NAME}: expected a device mesh of one dimension, got {group.ndim}: index it with a dimension's name"
            )
        group = group.get_group()
    if group is None:
        group = dist.group.WORLD
    if group is None:
        raise ValueError(f"{_NAME}: expected a process group, got none: call torch.distributed.init_process_group")
    if dist.get_rank(group) < 0:
        raise ValueError(f"{_NAME}: expected a group that this process is in")
    return group


def _as_ids(local_experts: Tensor | Sequence[int]) -> tuple[int, ...]:
    """Return ids as ints, with -1 for "no expert"."""
    if not isinstance(local_experts, Tensor):
        return tuple(operator.index(expert) for expert in local_experts)
    if local_experts.ndim != 1 or local_experts.dtype not in _ID_DTYPES:
        raise ValueError(
            f"{_NAME}: expected local_experts of shape (L,) and dtype uint16, uint32, int32 or int64, got "
            f"{tuple(local_experts.shape)} and {local_experts.dtype}"
        )
    ids = local_experts.cpu().to(torch.int64)
    if not local_experts.dtype.is_signed:
        ids = ids.masked_fill(ids == torch.iinfo(local_experts.dtype).max, -1)
    return tuple(ids.tolist())
