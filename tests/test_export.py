"""torch.export and AOTInductor: a graph that is kept in a file, for every T."""

import io
import re
import subprocess

import aot_inductor
import pytest
import torch
from torch import nn
from torch.export.passes import move_to_device_pass

import torch_moe_ttnn
from support import layers
from support.checks import assert_same_bits
from support.choices import ID_DTYPES
from support.operators import MAPPING, ROUTING
from torch_moe_ttnn.testing import make_choices


class Operators(nn.Module):
    """Both operators on given choices."""

    def __init__(self, num_experts):
        super().__init__()
        self.num_experts = num_experts

    def forward(self, ids, weights):
        return MAPPING(ids, weights, self.num_experts) + ROUTING(ids, weights, self.num_experts)


class Moe(nn.Module):
    """Both layers, with parameters of their own."""

    def __init__(self):
        super().__init__()
        layer = layers.make_layer()
        for name in ("router", "up", "down"):
            setattr(self, name, nn.Parameter(getattr(layer, name), requires_grad=False))
        self.top_k = layer.top_k

    def layer(self):
        return layers.Layer(self.router, self.up, self.down, self.top_k)

    def forward(self, tokens):
        layer = self.layer()
        return layers.mapped(layer, tokens), layers.routed(layer, tokens)


T = torch.export.Dim("T")
# PyTorch warns of a use of its own.
DECOMPOSES = pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning")
STRICT = pytest.mark.parametrize("strict", [True, False], ids=["strict", "not strict"])


def saved_and_loaded(program):
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file).module()


@pytest.mark.any_runtime
@STRICT
@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
def test_operators(device, id_dtype, strict):
    example = [tensor.to(device) for tensor in make_choices(9, 4, 40, id_dtype=id_dtype)]
    dynamic = {"ids": {0: T}, "weights": {0: T}}
    program = torch.export.export(Operators(40), tuple(example), dynamic_shapes=dynamic, strict=strict)
    calls = [node.target for node in program.graph.nodes if node.op == "call_function"]
    assert {MAPPING.overload, ROUTING.overload} <= set(calls)
    loaded = saved_and_loaded(program)
    for num_tokens in (33, 2, 1, 0):
        ids, weights = make_choices(num_tokens, 4, 40, id_dtype=id_dtype)
        expected = MAPPING.expected(ids, weights, 40) + ROUTING.expected(ids, weights, 40)
        for module in (program.module(), loaded):
            outputs = module(ids.to(device), weights.to(device))
            assert_same_bits(outputs, expected)
            assert all(output.device == example[0].device for output in outputs)


def test_any_number_of_choices(device):
    """K as well may be dynamic, up to the number of experts."""
    sizes = {0: T, 1: torch.export.Dim("K", max=40)}
    example = tuple(tensor.to(device) for tensor in make_choices(9, 4, 40))
    program = torch.export.export(Operators(40), example, dynamic_shapes={"ids": sizes, "weights": sizes})
    for num_tokens, top_k in ((5, 8), (3, 40)):
        ids, weights = make_choices(num_tokens, top_k, 40)
        expected = MAPPING.expected(ids, weights, 40) + ROUTING.expected(ids, weights, 40)
        assert_same_bits(program.module()(ids.to(device), weights.to(device)), expected)
    with pytest.raises(AssertionError, match=r"<= 40"):
        program.module()(*(tensor.to(device) for tensor in make_choices(3, 41, 41)))


@pytest.mark.any_runtime
@DECOMPOSES
@STRICT
def test_layers(device, strict):
    module = Moe().to(device)
    example = (layers.make_tokens(9).to(device),)
    program = torch.export.export(module, example, dynamic_shapes={"tokens": {0: T}}, strict=strict)
    loaded = saved_and_loaded(program.run_decompositions())
    for num_tokens in (33, 2, 1):
        tokens = layers.make_tokens(num_tokens)
        for output in loaded(tokens.to(device)):
            assert output.device == example[0].device
            torch.testing.assert_close(output.cpu(), layers.looped(layers.make_layer(), tokens))


def test_moved_to_a_device(device):
    """What was exported on the CPU runs elsewhere."""
    program = torch.export.export(Moe(), (layers.make_tokens(9),), dynamic_shapes={"tokens": {0: T}})
    moved = move_to_device_pass(program, str(device)).module()
    tokens = layers.make_tokens(5)
    for output in moved(tokens.to(device)):
        assert output.device.type == device.type
        torch.testing.assert_close(output.cpu(), layers.looped(layers.make_layer(), tokens))


def test_wrong_arguments(operator, device):
    """Exporting them raises the operator's own error."""

    class Wrong(nn.Module):
        def forward(self, ids, weights):
            return operator(ids, weights, 2)

    example = tuple(tensor.to(device) for tensor in make_choices(9, 4, 40))
    with pytest.raises(RuntimeError, match=rf"{operator.name}: expected no more choices a token than experts"):
        torch.export.export(Wrong(), example)


class RoutedAndOperators(nn.Module):
    """What a package is compiled from, once; the example has the other layer."""

    def __init__(self):
        super().__init__()
        self.moe = Moe()
        self.operators = Operators(40)

    def forward(self, tokens, ids, weights):
        return layers.routed(self.moe.layer(), tokens), *self.operators(ids, weights)


@pytest.fixture(scope="module")
def package(inductor, tmp_path_factory):
    """An AOTInductor package, on CPU: Inductor has no code for tt."""
    example = (layers.make_tokens(9), *make_choices(9, 4, 40, id_dtype=torch.uint32))
    dynamic = {name: {0: T} for name in ("tokens", "ids", "weights")}
    program = torch.export.export(RoutedAndOperators(), example, dynamic_shapes=dynamic)
    path = tmp_path_factory.mktemp("package") / "moe.pt2"
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    return torch._inductor.aoti_load_package(str(path))


@pytest.mark.any_runtime
@DECOMPOSES
@pytest.mark.parametrize("num_tokens", [9, 33, 2, 1, 0])
def test_aot_inductor(package, num_tokens):
    tokens = layers.make_tokens(num_tokens)
    ids, weights = make_choices(num_tokens, 4, 40, id_dtype=torch.uint32, distribution="padded")
    moe, *operators = package(tokens, ids, weights)
    torch.testing.assert_close(moe, layers.looped(layers.make_layer(), tokens))
    assert_same_bits(operators, MAPPING.expected(ids, weights, 40) + ROUTING.expected(ids, weights, 40))


def needed(file) -> list[str]:
    """Return the names of the libraries that a compiled file loads, directly and through others."""
    lines = subprocess.run(["ldd", file], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[0] for line in lines]


def without_python(file) -> bool:
    names = needed(file)
    assert "libtorch_cpu.so" in names
    return not [name for name in names if name.startswith(("libpython", "libtorch_python"))]


@pytest.mark.any_runtime
def test_the_library_needs_no_python():
    assert without_python(torch_moe_ttnn.library_path())
    assert not without_python(torch_moe_ttnn._C.__file__)


@pytest.mark.any_runtime
def test_a_cpp_program_needs_no_python(tmp_path):
    aot_inductor.build_runner(tmp_path / "run_package")
    assert without_python(tmp_path / "run_package")


@pytest.mark.any_runtime
@DECOMPOSES
def test_the_example(inductor, capsys):
    """A package in Python and in C++."""
    assert aot_inductor.main() == 0
    assert re.findall(r"^(\d+) tokens in (\S+):", capsys.readouterr().out, re.MULTILINE) == [
        ("1", "Python"),
        ("1", "C++"),
        ("100", "Python"),
        ("100", "C++"),
    ]
