"""``local_experts``, ``max_tokens`` and ``alignment``: values and errors."""

import re

import pytest
import torch

from support import metalium
from support.checks import assert_matches_reference, assert_same_bits
from support.choices import ID_DTYPES, NO_EXPERT
from support.operators import GROUPING, MAPPING, ROUTING
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.chip

LOCAL = {
    "some": [3, 0, 7],
    "one": [5],
    "all, in another order": [7, 6, 5, 4, 3, 2, 1, 0],
    "none": [],
    "repeated": [2, 5, 2],
    "with no expert": [-1, 4, -1, 1],
}


def on_cpu(options):
    return {name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in options.items()}


def local_tensor(ids, dtype=torch.int64):
    tensor = torch.tensor(ids, dtype=torch.int64)
    return torch.where(tensor == -1, NO_EXPERT[dtype], tensor).to(dtype)


@pytest.mark.parametrize("local", LOCAL.values(), ids=LOCAL.keys())
@pytest.mark.parametrize("num_tokens", [0, 1, 33, metalium.MANY_TOKENS])
def test_local_experts(operator, device, num_tokens, local):
    ids, weights = make_choices(num_tokens, 3, 8, distribution="padded")
    assert_matches_reference(operator, device, ids, weights, 8, local_experts=local_tensor(local))


@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
@pytest.mark.parametrize("local_dtype", ID_DTYPES, ids=str)
def test_dtypes_of_local_experts(operator, device, id_dtype, local_dtype):
    ids, weights = make_choices(20, 3, 8, id_dtype=id_dtype)
    local = local_tensor([6, -1, 1, 0], local_dtype)
    assert_matches_reference(operator, device, ids, weights, 8, local_experts=local)


def test_a_repeated_choice_of_a_local_expert(operator, device):
    ids, weights = torch.tensor([[2, 2, 1], [0, 2, 2]]), torch.arange(1.0, 7.0).reshape(2, 3)
    assert_matches_reference(operator, device, ids, weights, 3, local_experts=torch.tensor([2, 1]))


@pytest.mark.parametrize("max_tokens", metalium.few([0, 1, 5, 33, 1000]))
@pytest.mark.parametrize("local", [None, [3, 0, 7]], ids=str)
@pytest.mark.parametrize("distribution", ["uniform", "same"])
@pytest.mark.parametrize("routing", [True, False], ids=["routing", "grouping"])
def test_max_tokens(device, routing, distribution, local, max_tokens):
    operator = ROUTING if routing else GROUPING
    options = {} if local is None else {"local_experts": torch.tensor(local)}
    for num_tokens in (0, 33, metalium.MANY_TOKENS):
        ids, weights = make_choices(num_tokens, 3, 8, distribution=distribution)
        assert_matches_reference(operator, device, ids, weights, 8, max_tokens=max_tokens, **options)


@pytest.mark.parametrize("alignment", metalium.few([1, 2, 7, 16, 32, 128]))
@pytest.mark.parametrize("max_tokens", [None, 0, 3, 40])
@pytest.mark.parametrize("num_tokens", [0, 1, 33, metalium.MANY_TOKENS])
def test_alignment(device, num_tokens, max_tokens, alignment):
    ids, weights = make_choices(num_tokens, 4, 20, distribution="zipf")
    options = {"alignment": alignment, "max_tokens": max_tokens}
    assert_matches_reference(GROUPING, device, ids, weights, 20, **options)
    local = torch.tensor([19, 3, -1, 0, 7])
    assert_matches_reference(GROUPING, device, ids, weights, 20, local_experts=local, **options)
    _, offsets, tokens, _, _ = GROUPING(ids.to(device), weights.to(device), 20, **options)
    assert (offsets.cpu() % alignment == 0).all()
    assert offsets[-1].item() <= len(tokens)
    assert len(tokens) % alignment == 0


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_any_number_of_threads(operator, number):
    ids, weights = make_choices(9999, 8, 60, distribution="zipf")
    options = {"local_experts": torch.arange(59, 20, -1)}
    options |= {} if operator is MAPPING else {"max_tokens": 700}
    options |= {"alignment": 8} if operator is GROUPING else {}
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        assert_matches_reference(operator, "cpu", ids, weights, 60, **options)
    finally:
        torch.set_num_threads(before)


