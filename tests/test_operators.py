"""Both operators on every device give the reference's bits."""

import pytest
import torch

from support import metalium
from support.checks import assert_matches_reference
from support.choices import ID_DTYPES, WEIGHT_DTYPES
from support.operators import ROUTING
from torch_moe_ttnn.testing import DISTRIBUTIONS, MODELS, make_choices

pytestmark = pytest.mark.chip


@pytest.mark.parametrize("num_experts", [8, 16, 32, 128])
@pytest.mark.parametrize("top_k", [2, 3, 4])
@pytest.mark.parametrize("num_tokens", metalium.few([2, 4, 8, 16, 32]))
def test_matrix(operator, device, num_tokens, top_k, num_experts):
    ids, weights = make_choices(num_tokens, top_k, num_experts, id_dtype=torch.uint32)
    assert all(len(set(row)) == top_k for row in ids.tolist())
    assert_matches_reference(operator, device, ids, weights, num_experts)


@pytest.mark.parametrize("num_tokens", metalium.few([1, 32, 33, 1000]))
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_models(operator, device, model, num_tokens):
    ids, weights = make_choices(num_tokens, model.top_k, model.num_experts)
    assert_matches_reference(operator, device, ids, weights, model.num_experts)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("num_tokens", [1, 37, metalium.MANY_TOKENS])
def test_distributions(operator, device, distribution, num_tokens):
    ids, weights = make_choices(num_tokens, 8, 128, distribution=distribution)
    assert_matches_reference(operator, device, ids, weights, 128)


@pytest.mark.parametrize("weight_dtype", WEIGHT_DTYPES, ids=str)
@pytest.mark.parametrize("id_dtype", ID_DTYPES, ids=str)
@pytest.mark.parametrize("distribution", ["uniform", "padded"])
def test_dtypes(operator, device, distribution, id_dtype, weight_dtype):
    ids, weights = make_choices(
        45, 5, 60, distribution=distribution, id_dtype=id_dtype, weight_dtype=weight_dtype, seed=1
    )
    assert_matches_reference(operator, device, ids, weights, 60)


@pytest.mark.parametrize("weight_dtype", WEIGHT_DTYPES, ids=str)
def test_weights_keep_every_bit(operator, device, weight_dtype):
    """NaNs with their payload, infinities, -0 and subnormals are moved, not computed with."""
    size = torch.finfo(weight_dtype).bits
    patterns = torch.randint(-(2 ** (size - 1)), 2 ** (size - 1), (64, 4), generator=torch.Generator().manual_seed(0))
    patterns[:4] = torch.tensor([-1, 1, -(2 ** (size - 1)), 2 ** (size - 1) - 1])
    weights = patterns.to({16: torch.int16, 32: torch.int32}[size]).view(weight_dtype)
    ids, _ = make_choices(64, 4, 40)
    assert_matches_reference(operator, device, ids, weights, 40)


@pytest.mark.parametrize(
    ("num_tokens", "top_k", "num_experts"),
    [(0, 0, 1), (0, 2, 8), (5, 0, 8), (0, 0, 33), (1, 1, 1), (3, 1, 1), (1, 8, 8)],
)
def test_empty_and_smallest(operator, device, num_tokens, top_k, num_experts):
    ids, weights = make_choices(num_tokens, top_k, num_experts)
    assert_matches_reference(operator, device, ids, weights, num_experts)


def test_no_choices_of_more_tokens_than_could_be_looked_at(device):
    """Nothing is done for a token that has no choices."""
    ids, weights = torch.empty(2**62, 0, dtype=torch.int64, device=device), torch.empty(2**62, 0, device=device)
    counts, tokens, token_weights = ROUTING(ids, weights, 8)
    assert counts.tolist() == [[0] * 32]
    assert tokens.shape == token_weights.shape == (32, 0)


def test_ids_up_to_the_last_of_uint16(operator, device):
    """0xFFFE is an expert; 0xFFFF is none, though there are more experts than that."""
    ids = torch.tensor([[0xFFFE, 0], [0xFFFF, 1]], dtype=torch.uint16)
    weights = torch.tensor([[0.5, 0.25], [0.125, 1.0]])
    assert_matches_reference(operator, device, ids, weights, 70_000)


class TestStrides:
    """Inputs need not be contiguous."""

    @pytest.fixture
    def choices(self, device):
        return [tensor.to(device) for tensor in make_choices(50, 8, 60, id_dtype=torch.uint32)]

    def test_transposed(self, operator, device, choices):
        ids, weights = (tensor.t().contiguous().t() for tensor in choices)
        assert not ids.is_contiguous()
        assert_matches_reference(operator, device, ids, weights, 60)

    def test_sliced_with_offset_and_step(self, operator, device, choices):
        ids, weights = (tensor[3:40:2, 1:7] for tensor in choices)
        assert ids.storage_offset() > 0
        assert_matches_reference(operator, device, ids, weights, 60)

    def test_only_one_of_both(self, operator, device, choices):
        ids, weights = (tensor[:, ::2] for tensor in choices)
        assert_matches_reference(operator, device, ids.contiguous(), weights, 60)
        assert_matches_reference(operator, device, ids, weights.contiguous(), 60)

    def test_expanded(self, operator, device, choices):
        ids, weights = (tensor[:1].expand(20, 8) for tensor in choices)
        assert ids.stride(0) == 0
        assert_matches_reference(operator, device, ids, weights, 60)

    def test_lazily_negated(self, operator, device):
        """Weights that PyTorch negates only when they are read."""
        ids = torch.tensor([[1, 0]], device=device)
        weights = torch.tensor([[1 + 2j, 3 - 4j]]).conj().imag
        assert weights.is_neg()
        assert_matches_reference(operator, device, ids, weights, 2)
