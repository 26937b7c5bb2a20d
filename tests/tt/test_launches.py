"""What the operators do on tt beyond what they do everywhere."""

import re

import pytest
import torch

from support import processes
from support.checks import assert_same_bits
from support.choices import choices_on
from support.operators import MAPPING, PERMUTE, ROUTING
from torch_moe_ttnn.testing import make_choices

pytestmark = [pytest.mark.chip, pytest.mark.dispatch]


@pytest.fixture
def choices():
    return choices_on("tt", 64)


def out_of_range(first=16):
    ids, weights = make_choices(64, 4, 16)
    ids[5, 1] = first
    return ids.to("tt"), weights.to("tt"), 16


def test_launches_and_nothing_else(operator, choices):
    """No copy, no host read: one launch a call, and memory for the outputs and what the launch needs."""
    operator(*choices, 16)
    torch.tt.synchronize()
    before = torch.tt.num_launches()
    for _ in range(10):
        operator(*choices, 16)
    assert torch.tt.num_launches() - before == 10


@pytest.mark.parametrize(
    "shape", [(2, 5000, 6000), (2, 5000, 9000), (20000, 1, 1000)], ids=["choices", "large rows", "pages"]
)
def test_a_map_of_more_than_a_worker_holds_at_a_time(shape):
    num_tokens, num_choices, num_experts = shape
    ids, weights = make_choices(num_tokens, num_choices, num_experts)
    mapping = MAPPING(ids.to("tt"), weights.to("tt"), num_experts)
    assert_same_bits(mapping, MAPPING(ids, weights, num_experts))
    ids[-1, -1] = num_experts
    MAPPING(ids.to("tt"), weights.to("tt"), num_experts)
    with pytest.raises(
        IndexError, match=rf"got {num_experts} at selected_experts\[{num_tokens - 1}, {num_choices - 1}\]"
    ):
        torch.tt.synchronize()


def test_dram_traffic(operator, choices):
    if torch.tt.get_device_properties().runtime != "emulated":
        with pytest.raises(RuntimeError, match="tt:0 does not count what its kernels read and write"):
            torch.tt.dram_traffic()
        return
    operator(*choices, 16)
    before = torch.tt.dram_traffic()
    outputs = operator(*choices, 16)
    read, written = (after - at for after, at in zip(torch.tt.dram_traffic(), before, strict=True))
    assert read >= sum(tensor.nbytes for tensor in choices)
    assert written >= sum(output.nbytes for output in outputs)
    torch.ones(4, device="tt").cpu()
    assert torch.tt.dram_traffic() == (before[0] + read, before[1] + written)  # a copy is no kernel's


def test_an_id_out_of_range_is_no_error_of_the_call(operator):
    outputs = operator(*out_of_range())
    with pytest.raises(IndexError, match=rf"^{operator.name}: .* got 16 at selected_experts\[5, 1\]"):
        torch.tt.synchronize()
    torch.tt.synchronize()  # reported once
    assert all(output.cpu().is_contiguous() for output in outputs)


def test_the_first_of_several_calls_is_named(choices):
    MAPPING(*choices, 16)
    ROUTING(*out_of_range(77))
    MAPPING(*out_of_range(99))
    message = "got 77 at selected_experts[5, 1] with num_experts = 16; calls after it met such ids too"
    with pytest.raises(IndexError, match=f"^{ROUTING.name}: .*{re.escape(message)}$"):
        torch.tt.synchronize()


def test_any_copy_to_the_host_reports(operator, choices):
    operator(*out_of_range())
    with pytest.raises(IndexError, match="got 16 at"):
        choices[0].cpu()
    assert choices[0].cpu().shape == (64, 4)


def test_a_pending_error_stops_nothing_that_follows(operator, choices):
    """Steps within the device's memory, and operators that fall back, are done before the error is raised."""
    launches = torch.tt.num_launches()
    operator(*out_of_range())
    operator(*(tensor.t().contiguous().t() for tensor in choices), 16)  # made contiguous by way of the host
    assert torch.tt.num_launches() - launches == 2
    column = torch.zeros(4, 2, device="tt")
    column[:, 0] = 5
    sums = torch.ones(3, device="tt")
    with pytest.raises(IndexError, match="got 16 at"):
        sums.add_(1)
    assert column.cpu().tolist() == [[5, 0]] * 4
    assert sums.cpu().tolist() == [2, 2, 2]


