"""``grouped_linear``: values, gradients, errors, shapes without values, graphs, autocast."""

import re

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import torch_moe_ttnn
from support.checks import assert_same_bits
from support.operators import GROUPED_LINEAR
from torch_moe_ttnn.testing import make_choices, reference

# On tt it runs by way of the host.
pytestmark = pytest.mark.any_runtime

KEY = torch._C.DispatchKey.CompositeExplicitAutograd
DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
F32, I32 = torch.float32, torch.int32


def random(*shape, dtype=F32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def sample(num_tokens, dtype=F32, *, num_experts=6, inputs=16, outputs=8, alignment=1, distribution="padded"):
    """Return tokens' rows, weights, biases and a grouping."""
    grouping = torch_moe_ttnn.prepare_grouping(
        *make_choices(num_tokens, 2, num_experts, distribution=distribution), num_experts, alignment=alignment
    )
    return (
        random(num_tokens, inputs, dtype=dtype),
        random(num_experts, outputs, inputs, dtype=dtype) / inputs**0.5,
        random(num_experts, outputs, dtype=dtype),
        grouping,
    )


@pytest.mark.parametrize("with_bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("options", [{}, {"alignment": 8}, {"distribution": "same"}], ids=str)
@pytest.mark.parametrize("num_tokens", [0, 1, 33, 200])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values(device, dtype, num_tokens, options, with_bias):
    hidden, weight, bias, grouping = sample(num_tokens, dtype, **options)
    rows = reference.permute(hidden, grouping.grouped_tokens)
    bias = bias if with_bias else None
    (expected,) = GROUPED_LINEAR.expected(rows, weight, grouping.group_offsets, bias=bias)
    on_device = [tensor.to(device) for tensor in (rows, weight, grouping.group_offsets)]
    bias = bias if bias is None else bias.to(device)
    (actual,) = GROUPED_LINEAR(*on_device, bias=bias)
    torch.testing.assert_close(actual.cpu(), expected)
    assert actual.is_contiguous()
    assert not actual[grouping.group_offsets[-1] :].any()
    # The same products of the same rows.
    hidden, tokens = hidden.to(device), grouping.grouped_tokens.to(device)
    assert_same_bits(GROUPED_LINEAR(hidden, *on_device[1:], bias=bias, grouped_tokens=tokens), (actual,))


def test_strided(device):
    """Weights stored as (L, in, out), and rows of a wider tensor."""
    _, weight, bias, grouping = sample(33)
    arguments = random(len(grouping.grouped_tokens), 32)[:, ::2], weight.mT.contiguous().mT, grouping.group_offsets
    bias = bias.t().contiguous().t()
    (expected,) = GROUPED_LINEAR.expected(*arguments, bias=bias)
    (actual,) = GROUPED_LINEAR(*(tensor.to(device) for tensor in arguments), bias=bias.to(device))
    torch.testing.assert_close(actual.cpu(), expected)


@pytest.mark.parametrize("size", ["inputs", "outputs", "num_experts"])
def test_empty(device, size):
    if size == "num_experts":
        arguments = torch.zeros(3, 4), torch.zeros(0, 5, 4), torch.zeros(1, dtype=I32)
    else:
        hidden, weight, _, grouping = sample(9, **{size: 0})
        arguments = hidden[grouping.grouped_tokens.clamp(min=0)], weight, grouping.group_offsets
    (actual,) = GROUPED_LINEAR(*(tensor.to(device) for tensor in arguments))
    assert_same_bits((actual,), (torch.zeros(len(arguments[0]), arguments[1].shape[1]),))


def gradients(function, *arguments):
    arguments = [tensor.detach().requires_grad_() for tensor in arguments]
    output = function(*arguments)
    # Rows after the last group have a gradient of their own, which goes nowhere.
    output.backward(random(*output.shape, dtype=output.dtype).to(output.device))
    return [tensor.grad for tensor in arguments]


@pytest.mark.parametrize("with_tokens", [False, True], ids=["rows", "tokens"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, F32], ids=str)
def test_gradients(device, dtype, with_tokens):
    """As autograd differentiates the plain PyTorch of the reference."""
    hidden, weight, bias, grouping = sample(33, dtype, alignment=4)
    offsets, tokens = grouping.group_offsets, grouping.grouped_tokens
    rows = hidden if with_tokens else random(len(tokens), 16, dtype=dtype)

    def by(function, rows, weight, bias):
        where = rows.device
        options = {"grouped_tokens": tokens.to(where)} if with_tokens else {}
        return function(rows, weight, offsets.to(where), bias=bias, **options)

    actual = gradients(
        lambda *arguments: by(GROUPED_LINEAR.overload, *arguments), *(t.to(device) for t in (rows, weight, bias))
    )
    expected = gradients(lambda *arguments: by(GROUPED_LINEAR.reference, *arguments), rows, weight, bias)
    tolerance = {} if dtype == F32 else {"rtol": 3e-2, "atol": 3e-2}
    torch.testing.assert_close([gradient.cpu() for gradient in actual], expected, **tolerance)
    assert not actual[1][(torch.diff(offsets) == 0)].any()


@pytest.mark.parametrize("wanted", range(3))
def test_one_gradient(wanted):
    hidden, weight, bias, grouping = sample(9)
    arguments = [hidden, weight, bias]
    arguments[wanted].requires_grad_()
    output = GROUPED_LINEAR.overload(
        hidden, weight, grouping.group_offsets, bias=bias, grouped_tokens=grouping.grouped_tokens
    )
    output.sum().backward()
    assert [tensor.grad is not None for tensor in arguments] == [i == wanted for i in range(3)]


def test_gradcheck():
    hidden, weight, bias, grouping = sample(7, torch.float64, inputs=4, outputs=3, num_experts=3, alignment=2)

    def function(hidden, weight, bias):
        return GROUPED_LINEAR.overload(
            hidden, weight, grouping.group_offsets, bias=bias, grouped_tokens=grouping.grouped_tokens
        )

    assert torch.autograd.gradcheck(function, [tensor.requires_grad_() for tensor in (hidden, weight, bias)])


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        ([1, 2, 3], "group_offsets that begin with 0, got 1"),
        ([0, 3, 2], "group_offsets that ascend to at most 4, the number of rows, got 3 and then 2 at [2]"),
        ([0, 2, 5], "group_offsets that ascend to at most 4, the number of rows, got 2 and then 5 at [2]"),
        ([0, -1, 3], "group_offsets that ascend to at most 4, the number of rows, got 0 and then -1 at [1]"),
    ],
)
def test_offsets_out_of_range(device, offsets, words):
    rows, weight = torch.zeros(4, 3, device=device), torch.zeros(2, 5, 3, device=device)
    offsets = torch.tensor(offsets, dtype=I32, device=device)
    with pytest.raises(IndexError, match=f"^{re.escape(f'{GROUPED_LINEAR.name}: expected {words}')}"):
        GROUPED_LINEAR(rows, weight, offsets)
    with pytest.raises(IndexError, match=f"^{re.escape(f'{GROUPED_LINEAR.name}_backward_weight: expected {words}')}"):
        torch.ops.moe.grouped_linear_backward_weight(torch.zeros(4, 5, device=device), rows, offsets)


