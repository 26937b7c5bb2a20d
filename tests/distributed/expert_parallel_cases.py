"""Called on every rank of groups of several sizes, by ``test_expert_parallel.py``."""

import copy

import pytest
import torch
from torch import distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from torch_moe_ttnn.distributed import ExpertParallel, place_experts

NUM_EXPERTS, HIDDEN, INNER, TOP_K = 8, 32, 16, 3
# On four ranks; fewer ranks have consecutive ones together.
TOKENS = (5, 0, 13, 6)


class Experts(nn.Module):
    """Called as Hugging Face's experts are, and as their eager implementation one expert after another."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.num_experts = NUM_EXPERTS
        self.up = nn.Parameter(torch.randn(NUM_EXPERTS, INNER, HIDDEN))
        self.down = nn.Parameter(torch.randn(NUM_EXPERTS, HIDDEN, INNER))
        self.calls = 0

    def forward(self, hidden_states, top_k_index, top_k_weights):
        self.calls += 1
        outputs = torch.zeros_like(hidden_states)
        for expert in range(self.num_experts):
            tokens, k = torch.where(top_k_index == expert)
            if tokens.shape[0]:
                inner = nn.functional.linear(hidden_states[tokens], self.up[expert]).relu()
                output = nn.functional.linear(inner, self.down[expert]) * top_k_weights[tokens, k, None]
                outputs = outputs.index_add(0, tokens, output)
        return outputs


def whole_batch():
    torch.manual_seed(1)
    num_tokens = sum(TOKENS)
    ids = torch.rand(num_tokens, NUM_EXPERTS).topk(TOP_K).indices
    ids[7] = -1
    return torch.randn(num_tokens, HIDDEN), ids, torch.rand(num_tokens, TOP_K), torch.randn(num_tokens, HIDDEN)


def own(tensor):
    """Return this rank's part of a tensor whose rows are all ranks' tokens."""
    size, rank = dist.get_world_size(), dist.get_rank()
    together = len(TOKENS) // size
    return tensor.split([sum(TOKENS[r * together : (r + 1) * together]) for r in range(size)])[rank].clone()


def gathered(tensor):
    """Return the rows of all ranks."""
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, tensor)
    return torch.cat(parts)


def run(placement, max_tokens):
    """Return what a layer gives forward and backward, whole, with experts in the order of their ids."""
    experts = ExpertParallel.from_full(Experts(), placement, max_tokens=max_tokens)
    hidden, ids, weights, direction = map(own, whole_batch())
    hidden.requires_grad_(), weights.requires_grad_()
    outputs = experts(hidden, ids, weights)
    outputs.backward(direction)
    order = gathered(torch.tensor(placement.local_experts, dtype=torch.int64)).argsort()
    gradients = [
        gathered(torch.zeros_like(each) if each.grad is None else each.grad)[order] for each in experts.parameters()
    ]
    return [gathered(outputs.detach()), gathered(hidden.grad), gathered(weights.grad), *gradients, experts.dropped]


def case_bits():
    """Writes what must not depend on the number of ranks, nor on where the experts are."""
    size, rank = dist.get_world_size(), dist.get_rank()
    mixed = torch.randperm(NUM_EXPERTS, generator=torch.Generator().manual_seed(2)).tolist()
    # Uneven: the last rank has what is left.
    uneven = mixed[rank : rank + 1] if rank < size - 1 else mixed[rank:]
    results = []
    for max_tokens in (None, 4):
        for local_experts in (None, mixed[rank::size], uneven):
            results.append(run(place_experts(NUM_EXPERTS, local_experts), max_tokens))
        assert (results[-1][-1].sum() > 0) == (max_tokens is not None)
    if rank == 0:
        torch.save(results, "bits.pt")


def case_from_full():
    """Parameters stay the objects that they were, with the rows of the local experts in their order."""
    whole, experts = Experts(), Experts()
    placement = place_experts(NUM_EXPERTS, list(reversed(range(NUM_EXPERTS))))
    before = dict(experts.named_parameters())
    parallel = ExpertParallel.from_full(experts, placement)
    assert parallel.experts is experts
    for name, parameter in experts.named_parameters():
        assert parameter is before[name]
        assert torch.equal(parameter, getattr(whole, name).flip(0))
    part = Experts()
    # Where new tensors go has no part in it.
    with torch.device("meta"):
        part = ExpertParallel.from_full(part, place_experts(NUM_EXPERTS))
    assert part.experts.num_experts == len(part.placement.local_experts) == part.experts.up.shape[0]
    assert f"{part.experts.num_experts} of 8 experts on rank {dist.get_rank()}" in repr(part)
    assert copy.deepcopy(part).placement is part.placement
    # A file of its choices says how many experts there are, on all ranks.
    assert part.num_experts == NUM_EXPERTS


def case_from_full_refuses():
    placement = place_experts(NUM_EXPERTS)
    whole = Experts()

    def refused(change, words, placement=placement):
        experts = Experts()
        change(experts)
        with pytest.raises(ValueError, match=words):
            ExpertParallel.from_full(experts, placement)
        assert torch.equal(experts.up, whole.up)
        assert experts.num_experts == NUM_EXPERTS

    refused(lambda experts: setattr(experts, "norm", nn.Linear(3, 5)), r"got norm\.weight of shape \(5, 3\)")
    refused(lambda experts: experts.register_buffer("scale", torch.ones(())), r"got scale of shape \(\)")
    refused(lambda experts: experts.up.sum().backward(), "without a gradient, got one of up")
    refused(lambda experts: None, "an expert in each place", place_experts(NUM_EXPERTS, [*range(NUM_EXPERTS), -1]))


def case_ranks_without_experts_or_rows():
    """Experts are called wherever there are some, with no rows too."""
    size, rank = dist.get_world_size(), dist.get_rank()
    last = rank == size - 1
    experts = ExpertParallel.from_full(Experts(), place_experts(NUM_EXPERTS, range(NUM_EXPERTS) if last else []))
    hidden, ids, weights, _ = map(own, whole_batch())
    assert experts.dropped is None
    assert experts(hidden, ids, weights).shape == hidden.shape
    assert experts.experts.calls == int(last)
    assert experts.dropped.tolist() == [0] * NUM_EXPERTS
    # Nobody has a token, or a choice.
    for part in (slice(0, 0), slice(None)):
        sums = experts(hidden[part], ids[part, :0], weights[part, :0])
        assert torch.equal(sums, torch.zeros_like(hidden[part]))
    assert experts.experts.calls == 3 * last


def case_checkpointed():
    """Activations that the backward pass computes again."""
    hidden, ids, weights, direction = map(own, whole_batch())
    experts = ExpertParallel.from_full(Experts(), place_experts(NUM_EXPERTS))
    gradients = []
    for reentrant in (None, False, True):
        leaf = hidden.clone().requires_grad_()
        if reentrant is None:
            outputs = experts(leaf, ids, weights)
        else:
            outputs = torch.utils.checkpoint.checkpoint(experts, leaf, ids, weights, use_reentrant=reentrant)
        outputs.backward(direction)
        gradients.append(leaf.grad)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


class Layer(nn.Module):
    def __init__(self, experts):
        super().__init__()
        torch.manual_seed(3)
        self.router = nn.Linear(HIDDEN, NUM_EXPERTS)
        self.experts = experts

    def forward(self, hidden):
        weights, ids = self.router(hidden).softmax(-1).topk(TOP_K)
        return self.experts(hidden * 2, ids, weights).relu() + hidden


def case_compiled():
    """The router is in one graph, what follows the experts in another; they are left out, and called."""
    layer = Layer(ExpertParallel.from_full(Experts(), place_experts(NUM_EXPERTS)))
    compiled = torch.compile(layer, backend="eager")
    hidden, _, _, direction = map(own, whole_batch())
    gradients = []
    for each in (layer, compiled):
        layer.zero_grad()
        outputs = each(hidden)
        outputs.backward(direction)
        gradients.append([outputs.detach(), *(parameter.grad for parameter in layer.parameters())])
    assert layer.experts.experts.calls == 2
    for given, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(given, expected)
    torch.compiler.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="ExpertParallel"):
        torch.compile(layer, backend="eager", fullgraph=True)(hidden)


def case_beside_fully_sharded_parameters():
    """What the docstring says: leave the experts alone, and their gradients are those of the sum of all losses."""
    size, rank = dist.get_world_size(), dist.get_rank()
    hidden, _, _, direction = whole_batch()
    whole = Layer(Experts())
    whole(hidden).backward(direction)

    layer = Layer(ExpertParallel.from_full(Experts(), place_experts(NUM_EXPERTS)))
    experts = list(layer.experts.parameters())
    fully_shard(layer, mesh=init_device_mesh("cpu", (size,)), ignored_params=set(experts))
    layer(own(hidden)).backward(own(direction))
    # Sums of other orders.
    close = {"rtol": 1e-4, "atol": 1e-3}
    # The router's is the average.
    torch.testing.assert_close(layer.router.weight.grad.full_tensor() * size, whole.router.weight.grad, **close)
    for parameter, of_all in zip(experts, whole.experts.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, of_all.grad.tensor_split(size)[rank], **close)
