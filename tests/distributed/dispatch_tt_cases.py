"""Called on two ranks with a device each, by ``test_dispatch_tt.py``."""

import pytest
import torch
from expert_parallel_cases import NUM_EXPERTS, Experts, own, whole_batch
from routed_globally import combined, random_batch
from torch import distributed as dist

from support.checks import assert_same_bits
from torch_moe_ttnn.distributed import ExpertParallel, combine, dispatch, place_experts

NUM_BATCHES = 10


def case_random_batches():
    rank, size = dist.get_rank(), dist.get_world_size()
    for seed in range(NUM_BATCHES):
        batch = random_batch(seed, size)
        placement = place_experts(batch.num_experts, batch.experts_of_ranks[rank])
        given = [each.to("tt") for each in batch.of_rank(rank)]
        dispatched = dispatch(*given, placement, max_tokens=batch.max_tokens)
        assert dispatched.rows.device.type == dispatched.local_experts.device.type == "tt"
        scales = torch.randn(batch.num_experts).to(batch.hidden.dtype)
        held = torch.tensor(placement.local_experts, dtype=torch.int64)
        factors = scales[held][dispatched.local_experts.cpu(), None].to("tt")
        sums = combine(dispatched.rows * factors, dispatched)
        expected = combined(batch, scales[:, None, None] * batch.hidden).split(batch.tokens_of_ranks)[rank]
        assert sums.device.type == "tt"
        assert_same_bits([sums], [expected])


def case_as_on_the_cpu():
    results = []
    for device in ("cpu", "tt"):
        experts = ExpertParallel.from_full(Experts().to(device), place_experts(NUM_EXPERTS), max_tokens=5)
        hidden, ids, weights, direction = (own(each).to(device) for each in whole_batch())
        hidden.requires_grad_(), weights.requires_grad_()
        sums = experts(hidden, ids, weights)
        sums.backward(direction)
        gradients = [each.grad for each in (hidden, weights, *experts.parameters())]
        assert all(each.device.type == device for each in (sums, *gradients))
        results.append([each.cpu() for each in (sums.detach(), *gradients, experts.dropped)])
    for on_cpu, on_tt in zip(*results, strict=True):
        torch.testing.assert_close(on_tt, on_cpu)


def case_an_id_out_of_range():
    """The device tells of it when it is waited for; the call waits."""
    rank = dist.get_rank()
    hidden, ids, weights, _ = (own(each).to("tt") for each in whole_batch())
    placement = place_experts(NUM_EXPERTS)
    error, words = RuntimeError, "rank 1 could not prepare its tokens"
    if rank == 1:
        ids[2, 0] = 9
        error, words = IndexError, r"got 9 at selected_experts\[2, 0\]"
    with pytest.raises(error, match=words):
        dispatch(hidden, ids, weights, placement)
    dispatch(hidden, ids.clamp(max=7), weights, placement)
