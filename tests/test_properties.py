"""Both operators on whatever hypothesis thinks of."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.checks import assert_matches_reference
from support.choices import ID_DTYPES, WEIGHT_DTYPES
from support.operators import ROUTING


@st.composite
def calls(draw):
    """Draw ids, weights and num_experts: any sizes, ids that repeat or are "no expert", weights of any bits."""
    num_experts = draw(st.integers(1, 200))
    top_k = draw(st.integers(0, min(num_experts, 16)))
    num_tokens = draw(st.integers(0, 150))
    id_dtype = draw(st.sampled_from(ID_DTYPES))
    weight_dtype = draw(st.sampled_from(WEIGHT_DTYPES))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    least = draw(st.sampled_from([-1, 0]))
    most = draw(st.integers(max(least, 0), num_experts - 1))
    ids = torch.randint(least, most + 1, (num_tokens, top_k), generator=generator).to(id_dtype)
    raw = torch.randint(-(2**31), 2**31, (num_tokens, top_k), generator=generator)
    weights = raw.to({2: torch.int16, 4: torch.int32}[weight_dtype.itemsize]).view(weight_dtype)
    return ids, weights, num_experts


@settings(max_examples=200, deadline=None)
@given(call=calls())
def test_any_call(operator, device, call):
    assert_matches_reference(operator, device, *call)


@settings(max_examples=50, deadline=None)
@given(call=calls())
def test_routing_makes_sense(device, call):
    """Without the reference: counts add up to the choices that route somewhere, and lists ascend."""
    ids, weights, num_experts = call
    counts, tokens, _ = (output.cpu() for output in ROUTING(ids.to(device), weights.to(device), num_experts))
    nowhere = ids.to(torch.int64) == {torch.uint16: 0xFFFF, torch.uint32: 0xFFFFFFFF}.get(ids.dtype, -1)
    assert counts.to(torch.int64).sum() == ids.numel() - nowhere.sum()
    for row, count in zip(tokens.to(torch.int64), counts[0].tolist(), strict=True):
        assert (row[:count].diff() >= 0).all()
        assert (row[:count] < len(ids)).all()
        assert (row[count:] == 0xFFFFFFFF).all()
