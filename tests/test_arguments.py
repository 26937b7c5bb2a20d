"""Wrong arguments raise at the call, in the same words for real, meta and fake tensors."""

import contextlib
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from support.operators import MAPPING, ROUTING


class Wrong(NamedTuple):
    """Arguments that are wrong, made by a function that takes a factory of tensors, and what is to be said of them."""

    arguments: Callable
    message: str


I32, I64, F32 = torch.int32, torch.int64, torch.float32

WRONG = {
    "ids of one dimension": Wrong(
        lambda new: (new((4,), I64), new((4, 2), F32), 8),
        "expected selected_experts of shape (T, K), got shape [4]",
    ),
    "ids of three dimensions": Wrong(
        lambda new: (new((1, 4, 2), I64), new((4, 2), F32), 8),
        "expected selected_experts of shape (T, K), got shape [1, 4, 2]",
    ),
    "weights of no dimension": Wrong(
        lambda new: (new((4, 2), I64), new((), F32), 8),
        "expected routing_weights of shape (T, K), got shape []",
    ),
    "other T": Wrong(
        lambda new: (new((4, 2), I64), new((5, 2), F32), 8),
        "expected selected_experts and routing_weights of the same shape (T, K), got shapes [4, 2] and [5, 2]",
    ),
    "other K": Wrong(
        lambda new: (new((4, 2), I64), new((4, 1), F32), 8),
        "expected selected_experts and routing_weights of the same shape (T, K), got shapes [4, 2] and [4, 1]",
    ),
    "floating-point ids": Wrong(
        lambda new: (new((4, 2), F32), new((4, 2), F32), 8),
        "expected selected_experts of dtype uint16, uint32, int32 or int64, got float32",
    ),
    "ids of eight bits": Wrong(
        lambda new: (new((4, 2), torch.uint8), new((4, 2), F32), 8),
        "expected selected_experts of dtype uint16, uint32, int32 or int64, got uint8",
    ),
    "uint64 ids": Wrong(
        lambda new: (new((4, 2), torch.uint64), new((4, 2), F32), 8),
        "expected selected_experts of dtype uint16, uint32, int32 or int64, got uint64",
    ),
    "double weights": Wrong(
        lambda new: (new((4, 2), I64), new((4, 2), torch.float64), 8),
        "expected routing_weights of dtype bfloat16, float16 or float32, got float64",
    ),
    "integer weights": Wrong(
        lambda new: (new((4, 2), I64), new((4, 2), I64), 8),
        "expected routing_weights of dtype bfloat16, float16 or float32, got int64",
    ),
    "no experts": Wrong(
        lambda new: (new((4, 0), I64), new((4, 0), F32), 0),
        "expected num_experts of at least 1, got 0",
    ),
    "negative experts": Wrong(
        lambda new: (new((4, 2), I64), new((4, 2), F32), -3),
        "expected num_experts of at least 1, got -3",
    ),
    "more experts than ids": Wrong(
        lambda new: (new((0, 0), I64), new((0, 0), F32), 2**32),
        "expected num_experts of at most 2^32 - 1, got 4294967296",
    ),
    "the largest number of experts": Wrong(
        lambda new: (new((4, 2), I64), new((4, 2), F32), 2**63 - 1),
        "expected num_experts of at most 2^32 - 1, got 9223372036854775807",
    ),
    "K > E": Wrong(
        lambda new: (new((4, 3), I64), new((4, 3), F32), 2),
        "expected no more choices a token than experts (K <= num_experts), got K = 3 and num_experts = 2",
    ),
}

# Sizes that do not fit: tensors that are expanded from one element have them without memory for them.
TOO_LARGE = {
    "a map too large": Wrong(
        lambda new: (new((1, 1), I64).expand(2**31, 1), new((1, 1), F32).expand(2**31, 1), 2**32 - 1),
        "expected sizes whose output fits in 2^63 - 1 bytes, got T = 2147483648 and num_experts = 4294967295",
    ),
    "too many choices": Wrong(
        lambda new: (new((1, 2), I64).expand(2**31, 2), new((1, 2), F32).expand(2**31, 2), 8),
        "expected at most 2^32 - 1 choices (T * K), got T = 2147483648 and K = 2",
    ),
    "lists too large": Wrong(
        lambda new: (new((1, 1), I64).expand(2**31, 1), new((1, 1), F32).expand(2**31, 1), 2**32 - 1),
        "expected sizes whose outputs fit in 2^63 - 1 bytes each, "
        "got T = 2147483648, K = 1 and num_experts = 4294967295",
    ),
}


