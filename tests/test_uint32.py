"""What follows on uint32 outputs, for which PyTorch has few operators: the README's idioms, eager and compiled."""

import pytest
import torch

from support.operators import ROUTING
from torch_moe_ttnn import PADDING_TOKEN
from torch_moe_ttnn.testing import make_choices

NUM_EXPERTS = 16


def as_int32(counts, tokens, weights, hidden):
    """The same bits: what is below 2^31 stays as it is, and the padding token is -1."""
    rows = tokens.view(torch.int32)
    return counts.view(torch.int32), rows, rows >= 0


def as_int64(counts, tokens, weights, hidden):
    """The same numbers, in a copy."""
    rows = tokens.to(torch.int64)
    return counts.to(torch.int64), rows, rows != PADDING_TOKEN


def starts(counts, tokens, weights, hidden):
    """Where each expert's choices start if they lie one after the other."""
    counts = counts.view(torch.int32)
    return (counts.cumsum(1) - counts,)


def mask_from_counts(counts, tokens, weights, hidden):
    """Which places of a row are taken, by the number of them."""
    return (torch.arange(tokens.shape[1], device=tokens.device) < counts.view(torch.int32).t(),)


def gather(counts, tokens, weights, hidden):
    """Rows as an index: padding, -1, reads the last token, and the mask takes that away."""
    rows = tokens.view(torch.int32)
    return (torch.where((rows >= 0)[:, :, None], hidden[rows], 0),)


def select(counts, tokens, weights, hidden):
    """One expert's row, for an operator that takes no negative index."""
    row = tokens[3].view(torch.int32)
    return (hidden.index_select(0, row.clamp(min=0)) * (row >= 0)[:, None],)


def scatter(counts, tokens, weights, hidden):
    """Sums of what was gathered, put back where it came from."""
    rows = tokens.view(torch.int32)
    return (
        torch.zeros_like(hidden).index_add(
            0, rows.clamp(min=0).flatten(), gather(counts, tokens, weights, hidden)[0].flatten(0, 1)
        ),
    )


IDIOMS = [as_int32, as_int64, starts, mask_from_counts, gather, select, scatter]


def all_idioms(ids, weights, hidden):
    routing = ROUTING.overload(ids, weights, NUM_EXPERTS)
    return [idiom(*routing, hidden) for idiom in IDIOMS]


def expected_of_all(ids, weights, hidden):
    """The same with Python's integers."""
    counts, tokens, _ = (tensor.tolist() for tensor in ROUTING.expected(ids, weights, NUM_EXPERTS))
    lists = [row[:count] for row, count in zip(tokens, counts[0], strict=True)]
    width = len(tokens[0])
    signed = [row + [-1] * (width - len(row)) for row in lists]
    taken = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in lists])
    gathered = torch.zeros(len(lists), width, hidden.shape[1])
    for expert, row in enumerate(lists):
        for place, token in enumerate(row):
            gathered[expert, place] = hidden[token]
    return [
        (torch.tensor(counts, dtype=torch.int32), torch.tensor(signed, dtype=torch.int32), taken),
        (torch.tensor(counts), torch.tensor(tokens), taken),
        (torch.tensor([[sum(counts[0][:expert]) for expert in range(len(lists))]]),),
        (taken,),
        (gathered,),
        (gathered[3],),
        # Each token goes to as many experts as it chose.
        (hidden * (ids >= 0).sum(dim=1)[:, None],),
    ]


@pytest.fixture(params=["eager", "compiled"])
def function(request, backend):
    return all_idioms if request.param == "eager" else torch.compile(all_idioms, fullgraph=True, backend=backend)


@pytest.mark.any_runtime
def test_idioms(function, device):
    ids, weights = make_choices(33, 4, NUM_EXPERTS, weight_dtype=torch.float32, distribution="padded")
    # Whole numbers, whose sums are exact in any order.
    hidden = torch.arange(33.0 * 5).reshape(33, 5)
    actual = function(ids.to(device), weights.to(device), hidden.to(device))
    for idiom, outputs, expected in zip(IDIOMS, actual, expected_of_all(ids, weights, hidden), strict=True):
        for a, e in zip(outputs, expected, strict=True):
            assert a.device == ids.to(device).device, idiom.__name__
            assert torch.equal(a.cpu(), e), idiom.__name__
            assert a.dtype == e.dtype, idiom.__name__


def test_an_index_without_a_copy(device):
    """A row of int32 is a row of the output itself, on the device."""
    routing = ROUTING(*(tensor.to(device) for tensor in make_choices(9, 4, NUM_EXPERTS)), NUM_EXPERTS)
    row = routing[1][3].view(torch.int32)
    assert row.data_ptr() == routing[1].data_ptr() + 3 * routing[1].stride(0) * 4
    assert row.device == routing[1].device


def test_why(device):
    """PyTorch cannot index with uint32; should that change, the idioms may."""
    index = torch.zeros(2, dtype=torch.uint32, device=device)
    with pytest.raises(IndexError, match="tensors used as indices must be"):
        torch.ones(3, device=device)[index]
