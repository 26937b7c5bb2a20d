"""PyTorch's own check of an operator's registrations: schema, fake kernel, autograd, AOTDispatcher."""

import itertools

import pytest
import torch

from support.choices import ID_DTYPES, WEIGHT_DTYPES
from torch_moe_ttnn.testing import make_choices

# Registrations are the same whatever runs the kernels; each sample is dozens of calls.
pytestmark = pytest.mark.any_runtime

SAMPLES = {
    "decoding": {"num_tokens": 1, "top_k": 8, "num_experts": 128},
    "batch": {"num_tokens": 33, "top_k": 4, "num_experts": 40},
    "one of one": {"num_tokens": 1, "top_k": 1, "num_experts": 1},
    "all experts": {"num_tokens": 5, "top_k": 8, "num_experts": 8},
    "no expert": {"num_tokens": 16, "top_k": 2, "num_experts": 8, "distribution": "padded"},
    "no tokens": {"num_tokens": 0, "top_k": 2, "num_experts": 8},
    "no choices": {"num_tokens": 3, "top_k": 0, "num_experts": 8},
    "nothing": {"num_tokens": 0, "top_k": 0, "num_experts": 1},
}
for ids, weights in itertools.product(ID_DTYPES, WEIGHT_DTYPES):
    SAMPLES[f"{ids} ids, {weights} weights"] = {
        "num_tokens": 16,
        "top_k": 2,
        "num_experts": 8,
        "id_dtype": ids,
        "weight_dtype": weights,
    }

AOT_TESTS = {"test_aot_dispatch_static", "test_aot_dispatch_dynamic"}  # the latter makes a symbol of every size
ALL_TESTS = {"test_schema", "test_autograd_registration", "test_faketensor"} | AOT_TESTS


@pytest.fixture(params=SAMPLES.values(), ids=SAMPLES.keys())
def sample(request, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(**request.param))
    return ids, weights, request.param["num_experts"]


def check(operator, arguments, tests=ALL_TESTS):
    results = torch.library.opcheck(operator.overload, arguments, test_utils=sorted(tests))
    assert results == dict.fromkeys(tests, "SUCCESS")


def test_opcheck(operator, sample):
    check(operator, sample)


def test_opcheck_of_strided_inputs(operator, device):
    ids, weights = (tensor.to(device).t().contiguous().t() for tensor in make_choices(9, 4, 16))
    check(operator, (ids, weights, 16))
    ids, weights = (tensor.to(device)[::2, 1::2] for tensor in make_choices(9, 4, 16))
    check(operator, (ids, weights, 16))


@pytest.mark.parametrize("grad_mode", [True, False], ids=["gradients on", "gradients off"])
def test_opcheck_with_weights_that_require_a_gradient(operator, sample, grad_mode):
    """AOTDispatcher's tests end in a backward pass where gradients are on, and there is none here."""
    ids, weights, num_experts = sample
    tests = ALL_TESTS - (AOT_TESTS if grad_mode else set())
    if ids.device.type == "tt":
        # PyTorch's test knows few devices and raises for others: test_the_autograd_registration makes up for it.
        tests -= {"test_autograd_registration"}
    with torch.set_grad_enabled(grad_mode):
        check(operator, (ids, weights.requires_grad_(), num_experts), tests)


def test_the_autograd_registration(operator):
    """It serves every device."""
    assert torch._C._dispatch_has_kernel_for_dispatch_key(operator.overload.name(), "Autograd")


def test_nothing_is_declared_mutable_or_aliased(operator):
    """What opcheck compares the operators' behaviour with."""
    schema = operator.overload._schema
    assert not schema.is_mutable
    assert all(value.alias_info is None for value in (*schema.arguments, *schema.returns))
