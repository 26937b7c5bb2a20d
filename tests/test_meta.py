"""Shapes, dtypes and strides without values: meta tensors, fake tensors, symbolic sizes."""

import contextlib

import pytest
import sympy
import torch
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from support.choices import WEIGHT_DTYPES
from support.operators import GROUPING, MAPPING, ROUTING
from torch_moe_ttnn.testing import make_choices

SIZES = [(0, 0, 1), (0, 4, 8), (7, 0, 8), (1, 1, 1), (33, 4, 32), (1000, 8, 33), (4096, 16, 896)]


def expected_shapes(operator, num_tokens, top_k, num_experts):
    if operator is MAPPING:
        return [(num_tokens, num_experts)]
    if operator is GROUPING:
        choices = num_tokens * top_k
        return [(num_experts,), (num_experts + 1,), (choices,), (choices,), (num_tokens, top_k)]
    rows = -(-num_experts // 32) * 32  # on purpose not padded_num_experts
    return [(1, rows), (rows, num_tokens * top_k), (rows, num_tokens * top_k)]


def expected_dtypes(operator, weight_dtype):
    if operator is MAPPING:
        return [weight_dtype]
    if operator is GROUPING:
        return [torch.int32, torch.int32, torch.int32, weight_dtype, torch.int32]
    return [torch.uint32, torch.uint32, weight_dtype]


@pytest.mark.parametrize("weight_dtype", WEIGHT_DTYPES, ids=str)
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


@pytest.fixture
def symbolic():
    """Return a function that gives real tensors a fake twin whose every size is a symbol, and their ShapeEnv."""
    environment = ShapeEnv()
    mode = FakeTensorMode(shape_env=environment)
    dynamic = StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC] * 2)

    def make(*tensors):
        return mode, [
            mode.from_tensor(tensor, symbolic_context=dynamic, source=ConstantSource(f"tensor{i}"))
            for i, tensor in enumerate(tensors)
        ]

    return make, environment


def test_symbolic_sizes_stay_symbolic(operator, device, symbolic):
    """One graph serves every T and K: no size is fixed, and what is guarded is only what the contract demands."""
    make, environment = symbolic
    ids, weights = (tensor.to(device) for tensor in make_choices(33, 4, 40))
    mode, (ids, weights) = make(ids, weights)
    num_tokens, top_k = expressions(ids.shape)
    same_shape = [sympy.Eq(*pair) for pair in zip(expressions(ids.shape), expressions(weights.shape), strict=True)]
    with mode:
        outputs = operator(ids, weights, 40)
    assert {guard.expr for guard in environment.guards} == {sympy.And(*same_shape), environment.simplify(top_k) <= 40}
    width = num_tokens * top_k
    expected = {
        MAPPING: [[num_tokens, 40]],
        ROUTING: [[1, 64], [64, width], [64, width]],
        GROUPING: [[40], [41], [width], [width], [num_tokens, top_k]],
    }[operator]
    assert [expressions(output.shape) for output in outputs] == [
        [environment.simplify(sympy.sympify(size)) for size in shape] for shape in expected
    ]


def expressions(shape):
    """Return the sizes as sympy knows them."""
    return [size.node.expr if isinstance(size, torch.SymInt) else sympy.Integer(size) for size in shape]


def test_symbolic_number_of_experts(operator, symbolic):
    make, environment = symbolic
    mode, (marker,) = make(torch.empty(40, 1))
    num_experts = marker.shape[0]
    with mode:
        outputs = operator(torch.empty(9, 2, dtype=torch.int64), torch.empty(9, 2), num_experts)
    experts = expressions(marker.shape)[0]
    rows = 32 * ((experts + 31) // 32)
    expected = {
        MAPPING: [[9, experts]],
        ROUTING: [[1, rows], [rows, 18], [rows, 18]],
        GROUPING: [[experts], [experts + 1], [18], [18], [9, 2]],
    }[operator]
    for output, shape in zip(outputs, expected, strict=True):
        for number in (40, 70, 33):
            assert [size.subs(experts, number) for size in expressions(output.shape)] == [
                sympy.sympify(size).subs(experts, number) for size in shape
            ]
    assert {guard.expr for guard in environment.guards} <= {experts >= 1, experts >= 2}


def test_rows_of_a_grouping_of_symbolic_sizes(symbolic):
    """N is a formula of T, K, L and the alignment, whatever the ids are."""
    make, environment = symbolic
    mode, (ids, weights, local) = make(*make_choices(33, 4, 40), torch.arange(12)[:, None])
    num_tokens, top_k = expressions(ids.shape)
    (num_local, _) = expressions(local.shape)
    with mode:
        tokens = GROUPING(ids, weights, 40, local_experts=local[:, 0], alignment=16)[2]
        limited = GROUPING(ids, weights, 40, local_experts=local[:, 0], alignment=16, max_tokens=3)[2]
    for sizes in ((33, 4, 12), (2, 3, 7), (100, 2, 5)):
        symbols = (environment.simplify(symbol) for symbol in (num_tokens, top_k, num_local))
        numbers = dict(zip(symbols, sizes, strict=True))
        choices, groups = sizes[0] * sizes[1], sizes[2]
        for output, number in ((tokens, choices), (limited, min(choices, groups * 3))):
            rows = -(-(number + min(number, groups) * 15) // 16) * 16
            assert [size.subs(numbers) for size in expressions(output.shape)] == [rows]
