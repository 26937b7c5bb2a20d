"""PyTorch's own check of an operator's registrations."""

import pytest
import torch

from torch_moe_ttnn.choices import make_choices

SAMPLES = {
    "decoding": {"num_tokens": 1, "top_k": 8, "num_experts": 128},
    "batch": {"num_tokens": 33, "top_k": 4, "num_experts": 40, "id_dtype": torch.uint32},
    "uint16 ids": {"num_tokens": 8, "top_k": 2, "num_experts": 8, "id_dtype": torch.uint16},
    "float32": {"num_tokens": 16, "top_k": 2, "num_experts": 8, "weight_dtype": torch.float32},
    "no expert": {"num_tokens": 16, "top_k": 2, "num_experts": 8, "distribution": "padded"},
    "no tokens": {"num_tokens": 0, "top_k": 2, "num_experts": 8},
    "no choices": {"num_tokens": 3, "top_k": 0, "num_experts": 8},
}


@pytest.fixture(params=SAMPLES.values(), ids=SAMPLES.keys())
def sample(request, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(**request.param))
    return ids, weights, request.param["num_experts"]


def test_opcheck(operator, sample):
    torch.library.opcheck(operator.overload, sample)


def test_opcheck_with_weights_that_require_a_gradient(operator, sample):
    """All tests but AOTDispatcher's, which ends in a backward pass, and there is none here."""
    ids, weights, num_experts = sample
    tests = ["test_schema", "test_faketensor"]
    if ids.device.type == "cpu":
        # PyTorch's test knows few devices. test_autograd.py sees that the registration serves them all.
        tests.append("test_autograd_registration")
    torch.library.opcheck(operator.overload, (ids, weights.requires_grad_(), num_experts), test_utils=tests)
