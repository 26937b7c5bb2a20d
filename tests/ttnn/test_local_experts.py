"""local_experts and max_tokens on ttnn tensors."""

import pytest
import torch
from tensors import ID_DTYPES, OPERATORS, call_and_check, choices, moe, to_ttnn, ttnn

every_operator = pytest.mark.parametrize("operator", OPERATORS)


def local_on(device, ids, dtype=ttnn.int32, memory_config=ttnn.DRAM_MEMORY_CONFIG):
    """Return ids for the reference, and on the device."""
    host = torch.tensor(ids, dtype=ID_DTYPES[dtype]) if dtype == ttnn.int32 else torch.tensor(ids).to(ID_DTYPES[dtype])
    return host, to_ttnn(host, dtype, device, memory_config)


@every_operator
@pytest.mark.parametrize("dtype", ID_DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("local", [[7, 0, 3], list(range(36, -1, -1)), [5]])
def test_local_experts(device, operator, local, dtype):
    on_host, on_device = choices(device, 33, 3, 37, distribution="padded")
    call_and_check(operator, on_host, on_device, 37, local_experts=local_on(device, local, dtype))


@every_operator
def test_no_expert_and_repeated_ones(device, operator):
    on_host, on_device = choices(device, 100, 4, 16)
    call_and_check(operator, on_host, on_device, 16, local_experts=local_on(device, [3, -1, 9, 3, -1]))


@every_operator
def test_in_l1(device, operator):
    on_host, on_device = choices(device, 100, 4, 16)
    call_and_check(
        operator, on_host, on_device, 16, local_experts=local_on(device, [3, 9], memory_config=ttnn.L1_MEMORY_CONFIG)
    )


@pytest.mark.parametrize("operator", ["prepare_routing", "prepare_grouping"])
@pytest.mark.parametrize("max_tokens", [1, 5, 1000])
@pytest.mark.parametrize("distribution", ["uniform", "same"])
def test_max_tokens(device, operator, max_tokens, distribution):
    on_host, on_device = choices(device, 100, 4, 16, distribution=distribution)
    call_and_check(operator, on_host, on_device, 16, max_tokens=max_tokens)
    call_and_check(operator, on_host, on_device, 16, max_tokens=max_tokens, local_experts=local_on(device, [3, 9, 0]))


@every_operator
def test_ids_out_of_range_are_found_by_check(device, operator):
    on_host, on_device = choices(device, 20, 2, 16)
    getattr(moe, operator)(*on_device, 16, local_experts=local_on(device, [3, 16, -2])[1])
    with pytest.raises(IndexError, match=rf"moe::{operator}: .* got 16 at local_experts\[1\] with num_experts = 16"):
        moe.check(device)
    call_and_check(operator, on_host, on_device, 16)
    moe.check(device)


@every_operator
def test_what_is_refused(device, operator):
    _, on_device = choices(device, 20, 2, 16)
    call = getattr(moe, operator)
    with pytest.raises(RuntimeError, match=f"moe::{operator}: expected local_experts of shape"):
        call(*on_device, 16, local_experts=to_ttnn(torch.zeros(2, 3, dtype=torch.int32), ttnn.int32, device))
    with pytest.raises(RuntimeError, match=f"moe::{operator}: expected local_experts of dtype uint32"):
        call(*on_device, 16, local_experts=to_ttnn(torch.zeros(3), ttnn.bfloat16, device))
    if operator != "prepare_mapping":
        with pytest.raises(RuntimeError, match="there is nothing to launch"):
            call(*on_device, 16, max_tokens=0)