def out_of_range(operator, place):
    message = (
        f'{operator.name}: expected expert ids in [0, 8) or the "no expert" id (all bits set), '
        f"got 8 at {place} with num_experts = 8"
    )
    return pytest.raises(IndexError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
@pytest.mark.parametrize("num_tokens", [0, 4])
def test_local_experts_out_of_range(operator, device, num_tokens, id_dtype):
    ids, weights = (tensor.to(device) for tensor in make_choices(num_tokens, 2, 8))
    local = torch.tensor([1, 8, 9], dtype=id_dtype).to(device)
    with out_of_range(operator, "local_experts[1]"):
        operator(ids, weights, 8, local_experts=local)[0].cpu()
    operator(ids, weights, 10, local_experts=local)[0].cpu()


@pytest.mark.parametrize("options", [{"local": []}, {"local": [0]}, {"max_tokens": 0}], ids=str)
def test_choices_out_of_range_that_have_no_place(operator, device, options):
    if "local" in options:
        options = {"local_experts": local_tensor(options["local"]).to(device)}
    elif operator is MAPPING:
        pytest.skip("has no capacity")
    ids = torch.tensor([[1, 2], [3, 8]], device=device)
    weights = torch.ones(2, 2, device=device)
    with out_of_range(operator, "selected_experts[1, 1]"):
        operator(ids, weights, 8, **options)[-1].cpu()
        torch.tensor(0, device=device).cpu()  # waits, where the output is empty


def test_kernels_of_tt_serve_the_options(operator, device):
    if device.type != "tt":
        pytest.skip("other devices have one way")
    ids, weights = (tensor.to(device) for tensor in make_choices(40, 3, 20000))
    options = {"local_experts": torch.arange(0, 20000, 2, dtype=torch.int32).to(device)}
    options |= {} if operator is MAPPING else {"max_tokens": 2}
    torch.tt.set_fallback_mode("error")
    try:
        outputs = operator(ids, weights, 20000, **options)
    finally:
        torch.tt.set_fallback_mode("silent")
    assert_same_bits(outputs, operator.expected(ids.cpu(), weights.cpu(), 20000, **on_cpu(options)))


def test_too_many_experts_beside_local_experts(operator, device):
    if device.type != "tt":
        pytest.skip("has no L1")
    ids, weights = (tensor.to(device) for tensor in make_choices(4, 2, 2**20))
    local = torch.tensor([5]).to(device)
    with pytest.raises(
        RuntimeError, match=r"^moe::\w+: expected at most \d+ experts beside local_experts, .* got 1048576; give"
    ):
        operator(ids, weights, 2**20, local_experts=local)


WRONG = {
    "two dimensions": (
        {"local_experts": torch.zeros(2, 2, dtype=torch.int64)},
        "local_experts of shape (L,), got shape [2, 2]",
    ),
    "floating-point": (
        {"local_experts": torch.zeros(2)},
        "local_experts of dtype uint16, uint32, int32 or int64, got float32",
    ),
}
WRONG_LIMIT = {
    "negative": ({"max_tokens": -1}, "max_tokens of at least 0, got -1"),
    "too large": ({"max_tokens": 2**32}, "max_tokens of at most "),
}
WRONG_ALIGNMENT = {
    "zero": ({"alignment": 0}, "alignment of at least 1, got 0"),
    "negative": ({"alignment": -2}, "alignment of at least 1, got -2"),
    "too large": ({"alignment": 2**31}, "alignment of at most 2147483647, got 2147483648"),
}


def assert_raises(operator, options, words, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(4, 2, 8))
    with pytest.raises(RuntimeError, match=re.escape(f"{operator.name}: expected {words}")):
        operator(ids, weights, 8, **options)


@pytest.mark.parametrize("where", ["cpu", "meta"])
@pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_local_experts(operator, where, options, words):
    assert_raises(operator, {name: value.to(where) for name, value in options.items()}, words, where)


@pytest.mark.parametrize("where", ["cpu", "meta"])
def test_local_experts_elsewhere(operator, where):
    other = "meta" if where == "cpu" else "cpu"
    options = {"local_experts": torch.zeros(2, dtype=torch.int64, device=other)}
    words = f"selected_experts and local_experts on the same device, got {where} and {other}"
    assert_raises(operator, options, words, where)


@pytest.mark.parametrize("where", ["cpu", "meta"])
@pytest.mark.parametrize("routing", [True, False], ids=["routing", "grouping"])
@pytest.mark.parametrize(("options", "words"), WRONG_LIMIT.values(), ids=WRONG_LIMIT.keys())
def test_wrong_max_tokens(routing, where, options, words):
    assert_raises(ROUTING if routing else GROUPING, options, words, where)


@pytest.mark.parametrize("where", ["cpu", "meta"])
@pytest.mark.parametrize(("options", "words"), WRONG_ALIGNMENT.values(), ids=WRONG_ALIGNMENT.keys())
def test_wrong_alignment(where, options, words):
    assert_raises(GROUPING, options, words, where)


@pytest.mark.parametrize(
    ("sizes", "options", "words"),
    [
        ((2**30, 2, 8), {}, "at most 2^31 - 1 choices (T * K), got T = 1073741824 and K = 2"),
        ((4, 2, 2**31 - 1), {}, "fewer than 2^31 - 1 groups, got 2147483647"),
        ((2**20, 2, 2**20), {"alignment": 2**15}, "at most 2^31 - 1 rows, padding included, got T = 1048576, K = 2, "),
    ],
    ids=["choices", "groups", "rows"],
)
def test_a_grouping_too_large(sizes, options, words):
    num_tokens, top_k, num_experts = sizes
    ids = torch.zeros(1, 1, dtype=torch.int64, device="meta").expand(num_tokens, top_k)
    weights = torch.zeros(1, 1, device="meta").expand(num_tokens, top_k)
    with pytest.raises(RuntimeError, match=re.escape(f"{GROUPING.name}: expected {words}")):
        GROUPING(ids, weights, num_experts, **options)
