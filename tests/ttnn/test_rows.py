"""permute on ttnn tensors."""

import pytest
import torch
from tensors import bits, choices, moe, to_ttnn, ttnn

from torch_moe_ttnn.testing import reference

DRAM, L1 = ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG


def permute_and_check(device, hidden, tokens, dtype=ttnn.bfloat16, memory=(DRAM, DRAM, DRAM)):
    rows = moe.permute(
        to_ttnn(hidden, dtype, device, memory[0]),
        to_ttnn(tokens, ttnn.int32, device, memory[1]),
        memory_config=memory[2],
    )
    expected = reference.permute(hidden, tokens)
    assert rows.layout == ttnn.ROW_MAJOR_LAYOUT
    assert list(rows.shape) == list(expected.shape)
    assert torch.equal(bits(ttnn.to_torch(rows)), bits(expected))


def some_tokens(num_rows, num_tokens):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(-1, num_tokens, (num_rows,), dtype=torch.int32, generator=generator)


@pytest.mark.parametrize(
    ("tokens", "rows", "width"),
    # One element, rows that are not whole words, rows of several packets, more tokens than workers and fewer.
    [(1, 1, 1), (3, 50, 37), (100, 7, 64), (33, 264, 2880), (5, 40, 7168), (1000, 100, 100)],
)
@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.float32], ids=lambda dtype: dtype.name)
def test_values(device, tokens, rows, width, dtype):
    hidden = torch.randn(tokens, width).to(torch.bfloat16 if dtype == ttnn.bfloat16 else torch.float32)
    permute_and_check(device, hidden, some_tokens(rows, tokens), dtype)


@pytest.mark.parametrize("memory", [(L1, DRAM, DRAM), (DRAM, L1, DRAM), (DRAM, DRAM, L1), (L1, L1, L1)])
def test_memory(device, memory):
    permute_and_check(device, torch.randn(50, 96).to(torch.bfloat16), some_tokens(70, 50), memory=memory)


def test_no_tokens(device):
    permute_and_check(device, torch.randn(4, 64).to(torch.bfloat16), torch.full((9,), -1, dtype=torch.int32))


def test_after_a_grouping(device):
    """What a layer does first: group, and move the rows."""
    _, on_device = choices(device, 32, 4, 16)
    hidden = torch.randn(32, 64).to(torch.bfloat16)
    grouping = moe.prepare_grouping(*on_device, 16, alignment=32)
    rows = moe.permute(to_ttnn(hidden.reshape(1, 1, 32, 64), ttnn.bfloat16, device), grouping.grouped_tokens)
    tokens = ttnn.to_torch(grouping.grouped_tokens).view(torch.int32)
    assert torch.equal(bits(ttnn.to_torch(rows)), bits(reference.permute(hidden, tokens)))


def test_tokens_out_of_range_are_found_by_check(device):
    hidden = torch.randn(8, 32).to(torch.bfloat16)
    tokens = torch.tensor([0, 8, -1, -2, 7], dtype=torch.int32)
    rows = moe.permute(to_ttnn(hidden, ttnn.bfloat16, device), to_ttnn(tokens, ttnn.int32, device))
    expected = reference.permute(hidden, torch.tensor([0, -1, -1, -1, 7], dtype=torch.int32))
    assert torch.equal(ttnn.to_torch(rows), expected)
    with pytest.raises(IndexError, match=r"moe::permute: .* got 8 at grouped_tokens\[1\]"):
        moe.check(device)
    moe.check(device)


def test_what_is_refused(device):
    hidden = to_ttnn(torch.randn(8, 32), ttnn.bfloat16, device)
    tokens = to_ttnn(torch.zeros(5, dtype=torch.int32), ttnn.uint32, device)
    with pytest.raises(RuntimeError, match="moe::permute: expected grouped_tokens of dtype uint32 or int32"):
        moe.permute(hidden, hidden)
    with pytest.raises(TypeError, match=r"moe::permute: expected a ttnn.Tensor for hidden, got Tensor"):
        moe.permute(torch.randn(8, 32), tokens)
    with pytest.raises(RuntimeError, match="moe::permute: expected grouped_tokens of shape"):
        moe.permute(hidden, to_ttnn(torch.zeros(2, 5, dtype=torch.int32), ttnn.uint32, device))
