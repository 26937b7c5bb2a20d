"""``permute`` and ``unpermute``: values, errors, shapes without values, graphs."""

import re

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from support.checks import assert_same_bits
from support.operators import GROUPING, PERMUTE, UNPERMUTE
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime

DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2]
OPTIONS = {"plain": {}, "aligned": {"alignment": 16}, "limited": {"max_tokens": 3}, "local": {"local_experts": [3, 0]}}


def grouped(num_tokens, top_k=3, num_experts=8, *, weight_dtype=torch.float32, **options):
    """Return a grouping of padded choices and their weights, on the CPU."""
    ids, weights = make_choices(num_tokens, top_k, num_experts, distribution="padded", weight_dtype=weight_dtype)
    if "local_experts" in options:
        options |= {"local_experts": torch.tensor(options["local_experts"])}
    return GROUPING(ids, weights, num_experts, **options), weights


def rows(num_rows, size, dtype, seed=0):
    return torch.randn(num_rows, size, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES + FLOAT8, ids=str)
@pytest.mark.parametrize("size", [0, 1, 5, 64, 3000])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_permute(device, options, size, dtype):
    (_, _, tokens, _, _), _ = grouped(33, **options)
    hidden = rows(33, size, dtype)
    (permuted,) = PERMUTE(hidden.to(device), tokens.to(device))
    # Bytes, for PyTorch has no arithmetic of eight bits.
    size_in_bytes = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    expected = PERMUTE.expected(hidden.view(size_in_bytes), tokens)
    assert_same_bits((permuted.cpu().view(size_in_bytes),), expected)
    assert permuted.dtype == dtype
    assert permuted.is_contiguous()


