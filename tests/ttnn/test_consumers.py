"""The outputs go into tt-metal's own operators as they are, as far as the simulator runs those."""

import pytest
import torch
from tensors import check_outputs, choices, moe, ttnn

pytestmark = pytest.mark.dispatch

TOKENS, TOP_K, EXPERTS, HIDDEN = 32, 4, 16, 64


def tiles(tensor, device):
    return ttnn.from_torch(tensor, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)


def begins_of(grouping, device):
    """Return the offsets without the last one.

    ttnn.slice gives them on the device, but the compiler beside the simulator does not take its kernels in 0.81.1.
    """
    begins = ttnn.to_torch(grouping.group_offsets)[:-1]
    return ttnn.from_torch(begins, dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)


@pytest.fixture
def grouping(device):
    _, on_device = choices(device, TOKENS, TOP_K, EXPERTS)
    return moe.prepare_grouping(*on_device, EXPERTS, alignment=32)


def test_the_map_is_viewed_as_sparsity(device):
    """(1, 1, T, E) is the same memory: ttnn.sparse_matmul's sparsity, moe_expert_token_remap's first argument."""
    on_host, on_device = choices(device, TOKENS, TOP_K, EXPERTS)
    mapping = moe.prepare_mapping(*on_device, EXPERTS)
    view = ttnn.reshape(mapping, (1, 1, TOKENS, EXPERTS))
    assert view.buffer_address() == mapping.buffer_address()
    assert (view.dtype, view.layout) == (ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT)
    check_outputs("prepare_mapping", on_host, ttnn.reshape(view, (TOKENS, EXPERTS)), EXPERTS)


def test_an_expert_s_rows_are_extracted_and_inserted(device, grouping):
    """deepseek_prefill's extract and insert take the offsets and sizes; groups of whole tiles suit their tiles."""
    prefill = ttnn.experimental.deepseek_prefill
    sizes, offsets = ttnn.to_torch(grouping.group_sizes).tolist(), ttnn.to_torch(grouping.group_offsets).tolist()
    begins = begins_of(grouping, device)
    experts = ttnn.from_torch(
        torch.arange(EXPERTS, dtype=torch.int32), dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device
    )
    on_host = torch.randn(grouping.grouped_tokens.shape[0], HIDDEN).to(torch.bfloat16)
    rows, copy = tiles(on_host, device), tiles(torch.zeros_like(on_host), device)
    for expert in range(EXPERTS):
        group = on_host[offsets[expert] : offsets[expert] + sizes[expert]]
        options = {"local_expert_id": expert}
        extracted = prefill.extract(
            rows, begins, grouping.group_sizes, experts, max_dispatched_tokens_per_expert=TOKENS, **options
        )
        assert torch.equal(ttnn.to_torch(extracted)[: sizes[expert]], group)
        copy = prefill.insert(copy, extracted, begins, grouping.group_sizes, experts, **options)
    got = ttnn.to_torch(copy)
    for begin, size in zip(offsets, sizes, strict=False):
        assert torch.equal(got[begin : begin + size], on_host[begin : begin + size])
    assert sum(sizes) == TOKENS * TOP_K


def test_the_counts_of_a_routing_are_extract_s(device, grouping):
    """(1, E) uint32 counts, here with E a multiple of 32, are what extract takes beside offsets."""
    _, on_device = choices(device, TOKENS, TOP_K, 32)
    counts = moe.prepare_routing(*on_device, 32).num_routed_tokens
    aligned = moe.prepare_grouping(*on_device, 32, alignment=32)
    begins = begins_of(aligned, device)
    experts = ttnn.from_torch(
        torch.arange(32, dtype=torch.int32), dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device
    )
    on_host = torch.randn(aligned.grouped_tokens.shape[0], HIDDEN).to(torch.bfloat16)
    extracted = ttnn.experimental.deepseek_prefill.extract(
        tiles(on_host, device), begins, counts, experts, local_expert_id=5, max_dispatched_tokens_per_expert=TOKENS
    )
    begin, size = ttnn.to_torch(aligned.group_offsets)[5].item(), ttnn.to_torch(counts)[0, 5].item()
    assert torch.equal(ttnn.to_torch(extracted)[:size], on_host[begin : begin + size])
