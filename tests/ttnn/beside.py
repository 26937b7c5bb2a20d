"""Processes in which ttnn and ``tt`` share a chip: who opens and closes it is a matter of the whole process."""

import importlib.util
import os
import textwrap
from pathlib import Path

import pytest

from support import metalium, processes

CHECKOUT = Path(__file__).parents[2]


def _reason() -> str | None:
    """Return why the tests cannot run here."""
    ttnn = importlib.util.find_spec("ttnn")
    if ttnn is None or ttnn.origin is None:  # this folder, where there is no other of its name
        return "needs ttnn"
    if "TT_METAL_SIMULATOR" not in os.environ and not any(Path("/dev").glob("tenstorrent/[0-9]*")):
        return "needs a Tenstorrent chip, or a simulated one that TT_METAL_SIMULATOR names"
    return None


needs_ttnn_and_chip = pytest.mark.skipif(_reason() is not None, reason=str(_reason()))

needs_two_chips = pytest.mark.skipif(
    not os.environ.get("TT_METAL_SIMULATOR") and len(list(Path("/dev").glob("tenstorrent/[0-9]*"))) < 2,
    reason="needs two chips, or simulated ones",
)

# The environment that a simulator needs for two chips, where ttnn is imported first.
TWO_CHIPS = (
    {"TT_METAL_MOCK_CLUSTER_DESC_PATH": str(metalium.two_chips()), "TT_METAL_DRAM_BACKED_CQ": "1"}
    if os.environ.get("TT_METAL_SIMULATOR")
    else {}
)

# What the programs call. `refusal` is the message of the error that a call must end with.
TOOLS = """
import gc, os, sys, torch

HOST = torch.arange(16384, dtype=torch.int32).reshape(128, 128)

def to_ttnn(host, device):
    return ttnn.from_torch(host, dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device,
                           memory_config=ttnn.DRAM_MEMORY_CONFIG)

def wrong(tensor, host=HOST):
    '''Return how many values of a tensor, of ttnn or on tt, are not what was written.'''
    back = tensor.cpu() if isinstance(tensor, torch.Tensor) else ttnn.to_torch(tensor)
    return int((back.to(torch.int64) != host).sum())

def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except RuntimeError as error:
        return str(error).partition("\\n")[0]
    return "no error"

def route():
    '''Return whether an operator on tt gives what it gives on the CPU.'''
    from torch_moe_ttnn.testing import make_choices
    choices = make_choices(64, 4, 32)
    on_tt = torch_moe_ttnn.prepare_routing(*(tensor.to("tt") for tensor in choices), 32)
    return all(torch.equal(a.cpu().view(torch.uint8), b.view(torch.uint8))
               for a, b in zip(on_tt, torch_moe_ttnn.prepare_routing(*choices, 32)))
"""


def printed(code: str, imports: str = "import torch_moe_ttnn, ttnn", **environment: str) -> list[str]:
    """Run a program that must succeed and say nothing to stderr; return the lines that it prints."""
    environment.setdefault("TORCH_TT_RUNTIME", "metal")
    path = f"{CHECKOUT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return processes.output(
        f"{imports}\n{TOOLS}\n{textwrap.dedent(code)}",
        **{"PYTHONPATH": path, "LOGURU_LEVEL": "WARNING", "TT_METAL_LOGGER_LEVEL": "error"} | environment,
    ).splitlines()
