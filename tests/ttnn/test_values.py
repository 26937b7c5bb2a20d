"""Every output has the reference's bits."""

import itertools

import pytest
import torch
from tensors import (
    ID_DTYPES,
    OPERATORS,
    WEIGHT_DTYPES,
    as_tuple,
    call_and_check,
    check_outputs,
    choices,
    moe,
    to_ttnn,
    ttnn,
)

DRAM, L1 = ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG

every_operator = pytest.mark.parametrize("operator", OPERATORS)


@every_operator
@pytest.mark.parametrize("experts", [8, 16, 32, 128])
@pytest.mark.parametrize("top_k", [2, 3, 4])
@pytest.mark.parametrize("tokens", [2, 4, 8, 16, 32])
def test_the_sizes_of_the_fork(device, operator, tokens, top_k, experts):
    call_and_check(operator, *choices(device, tokens, top_k, experts), experts)


@every_operator
@pytest.mark.parametrize(
    ("tokens", "top_k", "experts"),
    # Models' sizes, odd ones, one token, rows of several packets, rows that are not a multiple of a word.
    [(1, 1, 1), (1, 8, 128), (33, 3, 37), (100, 5, 100), (1000, 8, 160), (1024, 8, 128), (7, 16, 896), (5, 10, 2500)],
)
@pytest.mark.parametrize("distribution", ["uniform", "same", "padded"])
def test_other_sizes(device, operator, tokens, top_k, experts, distribution):
    call_and_check(operator, *choices(device, tokens, top_k, experts, distribution=distribution), experts)


@pytest.mark.dispatch
@every_operator
@pytest.mark.parametrize("weights", WEIGHT_DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("ids", ID_DTYPES, ids=lambda dtype: dtype.name)
def test_dtypes(device, operator, ids, weights):
    on_host, on_device = choices(device, 50, 3, 40, ids=ids, weights=weights, distribution="padded")
    call_and_check(operator, on_host, on_device, 40)


@pytest.mark.dispatch
@every_operator
@pytest.mark.parametrize(
    ("ids", "weights", "output"), list(itertools.product([DRAM, L1], repeat=3)), ids=lambda m: m.buffer_type.name
)
def test_memory(device, operator, ids, weights, output):
    on_host, on_device = choices(device, 200, 3, 40, memory=(ids, weights))
    outputs = call_and_check(operator, on_host, on_device, 40, memory_config=output)
    assert all(tensor.memory_config().buffer_type == output.buffer_type for tensor in outputs)


@every_operator
@pytest.mark.parametrize("leading", [(1,), (1, 1), (1, 1, 1)])
def test_leading_dimensions_of_one(device, operator, leading):
    on_host, _ = choices(device, 32, 4, 16)
    on_device = [
        to_ttnn(tensor.reshape(*leading, *tensor.shape), dtype, device)
        for tensor, dtype in zip(on_host, (ttnn.uint32, ttnn.bfloat16), strict=True)
    ]
    call_and_check(operator, on_host, on_device, 16)


@every_operator
def test_views(device, operator):
    on_host, on_device = choices(device, 32, 4, 16)
    on_device = [ttnn.reshape(tensor, (1, 1, 32, 4)) for tensor in on_device]
    call_and_check(operator, on_host, on_device, 16)


@every_operator
def test_repeated_ids(device, operator):
    ids = torch.tensor([[3, 3, 1], [0, 2, 2]], dtype=torch.int32)
    weights = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    on_device = to_ttnn(ids, ttnn.int32, device), to_ttnn(weights, ttnn.float32, device)
    call_and_check(operator, (ids, weights), on_device, 4)


@pytest.mark.dispatch
@every_operator
def test_inputs_stay(device, operator):
    on_host, on_device = choices(device, 32, 4, 16)
    getattr(moe, operator)(*on_device, 16)
    for before, after in zip(on_host, on_device, strict=True):
        assert torch.equal(ttnn.to_torch(after), before)


@pytest.mark.dispatch
@every_operator
def test_calls_with_other_tensors_share_programs(device, operator):
    """ttnn's cached program gets the addresses and sizes of each call."""
    sizes = [(tokens, 4, experts, seed) for tokens in (32, 30) for experts in (16, 12) for seed in (1, 2)]
    made = [(choices(device, *size, seed=seed), size[-1]) for *size, seed in sizes]
    call = getattr(moe, operator)
    call(*made[0][0][1], made[0][1])
    programs = device.num_program_cache_entries()
    outputs = [call(*on_device, experts) for (_, on_device), experts in made]
    assert device.num_program_cache_entries() == programs
    for ((on_host, _), experts), output in zip(made, outputs, strict=True):
        check_outputs(operator, on_host, output, experts)


@pytest.mark.dispatch
@every_operator
def test_outputs_are_given_back(device, operator):
    _, on_device = choices(device, 32, 4, 16)
    call = getattr(moe, operator)
    addresses = []
    for _ in range(2):
        outputs = as_tuple(call(*on_device, 16))
        addresses.append([output.buffer_address() for output in outputs])
        for output in outputs:
            ttnn.deallocate(output)
    assert addresses[0] == addresses[1]


@pytest.mark.parametrize("alignment", [1, 3, 32])
@pytest.mark.parametrize(("tokens", "top_k", "experts"), [(1, 1, 1), (32, 4, 16), (33, 3, 37), (1024, 8, 128)])
def test_alignment(device, tokens, top_k, experts, alignment):
    on_host, on_device = choices(device, tokens, top_k, experts, distribution="padded")
    call_and_check("prepare_grouping", on_host, on_device, experts, alignment=alignment)
