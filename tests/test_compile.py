"""torch.compile: one graph, few compilations, the same bits; Inductor on CPU, the backend "torch_moe_ttnn" on tt."""

import collections
import re
from operator import getitem

import pytest
import torch
from functorch.compile import make_boxed_func
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.decorators import mark_unbacked
from torch._dynamo.testing import CompileCounterWithBackend

import torch_moe_ttnn
from support import layers
from support.checks import assert_same_bits
from support.choices import ID_DTYPES, WEIGHT_DTYPES, choices_on
from support.operators import GROUPING, MAPPING, ROUTING, as_tuple
from torch_moe_ttnn.testing import make_choices

SIZES = [33, 1000, 2, 7, 7, 130, 33]


@pytest.fixture
def compiled(backend):
    """Return a function that compiles another as one graph and counts how often that happens."""

    def compile_counting(function, **options):
        counter = CompileCounterWithBackend(backend)
        return torch.compile(function, fullgraph=True, backend=counter, **options), counter

    return compile_counting


@pytest.mark.any_runtime
@pytest.mark.parametrize("weight_dtype", WEIGHT_DTYPES, ids=str)
@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
def test_same_bits_as_eager(operator, device, compiled, id_dtype, weight_dtype):
    function, _ = compiled(operator.overload)
    ids, weights = choices_on(device, 33, id_dtype=id_dtype, weight_dtype=weight_dtype, distribution="padded")
    for arguments in ((ids, weights, 16), (ids.t().contiguous().t(), weights.t().contiguous().t(), 16)):
        outputs, expected = as_tuple(function(*arguments)), operator(*arguments)
        assert_same_bits(outputs, expected)
        assert [output.stride() for output in outputs] == [output.stride() for output in expected]
        assert all(output.device == ids.device for output in outputs)


def test_one_compilation_for_all_sizes(operator, device, compiled):
    """T, and the number of experts, are symbols where dynamic shapes are asked for."""
    function, counter = compiled(operator.overload, dynamic=True)
    for num_tokens, num_experts in zip(SIZES, range(40, 100, 7), strict=False):
        ids, weights = choices_on(device, num_tokens)
        assert_same_bits(as_tuple(function(ids, weights, num_experts)), operator(ids, weights, num_experts))
    assert counter.frame_count == 1


@pytest.mark.any_runtime
def test_two_compilations_by_default(operator, device, compiled):
    """The first size is taken for fixed, and the second one makes it a symbol."""
    function, counter = compiled(lambda ids, weights: operator.overload(ids, weights, 16))
    for count, num_tokens in zip([1, 2, 2, 2, 2, 2, 2], SIZES, strict=True):
        arguments = choices_on(device, num_tokens)
        assert_same_bits(as_tuple(function(*arguments)), operator(*arguments, 16))
        assert counter.frame_count == count


@pytest.mark.any_runtime
def test_none_for_a_repeated_shape(operator, device, compiled):
    function, counter = compiled(lambda ids, weights: operator.overload(ids, weights, 16))
    for seed in range(3):
        arguments = choices_on(device, 9, seed=seed)
        assert_same_bits(as_tuple(function(*arguments)), operator(*arguments, 16))
    assert counter.frame_count == 1


@pytest.mark.any_runtime
def test_no_token_and_one(operator, device, compiled):
    """PyTorch compiles anew for sizes 0 and 1, whatever a graph holds, unless it is told that they may come."""
    function, counter = compiled(lambda ids, weights: operator.overload(ids, weights, 16))
    for num_tokens in (33, 1, 0, 7):
        arguments = choices_on(device, num_tokens)
        for tensor in arguments:
            mark_unbacked(tensor, 0)
        assert_same_bits(as_tuple(function(*arguments)), operator(*arguments, 16))
    assert counter.frame_count == 1


@pytest.mark.any_runtime
def test_typed_wrappers(operator, device, compiled):
    function, counter = compiled(lambda ids, weights: operator.wrapper(ids, routing_weights=weights, num_experts=16))
    arguments = choices_on(device, 9)
    outputs = function(*arguments)
    types = {MAPPING: torch.Tensor, ROUTING: torch_moe_ttnn.Routing, GROUPING: torch_moe_ttnn.Grouping}
    assert isinstance(outputs, types[operator])
    assert_same_bits(as_tuple(outputs), operator(*arguments, 16))
    assert counter.frame_count == 1


@pytest.mark.any_runtime
@pytest.mark.parametrize("forward", [layers.mapped, layers.routed])
def test_a_layer_in_one_graph(forward, device, compiled):
    """Router, operator and experts; the graph's result is eager's, and both are what a loop over the choices gives."""
    layer = layers.make_layer()
    function, counter = compiled(forward, dynamic=True)
    for num_tokens in (33, 100, 5):
        tokens = layers.make_tokens(num_tokens)
        actual = function(layer.to(device), tokens.to(device))
        assert actual.device == tokens.to(device).device
        torch.testing.assert_close(actual, forward(layer.to(device), tokens.to(device)))
        torch.testing.assert_close(actual.cpu(), layers.looped(layer, tokens))
    assert counter.frame_count == 1


