"""Traces, and devices that close."""

import os
import subprocess
import sys

import pytest
import torch
from tensors import OPERATORS, check_outputs, choices, moe, ttnn

pytestmark = pytest.mark.dispatch


@pytest.mark.skipif("TT_METAL_SLOW_DISPATCH_MODE" in os.environ, reason="traces need fast dispatch")
@pytest.mark.parametrize("operator", OPERATORS)
def test_trace(device, operator):
    (ids, weights), on_device = choices(device, 32, 4, 16, ids=ttnn.int32)
    call = getattr(moe, operator)
    call(*on_device, 16)
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    outputs = call(*on_device, 16)
    ttnn.end_trace_capture(device, trace, cq_id=0)
    for shift in (1, 2):
        shifted = ((ids + shift) % 16).to(torch.int32)
        on_host = ttnn.from_torch(shifted, dtype=ttnn.int32, layout=ttnn.ROW_MAJOR_LAYOUT)
        ttnn.copy_host_to_device_tensor(on_host, on_device[0])
        ttnn.execute_trace(device, trace, cq_id=0, blocking=True)
        check_outputs(operator, (shifted, weights), outputs, 16)
    bad = ttnn.from_torch(torch.full((32, 4), 50, dtype=torch.int32), dtype=ttnn.int32, layout=ttnn.ROW_MAJOR_LAYOUT)
    ttnn.copy_host_to_device_tensor(bad, on_device[0])
    ttnn.execute_trace(device, trace, cq_id=0, blocking=True)
    ttnn.release_trace(device, trace)
    with pytest.raises(IndexError, match=rf"moe::{operator}: .* got 50 at selected_experts\[0, 0\]"):
        moe.check(device)


PROGRAM = """
import torch, ttnn
import torch_moe_ttnn.ttnn as moe

def route(device):
    ids = ttnn.from_torch(torch.tensor([[1, 0]], dtype=torch.int32), dtype=ttnn.uint32,
                          layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
    weights = ttnn.from_torch(torch.tensor([[0.25, 0.75]]), dtype=ttnn.float32,
                              layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
    return moe.prepare_mapping(ids, weights, 2)

for _ in range(2):
    device = ttnn.open_device(device_id=0)
    moe.check(device)
    mapping = route(device)
    print(ttnn.to_torch(mapping).tolist())
    moe.check(device)
    ttnn.close_device(device)
device = ttnn.open_device(device_id=0)
kept = route(device)
"""


def test_a_process_opens_the_chip_again_and_ends_with_it_open(device):
    """A simulated chip is a process's own, and so this one's stays as it is."""
    if "TT_METAL_SIMULATOR" not in os.environ:
        pytest.skip("needs a chip that no other process has")
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("[[0.75, 0.25]]") == 2


def test_check_before_any_call(device):
    moe.check(device)


def test_importing_the_package_does_not_import_ttnn():
    code = "import sys, torch_moe_ttnn; sys.exit('ttnn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
