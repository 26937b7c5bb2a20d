"""What ranks check of the operators on DTensors: values bit for bit, placements, and what is communicated."""

import itertools

import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.experimental import local_map

import torch_moe_ttnn
from support.checks import assert_same_bits
from support.choices import ID_DTYPES
from support.operators import KERNELS, as_tuple
from torch_moe_ttnn._sharding import RULES
from torch_moe_ttnn.testing import make_choices

R, S0, S1, P = Replicate(), Shard(0), Shard(1), Partial()
NUM_EXPERTS, TOP_K = 16, 4


def meshes():
    """Return a line of all ranks, and of four a square too."""
    ranks = torch.arange(torch.distributed.get_world_size())
    return [DeviceMesh("cpu", ranks)] + ([DeviceMesh("cpu", ranks.view(2, 2))] if len(ranks) == 4 else [])


def shard(tensor, mesh, placements):
    """Return a DTensor of what every rank has the whole of, without communication.

    Of Partial, which one dimension of the mesh may have, its ranks have halves, quarters and so on: of float32 numbers
    with eight bits they sum without rounding.
    """
    placements = [placements] * mesh.ndim if not isinstance(placements, list | tuple) else placements
    local = part_of(tensor, mesh, [R if placement == P else placement for placement in placements])
    if P in placements:
        coordinate = mesh.get_coordinate()[placements.index(P)]
        last = mesh.size(placements.index(P)) - 1
        local = local * (2.0 ** -min(coordinate + 1, last) if last else 1)
    shape = {"shape": tensor.shape, "stride": tensor.stride()}
    return DTensor.from_local(local.clone(), mesh, placements, run_check=False, **shape)


def part_of(tensor, mesh, placements):
    """Return a rank's part."""
    sizes, offsets = compute_local_shape_and_global_offset(tensor.shape, mesh, placements)
    return tensor[tuple(slice(offset, offset + size) for size, offset in zip(sizes, offsets, strict=True))]


def assert_part(actual, expected, placements):
    """Assert that a rank has its part of what is expected, and the mesh the rest."""
    assert actual.placements == tuple(placements), (actual.placements, placements)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert actual.stride() == expected.stride()
    if P in placements:
        assert_same_bits([actual.full_tensor()], [expected])
    else:
        assert_same_bits([actual.to_local()], [part_of(expected, actual.device_mesh, placements)])


def assert_operator(name, rules, tensors, **options):
    """Assert values and placements for every combination of placements, in each dimension of the mesh.

    ``rules`` has, for placements of the tensors, those of the outputs; what it does not have is replicated first.
    """
    expected = as_tuple(getattr(torch_moe_ttnn, name)(*tensors.values(), **options))
    for mesh in meshes():
        of_each = [(R, S0, S1) if tensor.dim() == 2 else (R, S0) for tensor in tensors.values()]
        combinations = list(itertools.product(*of_each))
        for by_dim in itertools.product(combinations, repeat=mesh.ndim):
            if mesh.ndim == 2 and by_dim[0] not in rules:
                continue  # as in one dimension, or as with the two dimensions exchanged
            placed = [shard(tensor, mesh, [dim[i] for dim in by_dim]) for i, tensor in enumerate(tensors.values())]
            actual = as_tuple(getattr(torch.ops.moe, name)(*placed, **options))
            outputs = [rules.get(dim, (R,) * len(expected)) for dim in by_dim]
            for i, output in enumerate(expected):
                assert_part(actual[i], output, [dim[i] for dim in outputs])


def communicated(function):
    """Return the names of the collectives that a call makes, and how often each."""
    with CommDebugMode() as mode:
        function()
    return {str(operator).rpartition(".")[2]: count for operator, count in mode.get_comm_counts().items()}


def case_every_operator_has_rules():
    """All but those that run experts, whose groups are one device's as a grouping's are; PyTorch refuses them."""
    experts = {name for name in KERNELS if name.startswith("grouped_linear")}
    assert set(RULES) == set(KERNELS) - experts
    mesh = meshes()[0]
    rows, weight = shard(torch.ones(2, 3), mesh, R), shard(torch.ones(1, 4, 3), mesh, R)
    offsets = shard(torch.tensor([0, 2], dtype=torch.int32), mesh, R)
    error = error_of(torch_moe_ttnn.grouped_linear, rows, weight, offsets)
    assert "does not have a sharding strategy" in error, error


