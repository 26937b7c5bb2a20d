"""DLPack hands out addresses, and one of ``tt`` means nothing to any other library."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.utils import dlpack

_Export: TypeAlias = Callable[..., Any]


def refuse_dlpack() -> None:
    """Make the export of a tensor on tt an error, unless it asks for a copy in host memory."""
    for name in ("_to_dlpack", "_to_dlpack_versioned"):
        original = getattr(torch._C, name, None)
        if original is not None:
            refusing = _refusing(original)
            for module in (torch._C, dlpack, torch):
                for alias in (name, "to_dlpack"):
                    if getattr(module, alias, None) is original:
                        setattr(module, alias, refusing)


def _refusing(original: _Export) -> _Export:
    @functools.wraps(original)
    def to_dlpack(tensor: torch.Tensor, **options: Any) -> object:  # noqa: ANN401 - whatever PyTorch takes
        wanted = options.get("dl_device")
        if tensor.device.type == "tt" and (wanted is None or wanted[0] != dlpack.DLDeviceType.kDLCPU):
            raise BufferError(
                f"expected a tensor whose address other libraries can use, got one on {tensor.device}: call .cpu() "
                "first, or ask for a copy in host memory (dl_device=(1, 0))"
            )
        return original(tensor, **options)

    return to_dlpack
