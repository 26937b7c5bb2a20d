"""Where two tensors differ."""

import torch
from torch import Tensor

from torch_moe_ttnn._cli.report import shape_and_dtype

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def difference(name: str, actual: Tensor, expected: Tensor) -> str | None:
    """Return where two tensors' bits first differ, in words, or None.

    Args:
        name: what the tensors are called.
        actual: on any device.
        expected: on the CPU.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{name}: {shape_and_dtype(actual)} instead of {shape_and_dtype(expected)}"
    actual, bits = actual.cpu(), _BITS[actual.element_size()]
    differs = torch.nonzero(actual.view(bits) != expected.view(bits))
    if len(differs) == 0:
        return None
    first = tuple(differs[0].tolist())
    return f"{name}: {len(differs)} elements differ, the first at {first}: {actual[first]} instead of {expected[first]}"
