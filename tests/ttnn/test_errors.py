"""Arguments that are refused, and ids that are found later."""

import pytest
import torch
from tensors import OPERATORS, call_and_check, check_outputs, choices, moe, to_ttnn, ttnn

pytestmark = pytest.mark.dispatch


@pytest.fixture(params=OPERATORS)
def operator(request):
    return request.param


@pytest.fixture
def refused(device, operator):
    """Check that a call with one argument changed is refused in so many words."""
    _, (ids, weights) = choices(device, 32, 4, 16)
    good = {"selected_experts": ids, "routing_weights": weights, "num_experts": 16}

    def check(message, error=RuntimeError, **changed):
        with pytest.raises(error) as raised:
            getattr(moe, operator)(**good | changed)
        assert f"moe::{operator}: {message}" in str(raised.value)

    return check


def test_no_ttnn_tensor(refused):
    message = "expected a ttnn.Tensor for selected_experts, got Tensor; torch_moe_ttnn."
    refused(message, TypeError, selected_experts=torch.zeros(32, 4, dtype=torch.int32))


def test_on_the_host(refused):
    ids = ttnn.from_torch(torch.zeros(32, 4, dtype=torch.int32), dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT)
    refused(
        "expected selected_experts on a device, got a tensor in the host's memory; call ttnn.to_device",
        selected_experts=ids,
    )


def test_tiles(refused, device):
    weights = ttnn.from_torch(torch.zeros(32, 4), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    refused(
        "expected routing_weights in ttnn.ROW_MAJOR_LAYOUT, got Layout.TILE; call "
        "ttnn.to_layout(routing_weights, ttnn.ROW_MAJOR_LAYOUT)",
        routing_weights=weights,
    )


def test_sharded(refused, device):
    memory = ttnn.create_sharded_memory_config((32, 4), ttnn.CoreGrid(y=1, x=1), ttnn.ShardStrategy.HEIGHT)
    ids = to_ttnn(torch.zeros(32, 4, dtype=torch.int32), ttnn.uint32, device, memory)
    refused(
        "expected selected_experts interleaved, got TensorMemoryLayout.HEIGHT_SHARDED; call "
        "ttnn.to_memory_config(selected_experts, ttnn.DRAM_MEMORY_CONFIG)",
        selected_experts=ids,
    )
    refused("expected an interleaved memory_config, got TensorMemoryLayout.HEIGHT_SHARDED", memory_config=memory)


def test_dtypes(refused, device):
    ids = to_ttnn(torch.zeros(32, 4), ttnn.bfloat16, device)
    refused(
        "expected selected_experts of dtype uint32 or int32 or uint16, got bfloat16; call "
        "ttnn.typecast(selected_experts, ttnn.uint32)",
        selected_experts=ids,
    )
    weights = to_ttnn(torch.zeros(32, 4, dtype=torch.int32), ttnn.int32, device)
    refused(
        "expected routing_weights of dtype bfloat16 or float32, got int32; call "
        "ttnn.typecast(routing_weights, ttnn.bfloat16)",
        routing_weights=weights,
    )


def test_deallocated(refused, device):
    ids = to_ttnn(torch.zeros(32, 4, dtype=torch.int32), ttnn.uint32, device)
    ttnn.deallocate(ids)
    refused("expected selected_experts ", selected_experts=ids)


def test_shapes_and_sizes_in_the_words_of_every_backend(refused, device):
    weights = to_ttnn(torch.zeros(32, 3), ttnn.bfloat16, device)
    refused(
        "expected selected_experts and routing_weights of the same shape (T, K), got shapes [32, 4] and [32, 3]",
        routing_weights=weights,
    )
    ids = to_ttnn(torch.zeros(2, 32, 4, dtype=torch.int32), ttnn.uint32, device)
    refused("expected selected_experts of shape (T, K), got shape [2, 32, 4]", selected_experts=ids)
    refused("expected num_experts of at least 1, got 0", num_experts=0)
    refused(
        "expected no more choices a token than experts (K <= num_experts), got K = 4 and num_experts = 3", num_experts=3
    )


def test_nothing_to_launch(refused, device):
    empty = {
        "selected_experts": to_ttnn(torch.zeros(0, 4, dtype=torch.int32), ttnn.uint32, device),
        "routing_weights": to_ttnn(torch.zeros(0, 4), ttnn.bfloat16, device),
    }
    refused(
        "expected one token, choice, local expert and capacity or more on ttnn tensors, got selected_experts",
        **empty,
    )


def test_a_map_too_wide_for_l1(device):
    _, on_device = choices(device, 1, 1, 400_000)
    with pytest.raises(RuntimeError, match=r"^moe::prepare_mapping: expected rows of the map of at most"):
        moe.prepare_mapping(*on_device, 400_000)


def test_ids_out_of_range_are_found_by_check(device, operator):
    on_host, on_device = choices(device, 100, 4, 16, ids=ttnn.int32)
    ids = on_host[0].clone()
    ids[70, 1], ids[12, 2], ids[12, 3] = 16, -5, 99
    call = getattr(moe, operator)
    call(to_ttnn(ids, ttnn.int32, device), on_device[1], 16)
    call_and_check(operator, on_host, on_device, 16)
    message = (
        rf"moe::{operator}: expected expert ids in \[0, 16\) or the \"no expert\" id \(all bits set\), got -5 at "
        r"selected_experts\[12, 2\] with num_experts = 16$"
    )
    with pytest.raises(IndexError, match=message):
        moe.check(device)
    moe.check(device)
    call_and_check(operator, on_host, on_device, 16)
    moe.check(device)


def test_the_first_of_several_calls_is_reported(device):
    _, (ids, weights) = choices(device, 8, 2, 16)
    bad = to_ttnn(torch.full((8, 2), 77, dtype=torch.int32), ttnn.uint32, device)
    moe.prepare_mapping(ids, weights, 16)
    moe.prepare_routing(bad, weights, 20)
    moe.prepare_mapping(bad, weights, 30)
    with pytest.raises(IndexError) as raised:
        moe.check(device)
    text = str(raised.value)
    assert text.startswith("moe::prepare_routing: expected expert ids in [0, 20)")
    assert text.endswith("got 77 at selected_experts[0, 0] with num_experts = 20; calls after it met such ids too")


def test_ids_out_of_range_overwrite_nothing(device, operator):
    """They route nowhere: what the other choices give is as it was, and so is the memory around."""
    on_host, on_device = choices(device, 64, 4, 16, ids=ttnn.int32)
    ids = on_host[0].clone()
    ids[::3, 1] = torch.tensor([16, -2, 2**31 - 1, -(2**31)]).repeat(6)[:22].to(torch.int32)
    around = [to_ttnn(torch.full((64, 4), 5, dtype=torch.int32), ttnn.int32, device) for _ in range(2)]
    outputs = getattr(moe, operator)(to_ttnn(ids, ttnn.int32, device), on_device[1], 16)
    ids[::3, 1] = -1
    check_outputs(operator, (ids, on_host[1]), outputs, 16)
    assert all((ttnn.to_torch(tensor) == 5).all() for tensor in around)
    with pytest.raises(IndexError):
        moe.check(device)
