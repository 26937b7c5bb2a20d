"""``torch.autocast``: none of the operators is cast, so that weights and rows keep their dtypes and their bits."""

import pytest
import torch

from support.checks import assert_same_bits
from support.operators import GROUPING, PERMUTE, UNPERMUTE, as_tuple
from torch_moe_ttnn.testing import make_choices

CAST_TO = [torch.bfloat16, torch.float16]


@pytest.fixture(params=CAST_TO, ids=str)
def autocast(request, device):
    return torch.autocast(device.type, dtype=request.param)


@pytest.mark.parametrize("weight_dtype", [torch.bfloat16, torch.float32], ids=str)
def test_choices(operator, device, autocast, weight_dtype):
    ids, weights = make_choices(9, 3, 8, weight_dtype=weight_dtype)
    with autocast:
        outputs = operator(ids.to(device), weights.to(device), 8)
    assert_same_bits(outputs, operator.expected(ids, weights, 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_rows(device, autocast, dtype):
    ids, weights = make_choices(9, 3, 8, weight_dtype=torch.float32)
    _, _, tokens, _, positions = GROUPING(ids, weights, 8, alignment=4)
    hidden = torch.randn(9, 70, generator=torch.Generator().manual_seed(0)).to(dtype)
    (expected,) = PERMUTE.expected(hidden, tokens)
    with autocast:
        (permuted,) = PERMUTE(hidden.to(device), tokens.to(device))
        sums = UNPERMUTE(expected.to(device), weights.to(device), positions.to(device))
    assert_same_bits((permuted,), (expected,))
    assert_same_bits(sums, UNPERMUTE.expected(expected, weights, positions))


def test_what_autocast_made(device, autocast):
    """Rows that a linear layer of autocast gives are summed with weights of another dtype."""
    ids, weights = (tensor.to(device) for tensor in make_choices(9, 3, 8, weight_dtype=torch.float32))
    grouping = GROUPING(ids, weights, 8)
    hidden, expert = torch.randn(9, 16, device=device), torch.randn(16, 16, device=device)

    def layer(hidden, expert, weights):
        outputs = torch.nn.functional.linear(PERMUTE.overload(hidden, grouping[2]), expert)
        return outputs, UNPERMUTE.overload(outputs, weights, grouping[4])

    tensors = [tensor.requires_grad_() for tensor in (hidden, expert, weights)]
    with autocast:
        outputs, sums = layer(*tensors)
    assert outputs.dtype == sums.dtype == autocast.fast_dtype
    assert_same_bits((sums.detach(),), UNPERMUTE(outputs.detach(), weights.detach(), grouping[4]))
    for gradient, tensor in zip(torch.autograd.grad(sums.float().sum(), tensors), tensors, strict=True):
        assert gradient.dtype == tensor.dtype


@pytest.mark.any_runtime
@pytest.mark.parametrize("cast_to", CAST_TO, ids=str)
def test_compiled(operator, inductor, cast_to):
    torch.compiler.reset()
    ids, weights = make_choices(9, 3, 8, weight_dtype=torch.float32)

    @torch.compile(fullgraph=True)
    def function(ids, weights):
        with torch.autocast("cpu", dtype=cast_to):
            return operator.overload(ids, weights * 2, 8)

    assert_same_bits(as_tuple(function(ids, weights)), operator.expected(ids, weights * 2, 8))
    torch.compiler.reset()
