"""How evenly a grouping's choices are spread over its experts."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import _register_namedtuple

from torch_moe_ttnn.ops import Grouping

__all__ = ["LoadBalance", "load_balance"]


class LoadBalance(NamedTuple):
    """What :func:`load_balance` returns: tensors without dimensions, on the grouping's device.

    An expert's load is the number of choices in its group. No choices at all count as evenly spread.
    """

    num_choices: Tensor
    num_without_row: Tensor
    num_idle: Tensor
    busiest: Tensor
    max_load: Tensor
    mean_load: Tensor
    imbalance: Tensor
    coefficient_of_variation: Tensor
    entropy: Tensor
    padding: Tensor


LoadBalance.num_choices.__doc__ = "int64: choices that have a row, the sum of the loads."
LoadBalance.num_without_row.__doc__ = (
    'int64: choices that have none: of "no expert", of experts that are not local, and those that max_tokens dropped. '
    "A grouping does not tell them apart: these are the dropped ones where there are none of the others."
)
LoadBalance.num_idle.__doc__ = "int64: groups without a choice."
LoadBalance.busiest.__doc__ = "int64: the group with the greatest load, the first one of several."
LoadBalance.max_load.__doc__ = "int64: its load."
LoadBalance.mean_load.__doc__ = "float32: the mean of the loads, idle groups included."
LoadBalance.imbalance.__doc__ = "float32: max_load / mean_load, from 1 (even) to L (all choices in one group)."
LoadBalance.coefficient_of_variation.__doc__ = "float32: the loads' standard deviation / mean_load; 0 where even."
LoadBalance.entropy.__doc__ = (
    "float32: of the loads as probabilities, over its maximum, log L; 1 where even, 0 in one group."
)
LoadBalance.padding.__doc__ = (
    "float32: the share of padding in the rows in use, which an alignment adds; 0 without rows."
)

_register_namedtuple(LoadBalance, serialized_type_name="torch_moe_ttnn.LoadBalance")


def load_balance(grouping: Grouping) -> LoadBalance:
    """Return how evenly the choices are spread over the groups of a grouping.

    Nothing is read by the host, so that a training loop can gather them and wait later.

    Args:
        grouping: What :func:`prepare_grouping` returned, with any options, of at least one group.

    Returns:
        A :class:`LoadBalance`. Without choices the imbalance is 1, the coefficient of variation 0, the entropy 1.

    Raises:
        RuntimeError: a grouping without groups.

    Example:
        >>> experts = torch.tensor([[2, 0], [2, -1]])
        >>> grouping = torch_moe_ttnn.prepare_grouping(experts, torch.ones(2, 2), 4)
        >>> balance = torch_moe_ttnn.load_balance(grouping)
        >>> balance.busiest.item(), balance.max_load.item(), balance.num_idle.item(), balance.num_without_row.item()
        (2, 2, 2, 1)
        >>> round(balance.imbalance.item(), 3)
        2.667
    """
    loads = grouping.group_sizes.to(torch.int64)
    num_groups = loads.shape[0]
    if num_groups == 0:
        raise RuntimeError("torch_moe_ttnn.load_balance: expected a grouping of at least one group, got one without")
    num_choices = loads.sum()
    max_load = loads.amax()
    # In float64, as float32 has not every number of choices.
    exact = loads.to(torch.float64)
    mean = num_choices.to(torch.float64) / num_groups
    even = (num_choices == 0) | (num_groups == 1)
    entropy = torch.special.entr(exact / num_choices.clamp(min=1)).sum() / math.log(max(num_groups, 2))
    num_rows = grouping.group_offsets[-1].to(torch.int64)
    return LoadBalance(
        num_choices=num_choices,
        num_without_row=(grouping.positions == -1).sum(),
        num_idle=(loads == 0).sum(),
        busiest=loads.argmax(),
        max_load=max_load,
        mean_load=mean.to(torch.float32),
        imbalance=torch.where(even, 1, max_load / mean).to(torch.float32),
        coefficient_of_variation=torch.where(even, 0, exact.std(correction=0) / mean).to(torch.float32),
        entropy=torch.where(even, 1, entropy).to(torch.float32),
        padding=((num_rows - num_choices) / num_rows.clamp(min=1)).to(torch.float32),
    )
