"""The same bits, run after run, at any number of threads."""

import pytest
import torch

from support import metalium
from support.checks import assert_same_bits
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.chip


@pytest.fixture
def threads():
    """Sets the number of threads, and restores it afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("sizes", [(32, 8, 128), (4096, 8, 128), (9999, 10, 7 * 9), (1, 16, 896)], ids=str)
@pytest.mark.parametrize("distribution", ["zipf", "padded"])
def test_any_number_of_threads(operator, threads, distribution, sizes):
    """On the CPU; what tt does on grids of other sizes is in tt/test_devices.py."""
    ids, weights = make_choices(*sizes, distribution=distribution)
    expected = operator.expected(ids, weights, sizes[2])
    for number in (1, 2, 3, 8):
        threads(number)
        assert_same_bits(operator(ids, weights, sizes[2]), expected)


def test_run_after_run(operator, device):
    ids, weights = (tensor.to(device) for tensor in make_choices(metalium.MANY_TOKENS, 8, 128))
    first = operator(ids, weights, 128)
    for _ in range(3 if metalium.SIMULATED else 20):
        assert_same_bits(operator(ids, weights, 128), first)