def case_tokens():
    """Fewer than ranks, uneven, none; all id dtypes; by both names; without a collective, forward and backward."""
    for mesh, num_tokens in itertools.product(meshes(), (0, 1, 3, 8, 33)):
        dtypes = ID_DTYPES if num_tokens == 33 else ID_DTYPES[:1]
        for id_dtype, placements in itertools.product(dtypes, itertools.product((R, S0), repeat=mesh.ndim)):
            ids, weights = make_choices(num_tokens, TOP_K, NUM_EXPERTS, id_dtype=id_dtype)
            expected = torch_moe_ttnn.prepare_mapping(ids, weights, NUM_EXPERTS)
            leaf = weights.clone().requires_grad_()
            torch_moe_ttnn.prepare_mapping(ids, leaf, NUM_EXPERTS).backward(expected)
            ids = shard(ids, mesh, placements)
            for function in (torch_moe_ttnn.prepare_mapping, torch.ops.moe.prepare_mapping):
                sharded = shard(weights, mesh, placements).requires_grad_()

                def run(function=function, ids=ids, sharded=sharded, mapping=expected, placements=placements):
                    actual = function(ids, sharded, NUM_EXPERTS)
                    assert_part(actual.detach(), mapping, placements)
                    actual.backward(actual.detach())

                assert communicated(run) == {}
                assert_part(sharded.grad, leaf.grad, placements)


def case_router():
    """A whole router on its tokens, with all that it can do: nothing is communicated on the way to the map."""
    generator = torch.Generator().manual_seed(0)
    logits, bias = torch.randn(33, NUM_EXPERTS, generator=generator), torch.randn(NUM_EXPERTS, generator=generator)
    padding = torch.arange(33) % 5 == 4

    def route(logits, **tensors):
        options = {"scoring": "sigmoid", "num_groups": 4, "top_groups": 2} if tensors else {}
        choices = torch_moe_ttnn.select_experts(logits, TOP_K, **tensors, **options)
        return torch_moe_ttnn.prepare_mapping(*choices, NUM_EXPERTS)

    for mesh, everything in itertools.product(meshes(), (False, True)):
        placements = [S0] * mesh.ndim
        expected = route(logits, **{"bias": bias, "padding_mask": padding} if everything else {})
        tensors = {"bias": shard(bias, mesh, R), "padding_mask": shard(padding, mesh, S0)} if everything else {}
        sharded = shard(logits, mesh, S0)

        def run(sharded=sharded, tensors=tensors, mapping=expected, placements=placements):
            assert_part(route(sharded, **tensors), mapping, placements)

        assert communicated(run) == {}, everything


def local_experts_of(num_local):
    """Return as many different experts of 512, in no order."""
    return torch.randperm(512, generator=torch.Generator().manual_seed(num_local))[:num_local]


def case_local_experts_in_the_map():
    """Fewer than ranks, uneven, none. The other arguments' combinations are replicated."""
    ids, weights = make_choices(33, TOP_K, 512)
    for num_local in (0, 1, 5, 64):
        local = local_experts_of(num_local)
        expected = torch_moe_ttnn.prepare_mapping(ids, weights, 512, local_experts=local)
        for mesh in meshes():
            choices = itertools.product((R, S0, S1), (R, S0, S1), (R, S0))
            for by_dim in itertools.product(choices, repeat=mesh.ndim):
                placed = [shard(x, mesh, [dim[i] for dim in by_dim]) for i, x in enumerate((ids, weights, local))]
                mapping = torch_moe_ttnn.prepare_mapping(*placed[:2], 512, local_experts=placed[2])
                rules = {(S0, S0, R): S0, (R, R, S0): S1}
                assert_part(mapping, expected, [rules.get(dim, R) for dim in by_dim])