@pytest.mark.parametrize("weight_dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [0, 1, 5, 64, 3000])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_unpermute(device, options, size, dtype, weight_dtype):
    (_, _, tokens, _, positions), weights = grouped(33, weight_dtype=weight_dtype, **options)
    outputs = rows(len(tokens), size, dtype)
    actual = UNPERMUTE(outputs.to(device), weights.to(device), positions.to(device))
    assert_same_bits(actual, UNPERMUTE.expected(outputs, weights, positions))
    assert actual[0].is_contiguous()


def test_unpermute_in_double():
    (_, _, tokens, _, positions), weights = grouped(33)
    outputs, weights = rows(len(tokens), 65, torch.float64), weights.to(torch.float64)
    assert_same_bits(UNPERMUTE(outputs, weights, positions), UNPERMUTE.expected(outputs, weights, positions))


@pytest.mark.parametrize("special", [float("nan"), float("inf"), -0.0, 3e38, 1e-45])
def test_unpermute_of_special_numbers(device, special):
    """A choice without a row is left out, whatever its weight; a sum starts from 0."""
    outputs = torch.tensor([[special, 1.0], [2.0, special]])
    weights = torch.tensor([[2.0, float("nan")], [1.0, 1.0], [float("inf"), float("nan")]])
    positions = torch.tensor([[0, -1], [1, 0], [-1, -1]], dtype=torch.int32)
    actual = UNPERMUTE(outputs.to(device), weights.to(device), positions.to(device))
    torch.testing.assert_close(actual[0].cpu(), UNPERMUTE.expected(outputs, weights, positions)[0], equal_nan=True)
    assert actual[0][2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_any_number_of_threads(number):
    (_, _, tokens, _, positions), weights = grouped(999, 4, 32)
    hidden, outputs = rows(999, 300, torch.bfloat16), rows(len(tokens), 300, torch.bfloat16)
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        assert_same_bits(PERMUTE(hidden, tokens), PERMUTE.expected(hidden, tokens))
        assert_same_bits(UNPERMUTE(outputs, weights, positions), UNPERMUTE.expected(outputs, weights, positions))
    finally:
        torch.set_num_threads(before)


def test_strided(device):
    (_, _, tokens, _, positions), weights = grouped(33)
    outputs, hidden = rows(64, len(tokens), torch.float32).t(), rows(64, 33, torch.float32).t()
    strided = weights.t().contiguous().t().to(device), positions.t().contiguous().t().to(device)
    assert_same_bits(UNPERMUTE(outputs.to(device), *strided), UNPERMUTE.expected(outputs, weights, positions))
    assert_same_bits(
        PERMUTE(hidden.to(device)[::2], tokens[:9].to(device) // 2), PERMUTE.expected(hidden[::2], tokens[:9] // 2)
    )


def test_a_part_of_a_tensor(device):
    """Rows and tokens that begin somewhere in memory."""
    (_, _, tokens, _, _), _ = grouped(33)
    hidden = rows(34, 5, torch.bfloat16)
    expected = PERMUTE.expected(hidden[1:], tokens[3:])
    assert_same_bits(PERMUTE(hidden.to(device)[1:], tokens.to(device)[3:]), expected)


@pytest.mark.parametrize("bad", [4, -2, 2**31 - 1, -(2**31)])
def test_indices_out_of_range(device, bad):
    words = f"in [0, 4) or -1, got {bad} at"
    tokens = torch.tensor([0, -1, bad, bad], dtype=torch.int32, device=device)
    with pytest.raises(
        IndexError, match=re.escape(f"{PERMUTE.name}: expected grouped_tokens {words} grouped_tokens[2]")
    ):
        PERMUTE(torch.zeros(4, 8, device=device), tokens)[0].cpu()
    with pytest.raises(IndexError, match=re.escape(f"{UNPERMUTE.name}: expected positions {words} positions[1, 0]")):
        UNPERMUTE(torch.zeros(4, 8, device=device), torch.zeros(2, 2, device=device), tokens.view(2, 2))


@pytest.mark.parametrize("num_rows", [0, 3])
@pytest.mark.parametrize("num_tokens", [0, 3])
def test_no_rows(device, num_tokens, num_rows):
    hidden, tokens = torch.ones(num_tokens, 5), torch.full((num_rows,), -1, dtype=torch.int32)
    assert_same_bits(PERMUTE(hidden.to(device), tokens.to(device)), (torch.zeros(num_rows, 5),))


F32, I32 = torch.float32, torch.int32
WRONG = {
    "hidden of one dimension": (PERMUTE, [((4,), F32), ((3,), I32)], "hidden of shape (T, H), got shape [4]"),
    "integer hidden": (PERMUTE, [((4, 2), I32), ((3,), I32)], "hidden of a floating dtype that has a zero, got int32"),
    "tokens of two dimensions": (
        PERMUTE,
        [((4, 2), F32), ((3, 1), I32)],
        "grouped_tokens of shape (N,), got shape [3, 1]",
    ),
    "int64 tokens": (PERMUTE, [((4, 2), F32), ((3,), torch.int64)], "grouped_tokens of dtype int32, got int64"),
    "outputs of one dimension": (
        UNPERMUTE,
        [((4,), F32), ((3, 2), F32), ((3, 2), I32)],
        "expert_outputs of shape (N, H), got shape [4]",
    ),
    "float8 outputs": (
        UNPERMUTE,
        [((4, 2), torch.float8_e5m2), ((3, 2), F32), ((3, 2), I32)],
        "expert_outputs of dtype bfloat16, float16, float32 or float64, got float8_e5m2",
    ),
    "double weights": (
        UNPERMUTE,
        [((4, 2), F32), ((3, 2), torch.float64), ((3, 2), I32)],
        "routing_weights of dtype bfloat16, float16 or float32, or float64 beside float64, got float64 beside float32",
    ),
    "other T": (
        UNPERMUTE,
        [((4, 2), F32), ((3, 2), F32), ((5, 2), I32)],
        "routing_weights and positions of the same shape (T, K), got shapes [3, 2] and [5, 2]",
    ),
    "int64 positions": (
        UNPERMUTE,
        [((4, 2), F32), ((3, 2), F32), ((3, 2), torch.int64)],
        "positions of dtype int32, got int64",
    ),
}


@pytest.mark.parametrize("kind", ["real", "meta", "fake"])
@pytest.mark.parametrize(("operator", "arguments", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(kind, operator, arguments, words):
    where = "meta" if kind == "meta" else "cpu"
    tensors = [torch.zeros(shape, device=where).to(dtype) for shape, dtype in arguments]
    if kind == "fake":
        mode = FakeTensorMode()
        tensors = [mode.from_tensor(tensor) for tensor in tensors]
    with pytest.raises(RuntimeError, match=f"^{re.escape(f'{operator.name}: expected {words}')}"):
        operator(*tensors)


@pytest.mark.parametrize("kind", ["meta", "fake"])
def test_other_device(kind):
    with FakeTensorMode() if kind == "fake" else torch.no_grad():
        hidden, tokens = torch.zeros(4, 2), torch.zeros(3, dtype=I32, device="meta")
        with pytest.raises(
            RuntimeError, match=r"expected hidden and grouped_tokens on the same device, got cpu and meta"
        ):
            PERMUTE(hidden, tokens)


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled(device, backend, dynamic):
    @torch.compile(fullgraph=True, dynamic=dynamic, backend=backend)
    def function(hidden, tokens, weights, positions):
        return UNPERMUTE.overload(PERMUTE.overload(hidden, tokens) * 2, weights, positions)

    for num_tokens in (33, 7, 100):
        (_, _, tokens, _, positions), weights = grouped(num_tokens)
        arguments = rows(num_tokens, 64, F32), tokens, weights, positions
        expected = UNPERMUTE(PERMUTE(arguments[0], tokens)[0] * 2, weights, positions)
        assert_same_bits((function(*(tensor.to(device) for tensor in arguments)),), expected)


TESTS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")


@pytest.mark.parametrize("gradient", [False, True], ids=["no gradient", "gradients"])
@pytest.mark.parametrize("num_tokens", [0, 1, 16])
def test_opcheck(num_tokens, gradient):
    (_, _, tokens, _, positions), weights = grouped(num_tokens)
    hidden, outputs = rows(num_tokens, 5, F32), rows(len(tokens), 5, F32)
    for tensor in (hidden, outputs, weights):
        tensor.requires_grad_(gradient)
    for operator, arguments in ((PERMUTE, (hidden, tokens)), (UNPERMUTE, (outputs, weights, positions))):
        results = torch.library.opcheck(operator.overload, arguments, test_utils=TESTS)
        assert results == dict.fromkeys(TESTS, "SUCCESS")
