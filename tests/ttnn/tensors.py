"""Tensors between torch and ttnn, and what the operators should give. Modules take ttnn from here, or are skipped."""

import warnings

import pytest
import torch

from torch_moe_ttnn.testing import make_choices, reference

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what ttnn imports
    # `ttnn` alone would find this folder.
    pytest.importorskip(
        "ttnn._ttnn", reason="ttnn is not installed; it has wheels for Python 3.10 and 3.12", exc_type=ImportError
    )
    import ttnn

import torch_moe_ttnn.ttnn as moe

OPERATORS = ("prepare_mapping", "prepare_routing", "prepare_grouping")
ID_DTYPES = {ttnn.uint32: torch.uint32, ttnn.int32: torch.int32, ttnn.uint16: torch.uint16}
WEIGHT_DTYPES = {ttnn.bfloat16: torch.bfloat16, ttnn.float32: torch.float32}


def to_ttnn(tensor, dtype, device, memory_config=ttnn.DRAM_MEMORY_CONFIG):
    return ttnn.from_torch(
        tensor, dtype=dtype, layout=ttnn.ROW_MAJOR_LAYOUT, device=device, memory_config=memory_config
    )


def choices(device, tokens, top_k, experts, *, ids=ttnn.uint32, weights=ttnn.bfloat16, memory=None, **options):
    """Return choices twice: for the reference, and on the device."""
    memory = memory or (ttnn.DRAM_MEMORY_CONFIG, ttnn.DRAM_MEMORY_CONFIG)
    on_host = make_choices(
        tokens, top_k, experts, id_dtype=ID_DTYPES[ids], weight_dtype=WEIGHT_DTYPES[weights], **options
    )
    on_device = [to_ttnn(t, d, device, m) for t, d, m in zip(on_host, (ids, weights), memory, strict=True)]
    return on_host, on_device


def as_tuple(outputs):
    return (outputs,) if isinstance(outputs, ttnn.Tensor | torch.Tensor) else tuple(outputs)


def check_outputs(operator, on_host, outputs, experts, **options):
    """Compare outputs with the reference's: shapes, dtypes and every bit."""
    expected = as_tuple(getattr(reference, operator)(*on_host, experts, **options))
    outputs = as_tuple(outputs)
    assert len(outputs) == len(expected)
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.layout == ttnn.ROW_MAJOR_LAYOUT
        assert list(output.shape) == list(wanted.shape)
        got = ttnn.to_torch(output)
        # Where PyTorch has int32, ttnn has uint32.
        assert got.dtype == (torch.uint32 if wanted.dtype == torch.int32 else wanted.dtype)
        assert torch.equal(bits(got), bits(wanted))


def bits(tensor):
    return tensor.contiguous().view(torch.uint8)


def call_and_check(operator, on_host, on_device, experts, memory_config=None, local_experts=None, **options):
    """Call, and compare. `local_experts` is a pair of the host's and the device's, if given."""
    local = {} if local_experts is None else {"local_experts": local_experts[1]}
    outputs = getattr(moe, operator)(*on_device, experts, memory_config=memory_config, **local, **options)
    expected = {} if local_experts is None else {"local_experts": local_experts[0]}
    check_outputs(operator, on_host, outputs, experts, **expected, **options)
    return as_tuple(outputs)