def test_tokens_out_of_range(device):
    arguments = torch.zeros(4, 3), torch.zeros(2, 5, 3), torch.tensor([0, 1, 2], dtype=I32)
    tokens = torch.tensor([0, 4], dtype=I32, device=device)
    words = "grouped_tokens in [0, 4) or -1, got 4 at grouped_tokens[1]"
    with pytest.raises(IndexError, match=re.escape(f"{GROUPED_LINEAR.name}: expected {words}")):
        GROUPED_LINEAR(*(tensor.to(device) for tensor in arguments), grouped_tokens=tokens)


RIGHT = {"input": ((4, 3), F32), "weight": ((2, 5, 3), F32), "group_offsets": ((3,), I32)}
WRONG = {
    "input of one dimension": ({"input": ((4,), F32)}, "input of shape (N, in), got shape [4]"),
    "tokens of one dimension": (
        {"input": ((4,), F32), "grouped_tokens": ((4,), I32)},
        "input of shape (T, in), got shape [4]",
    ),
    "integer input": ({"input": ((4, 3), I32)}, "input of a floating dtype that has a zero, got int32"),
    "float8 input": (
        {"input": ((4, 3), torch.float8_e5m2)},
        "input of dtype bfloat16, float16, float32 or float64, got float8_e5m2",
    ),
    "other dtype": ({"weight": ((2, 5, 3), torch.bfloat16)}, "input and weight of one dtype, got Float and BFloat16"),
    "weight of two dimensions": ({"weight": ((5, 3), F32)}, "weight of shape (L, out, in), got shape [5, 3]"),
    "other columns": (
        {"weight": ((2, 5, 4), F32)},
        "input with as many columns as weight of shape (L, out, in), got shapes [4, 3] and [2, 5, 4]",
    ),
    "other groups": (
        {"group_offsets": ((2,), I32)},
        "group_offsets of shape (L + 1,) beside weight of shape (L, out, in), got shapes [2] and [2, 5, 3]",
    ),
    "no offsets": ({"group_offsets": ((0,), I32)}, "group_offsets of shape (L + 1,), got shape [0]"),
    "int64 offsets": ({"group_offsets": ((3,), torch.int64)}, "group_offsets of dtype int32, got int64"),
    "other bias": (
        {"bias": ((2, 3), F32)},
        "bias of shape (L, out) beside weight of shape (L, out, in), got shapes [2, 3] and [2, 5, 3]",
    ),
    "bias of one dimension": ({"bias": ((5,), F32)}, "bias of shape (L, out), got shape [5]"),
    "int64 tokens": ({"grouped_tokens": ((4,), torch.int64)}, "grouped_tokens of dtype int32, got int64"),
}


