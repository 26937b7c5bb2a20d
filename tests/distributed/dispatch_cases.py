"""Called on every rank of groups of several sizes, by ``test_dispatch.py``."""

import copy

import pytest
import torch
from routed_globally import choices_of, combined, random_batch, rows_of_place
from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from support.checks import assert_same_bits
from torch_moe_ttnn.distributed import combine, dispatch, place_experts

NUM_BATCHES = 60


def ranks() -> tuple[int, int]:
    return dist.get_rank(), dist.get_world_size()


def case_random_batches():
    """Any placement, dtype and capacity: rows in order, sums to the bit, dropped choices."""
    rank, size = ranks()
    for seed in range(NUM_BATCHES):
        batch = random_batch(seed, size)
        placement = place_experts(batch.num_experts, batch.experts_of_ranks[rank])
        assert placement.experts_of_ranks == tuple(map(tuple, batch.experts_of_ranks))
        dispatched = dispatch(*batch.of_rank(rank), placement, max_tokens=batch.max_tokens)
        for place in range(len(placement.local_experts)):
            rows = dispatched.rows[dispatched.local_experts == place]
            assert_same_bits([rows], [rows_of_place(batch, rank, place)])
        dropped = [choices_of(batch, expert)[1] for expert in range(batch.num_experts)]
        assert dispatched.dropped.tolist() == dropped

        # An expert that scales: its product is rounded once, here and there.
        scales = torch.randn(batch.num_experts).to(batch.hidden.dtype)
        own = torch.tensor(placement.local_experts, dtype=torch.int64)
        sums = combine(dispatched.rows * scales[own][dispatched.local_experts, None], dispatched)
        expected = combined(batch, scales[:, None, None] * batch.hidden)
        assert_same_bits([sums], [expected.split(batch.tokens_of_ranks)[rank]])


def case_gradients():
    """Of hidden states, weights and the experts' parameters: those of the whole batch in one process."""
    rank, size = ranks()
    for seed in range(NUM_BATCHES):
        batch = random_batch(seed, size)
        batch = batch._replace(hidden=batch.hidden.double(), weights=batch.weights.float())
        placement = place_experts(batch.num_experts, batch.experts_of_ranks[rank])
        hidden, ids, weights = batch.of_rank(rank)
        scales = torch.randn(batch.num_experts, dtype=torch.float64)
        leaves = [hidden.requires_grad_(), weights.requires_grad_(), scales.clone().requires_grad_()]
        dispatched = dispatch(hidden, ids, weights, placement, max_tokens=batch.max_tokens)
        own = leaves[2][torch.tensor(placement.local_experts, dtype=torch.int64)]
        sums = combine(dispatched.rows.sin() * own[dispatched.local_experts, None], dispatched)
        direction = torch.randn(batch.hidden.shape, dtype=torch.float64)
        sums.backward(direction.split(batch.tokens_of_ranks)[rank])

        whole = [each.clone().requires_grad_() for each in (batch.hidden, batch.weights, scales)]
        expected = combined(batch._replace(hidden=whole[0], weights=whole[1]), whole[2][:, None, None] * whole[0].sin())
        if expected.requires_grad:  # there is a choice
            expected.backward(direction)
        for leaf, other in zip(leaves[:2], whole[:2], strict=True):
            torch.testing.assert_close(gradient(leaf), gradient(other).split(batch.tokens_of_ranks)[rank])
        # Each holder of an expert has a part of its gradient.
        of_scales = gradient(leaves[2])
        dist.all_reduce(of_scales)
        torch.testing.assert_close(of_scales, gradient(whole[2]))


def gradient(leaf):
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def uneven_placement(**options):
    """Return a placement of eight experts, all on the last rank but one that rank 0 has."""
    rank, size = ranks()
    held = [[] for _ in range(size)]
    held[-1] += [6, 7, 1, 2, 3, 4, 5]
    held[0].append(0)
    return place_experts(8, held[rank], **options)


def tokens(num_tokens=6, dtype=torch.float32):
    torch.manual_seed(dist.get_rank())
    ids = torch.rand(num_tokens, 8).topk(2).indices
    return torch.randn(num_tokens, 4, dtype=dtype), ids, torch.rand(num_tokens, 2)