def test_right_calls_between_wrong_ones_are_unaffected(operator, choices):
    expected = operator.expected(*(tensor.cpu() for tensor in choices), 16)
    operator(*out_of_range())
    right = operator(*choices, 16)
    operator(*out_of_range())
    with pytest.raises(IndexError):
        torch.tt.synchronize()
    assert_same_bits(right, expected)


def test_inputs_may_be_freed_before_the_launch_has_run(operator):
    expected = operator.expected(*make_choices(2000, 8, 128), 128)
    for _ in range(5):
        ids, weights = (tensor.to("tt") for tensor in make_choices(2000, 8, 128))
        outputs = operator(ids, weights, 128)
        shape = ids.shape
        del ids, weights
        torch.full(shape, -5, dtype=torch.int64, device="tt")  # takes the memory of the ids
        assert_same_bits(outputs, expected)


def test_every_device_has_its_own_launches(operator, choices, other_device):
    expected = operator.expected(*(tensor.cpu() for tensor in choices), 16)
    there = operator(*(tensor.to(other_device) for tensor in choices), 16)
    operator(*out_of_range())
    assert_same_bits(there, expected)  # an error of the first device is none of the second one
    with pytest.raises(IndexError):
        torch.tt.synchronize("tt:0")


def test_too_many_elements_for_a_kernel():
    ids = torch.zeros(1, 1, dtype=torch.int64, device="tt").expand(2**20, 1)
    weights = torch.zeros(1, 1, device="tt").expand(2**20, 1)
    with pytest.raises(
        RuntimeError, match=r"^moe::prepare_mapping: expected fewer than 2\^32 - 4096 elements of the map"
    ):
        MAPPING(ids, weights, 4096)
    with pytest.raises(
        RuntimeError, match=r"^moe::prepare_routing: expected fewer than .* got shape \[4096, 1048576\]"
    ):
        ROUTING(ids, weights, 4096)


@pytest.mark.parametrize("name", ["prepare_mapping", "prepare_routing"])
def test_no_memory_for_the_outputs(name):
    """PyTorch's own error, and the device goes on."""
    code = f"""
import torch, torch_moe_ttnn
from torch_moe_ttnn.testing import make_choices
ids, weights = (tensor.to("tt") for tensor in make_choices(4096, 8, 512))
held = []
try:
    while len(held) < 100:
        held.append(torch_moe_ttnn.{name}(ids, weights, 512))
except torch.OutOfMemoryError as error:
    print("held" if len(held) < 100 else "too many")
held.clear()
few = torch_moe_ttnn.{name}(ids[:10], weights[:10], 512)
torch.tt.synchronize()
print("works")
"""
    assert processes.output(
        code, TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_DRAM_SIZE=str(200 * 2**20)
    ).split() == ["held", "works"]


def test_permute_launches_and_nothing_else():
    hidden, tokens = torch.rand(5, 3).to("tt"), torch.tensor([4, -1, 0, 4], dtype=torch.int32, device="tt")
    PERMUTE(hidden, tokens)
    before = torch.tt.num_launches()
    torch.tt.set_fallback_mode("error")
    PERMUTE(hidden, tokens)
    assert torch.tt.num_launches() - before == 1
    with pytest.raises(
        NotImplementedError, match="moe::permute has no kernel for tt, and the fallback to the CPU is off"
    ):
        PERMUTE(hidden.to(torch.float8_e5m2), tokens)


def test_a_token_out_of_range_is_no_error_of_the_call(choices):
    hidden = torch.ones(4, 8, device="tt")
    (permuted,) = PERMUTE(hidden, torch.tensor([3, 7, -1, -9], dtype=torch.int32, device="tt"))
    MAPPING(*out_of_range())
    message = f"{PERMUTE.name}: expected grouped_tokens in [0, 4) or -1, got 7 at grouped_tokens[1]"
    with pytest.raises(IndexError, match=f"^{re.escape(message)}; calls after it met such ids too$"):
        torch.tt.synchronize()
    assert permuted.cpu().sum(1).tolist() == [8, 0, 0, 0]
    PERMUTE(hidden, torch.tensor([3], dtype=torch.int32, device="tt"))
    torch.tt.synchronize()
