"""The reference itself, against outputs written out by hand."""

import torch

from torch_moe_ttnn.testing import reference

NAN = float("nan")
PADDING = 0xFFFFFFFF

# Token 1 has one expert only, token 2 names expert 4 twice, token 3 goes nowhere.
IDS = torch.tensor([[4, 0], [-1, 4], [4, 4], [-1, -1]])
WEIGHTS = torch.tensor([[0.75, 0.25], [9.0, 1.0], [0.5, -0.0], [9.0, 9.0]])


def test_mapping_written_out():
    expected = torch.tensor(
        [
            [0.25, 0, 0, 0, 0.75],
            [0, 0, 0, 0, 1.0],
            [0, 0, 0, 0, -0.0],
            [0, 0, 0, 0, 0],
        ]
    )
    mapping = reference.prepare_mapping(IDS, WEIGHTS, 5)
    assert torch.equal(mapping.view(torch.int32), expected.view(torch.int32))


def test_routing_written_out():
    counts, tokens, weights = reference.prepare_routing(IDS, WEIGHTS, 5)
    assert counts.tolist() == [[1, 0, 0, 0, 4] + [0] * 27]
    assert tokens.dtype == torch.uint32
    assert tokens.tolist() == [
        [0] + [PADDING] * 7,
        *([[PADDING] * 8] * 3),
        [0, 1, 2, 2] + [PADDING] * 4,
        *([[PADDING] * 8] * 27),
    ]
    assert weights.tolist() == [
        [0.25] + [0.0] * 7,
        *([[0.0] * 8] * 3),
        [0.75, 1.0, 0.5, -0.0] + [0.0] * 4,
        *([[0.0] * 8] * 27),
    ]


def test_every_id_dtype_has_its_no_expert():
    for dtype in (torch.uint16, torch.uint32, torch.int32):
        ids = IDS.to(dtype)
        assert torch.equal(reference.prepare_mapping(ids, WEIGHTS, 5), reference.prepare_mapping(IDS, WEIGHTS, 5))
