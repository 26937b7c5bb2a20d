"""Random numbers: one generator a device.

Random operators run on the CPU, so that a seed gives the same numbers on a tt device as there.
"""

import torch
from torch import Tensor

from torch_moe_ttnn import _C
from torch_moe_ttnn.tt._devices import DeviceLike, device_count, index_of


def _generator(device: DeviceLike) -> torch.Generator:
    return _C.tt.default_generator(index_of(device))


def _generators() -> list[torch.Generator]:
    return [_generator(index) for index in range(device_count())]


def manual_seed(seed: int) -> None:
    """Seed the current device's generator."""
    _generator(None).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed every device's generator; ``torch.manual_seed`` does so too."""
    for generator in _generators():
        generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the current device's generator with a number that nobody can know, and return it."""
    return _generator(None).seed()


def seed_all() -> int:
    """Seed every device's generator with one number that nobody can know, and return it."""
    number = seed()
    manual_seed_all(number)
    return number


def initial_seed() -> int:
    """Return the seed of the current device's generator."""
    return _generator(None).initial_seed()


def get_rng_state(device: DeviceLike = None) -> Tensor:
    """Return the state of a device's generator, a tensor of bytes on the CPU."""
    return _generator(device).get_state()


def set_rng_state(new_state: Tensor, device: DeviceLike = None) -> None:
    """Set the state of a device's generator to what ``get_rng_state`` returned."""
    _generator(device).set_state(new_state)


def get_rng_state_all() -> list[Tensor]:
    """Return the state of every device's generator."""
    return [generator.get_state() for generator in _generators()]


def set_rng_state_all(new_states: list[Tensor]) -> None:
    """Set the states of the devices' generators to what ``get_rng_state_all`` returned."""
    for generator, state in zip(_generators(), new_states, strict=True):
        generator.set_state(state)