def case_backward_where_autograd_sees_no_way():
    """Experts whose outputs depend on nothing on this rank: no rows, no parameters, a hidden state that is frozen."""
    placement = uneven_placement()
    rank, _ = ranks()
    for frozen in (True, False):
        hidden, ids, weights = tokens()
        hidden.requires_grad_(not frozen)
        # Expert 0 has no tokens.
        dispatched = dispatch(hidden, ids.clamp(min=1), weights, placement)
        parameter = torch.ones(4, requires_grad=True)
        outputs = torch.zeros_like(dispatched.rows)
        if dispatched.rows.shape[0]:
            outputs = dispatched.rows * parameter
        combine(outputs, dispatched).sum().backward()
        assert (hidden.grad is None) == frozen
        if not frozen:
            torch.testing.assert_close(hidden.grad, weights.sum(1, keepdim=True).expand(-1, 4))
        assert (parameter.grad is not None) == (dispatched.rows.shape[0] > 0)
    # One rank's hidden states alone.
    hidden, ids, weights = tokens()
    hidden.requires_grad_(rank == 0)
    dispatched = dispatch(hidden, ids, weights, placement)
    combine(dispatched.rows * 2, dispatched).sum().backward()
    assert (hidden.grad is not None) == (rank == 0)


def case_nothing_requires_a_gradient():
    hidden, ids, weights = tokens()
    placement = uneven_placement()
    dispatched = dispatch(hidden, ids, weights, placement, experts_require_grad=False)
    assert not combine(dispatched.rows, dispatched).requires_grad
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            dispatched = dispatch(hidden.clone().requires_grad_(), ids, weights, placement)
            assert not combine(dispatched.rows, dispatched).requires_grad