def case_local_experts_in_a_routing():
    """Rows are sharded where no rank's need padding: not 32 of two ranks, nor 96, but 64 and 128."""
    ids, weights = make_choices(33, TOP_K, 512)
    sharded_over = {0: (1, 2, 4), 5: (), 32: (), 64: (2,), 96: (), 128: (2, 4)}
    for num_local, num_ranks in sharded_over.items():
        local = local_experts_of(num_local)
        expected = torch_moe_ttnn.prepare_routing(ids, weights, 512, local_experts=local, max_tokens=7)
        for mesh in meshes():
            for by_dim in itertools.product(itertools.product((R, S0), repeat=3), repeat=mesh.ndim):
                placed = [shard(x, mesh, [dim[i] for dim in by_dim]) for i, x in enumerate((ids, weights, local))]
                options = {"local_experts": placed[2], "max_tokens": 7}
                actual = torch.ops.moe.prepare_routing(*placed[:2], 512, **options)
                shards = 1
                for dim, placements in enumerate(by_dim):
                    shards *= mesh.size(dim) if placements[2] == S0 else 1
                columns = [dim == (R, R, S0) and shards in num_ranks for dim in by_dim]
                for output, e, placement in zip(actual, expected, (S1, S0, S0), strict=True):
                    assert_part(output, e, [placement if column else R for column in columns])


def case_repeated_local_experts():
    """The last place gets the choices, on whichever rank; in every dtype, and with "no expert" among them."""
    ids, weights = make_choices(20, TOP_K, NUM_EXPERTS)
    local = torch.tensor([3, -1, 5, 3, 0, 7, 5, -1, 3])
    rows = torch.cat([local, torch.full((119,), -1)])
    rows[100] = 0
    for mesh, id_dtype in itertools.product(meshes(), ID_DTYPES):
        placed = [shard(tensor, mesh, R) for tensor in (ids, weights)]
        for experts in (local.to(id_dtype), rows.to(id_dtype)):
            leaf, sharded = weights.clone().requires_grad_(), placed[1].detach().requires_grad_()
            expected = torch_moe_ttnn.prepare_mapping(ids, leaf, NUM_EXPERTS, local_experts=experts)
            options = {"local_experts": shard(experts, mesh, S0)}
            actual = torch_moe_ttnn.prepare_mapping(placed[0], sharded, NUM_EXPERTS, **options)
            assert_part(actual.detach(), expected.detach(), [S1] * mesh.ndim)
            expected.backward(expected.detach())
            actual.backward(actual.detach())
            assert_part(sharded.grad, leaf.grad, [P] * mesh.ndim)
        expected = torch_moe_ttnn.prepare_routing(ids, weights, NUM_EXPERTS, local_experts=experts)
        actual = torch_moe_ttnn.prepare_routing(*placed, NUM_EXPERTS, **options)
        for output, e, placement in zip(actual, expected, (S1, S0, S0), strict=True):
            assert_part(output, e, [placement] * mesh.ndim)


def case_local_experts_communicate_their_ids_alone():
    ids, weights = make_choices(20, TOP_K, NUM_EXPERTS)
    mesh = meshes()[0]
    placed = [shard(ids, mesh, R), shard(weights, mesh, R)]
    local = shard(torch.arange(NUM_EXPERTS), mesh, S0)
    counts = communicated(lambda: torch_moe_ttnn.prepare_mapping(*placed, NUM_EXPERTS, local_experts=local))
    assert counts == {"all_gather_into_tensor": 1}, counts


def case_partial_weights():
    """They are summed first."""
    ids, weights = make_choices(9, TOP_K, NUM_EXPERTS)
    weights = weights.float()
    for mesh in meshes():
        placements = [P, *[R] * (mesh.ndim - 1)]
        placed = shard(ids, mesh, R), shard(weights, mesh, placements)
        for name in ("prepare_mapping", "prepare_routing", "prepare_grouping"):
            expected = as_tuple(getattr(torch_moe_ttnn, name)(ids, weights, NUM_EXPERTS))
            for actual, e in zip(as_tuple(getattr(torch_moe_ttnn, name)(*placed, NUM_EXPERTS)), expected, strict=True):
                assert_part(actual, e, [R] * mesh.ndim)


