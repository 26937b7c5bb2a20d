"""``torch.distributed`` of tensors on tt, by way of the host.

PyTorch's own backends read and write a tensor's address. The backend of a process group for ``tt`` is one that copies
to the host and back, around what was asked for.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed

from torch_moe_ttnn import _C


def carry_by_way_of_the_host() -> None:
    """Make gloo, MPI and UCC take tensors on tt, and gloo the backend of a group that names none."""
    if not distributed.is_available():
        return
    kinds = distributed.Backend
    kinds.default_device_backend_map.setdefault("tt", kinds.GLOO)
    if "tt" not in kinds.backend_capability[kinds.GLOO]:
        kinds.backend_capability[kinds.GLOO] = [*kinds.backend_capability[kinds.GLOO], "tt"]
    group = distributed.ProcessGroup
    group._register_backend = _registering(group._register_backend)  # type: ignore[method-assign]


def _registering(original: Callable[..., None]) -> Callable[..., None]:
    types = distributed.ProcessGroup.BackendType

    @functools.wraps(original)
    def register_backend(group: Any, device: torch.device, kind: Any, backend: Any = None) -> None:  # noqa: ANN401
        if device.type != "tt" or kind not in (types.GLOO, types.MPI, types.UCC) or backend is None:
            original(group, device, kind, backend)
            return
        # A group has one backend of each type: this one is not the CPU's.
        original(group, device, types.CUSTOM, _C.tt.host_backend(backend))
        if torch.device("cpu") not in group._device_types:
            # Its tensors can travel too, and the group's default backend is of this type.
            original(group, torch.device("cpu"), kind, backend)

    return register_backend
