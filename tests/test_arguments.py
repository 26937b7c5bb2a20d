"""Wrong arguments raise at the call, in the same words for real, meta and fake tensors."""

import contextlib
import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from support.operators import MAPPING, ROUTING


class Wrong(NamedTuple):
    """Arguments that are wrong, made by a function that takes a factory of tensors, and what is to be said of them."""

    arguments: Callable
    message: str


I64, F32 = torch.int64, torch.float32

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


@pytest.mark.parametrize("operator", [MAPPING, ROUTING], ids=lambda operator: operator.name)
def test_no_memory_for_the_outputs(operator):
    """Sizes that fit a tensor but no machine: PyTorch's own error, nothing else."""
    ids, weights = torch.zeros(1, 1, dtype=I64).expand(2**31, 1), torch.zeros(1, 1).expand(2**31, 1)
    with pytest.raises(RuntimeError, match=r"can't allocate memory|not enough memory"):
        operator(ids, weights, 2**20)