def rows_and_sums(num_tokens=9, hidden=7, dtype=torch.bfloat16):
    """Return what permute and unpermute take; neither T, N nor H is a multiple of the ranks."""
    ids, weights = make_choices(num_tokens, 3, NUM_EXPERTS)
    grouping = torch_moe_ttnn.prepare_grouping(ids, weights, NUM_EXPERTS)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(num_tokens, hidden, generator=generator).to(dtype)
    outputs = torch.randn(len(grouping.grouped_tokens), hidden, generator=generator).to(dtype)
    return (
        {"hidden": tokens, "grouped_tokens": grouping.grouped_tokens},
        {"expert_outputs": outputs, "routing_weights": weights, "positions": grouping.positions},
    )


PERMUTE = {(S1, R): (S1,), (R, S0): (S0,)}
UNPERMUTE = {(S1, R, R): (S1,), (R, S0, S0): (S0,)}


def case_permute():
    for num_tokens, hidden in ((9, 7), (1, 1), (0, 4)):
        assert_operator("permute", PERMUTE, rows_and_sums(num_tokens, hidden)[0])


def case_unpermute():
    for num_tokens, hidden in ((9, 7), (1, 1)):
        assert_operator("unpermute", UNPERMUTE, rows_and_sums(num_tokens, hidden)[1])


def gradients(name, tensors, gradient):
    """Return the gradients of the floating tensors."""
    leaves = [tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in tensors]
    output = getattr(torch_moe_ttnn, name)(*leaves)
    return torch.autograd.grad(output, [leaf for leaf in leaves if leaf.requires_grad], gradient)


def case_gradients_of_rows():
    """Bit for bit, whatever the placements, those of the gradient that comes back among them."""
    for name, tensors in zip(("permute", "unpermute"), rows_and_sums(), strict=True):
        output = getattr(torch_moe_ttnn, name)(*tensors.values())
        expected = gradients(name, tensors.values(), output)
        for mesh in meshes():
            of_each = [(R, S0, S1) if tensor.dim() == 2 else (R, S0) for tensor in (*tensors.values(), output)]
            for placements in itertools.product(*of_each):
                *placed, gradient = (
                    shard(tensor, mesh, placement)
                    for tensor, placement in zip((*tensors.values(), output), placements, strict=True)
                )
                for actual, e in zip(gradients(name, placed, gradient), expected, strict=True):
                    assert P not in actual.placements
                    assert_part(actual, e, actual.placements)


def case_gradients_stay_sharded():
    """Hidden sizes that are sharded stay so on the way back, and tokens' weights too; no row is communicated."""
    (hidden, tokens), (outputs, weights, positions) = (tensors.values() for tensors in rows_and_sums())
    for mesh in meshes():
        columns = [S1] * mesh.ndim

        def permute(mesh=mesh, columns=columns):
            placed = shard(hidden, mesh, S1), shard(tokens, mesh, R)
            (gradient,) = gradients("permute", placed, shard(outputs, mesh, S1))
            assert gradient.placements == tuple(columns)

        def of_outputs(mesh=mesh, columns=columns):
            leaf = shard(outputs, mesh, S1).requires_grad_()
            sums = torch_moe_ttnn.unpermute(leaf, shard(weights, mesh, R), shard(positions, mesh, R))
            sums.backward(sums.detach())
            assert leaf.grad.placements == tuple(columns)

        def of_weights(mesh=mesh):
            leaf = shard(weights, mesh, S0).requires_grad_()
            sums = torch_moe_ttnn.unpermute(shard(outputs, mesh, R), leaf, shard(positions, mesh, S0))
            sums.backward(sums.detach())
            assert leaf.grad.placements == (S0,) * mesh.ndim

        for function in (permute, of_outputs, of_weights):
            assert communicated(function) == {}, function


def case_gradients_of_choices():
    """Whatever the placements, also of the gradient that comes back; local experts' are sums of one number."""
    ids, weights = make_choices(9, TOP_K, 512, weight_dtype=torch.float32)
    local = local_experts_of(128)
    for name, last in (("prepare_mapping", 0), ("prepare_routing", 2)):
        function = getattr(torch_moe_ttnn, name)
        leaf = weights.clone().requires_grad_()
        output = as_tuple(function(ids, leaf, 512, local_experts=local))[last]
        output.backward(output.detach())
        for mesh in meshes():
            for placements in itertools.product((R, S0, S1), (R, S0, S1, P), (R, S0), (R, S0, S1)):
                if mesh.ndim == 2 and P in placements:
                    continue  # of one dimension alone
                choices = shard(ids, mesh, placements[0]), shard(weights, mesh, placements[1]).requires_grad_()
                actual = as_tuple(function(*choices, 512, local_experts=shard(local, mesh, placements[2])))[last]
                actual.backward(shard(output.detach(), mesh, placements[3]))
                assert torch.equal(choices[1].grad.full_tensor(), leaf.grad)