@pytest.fixture(params=["real", "meta", "fake"])
def kind(request, device):
    """Return a device and a mode for tensors of each kind: what they hold must not matter."""
    if request.param == "meta":
        return torch.device("meta"), contextlib.nullcontext()
    return device, FakeTensorMode() if request.param == "fake" else contextlib.nullcontext()


def assert_raises(operator, kind, wrong):
    device, mode = kind
    with mode:
        arguments = wrong.arguments(lambda shape, dtype: torch.zeros(shape, dtype=dtype, device=device))
        with pytest.raises(RuntimeError, match=f"^{re.escape(f'{operator.name}: {wrong.message}')}$"):
            operator(*arguments)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(operator, kind, wrong):
    assert_raises(operator, kind, wrong)


def test_map_too_large(kind):
    assert_raises(MAPPING, kind, TOO_LARGE["a map too large"])


@pytest.mark.parametrize("name", ["too many choices", "lists too large"])
def test_lists_too_large(kind, name):
    assert_raises(ROUTING, kind, TOO_LARGE[name])


def test_as_many_choices_as_fit(kind):
    """No more than T * K = 2^32 - 1 is too many; on a device there is no memory for that many rows of them."""
    _, mode = kind
    with mode:
        ids = torch.zeros(1, 1, dtype=I64, device="meta").expand(2**32 - 1, 1)
        _, tokens, _ = ROUTING(ids, torch.zeros(1, 1, device="meta").expand(2**32 - 1, 1), 8)
    assert tokens.shape == (32, 2**32 - 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_other_device(operator, device, swapped):
    devices = [device, torch.device("meta")][:: -1 if swapped else 1]
    ids = torch.zeros(4, 2, dtype=I64, device=devices[0])
    weights = torch.zeros(4, 2, device=devices[1])
    message = f"{operator.name}: expected selected_experts and routing_weights on the same device, got "
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}{ids.device} and {weights.device}$"):
        operator(ids, weights, 8)


@pytest.mark.parametrize("within", [True, False], ids=["mode on", "mode off"])
def test_other_device_of_fake_tensors(operator, device, within):
    """FakeTensorMode has its own words for this; ours come first."""
    mode = FakeTensorMode()
    with mode:
        ids, weights = torch.zeros(4, 2, dtype=I64, device=device), torch.zeros(4, 2, device="meta")
    message = f"{operator.name}: expected selected_experts and routing_weights on the same device, got "
    message = f"^{re.escape(message)}{ids.device} and {weights.device}$"
    with mode if within else contextlib.nullcontext():
        with pytest.raises(RuntimeError, match=message):
            operator(ids, weights, 8)
        with pytest.raises(RuntimeError, match=message):
            operator.overload(num_experts=8, routing_weights=weights, selected_experts=ids)


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed sizes", "dynamic sizes"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_compiled_code_says_the_same(operator, device, wrong, dynamic):
    """Dynamo wraps the error of a graph's shape propagation in its own, with our words in it.

    A symbol that is too large alone is the running kernel's to refuse.
    """
    torch.compiler.reset()
    ids, weights, num_experts = wrong.arguments(lambda shape, dtype: torch.zeros(shape, dtype=dtype, device=device))
    compiled = torch.compile(
        lambda ids, weights: operator.overload(ids, weights, num_experts),
        fullgraph=True,
        dynamic=dynamic,
        backend="eager",
    )
    words = f"{operator.name}: {wrong.message}"
    if dynamic:
        # Sizes are symbols, and named as such.
        words = words.partition(", got")[0]
    with pytest.raises(RuntimeError, match=re.escape(words)):
        compiled(ids, weights)


def test_a_symbol_is_named(operator, device):
    torch.compiler.reset()
    compiled = torch.compile(operator.overload, fullgraph=True, dynamic=True, backend="eager")
    message = r"\(K <= num_experts\), got K = s\d+ and num_experts = s\d+"
    with pytest.raises(RuntimeError, match=message):
        compiled(torch.zeros(4, 3, dtype=I64, device=device), torch.zeros(4, 3, device=device), 2)


def test_a_list_for_a_tensor(operator):
    with pytest.raises(RuntimeError, match=f"^{operator.name}"):
        operator.overload([[1, 2]], torch.zeros(1, 2), 8)


def test_none_for_a_tensor(operator, kind):
    device, mode = kind
    message = f"^{operator.name}: expected a tensor for {{}}, got None$"
    with mode:
        tensor = torch.zeros(1, 2, device=device)
        with pytest.raises(RuntimeError, match=message.format("selected_experts")):
            operator.overload(None, tensor, 8)
        with pytest.raises(RuntimeError, match=message.format("routing_weights")):
            operator.overload(tensor, None, 8)


