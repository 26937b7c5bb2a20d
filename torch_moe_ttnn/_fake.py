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
    bound = dict(zip(("selected_experts", "routing_weights"), args, strict=False)) | (kwargs or {})
    ids, weights = bound["selected_experts"], bound["routing_weights"]
    if ids is not None and weights is not None:
        _C.check_same_device(func._schema.name, ids.device, weights.device)
    return mode.__torch_dispatch__(func, types, args, kwargs or {})


for _name in ("moe::prepare_mapping", "moe::prepare_routing"):
    torch.library.register_torch_dispatch(_name, FakeTensorMode, _check_devices_first)