def case_grouping():
    """Replicated, it is like any operator; sharded, it says what to do."""
    ids, weights = make_choices(9, TOP_K, NUM_EXPERTS)
    local = torch.tensor([3, 8, 1])
    leaf = weights.clone().requires_grad_()
    expected = torch_moe_ttnn.prepare_grouping(ids, leaf, NUM_EXPERTS, local_experts=local, alignment=4, max_tokens=2)
    expected.grouped_weights.backward(expected.grouped_weights.detach())
    for mesh in meshes():
        placed = shard(ids, mesh, R), shard(weights, mesh, R).requires_grad_()
        options = {"local_experts": shard(local, mesh, R), "alignment": 4, "max_tokens": 2}
        grouping = torch_moe_ttnn.prepare_grouping(*placed, NUM_EXPERTS, **options)
        for actual, e in zip(grouping, expected, strict=True):
            assert_part(actual.detach(), e.detach(), [R] * mesh.ndim)
        assert torch.equal(grouping.offs.to_local(), expected.offs)
        grouping.grouped_weights.backward(grouping.grouped_weights.detach())
        assert_part(placed[1].grad, leaf.grad, [R] * mesh.ndim)
        for sharded in ("selected_experts", "routing_weights", "local_experts"):
            arguments = {"selected_experts": ids, "routing_weights": weights, "local_experts": local}
            arguments = {name: shard(x, mesh, S0 if name == sharded else R) for name, x in arguments.items()}
            error = error_of(torch.ops.moe.prepare_grouping, **arguments, num_experts=NUM_EXPERTS)
            assert f"expected replicated inputs, got {sharded} with placements (Shard(dim=0)" in error, error
            assert "torch.distributed.tensor.experimental.local_map" in error


def case_grouping_in_local_map():
    """What the error says to do."""
    ids, weights = make_choices(8, TOP_K, NUM_EXPERTS)
    mesh = meshes()[0]

    def offsets(ids, weights):
        return torch_moe_ttnn.prepare_grouping(ids, weights, NUM_EXPERTS).group_offsets

    mapped = local_map(offsets, out_placements=([S0],), in_placements=([S0], [S0]), device_mesh=mesh)
    actual = mapped(shard(ids, mesh, S0), shard(weights, mesh, S0))
    own = part_of(ids, mesh, [S0]), part_of(weights, mesh, [S0])
    assert torch.equal(actual.to_local(), offsets(*own))


