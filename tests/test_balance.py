"""``load_balance``: statistics of a grouping, against Python's own."""

import math
import statistics

import pytest
import torch

import torch_moe_ttnn
from support.choices import choices_on
from torch_moe_ttnn.testing import DISTRIBUTIONS

# On tt, PyTorch's operators compute it by way of the host.
pytestmark = pytest.mark.any_runtime

NUM_EXPERTS = 16
INTEGERS = ("num_choices", "num_without_row", "num_idle", "busiest", "max_load")


def statistics_of(sizes, num_choices, rows_in_use):
    """Return the same from lists of numbers."""
    total, mean = sum(sizes), sum(sizes) / len(sizes)
    shares = [size / total for size in sizes if size] if total else []
    even = total == 0 or len(sizes) == 1
    return {
        "num_choices": total,
        "num_without_row": num_choices - total,
        "num_idle": sizes.count(0),
        "busiest": sizes.index(max(sizes)),
        "max_load": max(sizes),
        "mean_load": mean,
        "imbalance": 1 if even else max(sizes) / mean,
        "coefficient_of_variation": 0 if even else statistics.pstdev(sizes) / mean,
        "entropy": 1 if even else -sum(share * math.log(share) for share in shares) / math.log(len(sizes)),
        "padding": (rows_in_use - total) / rows_in_use if rows_in_use else 0,
    }


def assert_balance(grouping):
    balance = torch_moe_ttnn.load_balance(grouping)
    sizes, offsets = grouping.group_sizes.tolist(), grouping.group_offsets.tolist()
    expected = statistics_of(sizes, grouping.positions.numel(), offsets[-1])
    assert balance._fields == tuple(expected)
    for name, value in balance._asdict().items():
        assert value.shape == ()
        assert value.device == grouping.group_sizes.device
        assert value.dtype == (torch.int64 if name in INTEGERS else torch.float32)
        assert value.item() == pytest.approx(expected[name], rel=1e-6, abs=1e-7), name
    return balance


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("alignment", [1, 16])
def test_values(device, distribution, alignment):
    choices = choices_on(device, 100, num_experts=NUM_EXPERTS, distribution=distribution)
    balance = assert_balance(torch_moe_ttnn.prepare_grouping(*choices, NUM_EXPERTS, alignment=alignment))
    assert (balance.padding > 0) == (alignment > 1)


@pytest.mark.parametrize("options", [{}, {"alignment": 8}, {"max_tokens": 3}, {"max_tokens": 0}], ids=str)
@pytest.mark.parametrize("local", [None, [3], [7, 0, 5]])
@pytest.mark.parametrize("num_tokens", [0, 1, 33])
def test_options(device, num_tokens, local, options):
    """Down to no token, no choice and one group."""
    choices = choices_on(device, num_tokens, num_experts=NUM_EXPERTS)
    local_experts = None if local is None else torch.tensor(local, device=device)
    assert_balance(torch_moe_ttnn.prepare_grouping(*choices, NUM_EXPERTS, local_experts=local_experts, **options))


def test_extremes():
    """Perfectly even, and all in one."""
    even = torch_moe_ttnn.prepare_grouping(torch.arange(32).view(32, 1) % 16, torch.ones(32, 1), NUM_EXPERTS)
    balance = torch_moe_ttnn.load_balance(even)
    assert (balance.imbalance, balance.coefficient_of_variation, balance.num_idle) == (1, 0, 0)
    assert balance.entropy.item() == pytest.approx(1)
    one = torch_moe_ttnn.prepare_grouping(torch.full((32, 1), 5), torch.ones(32, 1), NUM_EXPERTS)
    balance = torch_moe_ttnn.load_balance(one)
    assert (balance.imbalance, balance.entropy, balance.num_idle, balance.busiest) == (16, 0, 15, 5)


def test_dropped_choices_are_counted():
    """The four that find no room."""
    grouping = torch_moe_ttnn.prepare_grouping(
        torch.tensor([[0], [0], [0], [0], [0], [1]]), torch.ones(6, 1), 2, max_tokens=1
    )
    assert torch_moe_ttnn.load_balance(grouping).num_without_row == 4


def test_no_host_read():
    """Meta tensors have nothing to read."""
    choices = choices_on("meta", 9)
    balance = torch_moe_ttnn.load_balance(torch_moe_ttnn.prepare_grouping(*choices, 16))
    assert {value.shape for value in balance} == {torch.Size()}


def test_compiled(device, backend):
    def function(ids, weights):
        return torch_moe_ttnn.load_balance(torch_moe_ttnn.prepare_grouping(ids, weights, NUM_EXPERTS, alignment=4))

    compiled = torch.compile(function, fullgraph=True, dynamic=True, backend=backend)
    for num_tokens in (9, 33):
        choices = choices_on(device, num_tokens)
        for actual, expected in zip(compiled(*choices), function(*choices), strict=True):
            assert actual.item() == pytest.approx(expected.item(), rel=1e-6)


def test_no_groups():
    none = torch.empty(0, dtype=torch.int64)
    grouping = torch_moe_ttnn.prepare_grouping(*choices_on("cpu", 9), 16, local_experts=none)
    with pytest.raises(RuntimeError, match="expected a grouping of at least one group, got one without"):
        torch_moe_ttnn.load_balance(grouping)
