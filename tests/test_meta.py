"""Shapes, dtypes and strides without values: meta tensors, fake tensors, symbolic sizes."""

import contextlib

import pytest
import torch
from operators import MAPPING
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import ShapeEnv, free_symbols

from torch_moe_ttnn.choices import make_choices

SIZES = [(0, 0, 1), (0, 4, 8), (7, 0, 8), (1, 1, 1), (33, 4, 32), (1000, 8, 33), (4096, 16, 896)]
DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def expected_shapes(operator, num_tokens, top_k, num_experts):
    if operator is MAPPING:
        return [(num_tokens, num_experts)]
    rows = -(-num_experts // 32) * 32
    return [(1, rows), (rows, num_tokens * top_k), (rows, num_tokens * top_k)]


def expected_dtypes(operator, weight_dtype):
    if operator is MAPPING:
        return [weight_dtype]
    return [torch.uint32, torch.uint32, weight_dtype]


@pytest.mark.parametrize("weight_dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("fake", [False, True], ids=["meta", "fake"])
def test_shapes(operator, device, fake, sizes, weight_dtype):
    num_tokens, top_k, num_experts = sizes
    where = device if fake else "meta"
    with FakeTensorMode() if fake else contextlib.nullcontext():
        # Transposed, for outputs are contiguous whatever the inputs' strides are.
        ids = torch.empty(top_k, num_tokens, dtype=torch.int32, device=where).t()
        outputs = operator(ids, torch.empty(top_k, num_tokens, dtype=weight_dtype, device=where).t(), num_experts)
    assert [tuple(output.shape) for output in outputs] == expected_shapes(operator, *sizes)
    assert [output.dtype for output in outputs] == expected_dtypes(operator, weight_dtype)
    assert all(output.is_contiguous() and output.device == ids.device for output in outputs)


def test_same_as_real_tensors(operator, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(33, 4, 40))
    for real, meta in zip(operator(ids, weights, 40), operator(ids.to("meta"), weights.to("meta"), 40), strict=True):
        assert (real.shape, real.dtype, real.stride()) == (meta.shape, meta.dtype, meta.stride())


def test_symbolic_sizes_stay_symbolic(operator, device):
    """One graph serves every T: no operator fixes a size, and no guard is left but those of the inputs' shapes."""
    environment = ShapeEnv()
    mode = FakeTensorMode(shape_env=environment)
    ids, weights = (
        mode.from_tensor(tensor, static_shapes=False)
        for tensor in (tensor.to(device) for tensor in make_choices(33, 4, 40))
    )
    with mode:
        outputs = operator(ids, weights, 40)
    expected = expected_shapes(operator, *ids.shape, 40)
    for output, shape in zip(outputs, expected, strict=True):
        assert all(bool(size == wanted) for size, wanted in zip(output.shape, shape, strict=True))
    assert free_symbols(outputs[-1].shape)


def test_symbolic_number_of_experts(operator):
    graph = make_fx(lambda ids, weights, marker: operator(ids, weights, marker.shape[0]), tracing_mode="symbolic")(
        *make_choices(9, 2, 40), torch.empty(40)
    )
    for num_tokens, num_experts in ((9, 40), (5, 70), (50, 33)):
        ids, weights = make_choices(num_tokens, 2, num_experts)
        outputs = graph(ids, weights, torch.empty(num_experts))
        assert [tuple(output.shape) for output in outputs] == expected_shapes(operator, num_tokens, 2, num_experts)
