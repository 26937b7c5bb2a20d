"""Numbers of all ranks, on the host."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist


def gather_numbers(numbers: Sequence[int], dtype: torch.dtype, group: dist.ProcessGroup) -> Tensor:
    """Return (R, n), int64, on the CPU: the numbers of every rank, of which each gives as many.

    ``all_gather_object`` would need NumPy.
    """
    # A group may take tensors on its device alone; all ranks choose the same one, whatever they were given.
    device = dist.distributed_c10d._get_object_coll_device(group)
    sent = torch.tensor(numbers, dtype=dtype, device="cpu").to(device)
    num_ranks = dist.get_world_size(group)
    received = sent.new_empty(num_ranks * sent.shape[0])
    dist.all_gather_single(received, sent, group=group)
    return received.cpu().to(torch.int64).view(num_ranks, sent.shape[0])
