"""torch.fx: graphs of symbols, and graphs traced from real, fake and symbolic tensors."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from support import layers
from support.checks import assert_same_bits
from support.operators import as_tuple
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime


def calls_of(graph_module):
    """Return what a graph calls, without the unpacking of tuples."""
    targets = [node.target for node in graph_module.graph.nodes if node.op == "call_function"]
    return [target for target in targets if isinstance(target, torch._ops.OpOverload)]


@pytest.mark.parametrize("tracing_mode", ["real", "fake", "symbolic"])
def test_make_fx(operator, device, tracing_mode):
    def function(ids, weights):
        return operator(ids, weights, 40)

    choices = {n: [tensor.to(device) for tensor in make_choices(n, 4, 40)] for n in (33, 100)}
    graph = make_fx(function, tracing_mode=tracing_mode)(*choices[33])
    assert calls_of(graph) == [operator.overload]
    # No size is left in the graph of what was traced, not even of real tensors.
    for arguments in choices.values():
        assert_same_bits(graph(*arguments), operator(*arguments, 40))


def test_shapes_in_a_traced_graph(operator, device):
    """The graph's fake tensors say what the outputs really are."""
    arguments = [tensor.to(device) for tensor in make_choices(33, 4, 40)]
    graph = make_fx(lambda ids, weights: operator(ids, weights, 40), tracing_mode="fake")(*arguments)
    (output,) = graph.graph.find_nodes(op="output")
    for node, real in zip(output.args[0], operator(*arguments, 40), strict=True):
        fake = node.meta["val"]
        assert (fake.shape, fake.dtype, fake.stride(), fake.device) == (
            real.shape,
            real.dtype,
            real.stride(),
            real.device,
        )


@pytest.mark.parametrize("forward", [layers.mapped, layers.routed])
@pytest.mark.parametrize("tracing_mode", ["real", "fake", "symbolic"])
def test_make_fx_of_a_layer(forward, device, tracing_mode):
    layer = layers.make_layer().to(device)
    graph = make_fx(lambda tokens: forward(layer, tokens), tracing_mode=tracing_mode, _allow_non_fake_inputs=True)(
        layers.make_tokens(9).to(device)
    )
    for num_tokens in (9, 33) if tracing_mode == "symbolic" else (9,):
        tokens = layers.make_tokens(num_tokens)
        torch.testing.assert_close(graph(tokens.to(device)).cpu(), layers.looped(layers.make_layer(), tokens))


@pytest.mark.parametrize("name", ["overload", "wrapper"])
def test_symbolic_trace(operator, device, name):
    """A graph of calls alone; the wrapper of several outputs leaves their names in it."""

    def function(ids, weights, num_experts):
        return getattr(operator, name)(ids, weights, num_experts)

    graph = torch.fx.symbolic_trace(function)
    assert calls_of(graph) == [operator.overload]
    arguments = [*(tensor.to(device) for tensor in make_choices(9, 4, 16)), 16]
    outputs, expected = graph(*arguments), function(*arguments)
    assert type(outputs) is type(expected)
    assert_same_bits(as_tuple(outputs), as_tuple(expected))


def test_shape_propagation(operator, device):
    """PyTorch's passes over a graph know the outputs' shapes without computing them."""
    from torch.fx.passes.fake_tensor_prop import FakeTensorProp

    graph = torch.fx.symbolic_trace(lambda ids, weights: operator.overload(ids, weights, 40))
    arguments = [tensor.to(device) for tensor in make_choices(33, 4, 40)]
    outputs = as_tuple(FakeTensorProp(graph, FakeTensorMode()).propagate(*arguments))
    expected = operator(*arguments, 40)
    assert [(o.shape, o.dtype, o.device) for o in outputs] == [(o.shape, o.dtype, o.device) for o in expected]
