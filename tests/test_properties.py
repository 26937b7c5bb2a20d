"""The operators on whatever hypothesis thinks of."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support import metalium
from support.checks import assert_matches_reference, assert_same_bits
from support.choices import ID_DTYPES, NO_EXPERT, WEIGHT_DTYPES
from support.operators import GROUPING, MAPPING, PERMUTE, ROUTING, UNPERMUTE

pytestmark = pytest.mark.chip


def examples(count):
    """Return hypothesis' settings: a tenth of the examples for a simulated chip, which is that much slower and more."""
    return settings(max_examples=count // 10 if metalium.SIMULATED else count, deadline=None)


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


@st.composite
def local_experts(draw, num_experts):
    """Draw local experts: none, some or more than there are, that repeat or are "no expert"."""
    dtype = draw(st.sampled_from(ID_DTYPES))
    ids = draw(st.lists(st.integers(-1, num_experts - 1), max_size=40))
    return torch.tensor([NO_EXPERT[dtype] if expert == -1 else expert for expert in ids], dtype=torch.int64).to(dtype)


@st.composite
def options(draw, operator, num_experts):
    """Draw an operator's options, of which each may be left out."""
    drawn = {"local_experts": local_experts(num_experts)}
    if operator is not MAPPING:
        drawn["max_tokens"] = st.integers(0, 200)
    if operator is GROUPING:
        drawn["alignment"] = st.integers(1, 140)
    return draw(st.fixed_dictionaries({}, optional=drawn))


@st.composite
def indexed_rows(draw, num_dimensions):
    """Draw rows, of any of the dtypes that are summed, and an index of some of them, of a shape with so many sizes."""
    dtype = draw(st.sampled_from([*WEIGHT_DTYPES, torch.float64]))
    num_rows, size = draw(st.integers(0, 60)), draw(st.integers(0, 200))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    least = draw(st.sampled_from([-1, 0])) if num_rows else -1
    shape = draw(st.tuples(*[st.integers(0, 20)] * num_dimensions))
    index = torch.randint(least, max(num_rows, least + 1), shape, generator=generator, dtype=torch.int32)
    return torch.randn(num_rows, size, generator=generator).to(dtype), index, generator


@examples(200)
@given(call=calls())
def test_any_call(operator, device, call):
    assert_matches_reference(operator, device, *call)


@examples(200)
@given(call=calls(), data=st.data())
def test_any_options(operator, device, call, data):
    assert_matches_reference(operator, device, *call, **data.draw(options(operator, call[-1])))


@examples(100)
@given(drawn=indexed_rows(1))
def test_any_rows(device, drawn):
    rows, index, _ = drawn
    assert_same_bits(PERMUTE(rows.to(device), index.to(device)), PERMUTE.expected(rows, index))


@examples(100)
@given(drawn=indexed_rows(2), weight_dtype=st.sampled_from(WEIGHT_DTYPES))
def test_any_sums(device, drawn, weight_dtype):
    rows, positions, generator = drawn
    weights = torch.randn(positions.shape, generator=generator).to(weight_dtype)
    actual = UNPERMUTE(rows.to(device), weights.to(device), positions.to(device))
    assert_same_bits(actual, UNPERMUTE.expected(rows, weights, positions))


@examples(50)
@given(call=calls(), data=st.data())
def test_grouping_makes_sense(device, call, data):
    """Without the reference: a choice's row has its token and its weight, and groups lie within their offsets."""
    ids, weights, num_experts = call
    given = data.draw(options(GROUPING, num_experts))
    on_device = {name: value.to(device) if name == "local_experts" else value for name, value in given.items()}
    outputs = GROUPING(ids.to(device), weights.to(device), num_experts, **on_device)
    sizes, offsets, tokens, grouped_weights, positions = (output.cpu() for output in outputs)
    placed = positions != -1
    rows = positions[placed].to(torch.int64)
    assert rows.unique().numel() == rows.numel() == sizes.sum() == (tokens != -1).sum()
    assert torch.equal(tokens[rows], placed.nonzero()[:, 0].to(torch.int32))
    assert_same_bits((grouped_weights[rows],), (weights[placed],))
    groups = torch.searchsorted(offsets[1:].contiguous(), rows.to(torch.int32), right=True)
    assert torch.equal(groups.bincount(minlength=len(sizes)), sizes.to(torch.int64))
    assert (rows < offsets[groups] + sizes[groups]).all()
    assert (offsets % given.get("alignment", 1) == 0).all()
    if "max_tokens" in given:
        assert (sizes <= given["max_tokens"]).all()


@examples(50)
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