def case_what_moves():
    """Two calls in dispatch and one in combine, of the bytes that docs/distributed.md says; two backward."""
    placement = place_experts(8)
    hidden, ids, weights = tokens()
    sent = []

    def counting(function):
        def call(output, given, *args, **options):
            sent.append((function.__name__, given.nbytes, args))
            return function(output, given, *args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("all_gather_single", "all_to_all_single"):
            patch.setattr(dist, name, counting(getattr(dist, name)))
        dispatched = dispatch(hidden.requires_grad_(), ids, weights, placement)
        sums = combine(dispatched.rows, dispatched)
        forward = list(sent)
        sums.sum().backward()
    row = 4 * hidden.element_size()
    arrived = dispatched.rows.shape[0] * row
    sizes = [sum(expert in held for expert in ids.flatten().tolist()) for held in placement.experts_of_ranks]
    assert [(name, num_bytes) for name, num_bytes, _ in forward] == [
        ("all_gather_single", 4 * (8 + 6)),
        ("all_to_all_single", 12 * row),
        ("all_to_all_single", arrived),
    ]
    output_sizes, input_sizes = forward[1][2]
    assert input_sizes == sizes
    assert sum(output_sizes) * row == arrived
    backward = [(name, num_bytes) for name, num_bytes, _ in sent[3:]]
    assert backward == [("all_to_all_single", 12 * row), ("all_to_all_single", arrived)]


def case_an_error_on_one_rank_is_an_error_on_all():
    """Its own there, a word about it elsewhere; and the group can be used afterwards."""
    rank, size = ranks()
    placement = uneven_placement()
    bad = size - 1

    def bad_id(hidden, ids, weights):
        ids[3, 1] = 8
        return hidden, ids, weights

    wrong = {
        bad_id: (
            IndexError,
            r"moe::prepare_grouping: expected expert ids in \[0, 8\).*got 8 at selected_experts\[3, 1\]",
        ),
        lambda hidden, ids, weights: (hidden[1:], ids, weights): (RuntimeError, r"expected hidden of shape \(T, H\)"),
        lambda hidden, ids, weights: (hidden.int(), ids, weights): (RuntimeError, "expected hidden of dtype bfloat16"),
        lambda hidden, ids, weights: (hidden, ids, weights[:, :1]): (RuntimeError, "moe::prepare_grouping: expected"),
        lambda hidden, ids, weights: (hidden.to("meta"), ids, weights): (RuntimeError, "on one device, got meta"),
        lambda hidden, ids, weights: (None, ids, weights): (AttributeError, "NoneType"),
    }
    for change, (error, words) in wrong.items():
        given = change(*tokens()) if rank == bad else tokens()
        if rank != bad:
            error, words = RuntimeError, f"distributed.dispatch: rank {bad} could not prepare its tokens"
        with pytest.raises(error, match=words):
            dispatch(*given, placement)
    with pytest.raises(RuntimeError, match=r"max_tokens in \[0, 2\^31 - 1\] or None, got -1"):
        dispatch(*tokens(), placement, max_tokens=-1)
    dispatched = dispatch(*tokens(), placement)
    with pytest.raises(RuntimeError, match="combine: expected expert_outputs like"):
        combine(dispatched.rows[:, :2], dispatched)
    combine(dispatched.rows, dispatched)


def case_ranks_that_differ():
    rank, size = ranks()
    if size == 1:
        return
    placement = uneven_placement()
    hidden, ids, weights = tokens()
    last = rank == size - 1
    same = [4] * (size - 1)
    for changed, options, words in (
        (hidden[:, :3] if last else hidden, {}, f"hidden size on every rank, got {[*same, 3]}"),
        (hidden.double() if last else hidden, {}, "dtype of hidden on every rank"),
        (hidden, {"max_tokens": 3 if last else 4}, f"max_tokens on every rank, got {[*same, 3]}"),
        (hidden, {"max_tokens": None if last else 4}, f"max_tokens on every rank, got {[*same, None]}"),
    ):
        with pytest.raises(RuntimeError) as error:
            dispatch(changed, ids, weights, placement, **options)
        assert words in str(error.value)


def case_placements():
    _rank, size = ranks()
    # torch.tensor_split: the first ranks have one more.
    held = place_experts(size + 1).experts_of_ranks
    assert [len(experts) for experts in held] == [2] + [1] * (size - 1)
    assert [expert for experts in held for expert in experts] == list(range(size + 1))
    assert place_experts(1).experts_of_ranks == ((0,),) + ((),) * (size - 1)
    for dtype, no_expert in ((torch.uint16, 0xFFFF), (torch.uint32, 2**32 - 1), (torch.int32, -1), (torch.int64, -1)):
        placement = place_experts(2, torch.tensor([1, no_expert, 0], dtype=torch.int64).to(dtype))
        assert placement.experts_of_ranks == ((1, -1, 0),) * size
    assert copy.deepcopy(placement) is placement


def case_placements_that_are_wrong():
    rank, size = ranks()
    last = rank == size - 1
    with pytest.raises(IndexError, match=rf"got 4 at local_experts\[1\] of rank {size - 1} with num_experts = 4"):
        place_experts(4, [0, 4] if last else [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"a rank for each of 4 experts, got none for 2 of them.* expert 1"):
        place_experts(4, [0] if last else [2]) if size > 1 else place_experts(4, [0, 2])
    with pytest.raises(ValueError, match="num_experts of at least 1, got 0"):
        place_experts(0)
    if size > 1:
        with pytest.raises(ValueError, match="the same num_experts on every rank"):
            place_experts(4 + last)
    own = (ValueError, r"shape \(L,\) and dtype uint16") if last else (RuntimeError, f"rank {size - 1} could not say")
    with pytest.raises(own[0], match=own[1]):
        place_experts(4, torch.zeros(2, 2) if last else None)
    own = (TypeError, "integer") if last else (RuntimeError, f"rank {size - 1} could not say")
    with pytest.raises(own[0], match=own[1]):
        place_experts(4, [0.5] if last else None)


def case_default_device():
    """What is computed on the host stays there where new tensors go elsewhere, as to another device."""
    hidden, ids, weights = tokens()
    expected = combined_with(place_experts(8), hidden, ids, weights)
    torch.set_default_device("meta")
    try:
        assert_same_bits([combined_with(place_experts(8), hidden, ids, weights)], [expected])
    finally:
        torch.set_default_device(None)


def combined_with(placement, hidden, ids, weights):
    dispatched = dispatch(hidden, ids, weights, placement, max_tokens=5)
    return combine(dispatched.rows, dispatched)


def case_groups_and_meshes():
    """A group of some ranks, in an order of its own; a mesh of one dimension, and a dimension of a mesh."""
    _rank, size = ranks()
    mesh = init_device_mesh("cpu", (size // 2 or 1, min(size, 2)), mesh_dim_names=("replica", "expert"))
    with pytest.raises(ValueError, match="mesh of one dimension, got 2"):
        place_experts(8, group=mesh)
    with pytest.raises(ValueError, match="group that this process is in"):
        place_experts(8, group=dist.GroupMember.NON_GROUP_MEMBER)
    for group in (mesh["expert"], mesh["expert"].get_group()):
        hidden, ids, weights = tokens()
        placement = place_experts(8, group=group)
        assert len(placement.experts_of_ranks) == min(size, 2)
        dispatched = dispatch(hidden, ids, weights, placement)
        assert_same_bits(
            [combine(dispatched.rows, dispatched)],
            [(weights[:, :1] * hidden) + (weights[:, 1:] * hidden)],
        )
