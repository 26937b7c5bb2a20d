"""No gradient is defined, and asking for one says so."""

import re

import pytest
import torch

from torch_moe_ttnn.testing import make_choices


def test_backward_raises(operator, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(16, 2, 8, weight_dtype=torch.float32))
    mapped = operator(ids, weights.requires_grad_(), 8)[-1]
    assert mapped.requires_grad
    with pytest.raises(RuntimeError, match=f"derivative for {re.escape(operator.name)} is not implemented"):
        mapped.sum().backward()
    assert weights.grad is None


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # by forward_ad itself
def test_forward_mode_raises(operator, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(16, 2, 8, weight_dtype=torch.float32))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(weights, weights.clone())
        with pytest.raises(NotImplementedError, match=f"^forward-mode derivative for {operator.name}"):
            operator(ids, dual, 8)


def test_no_gradient_asked_for(operator, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(16, 2, 8, weight_dtype=torch.float32))
    assert not any(output.requires_grad for output in operator(ids, weights, 8))
    with torch.no_grad():
        assert not any(output.requires_grad for output in operator(ids, weights.requires_grad_(), 8))
    with torch.inference_mode():
        assert all(output.is_inference() for output in operator(ids, weights, 8))
