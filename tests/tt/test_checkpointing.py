"""Activation checkpointing: what is computed again is computed with the same random numbers."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

pytestmark = pytest.mark.any_runtime

SHAPE = (6, 8)

# Functions of a tensor of shape (6, 8) whose gradients depend on random numbers. Not rrelu: the CPU computes it again
# wrongly as well, without reentrance.
RANDOM = {
    "dropout": lambda x: functional.dropout(x),
    "dropout in place": lambda x: functional.dropout(x * 1, inplace=True),
    "dropout1d": lambda x: functional.dropout1d(x),
    "dropout2d": lambda x: functional.dropout2d(x[None, None].mT),
    "alpha_dropout": lambda x: functional.alpha_dropout(x, training=True),
    "feature_alpha_dropout": lambda x: functional.feature_alpha_dropout(x[None], training=True),
    "native_dropout": lambda x: torch.native_dropout(x, 0.5, True)[0],
    "gumbel_softmax": lambda x: functional.gumbel_softmax(x, hard=True),
    "attention": lambda x: functional.scaled_dot_product_attention(x[None], x[None], x[None], dropout_p=0.5),
    "fractional_max_pool2d": lambda x: functional.fractional_max_pool2d(x[None], 2, output_size=3),
    "bernoulli": lambda x: x * torch.bernoulli(torch.full_like(x, 0.5)),
    "bernoulli_": lambda x: x * torch.empty_like(x).bernoulli_(0.5),
    "cauchy_": lambda x: x * torch.empty_like(x).cauchy_(),
    "exponential_": lambda x: x * torch.empty_like(x).exponential_(),
    "geometric_": lambda x: x * torch.empty_like(x).geometric_(0.5),
    "log_normal_": lambda x: x * torch.empty_like(x).log_normal_(),
    "multinomial": lambda x: x[:, torch.multinomial(torch.ones(8, device=x.device), 4)],
    "normal": lambda x: x * torch.normal(torch.zeros_like(x), torch.ones_like(x)),
    "normal_": lambda x: x * torch.empty_like(x).normal_(),
    "poisson": lambda x: x * torch.poisson(torch.full_like(x, 5)),
    "rand": lambda x: x * torch.rand(SHAPE, device=x.device),
    "rand_like": lambda x: x * torch.rand_like(x),
    "randint": lambda x: x * torch.randint(100, SHAPE, device=x.device),
    "randint_like": lambda x: x * torch.randint_like(x, 100),
    "randn": lambda x: x * torch.randn(SHAPE, device=x.device),
    "randn_like": lambda x: x * torch.randn_like(x),
    "random_": lambda x: x * torch.empty_like(x).random_(100),
    "randperm": lambda x: x[:, torch.randperm(8, device=x.device)[:3]],
    "uniform_": lambda x: x * torch.empty_like(x).uniform_(),
    "the CPU's too": lambda x: functional.dropout(x) * torch.rand(SHAPE).to(x.device),
}
random = pytest.mark.parametrize("function", RANDOM.values(), ids=RANDOM.keys())
reentrant = pytest.mark.parametrize("use_reentrant", [False, True], ids=["not reentrant", "reentrant"])


@pytest.fixture(autouse=True)
def nothing_compiled_before():
    torch.compiler.reset()


def step(function, device="tt"):
    """Return an output, its input's gradient, and the number that is drawn after both.

    Numbers are drawn between forward and backward too, as by a model's later layers.
    """
    torch.manual_seed(7)
    inputs = torch.linspace(0.5, 2, 48).reshape(SHAPE).to(device).requires_grad_()
    output = function(inputs)
    torch.rand(5, device=device)
    torch.rand(5)
    output.square().sum().backward()
    return output.detach(), inputs.grad, torch.rand(1, device=device), torch.rand(1)


def assert_same(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        assert torch.equal(a, e)


@reentrant
@random
def test_the_same_numbers(function, use_reentrant):
    assert_same(step(lambda x: checkpoint(function, x, use_reentrant=use_reentrant)), step(function))


@reentrant
@random
def test_the_same_numbers_in_a_graph(function, use_reentrant):
    compiled = torch.compile(lambda x: checkpoint(function, x, use_reentrant=use_reentrant), backend="torch_moe_ttnn")
    assert_same(step(compiled), step(function))


@reentrant
def test_it_does_compute_again(use_reentrant):
    calls = []

    def function(x):
        calls.append(torch.tt.get_rng_state())
        return functional.dropout(x).sin()

    step(lambda x: checkpoint(function, x, use_reentrant=use_reentrant))
    assert len(calls) == 2
    assert torch.equal(calls[0], calls[1])


@reentrant
def test_a_program_may_ask_for_other_numbers(use_reentrant):
    def function(x):
        return functional.dropout(x).sin()

    options = {"use_reentrant": use_reentrant, "preserve_rng_state": False}
    outputs, gradients, *_ = step(lambda x: checkpoint(function, x, **options))
    assert not torch.equal(gradients != 0, outputs != 0)
    if not use_reentrant:  # A graph has no reentrant ones.
        compiled = torch.compile(lambda x: checkpoint(function, x, **options), backend="torch_moe_ttnn")
        assert_same(step(compiled)[:2], (outputs, gradients))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")  # the inner one, at first
@reentrant
def test_checkpoints_in_checkpoints(use_reentrant):
    def inner(x):
        return functional.dropout(x).sin()

    def outer(x):
        return checkpoint(inner, functional.dropout(x, 0.2), use_reentrant=use_reentrant)

    expected = step(lambda x: inner(functional.dropout(x, 0.2)))
    assert_same(step(lambda x: checkpoint(outer, x, use_reentrant=use_reentrant)), expected)
    compiled = torch.compile(lambda x: checkpoint(outer, x, use_reentrant=use_reentrant), backend="torch_moe_ttnn")
    assert_same(step(compiled), expected)


@reentrant
def test_several_checkpoints(use_reentrant):
    layers = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Dropout(), nn.Tanh()) for _ in range(4))).to("tt")

    def checkpointed(x):
        for layer in layers:
            x = checkpoint(layer, x, use_reentrant=use_reentrant)
        return x

    def gradients(function):
        layers.zero_grad()
        return *step(function), *(parameter.grad.clone() for parameter in layers.parameters())

    expected = gradients(layers)
    assert_same(gradients(checkpointed), expected)
    assert_same(gradients(lambda x: checkpoint_sequential(layers, 2, x, use_reentrant=use_reentrant)), expected)
    assert_same(gradients(torch.compile(checkpointed, backend="torch_moe_ttnn")), expected)


@reentrant
def test_autocast_is_kept_too(use_reentrant):
    linear = nn.Linear(8, 8).to("tt")

    def function(x):
        return functional.dropout(linear(x)).float()

    def under_autocast(function):
        with torch.autocast("tt", torch.bfloat16):
            return step(function)

    assert_same(
        under_autocast(lambda x: checkpoint(function, x, use_reentrant=use_reentrant)), under_autocast(function)
    )


@reentrant
def test_on_a_second_device(use_reentrant, other_device):
    def function(x):
        return functional.dropout(x).sin()

    expected = step(function, other_device)
    assert_same(step(lambda x: checkpoint(function, x, use_reentrant=use_reentrant), other_device), expected)


@reentrant
def test_on_two_devices_at_once(use_reentrant, other_device):
    def function(here, there):
        # One after the other: PyTorch's backward passes of two devices are two threads, which would both compute again.
        return functional.dropout(there * functional.dropout(here).sin().to(other_device)).cos()

    def gradients(run):
        torch.manual_seed(7)
        inputs = [torch.ones(50, device=device, requires_grad=True) for device in ("tt:0", other_device)]
        output = run(*inputs)
        for device in ("tt:0", other_device):
            torch.rand(3, device=device)
        output.sum().backward()
        return output.detach(), *(x.grad for x in inputs)

    assert_same(gradients(lambda *x: checkpoint(function, *x, use_reentrant=use_reentrant)), gradients(function))


@pytest.mark.parametrize("compiled", [False, True])
def test_selective_checkpoints(compiled):
    weight = torch.eye(8, device="tt")

    def function(x):
        return functional.dropout(x @ weight).sin()

    def policy(context, operator, *args, **kwargs):
        saved = operator == torch.ops.aten.mm.default
        return CheckpointPolicy.MUST_SAVE if saved else CheckpointPolicy.PREFER_RECOMPUTE

    def context_fn():
        return create_selective_checkpoint_contexts(policy)

    def checkpointed(x):
        return checkpoint(function, x, use_reentrant=False, context_fn=context_fn)

    computed = torch.compile(checkpointed, backend="torch_moe_ttnn") if compiled else checkpointed
    assert_same(step(computed), step(function))


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
@pytest.mark.parametrize("backend", ["aot_eager", "aot_eager_decomp_partition"])
@pytest.mark.parametrize("draw", ["dropout", "bernoulli", "rand_like", "randn"])
def test_graphs_of_other_backends(draw, backend):
    """They draw numbers of their own, and the same ones when they compute again, whatever comes in between."""
    compiled = torch.compile(lambda x: checkpoint(RANDOM[draw], x, use_reentrant=False), backend=backend)
    inputs = [torch.ones(SHAPE, device="tt", requires_grad=True) for _ in range(3)]
    outputs = [compiled(x) for x in inputs]
    assert not torch.equal(outputs[0], outputs[1])
    state = torch.tt.get_rng_state()
    for x, output in list(zip(inputs, outputs, strict=True))[::-1]:
        output.sum().backward()
        assert torch.equal(x.grad, output)  # Each is the numbers that x, which is 1, was multiplied by.
    assert torch.equal(torch.tt.get_rng_state(), state)


def test_fork_rng_around_a_checkpoint_that_fails():
    state = torch.tt.get_rng_state()

    def fail(x):
        functional.dropout(x)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"), torch.random.fork_rng([0], device_type="tt"):
        checkpoint(fail, torch.ones(3, device="tt", requires_grad=True), use_reentrant=False)
    assert torch.equal(torch.tt.get_rng_state(), state)


@pytest.mark.filterwarnings("ignore:TT reports that you have")
@pytest.mark.parametrize(
    "options",
    [{"device_type": "tt"}, {"devices": [0], "device_type": "tt"}, {"devices": range(1), "device_type": "tt"}, {}],
    ids=["tt", "tt and devices", "tt and a range", "the accelerator's"],
)
@random
def test_fork_rng(function, options):
    torch.manual_seed(7)
    expected = torch.rand(3, device="tt"), torch.rand(3)
    torch.manual_seed(7)
    with torch.random.fork_rng(**options):
        function(torch.ones(SHAPE, device="tt"))
        torch.manual_seed(8)
        torch.rand(3)
    assert_same((torch.rand(3, device="tt"), torch.rand(3)), expected)


def test_fork_rng_of_two_devices(other_device):
    states = torch.tt.get_rng_state_all()
    with torch.random.fork_rng(devices=range(torch.tt.device_count()), device_type="tt"):
        for device in ("tt:0", other_device):
            torch.rand(3, device=device)
    assert_same(torch.tt.get_rng_state_all(), states)
