"""``torch.autocast("tt")``: casts by PyTorch's lists for accelerators, and none for the operators."""

import torch

from support.checks import assert_same_bits
from support.operators import MAPPING
from torch_moe_ttnn.testing import make_choices


def test_casts():
    tensor = torch.ones(4, 4, device="tt")
    with torch.autocast("tt", dtype=torch.bfloat16):
        assert (tensor @ tensor).dtype is torch.bfloat16
        assert torch.nn.functional.linear(tensor, tensor).dtype is torch.bfloat16
        assert torch.softmax(tensor.half(), -1).dtype is torch.float32
        assert torch.dot(tensor[0], tensor[0].bfloat16()).dtype is torch.float32
        assert (tensor.half() + 1).dtype is torch.float16
        with torch.autocast("tt", enabled=False):
            assert (tensor @ tensor).dtype is torch.float32


def test_the_operators_keep_the_weights_dtype():
    ids, weights = make_choices(5, 2, 8, weight_dtype=torch.float32)
    with torch.autocast("tt", dtype=torch.bfloat16):
        mapping = MAPPING(ids.to("tt"), weights.to("tt"), 8)
    assert_same_bits(mapping, MAPPING(ids, weights, 8))
