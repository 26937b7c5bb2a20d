"""What the two groups beside ttnn share. ttnn is imported in their processes alone."""

import importlib
import importlib.util
import os
from typing import Any

import torch

import torch_moe_ttnn
from torch_moe_ttnn._cli.difference import difference
from torch_moe_ttnn._cli.verify.check import SkippedError, require
from torch_moe_ttnn.testing import make_choices

HOST = torch.arange(128 * 128, dtype=torch.int32).reshape(128, 128)


def import_ttnn() -> Any:  # noqa: ANN401 - ttnn has no types
    """Return ttnn, where it is installed and there is a chip for it."""
    if importlib.util.find_spec("ttnn") is None:
        raise SkippedError("ttnn is not installed")
    if os.environ.get("TORCH_TT_RUNTIME") == "emulated":
        raise SkippedError("the emulated device is no chip that ttnn could open")
    return importlib.import_module("ttnn")


def to_ttnn(host: torch.Tensor, device: object) -> Any:  # noqa: ANN401 - ttnn has no types
    """Return a tensor of ttnn, of uint32, in DRAM, a page for each row."""
    ttnn = import_ttnn()
    return ttnn.from_torch(
        host,
        dtype=ttnn.uint32,
        layout=ttnn.ROW_MAJOR_LAYOUT,
        device=device,
        memory_config=ttnn.DRAM_MEMORY_CONFIG,
    )


def require_intact(tensor: Any, host: torch.Tensor = HOST) -> None:  # noqa: ANN401 - ttnn has no types
    """Require that a tensor, of ttnn or on tt, has what was written."""
    back = tensor.cpu() if isinstance(tensor, torch.Tensor) else import_ttnn().to_torch(tensor)
    wrong = int((back.to(torch.int64) != host).sum())
    require(wrong == 0, f"{wrong} of {host.numel()} values were overwritten")


def require_routing() -> None:
    """Require that an operator on tt gives what it gives on the CPU."""
    ids, weights = make_choices(64, 4, 32)
    on_tt = torch_moe_ttnn.prepare_routing(ids.to("tt"), weights.to("tt"), 32)
    for name, expected in torch_moe_ttnn.prepare_routing(ids, weights, 32)._asdict().items():
        wrong = difference(name, getattr(on_tt, name), expected)
        require(wrong is None, str(wrong))
