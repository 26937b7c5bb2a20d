"""Keeps ttnn from opening a chip that ``tt`` has open.

TT-Metalium lets a process open a chip twice, with two allocators over the same memory. Where ttnn opens it first,
``tt`` borrows what ttnn has. The other order must be an error, which TT-Metalium does not raise: the functions of
ttnn's Python that open chips ask here first.
"""

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from torch_moe_ttnn import _C
from torch_moe_ttnn._when_imported import when_imported

OPENING = {"device": ("open_device", "CreateDevice", "CreateDevices"), "multi_device": ("open_mesh_device",)}
"""The functions of ttnn's extension that open chips, by its modules; all else in ttnn that does calls them."""

SPLITTING = ("create_submesh", "create_submeshes")
"""The methods of ``ttnn.MeshDevice`` that make another mesh, with another allocator, of chips that are open."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def guard() -> None:
    """Make ttnn ask before it opens a chip, from its import on."""
    when_imported("ttnn._ttnn", _guard_ttnn)


def _guard_ttnn() -> None:
    ttnn = sys.modules["ttnn._ttnn"]
    mesh = ttnn.multi_device.MeshDevice
    for name in SPLITTING:
        setattr(mesh, name, _asking_to_split(getattr(mesh, name)))
    functions = [getattr(getattr(ttnn, place), name) for place, names in OPENING.items() for name in names]
    asking = {id(function): _asking_to_open(function) for function in functions}
    # Where ttnn was imported before, other modules have the functions by now.
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            for name, value in list(vars(module).items()):
                if id(value) in asking:
                    setattr(module, name, asking[id(value)])


def _asking_to_open(function: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(function)
    def open_device(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _C.tt.begin_opening_elsewhere()
        try:
            return function(*args, **kwargs)
        finally:
            _C.tt.end_opening_elsewhere()

    return open_device


def _asking_to_split(method: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(method)
    def create_submesh(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        mesh: Any = args[0]
        for chip in mesh.get_device_ids():
            if _C.tt.uses_chip(chip):
                raise RuntimeError(
                    f"expected submeshes to be made before the first use of tt, but tt:{chip} uses a chip of this "
                    "mesh: a submesh has an allocator of its own, and each would overwrite the other's tensors"
                )
        return method(*args, **kwargs)

    return create_submesh
