"""Devices without kernels of their own: CUDA where there is one, and the CPU with composites in its kernels' place."""

import contextlib
import warnings

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from support import layers, processes
from support.checks import assert_matches_reference, assert_same_bits
from support.choices import ID_DTYPES, WEIGHT_DTYPES, choices_on
from support.operators import GROUPING, KERNELS, MAPPING, PERMUTE, UNPERMUTE
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@contextlib.contextmanager
def composites_on_the_cpu():
    """Put them before the kernels of the CPU, which come back; they must have been called by then."""
    library = torch.library.Library("moe", "IMPL")
    calls = []

    def register(name):
        operator = getattr(torch.ops.moe, name).default

        def composite(*arguments, **options):
            calls.append(name)
            return operator._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, *arguments, **options)

        library.impl(name, composite, "CPU", allow_override=True)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Warning only once for all operators", category=UserWarning)
        for name in KERNELS:
            register(name)
    try:
        yield
    finally:
        library._destroy()
    assert calls


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=needs_cuda)])
def elsewhere(request, inductor):
    """A device that runs the composites."""
    torch.compiler.reset()
    with composites_on_the_cpu() if request.param == "cpu" else contextlib.nullcontext():
        yield torch.device(request.param)
    torch.compiler.reset()


def options_of(operator):
    limit = {} if operator is MAPPING else {"max_tokens": 3}
    alignment = {"alignment": 16} if operator is GROUPING else {}
    return {"local_experts": torch.tensor([7, -1, 0, 3, 0])} | limit | alignment


@pytest.mark.parametrize("distribution", ["uniform", "same", "padded"])
@pytest.mark.parametrize("num_tokens", [0, 1, 33, 1000])
def test_values(operator, elsewhere, num_tokens, distribution):
    ids, weights = make_choices(num_tokens, 3, 8, distribution=distribution)
    assert_matches_reference(operator, elsewhere, ids, weights, 8)
    assert_matches_reference(operator, elsewhere, ids, weights, 8, **options_of(operator))


@pytest.mark.parametrize("weight_dtype", WEIGHT_DTYPES, ids=str)
@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
def test_dtypes(operator, elsewhere, id_dtype, weight_dtype):
    choices = make_choices(45, 5, 60, distribution="padded", id_dtype=id_dtype, weight_dtype=weight_dtype)
    assert_matches_reference(operator, elsewhere, *choices, 60)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_rows(elsewhere, compiled, dtype):
    ids, weights = make_choices(33, 3, 8, distribution="padded")
    _, _, tokens, _, positions = GROUPING.expected(ids, weights, 8, alignment=4)
    hidden, outputs = (torch.randn(rows, 70).to(dtype) for rows in (33, len(tokens)))

    def function(hidden, tokens, outputs, weights, positions):
        return PERMUTE.overload(hidden, tokens), UNPERMUTE.overload(outputs, weights, positions)

    if compiled:
        function = torch.compile(function, fullgraph=True)
    actual = function(*(tensor.to(elsewhere) for tensor in (hidden, tokens, outputs, weights, positions)))
    expected = *PERMUTE.expected(hidden, tokens), *UNPERMUTE.expected(outputs, weights, positions)
    assert_same_bits(actual, expected)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled(operator, elsewhere, dynamic):
    """One graph, with the operator's node in it."""
    counter = CompileCounterWithBackend("inductor")

    @torch.compile(fullgraph=True, dynamic=dynamic, backend=counter)
    def function(ids, weights):
        return operator.overload(ids, weights * 2, 8)

    for num_tokens in (33, 100) if dynamic else (33,):
        ids, weights = make_choices(num_tokens, 3, 8)
        outputs = function(ids.to(elsewhere), weights.to(elsewhere))
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        assert_same_bits(outputs, operator.expected(ids, weights * 2, 8))
    assert counter.frame_count == 1
    assert operator.overload in [node.target for node in counter.graphs[0].graph.nodes]


def gradients(function, layer, tokens):
    inputs = [tensor.detach().requires_grad_() for tensor in (*layer[:3], tokens)]
    sums = function(layers.Layer(*inputs[:3], layer.top_k), inputs[3])
    return sums, *torch.autograd.grad(sums.float().square().sum(), inputs)


@pytest.mark.parametrize(
    ("forward", "dtype"),
    [(layers.mapped, torch.float32), (layers.routed, torch.float32), (layers.grouped, torch.bfloat16)],
    ids=["mapped", "routed", "grouped"],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_layers(elsewhere, forward, dtype, compiled):
    layer, tokens = layers.make_layer().to(dtype), layers.make_tokens(20).to(dtype)
    function = torch.compile(forward, fullgraph=True) if compiled else forward
    actual = gradients(function, layer.to(elsewhere), tokens.to(elsewhere))
    # In float32 the numbers themselves; in bfloat16 what its rounding leaves of them.
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    for a, e in zip(actual, gradients(layers.looped, layer, tokens), strict=True):
        torch.testing.assert_close(a.cpu(), e, rtol=tolerance, atol=tolerance * max(1, e.abs().max().item()))


def test_gradients_are_deterministic(elsewhere):
    layer, tokens = (x.to(elsewhere) for x in (layers.make_layer(), layers.make_tokens(300)))

    def all_gradients():
        ids, weights = layers.route(layer, tokens)
        weights = weights.detach().requires_grad_()
        hidden = tokens.detach().requires_grad_()
        _, _, rows, _, positions = GROUPING.overload(ids, weights, 8)
        sums = UNPERMUTE.overload(PERMUTE.overload(hidden, rows), weights, positions)
        return torch.autograd.grad(sums.square().sum(), (weights, hidden))

    first = all_gradients()
    for _ in range(3):
        assert_same_bits(all_gradients(), first)


@needs_cuda
def test_nothing_waits_for_the_device(operator):
    arguments = [*choices_on("cuda", 100, 3, 8), 8]
    options = options_of(operator)
    options["local_experts"] = options["local_experts"].to("cuda")
    expected = operator(*arguments, **options)
    torch.cuda.set_sync_debug_mode("error")
    try:
        outputs = operator(*arguments, **options)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert_same_bits(outputs, expected)


@needs_cuda
def test_cuda_graphs(operator):
    """What is captured once runs on other choices."""
    ids, weights = choices_on("cuda", 100, 3, 8)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        operator(ids, weights, 8)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = operator(ids, weights, 8)
    others = make_choices(100, 3, 8, seed=1)
    ids.copy_(others[0])
    weights.copy_(others[1])
    graph.replay()
    assert_same_bits(outputs, operator.expected(*others, 8))


@needs_cuda
def test_an_id_out_of_range(operator):
    """As an assertion on the device, after which the process has no CUDA any more."""
    process = processes.run(
        "import torch, torch_moe_ttnn\n"
        "ids, weights = torch.full((4, 2), 8, device='cuda'), torch.ones(4, 2, device='cuda')\n"
        f"torch.ops.moe.{operator.name.removeprefix('moe::')}(ids, weights, 8)\n"
        "torch.cuda.synchronize()"
    )
    assert process.returncode != 0
    assert "assert" in process.stderr
