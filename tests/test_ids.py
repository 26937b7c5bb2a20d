"""Ids that are no expert: "no expert", out of range, repeated."""

import pytest
import torch

from support.checks import assert_matches_reference, assert_same_bits
from support.choices import NO_EXPERT
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.chip


@pytest.mark.parametrize("id_dtype", NO_EXPERT, ids=str)
def test_no_expert_contributes_to_no_output(operator, device, id_dtype):
    """Choices that route nowhere change nothing: beside others, the outputs are those without them."""
    ids = torch.tensor([[3, 1], [NO_EXPERT[id_dtype], 2], [0, NO_EXPERT[id_dtype]]]).to(id_dtype)
    weights = torch.tensor([[0.5, 0.25], [7.0, 1.0], [2.0, float("nan")]])
    assert_matches_reference(operator, device, ids, weights, 4)
    outputs = operator(ids.to(device), weights.to(device), 4)
    for output in outputs:
        if output.dtype == weights.dtype:
            assert sorted(output.cpu().flatten()[output.cpu().flatten() != 0].tolist()) == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize("id_dtype", NO_EXPERT, ids=str)
def test_only_no_expert(operator, device, id_dtype):
    ids = torch.full((40, 4), NO_EXPERT[id_dtype]).to(id_dtype)
    assert_matches_reference(operator, device, ids, torch.rand(40, 4), 8)


def test_repeated_ids(operator, device):
    """The mapping keeps the last weight, the routing lists each."""
    ids = torch.tensor([[2, 2, 2], [1, 2, 1], [0, 0, -1]])
    weights = torch.arange(1.0, 10.0).reshape(3, 3)
    assert_matches_reference(operator, device, ids, weights, 3)


def test_every_choice_to_one_expert_twice(operator, device):
    """More choices than tokens in a row: the row is full."""
    ids = torch.zeros(100, 2, dtype=torch.int32)
    assert_matches_reference(operator, device, ids, torch.rand(100, 2), 2)


def raised_by(operator, device, ids, weights, num_experts) -> str:
    """Return the text of the IndexError that the ids raise, at the latest where the outputs come to the host."""
    with pytest.raises(IndexError) as raised:
        _ = [output.cpu() for output in operator(ids.to(device), weights.to(device), num_experts)]
    return str(raised.value)


@pytest.mark.parametrize(
    ("id_dtype", "bad"),
    [
        (torch.uint16, 128),
        (torch.uint16, 0xFFFE),
        (torch.uint32, 128),
        (torch.uint32, 0x80000000),
        (torch.uint32, 0xFFFFFFFE),
        (torch.int32, 128),
        (torch.int32, -2),
        (torch.int32, -(2**31)),
        (torch.int64, 128),
        (torch.int64, -2),
        (torch.int64, 2**32),
        (torch.int64, 2**32 + 5),
        (torch.int64, 0xFFFFFFFF),
        (torch.int64, -(2**63)),
        (torch.int64, 2**63 - 1),
    ],
    ids=str,
)
def test_out_of_range(operator, device, id_dtype, bad):
    ids, weights = make_choices(20, 4, 128)
    ids[7, 2] = bad
    ids[13, 0] = bad  # not the first
    assert raised_by(operator, device, ids.to(id_dtype), weights, 128) == (
        f'{operator.name}: expected expert ids in [0, 128) or the "no expert" id (all bits set), '
        f"got {bad} at selected_experts[7, 2] with num_experts = 128"
    )


@pytest.mark.parametrize("position", [(0, 0), (4095, 7), (2048, 0), (2047, 7)])
def test_the_first_is_named_however_many_work(operator, device, position):
    """A large batch is checked in parallel; later ids out of range must not be named instead."""
    ids, weights = make_choices(4096, 8, 128)
    ids[position] = 128
    ids.flatten()[position[0] * 8 + position[1] + 1 :: 100] = 500
    message = raised_by(operator, device, ids, weights, 128)
    assert f"got 128 at selected_experts[{position[0]}, {position[1]}]" in message


def test_what_follows_is_unaffected(operator, device):
    """After the error the device gives right results again."""
    ids, weights = make_choices(64, 4, 16)
    bad = ids.clone()
    bad[5, 1] = 16
    expected = operator.expected(ids, weights, 16)
    for _ in range(3):
        raised_by(operator, device, bad, weights, 16)
        assert_same_bits(operator(ids.to(device), weights.to(device), 16), expected)
