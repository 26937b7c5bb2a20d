"""Lets fake tensors on different devices meet the operators' own error.

Everything else about fake tensors is the Meta kernels' work. Only the device they cannot see: while a Meta kernel runs,
every fake tensor claims to be on ``meta``, and afterwards FakeTensorMode would raise in words of its own.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from torch_moe_ttnn import _C


def _check_devices_first(
    mode: FakeTensorMode,
    func: torch._ops.OpOverload[Any, Any],
    types: Sequence[type],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> object:
    names = [argument.name for argument in func._schema.arguments]
    bound = dict(zip(names, args, strict=False)) | (kwargs or {})
    tensors = [(name, bound[name]) for name in names if isinstance(bound.get(name), torch.Tensor)]
    for name, tensor in tensors[1:]:
        first_name, first = tensors[0]
        _C.check_same_device(func._schema.name, first_name, first.device, name, tensor.device)
    return mode.__torch_dispatch__(func, types, args, kwargs or {})


for _name in ("prepare_mapping", "prepare_routing", "prepare_grouping", "permute", "unpermute", "grouped_linear"):
    torch.library.register_torch_dispatch(f"moe::{_name}", FakeTensorMode, _check_devices_first)
