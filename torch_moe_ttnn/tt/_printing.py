"""Prints tt tensors by way of one copy to the CPU."""

import functools
from collections.abc import Callable

import torch
from torch import _tensor_str


def print_from_host() -> None:
    """Let PyTorch print a tt tensor's elements from the CPU, as it does for other devices whose operators cost much.

    Elsewhere it would compute what to print with operators that fall back one by one.
    """
    original: Callable[[torch.Tensor, int], str] = _tensor_str._tensor_str

    @functools.wraps(original)
    def from_host(self: torch.Tensor, indent: int) -> str:
        return original(self.cpu() if self.device.type == "tt" else self, indent)

    _tensor_str._tensor_str = from_host
