"""A complete layer on grouped rows: eager, compiled, differentiated, exported; CPU, where PyTorch has grouped_mm."""

import io

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import torch_moe_ttnn
from support import layers
from support.checks import assert_same_bits
from support.operators import GROUPING, ROUTING
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime


def layer_in(dtype):
    return layers.make_layer().to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("num_tokens", [1, 9, 100])
def test_equal_to_the_loop(num_tokens, dtype):
    layer, tokens = layer_in(dtype), layers.make_tokens(num_tokens).to(dtype)
    tolerance = {} if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.05}
    torch.testing.assert_close(layers.grouped(layer, tokens), layers.looped(layer, tokens), **tolerance)


def test_compiled_with_any_number_of_tokens(inductor):
    """In bfloat16, the one dtype that PyTorch compiles grouped_mm for."""
    torch.compiler.reset()
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(layers.grouped, fullgraph=True, dynamic=True, backend=counter)
    layer = layer_in(torch.bfloat16)
    for num_tokens in (33, 100, 5):
        tokens = layers.make_tokens(num_tokens).to(torch.bfloat16)
        torch.testing.assert_close(compiled(layer, tokens), layers.looped(layer, tokens), rtol=0.05, atol=0.05)
    assert counter.frame_count == 1


def gradients(function, layer, tokens):
    inputs = (*layer[:3], tokens)
    return torch.autograd.grad(function(layer, tokens).float().square().sum(), inputs)


def leaves(dtype):
    layer = layers.Layer(*(parameter.requires_grad_() for parameter in layer_in(dtype)[:3]), 2)
    return layer, layers.make_tokens(20).to(dtype).requires_grad_()


def test_gradients():
    layer, tokens = leaves(torch.float32)
    expected = gradients(layers.mapped, layer, tokens)
    for gradient, other in zip(gradients(layers.grouped, layer, tokens), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4)


def test_compiled_gradients(inductor):
    torch.compiler.reset()
    layer, tokens = leaves(torch.bfloat16)
    compiled = torch.compile(layers.grouped, fullgraph=True)
    expected = gradients(layers.grouped, layer, tokens)
    for gradient, other in zip(gradients(compiled, layer, tokens), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=0.1, atol=0.1 * other.abs().max().item())


class Named(torch.nn.Module):
    """Programs that return the named tuples."""

    def forward(self, ids, weights, local):
        grouping = torch_moe_ttnn.prepare_grouping(ids, weights, 8, local_experts=local, alignment=4, max_tokens=5)
        return grouping, torch_moe_ttnn.prepare_routing(ids, weights, 8, local_experts=local, max_tokens=5)


T = torch.export.Dim("T", min=1)


def assert_named(outputs, ids, weights, local):
    grouping, routing = outputs
    assert isinstance(grouping, torch_moe_ttnn.Grouping)
    assert isinstance(routing, torch_moe_ttnn.Routing)
    assert_same_bits(grouping, GROUPING.expected(ids, weights, 8, local_experts=local, alignment=4, max_tokens=5))
    assert_same_bits(routing, ROUTING.expected(ids, weights, 8, local_experts=local, max_tokens=5))


def exported():
    example = (*make_choices(9, 3, 8), torch.tensor([5, 0, 7]))
    dynamic = {"ids": {0: T}, "weights": {0: T}, "local": None}
    return torch.export.export(Named(), example, dynamic_shapes=dynamic), example[2]


def test_saved_and_loaded():
    program, local = exported()
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for num_tokens in (9, 33, 1):
        ids, weights = make_choices(num_tokens, 3, 8)
        assert_named(loaded(ids, weights, local), ids, weights, local)


@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning")
def test_packaged(inductor, tmp_path):
    program, local = exported()
    path = str(tmp_path / "named.pt2")
    torch._inductor.aoti_compile_and_package(program, package_path=path)
    package = torch._inductor.aoti_load_package(path)
    for num_tokens in (9, 33, 1):
        ids, weights = make_choices(num_tokens, 3, 8)
        assert_named(package(ids, weights, local), ids, weights, local)