def wide(*shape, dtype=F32, device="cpu"):
    """Return zeros of any size, for which there is one."""
    return torch.zeros((1,) * len(shape), dtype=dtype, device=device).expand(shape)


# Calls that want a GiB or more: for outputs, for inputs made contiguous, for what a kernel works with.
LARGE = {
    "prepare_mapping": lambda: (wide(2**20, 1, dtype=I64), wide(2**20, 1), 2**12, None),
    "prepare_mapping of local experts": lambda: (wide(4, 1, dtype=I64), wide(4, 1), 2**32 - 1, wide(3, dtype=I64)),
    "prepare_mapping_backward": lambda: (wide(2**20, 2**12), wide(2**20, 1, dtype=I64), 2**12, None),
    "prepare_routing": lambda: (wide(2**20, 1, dtype=I64), wide(2**20, 1), 2**12, None, None),
    "prepare_routing of local experts": lambda: (wide(4, 1, dtype=I64), wide(4, 1), 2**32 - 1, wide(3, dtype=I64), 1),
    "prepare_routing_backward": lambda: (wide(2**12, 2**20), wide(2**20, 1, dtype=I64), 2**12, None),
    "prepare_grouping": lambda: (wide(2**30, 1, dtype=I64), wide(2**30, 1), 1, None, 1, None),
    "permute": lambda: (wide(4, 2**28), wide(8, dtype=I32)),
    "permute_backward": lambda: (wide(4, 1), wide(4, dtype=I32), 2**30),
    "permute_backward of no columns": lambda: (wide(4, 0), wide(4, dtype=I32), 2**62),
    "unpermute": lambda: (wide(4, 1), wide(2**30, 1), wide(2**30, 1, dtype=I32)),
    "unpermute_backward_expert_outputs": lambda: (wide(4, 1), wide(4, 1), wide(4, 1, dtype=I32), 2**30),
    "unpermute_backward_routing_weights": lambda: (
        *(wide(2**30, 1), wide(4, 1)),
        *(wide(2**30, 1), wide(2**30, 1, dtype=I32)),
    ),
    "grouped_linear": lambda: (wide(2**10, 1), wide(1, 2**20, 1), torch.tensor([0, 2**10], dtype=I32)),
    "grouped_linear_backward_weight": lambda: (wide(4, 2**15), wide(4, 2**15), torch.tensor([0, 4], dtype=I32)),
}


@pytest.fixture
def little_memory():
    """Leave this process a quarter of a GiB more than it has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + 2**28, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.any_runtime
@pytest.mark.parametrize(("name", "arguments"), LARGE.items(), ids=LARGE.keys())
def test_no_memory(name, arguments, little_memory):
    """The error says who wanted how much, and for what."""
    operator = getattr(torch.ops.moe, name.split()[0])
    keywords = [argument.name for argument in operator.default._schema.arguments]
    called = dict(zip(keywords, arguments(), strict=False))
    with pytest.raises(torch.OutOfMemoryError) as raised:
        operator(**called)
    message = re.fullmatch(
        rf"moe::{name.split()[0]}: expected (\d+) bytes more memory for outputs and what leads to them, "
        r"which the system refuses; got (.*)",
        str(raised.value),
    )
    assert int(message[1]) >= 2**28
    tensors = [value for value in called.values() if isinstance(value, torch.Tensor)]
    assert all(str(list(tensor.shape)) in message[2] for tensor in tensors)


# Sizes that no output can have, beside those of TOO_LARGE.
UNCOUNTABLE = {
    "permute": lambda: (wide(2, 2**40), wide(2**30, dtype=I32)),
    "permute_backward": lambda: (wide(2, 2**40), wide(2, dtype=I32), 2**30),
    "unpermute": lambda: (wide(2, 2**40), wide(2**30, 1), wide(2**30, 1, dtype=I32)),
    "grouped_linear": lambda: (wide(2**31, 1), wide(1, 2**31, 1), wide(2, dtype=I32)),
    "grouped_linear_backward_weight": lambda: (wide(1, 2**31), wide(1, 2**31), wide(2, dtype=I32)),
}


@pytest.mark.any_runtime
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("name", "arguments"), UNCOUNTABLE.items(), ids=UNCOUNTABLE.keys())
def test_outputs_that_cannot_be_counted(name, arguments, device):
    given = [value.to(device) if isinstance(value, torch.Tensor) else value for value in arguments()]
    words = (
        rf"moe::{name}: expected sizes whose output fits in 2\^63 - 1 bytes, got one of shape \[.*\] and dtype Float"
    )
    with pytest.raises(RuntimeError, match=f"^{words}$"):
        getattr(torch.ops.moe, name)(*given)