@pytest.mark.parametrize("kind", ["real", "meta", "fake"])
@pytest.mark.parametrize(("changed", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(kind, changed, words):
    where = "meta" if kind == "meta" else "cpu"
    tensors = {name: torch.zeros(shape, device=where).to(dtype) for name, (shape, dtype) in (RIGHT | changed).items()}
    if kind == "fake":
        mode = FakeTensorMode()
        tensors = {name: mode.from_tensor(tensor) for name, tensor in tensors.items()}
    options = {name: tensors.pop(name) for name in ("bias", "grouped_tokens") if name in tensors}
    with pytest.raises(RuntimeError, match=f"^{re.escape(f'{GROUPED_LINEAR.name}: expected {words}')}"):
        GROUPED_LINEAR(*tensors.values(), **options)


def test_gradients_of_fake_tensors():
    """Of their shapes, also where their mode is not active."""
    mode = FakeTensorMode()
    hidden, weight, bias, grouping = sample(9)
    leaves = [mode.from_tensor(tensor).requires_grad_() for tensor in (hidden, weight, bias)]
    offsets, tokens = mode.from_tensor(grouping.group_offsets), mode.from_tensor(grouping.grouped_tokens)
    GROUPED_LINEAR.overload(*leaves[:2], offsets, bias=leaves[2], grouped_tokens=tokens).sum().backward()
    assert [leaf.grad.shape for leaf in leaves] == [leaf.shape for leaf in leaves]


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled(device, backend, dynamic):
    """Forward and backward, for any number of tokens."""

    @torch.compile(fullgraph=True, dynamic=dynamic, backend=backend)
    def function(hidden, weight, bias, offsets, tokens):
        return GROUPED_LINEAR.overload(hidden, weight, offsets, bias=bias, grouped_tokens=tokens) * 2

    for num_tokens in (33, 7):
        hidden, weight, bias, grouping = sample(num_tokens)
        tensors = [tensor.to(device) for tensor in (hidden, weight, bias)]
        rest = grouping.group_offsets.to(device), grouping.grouped_tokens.to(device)
        expected = gradients(lambda *t, rest=rest: function._torchdynamo_orig_callable(*t, *rest), *tensors)
        actual = gradients(lambda *t, rest=rest: function(*t, *rest), *tensors)
        torch.testing.assert_close(actual, expected)


TESTS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")


@pytest.mark.parametrize("gradient", [False, True], ids=["no gradient", "gradients"])
@pytest.mark.parametrize("num_tokens", [0, 1, 16])
def test_opcheck(num_tokens, gradient):
    hidden, weight, bias, grouping = sample(num_tokens)
    for tensor in (hidden, weight, bias):
        tensor.requires_grad_(gradient)
    arguments = hidden, weight, grouping.group_offsets
    options = {"bias": bias, "grouped_tokens": grouping.grouped_tokens}
    results = torch.library.opcheck(GROUPED_LINEAR.overload, arguments, options, test_utils=TESTS)
    assert results == dict.fromkeys(TESTS, "SUCCESS")


def test_vmap():
    hidden, weight, bias, grouping = sample(9)
    batch = torch.stack([hidden, hidden * 2])

    def function(hidden):
        return GROUPED_LINEAR.wrapper(
            hidden, weight, grouping.group_offsets, bias=bias, grouped_tokens=grouping.grouped_tokens
        )

    assert_same_bits((torch.vmap(function)(batch),), (torch.stack([function(each) for each in batch]),))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast(device, dtype):
    """It runs in the lower precision, as ``torch.nn.functional.linear`` does, and gradients have the tensors' dtype."""
    hidden, weight, bias, grouping = sample(9)
    offsets = grouping.group_offsets.to(device)
    rows = hidden[grouping.grouped_tokens.clamp(min=0)]
    tensors = [tensor.to(device).requires_grad_() for tensor in (rows, weight, bias)]
    with torch.autocast(device.type, dtype=dtype):
        actual = GROUPED_LINEAR.overload(tensors[0], tensors[1], offsets, bias=tensors[2])
    lower = [tensor.detach().to(dtype) for tensor in tensors]
    expected = GROUPED_LINEAR(lower[0], lower[1], offsets, bias=lower[2])
    assert_same_bits((actual.detach(),), expected)
    actual.float().sum().backward()
    assert {tensor.grad.dtype for tensor in tensors} == {F32}


@pytest.mark.parametrize("num_tokens", [0, 1, 33])
@pytest.mark.parametrize("dtype", [torch.bfloat16, F32], ids=str)
def test_composite(dtype, num_tokens):
    """The one for devices without a kernel of their own, called here by its key."""
    hidden, weight, bias, grouping = sample(num_tokens, dtype, alignment=4)
    arguments = hidden, weight, grouping.group_offsets
    tokens = {"grouped_tokens": grouping.grouped_tokens}
    # The composite rounds before it adds the bias.
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {}
    for options in (tokens, tokens | {"bias": bias}):
        actual = GROUPED_LINEAR.overload._op_dk(KEY, *arguments, **options)
        torch.testing.assert_close(actual, *GROUPED_LINEAR(*arguments, **options), **tolerance)
    derivative = torch.ops.moe.grouped_linear_backward_weight.default
    arguments = random(len(grouping.grouped_tokens), 8, dtype=dtype), hidden, grouping.group_offsets
    torch.testing.assert_close(derivative._op_dk(KEY, *arguments, **tokens), derivative(*arguments, **tokens))


@pytest.mark.parametrize("dtype", [torch.bfloat16, F32], ids=str)
@pytest.mark.parametrize(("inputs", "outputs"), [(0, 3), (3, 0), (3, 5), (8, 8)])
def test_composite_of_any_sizes_and_strides(dtype, inputs, outputs):
    """PyTorch's grouped product by itself takes rows or columns at multiples of 16 bytes alone."""
    offsets = torch.tensor([0, 2, 3], dtype=I32)
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {}

    def strided(*shape):
        """Return a contiguous tensor and others: its rows are one, columns are one, every second column, an offset."""
        tensor = random(*shape, dtype=dtype)
        wider = random(*shape[:-1], 2 * shape[-1] + 1, dtype=dtype)
        transposed = tensor.mT.contiguous().mT
        expanded = [tensor[..., i : i + 1, :].expand(shape) for i in range(min(1, shape[-2]))]
        expanded += [tensor[..., i : i + 1].expand(shape) for i in range(min(1, shape[-1]))]
        return [tensor, transposed, wider[..., 1::2], wider[..., 1 : 1 + shape[-1]], *expanded]

    derivative = torch.ops.moe.grouped_linear_backward_weight.default
    rows, weights, grads = strided(4, inputs), strided(2, outputs, inputs), strided(4, outputs)
    for operator, first, others in ((GROUPED_LINEAR.overload, rows, weights), (derivative, grads, rows)):
        for pair in [(first[0], other) for other in others] + [(other, others[0]) for other in first]:
            actual = operator._op_dk(KEY, *pair, offsets)
            assert actual.is_contiguous()
            torch.testing.assert_close(actual, operator(*pair, offsets), **tolerance)
