"""torch.histc, of integers too, which transformers' MoE models count on every device but cpu and mps."""

import pytest
import torch

pytestmark = pytest.mark.any_runtime

INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def count(values, bins, low, high):
    """Count in whole numbers of Python."""
    counts = [0] * bins
    for value in values:
        if low <= value <= high:
            counts[min((value - low) * bins // (high - low), bins - 1)] += 1
    return counts


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize(("bins", "low", "high"), [(8, 0, 7), (5, 0, 7), (3, 2, 6), (16, 0, 7), (1, 0, 7), (7, 1, 100)])
def test_integers(dtype, bins, low, high):
    values = torch.randint(0, 8, (5, 20), generator=torch.Generator().manual_seed(bins)).to(dtype)
    counts = torch.histc(values.to("tt"), bins, low, high)
    assert counts.is_tt
    assert counts.dtype == dtype
    assert counts.tolist() == count(values.flatten().tolist(), bins, low, high)


def test_an_experts_choices():
    """The call of transformers: each of E experts has a bin of its own."""
    for experts in (2, 3, 7, 60, 128, 384):
        ids = torch.randint(experts, (1000,), generator=torch.Generator().manual_seed(experts))
        counts = torch.histc(ids.to("tt").int(), bins=experts, min=0, max=experts - 1)
        assert counts.tolist() == torch.bincount(ids, minlength=experts).tolist()


def test_the_datas_own_range():
    values = torch.tensor([-3, 1, 5, 5])
    assert torch.histc(values.to("tt"), 4).tolist() == count(values.tolist(), 4, -3, 5)
    assert torch.histc(torch.tensor([7, 7], device="tt"), 4).tolist() == [0, 0, 2, 0]
    assert torch.histc(torch.empty(0, dtype=torch.int32, device="tt"), 3).tolist() == [0, 0, 0]


def test_large_integers():
    """Float64 could not tell these apart."""
    low = 2**62
    values = torch.tensor([low, low + 1, low + 2, low + 3, -(2**63)])
    assert torch.histc(values.to("tt"), 4, low, low + 3).tolist() == [1, 1, 1, 1]
    assert torch.histc(values.to("tt"), 2, -(2**63), 2**63 - 1).tolist() == [1, 4]
    for value in (-(2**63), 2**63 - 1):
        assert torch.histc(torch.tensor([value, value], device="tt"), 3).sum().item() == 2


def test_bounds_that_are_not_whole():
    values = torch.arange(6)
    expected = torch.histc(values.double(), 4, 0.5, 4.5)
    assert torch.histc(values.to("tt"), 4, 0.5, 4.5).tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_floats_are_the_cpus(dtype):
    values = torch.linspace(-1, 2, 50).to(dtype)
    torch.testing.assert_close(torch.histc(values.to("tt"), 7, -1, 2).cpu(), torch.histc(values, 7, -1, 2))
    assert torch.histc(values.to("tt")).sum().item() == 50


def test_out():
    out = torch.empty(0, dtype=torch.int64, device="tt")
    assert torch.histc(torch.tensor([0, 1, 1], device="tt"), 2, 0, 1, out=out) is out
    assert out.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="expected out to have the dtype of the input, Long, got Float"):
        torch.histc(torch.tensor([0, 1, 1], device="tt"), 2, 0, 1, out=torch.empty(2, device="tt"))


def test_errors():
    values = torch.zeros(300, dtype=torch.uint8, device="tt")
    with pytest.raises(RuntimeError, match="one of 300 does not fit Byte; convert the input to a larger dtype"):
        torch.histc(values, 2, 0, 1)
    with pytest.raises(RuntimeError, match=r"bins must be > 0, got 0"):
        torch.histc(values, 0, 0, 1)
    with pytest.raises(RuntimeError, match=r"max must be larger than min, got min=2 and max=1"):
        torch.histc(values, 2, 2, 1)


def test_uint64():
    with pytest.raises(RuntimeError, match="expected integers that int64 has, got a tensor of UInt64; convert it"):
        torch.histc(torch.ones(3, dtype=torch.uint64).to("tt"), 2, 0, 1)


def test_on_a_meta_tensor():
    assert torch.histc(torch.zeros(3, device="meta"), 5).shape == (5,)
