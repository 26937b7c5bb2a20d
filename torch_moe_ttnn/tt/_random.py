"""Random numbers: one generator a device.

Random operators run on the CPU, so that a seed gives the same numbers on a tt device as there.
"""

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

from torch_moe_ttnn import _C
from torch_moe_ttnn.tt._devices import DeviceLike, device_count, index_of

# torch.utils.checkpoint saves a device's generator only where its module says that it is initialized. Ours are there
# before a device is open.
_initialized = True


def _get_generator(device: DeviceLike) -> torch.Generator:
    """Return a device's generator; torch.compile looks this up by name."""
    return _C.tt.default_generator(index_of(device))


class _DefaultGenerators(Sequence[torch.Generator]):
    """Makes them when they are asked for: importing this asks for no devices."""

    def __len__(self) -> int:
        return device_count()

    @overload
    def __getitem__(self, index: int) -> torch.Generator: ...
    @overload
    def __getitem__(self, index: slice) -> list[torch.Generator]: ...
    def __getitem__(self, index: int | slice) -> torch.Generator | list[torch.Generator]:
        indices = range(len(self))[index]
        return _get_generator(indices) if isinstance(indices, int) else [_get_generator(i) for i in indices]


default_generators: Sequence[torch.Generator] = _DefaultGenerators()
"""The generator of each device, from which operators draw that are given none."""


def manual_seed(seed: int) -> None:
    """Seed the current device's generator."""
    _get_generator(None).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed every device's generator; ``torch.manual_seed`` does so too."""
    for generator in default_generators:
        generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the current device's generator with a number that nobody can know, and return it."""
    return _get_generator(None).seed()


def seed_all() -> int:
    """Seed every device's generator with one number that nobody can know, and return it."""
    number = seed()
    manual_seed_all(number)
    return number


def initial_seed() -> int:
    """Return the seed of the current device's generator."""
    return _get_generator(None).initial_seed()


def get_rng_state(device: DeviceLike = None) -> Tensor:
    """Return the state of a device's generator, a tensor of bytes on the CPU."""
    return _get_generator(device).get_state()


def set_rng_state(new_state: Tensor, device: DeviceLike = None) -> None:
    """Set the state of a device's generator to what ``get_rng_state`` returned."""
    _get_generator(device).set_state(new_state)


def get_rng_state_all() -> list[Tensor]:
    """Return the state of every device's generator."""
    return [generator.get_state() for generator in default_generators]


def set_rng_state_all(new_states: list[Tensor]) -> None:
    """Set the states of the devices' generators to what ``get_rng_state_all`` returned."""
    for generator, state in zip(default_generators, new_states, strict=True):
        generator.set_state(state)