class Checked(torch.fx.Interpreter):
    """Runs a captured graph, and compares each tensor with the fake one that was propagated in its place."""

    def run_node(self, node):
        result = super().run_node(node)
        if node.op in ("call_function", "call_method"):
            real, fake = (
                [(tensor.device, tensor.dtype, tensor.shape, tensor.stride()) for tensor in as_tuple(value)]
                for value in (result, node.meta["example_value"])
            )
            assert real == fake, node.format_node()
        return result


@pytest.mark.any_runtime
@pytest.mark.parametrize("forward", [layers.mapped, layers.routed])
def test_fake_tensors_are_like_real_ones(forward, device):
    torch.compiler.reset()
    arguments = layers.make_layer().to(device), layers.make_tokens(9).to(device)
    counter = CompileCounterWithBackend("eager")
    torch.compile(forward, fullgraph=True, backend=counter)(*arguments)
    (graph,) = counter.graphs
    inputs = [node.meta["example_value"] for node in graph.graph.find_nodes(op="placeholder")]
    real = {tensor.shape: tensor for tensor in (*arguments[0][:3], arguments[1])}
    Checked(graph).run(*(real[tensor.shape] for tensor in inputs))


def test_weights_that_require_a_gradient(operator, device, compiled):
    """The backward pass is compiled with the forward pass."""
    ids, weights = choices_on(device, 9, weight_dtype=torch.float32)

    def eager(ids, weights):
        return operator.overload(ids, weights, 16)

    function, counter = compiled(eager)
    gradients = []
    for run in (function, eager):
        leaf = weights.clone().requires_grad_()
        (output,) = (output for output in as_tuple(run(ids, leaf)) if output.requires_grad)
        (output.square().sum()).backward()
        gradients.append(leaf.grad)
    assert_same_bits(gradients[:1], gradients[1:])
    assert counter.frame_count == 1


def test_an_id_out_of_range(operator, device, compiled):
    """It is known when the graph runs, and the error is eager's."""
    function, _ = compiled(lambda ids, weights: operator.overload(ids, weights, 16))
    ids, weights = make_choices(9, 4, 16)
    expected = operator.expected(ids, weights, 16)
    bad = ids.clone()
    bad[2, 1] = 16
    message = f"^{operator.name}: expected expert ids in .* got 16 at {re.escape('selected_experts[2, 1]')}"
    with pytest.raises(IndexError, match=message):
        _ = [output.cpu() for output in as_tuple(function(bad.to(device), weights.to(device)))]
    assert_same_bits(as_tuple(function(ids.to(device), weights.to(device))), expected)


@pytest.mark.any_runtime
def test_shapes_that_no_longer_agree(operator, device, compiled):
    """The graph's guards send wrong arguments where the operator's own error is."""
    function, _ = compiled(lambda ids, weights: operator.overload(ids, weights, 16), dynamic=True)
    ids, weights = choices_on(device, 9)
    function(ids, weights)
    message = f"{operator.name}: expected selected_experts and routing_weights of the same shape (T, K), got shapes "
    with pytest.raises(RuntimeError, match=re.escape(message)):
        function(ids, weights[:7])


def operators_run(function, *arguments):
    """Run a function and count the operators that PyTorch's dispatcher is asked for."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function(*arguments)
    names = (event.name for event in profile.events())
    return collections.Counter(name for name in names if name.startswith(("aten::", "moe::")))


def test_nothing_runs_beside_the_operators(device, compiled):
    """No copy, no wait and no host read: what runs is what eager runs, the operators and memory for their outputs."""

    def both(ids, weights):
        return MAPPING.overload(ids, weights, 16), *ROUTING.overload(ids, weights, 16)

    function, _ = compiled(both)
    arguments = choices_on(device, 33)
    function(*arguments)
    counted = operators_run(function, *arguments)
    assert counted == operators_run(both, *arguments)
    # On the CPU they take their memory without the dispatcher.
    assert set(counted) - {"aten::empty"} == {MAPPING.name, ROUTING.name}


def captured(function, *arguments):
    """Return the graph that a backend gets to compile, of PyTorch's core operators and ours."""
    graphs = []

    def keep(graph_module, example_inputs):
        graphs.append(graph_module.graph)
        return make_boxed_func(graph_module.forward)

    torch.compile(function, fullgraph=True, backend=aot_autograd(fw_compiler=keep))(*arguments)
    (graph,) = graphs
    return graph


@pytest.mark.any_runtime
@pytest.mark.parametrize(
    ("forward", "operator"), [(layers.mapped, MAPPING), (layers.routed, ROUTING)], ids=["mapped", "routed"]
)
def test_the_graph_around_an_operator(forward, operator, device, backend):
    """It takes the router's outputs as they are, what follows starts from views, and nobody asks the host."""
    graph = captured(forward, layers.make_layer().to(device), layers.make_tokens(9).to(device))
    calls = [node for node in graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    names = [call.target._schema.name for call in calls]
    assert names[:6] == ["aten::mm", "aten::_softmax", "aten::topk", "aten::sum", "aten::div", operator.name]
    results = [user for user in calls[5].users if user.target is getitem] or [calls[5]]
    users = [user for result in results for user in result.users]
    assert users
    assert all(user.target.is_view for user in users)
    assert not set(names) & {"aten::_local_scalar_dense", "aten::_to_copy", "aten::nonzero"}
