"""The names that the operators have in tt-metal's fork."""

import ttnn

from torch_moe_ttnn.ttnn._operators import prepare_mapping, prepare_routing

__all__ = ["register"]

_NAMES = {"prepare_moe_mapping_tensor": prepare_mapping, "prepare_moe_routing_tensors": prepare_routing}


def register() -> None:
    """Add the operators to ttnn, for code that was written for the fork of tt-metal which they come from.

    ``ttnn.prepare_moe_mapping_tensor`` becomes :func:`prepare_mapping`, ``ttnn.prepare_moe_routing_tensors`` becomes
    :func:`prepare_routing`. A second call changes nothing.

    Raises:
        RuntimeError: ttnn has a function of this name that is not ours.
    """
    for name, function in _NAMES.items():
        if getattr(ttnn, name, function) is not function:
            raise RuntimeError(f"expected ttnn without {name}, but this ttnn has one of its own: call that")
    for name, function in _NAMES.items():
        setattr(ttnn, name, function)