def error_of(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except (IndexError, RuntimeError) as error:
        return str(error)
    raise AssertionError("expected an error")


def case_errors():
    """Those of the plain operator, of the whole tensors, on every rank; and what DTensors add."""
    ids, weights = make_choices(8, TOP_K, NUM_EXPERTS)
    mesh = meshes()[0]
    placed = shard(ids, mesh, S0), shard(weights, mesh, S0)
    for arguments in ((ids, weights[:5], NUM_EXPERTS), (ids, weights, 3), (ids, weights[0], NUM_EXPERTS)):
        tensors = (shard(x, mesh, S0) if isinstance(x, torch.Tensor) else x for x in arguments)
        expected = error_of(torch_moe_ttnn.prepare_mapping, *arguments)
        assert error_of(torch_moe_ttnn.prepare_mapping, *tensors) == expected
    error = error_of(torch_moe_ttnn.prepare_mapping, placed[0], weights, NUM_EXPERTS)
    assert "expected DTensors alone, got a torch.Tensor as routing_weights: make it one with" in error, error
    other = DeviceMesh("cpu", torch.arange(mesh.size()).flip(0))
    error = error_of(torch_moe_ttnn.prepare_mapping, placed[0], shard(weights, other, S0), NUM_EXPERTS)
    assert "expected DTensors on one mesh, got selected_experts on" in error, error


def case_an_id_out_of_range():
    """The rank that has it raises, and names its place there."""
    ids, weights = make_choices(8, TOP_K, NUM_EXPERTS)
    ids[1, 2] = 99
    mesh = meshes()[0]
    placed = shard(ids, mesh, S0), shard(weights, mesh, S0)
    if mesh.get_rank() == 0:
        expected = error_of(torch_moe_ttnn.prepare_mapping, ids, weights, NUM_EXPERTS)
        assert error_of(torch_moe_ttnn.prepare_mapping, *placed, NUM_EXPERTS) == expected
    else:
        torch_moe_ttnn.prepare_mapping(*placed, NUM_EXPERTS)


def case_a_mesh_without_some_ranks():
    """Those have empty tensors, as of any operator."""
    ids, weights = make_choices(8, TOP_K, NUM_EXPERTS)
    last = torch.distributed.get_world_size() - 1
    mesh = DeviceMesh("cpu", [last])
    if mesh.get_coordinate() is None:
        empty = (torch.empty(0, dtype=x.dtype) for x in (ids, weights))
        shapes = ({"shape": x.shape, "stride": x.stride()} for x in (ids, weights))
        placed = [
            DTensor.from_local(x, mesh, [S0], run_check=False, **shape) for x, shape in zip(empty, shapes, strict=True)
        ]
        mapping = torch_moe_ttnn.prepare_mapping(*placed, NUM_EXPERTS)
        assert (mapping.shape, mapping.to_local().numel()) == ((8, NUM_EXPERTS), 0)
    else:
        placed = (shard(x, mesh, S0) for x in (ids, weights))
        mapping = torch_moe_ttnn.prepare_mapping(*placed, NUM_EXPERTS)
        assert_part(mapping, torch_moe_ttnn.prepare_mapping(ids, weights, NUM_EXPERTS), [S0])


def case_inference_mode():
    ids, weights = make_choices(9, TOP_K, NUM_EXPERTS)
    mesh = meshes()[0]
    with torch.inference_mode():
        mapping = torch_moe_ttnn.prepare_mapping(shard(ids, mesh, S0), shard(weights, mesh, S0), NUM_EXPERTS)
    assert_part(mapping, torch_moe_ttnn.prepare_mapping(ids, weights, NUM_EXPERTS), [S0])


def case_compiled():
    """As one graph, with its gradient."""
    ids, weights = make_choices(9, TOP_K, NUM_EXPERTS)
    local = torch.arange(NUM_EXPERTS).flip(0)
    mesh = meshes()[0]

    def function(ids, weights, local):
        return torch_moe_ttnn.prepare_mapping(ids, weights, NUM_EXPERTS, local_experts=local) * 2

    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    leaf = weights.clone().requires_grad_()
    expected = function(ids, leaf, local)
    expected.sum().backward()
    for choices, experts, output in ((S0, R, S0), (R, S0, S1)):
        sharded = shard(weights, mesh, choices).requires_grad_()
        actual = compiled(shard(ids, mesh, choices), sharded, shard(local, mesh, experts))
        assert_part(actual.detach(), expected.detach(), [output])
        actual.sum().backward()
        assert torch.equal(sharded.grad.full_tensor(), leaf.grad)


def case_on_tt():
    """Its kernels run on each rank's part."""
    ids, weights = make_choices(9, TOP_K, NUM_EXPERTS)
    ranks = torch.arange(torch.distributed.get_world_size())
    mesh = DeviceMesh("tt", ranks)
    local = torch.arange(NUM_EXPERTS)
    expected = torch_moe_ttnn.prepare_mapping(ids, weights, NUM_EXPERTS)
    for choices, experts, output in ((S0, R, S0), (R, S0, S1), (S0, S0, R)):
        placed = (shard(x.to("tt"), mesh, placement) for x, placement in ((ids, choices), (weights, choices)))
        options = {"local_experts": shard(local.to("tt"), mesh, experts)}
        mapping = torch_moe_ttnn.prepare_mapping(*placed, NUM_EXPERTS, **options)
        assert mapping.to_local().device.type == "tt"
        assert_part(mapping, expected, [output])
