"""The devices: how many, which one, what they are."""

from typing import Any, TypeAlias

import torch

from torch_moe_ttnn import _C

DeviceLike: TypeAlias = torch.device | str | int | None
"""What names a device: ``torch.device("tt:1")``, ``"tt:1"``, ``1``; the current one is ``"tt"`` and ``None``."""


def index_of(device: DeviceLike) -> int:
    """Return a device's index.

    Raises:
        ValueError: it is no tt device.
        RuntimeError: there is no such device. PyTorch takes any index, and -1 for the current device, at some places.
    """
    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        if device.type != "tt":
            raise ValueError(f"expected a tt device, got {device}")
        device = device.index
    if device is None:
        return current_device()
    if not isinstance(device, int) or isinstance(device, bool):
        raise ValueError(f"expected a tt device or its index, got {device!r}")
    count = device_count()
    if not 0 <= device < count:
        _lazy_init()  # has the reason where there is none
        raise RuntimeError(
            f"expected the index of a tt device, from 0 to {count - 1}, got {device} with {count} tt device(s)"
        )
    return device


def is_available() -> bool:
    """Return whether there is a device. Opens none."""
    return device_count() > 0


def device_count() -> int:
    """Return the number of devices; 0 where none can be reached. Opens none."""
    return _C.tt.device_count()


def current_device() -> int:
    """Return the index of this thread's current device."""
    # Dynamo guards what PyTorch's own function returns, and cannot look into ours.
    return torch.accelerator.current_device_index()


def set_device(device: DeviceLike) -> None:
    """Make a device this thread's current one. Opens it not yet.

    Raises:
        RuntimeError: there is no such device.
    """
    _C.tt.exchange_device(index_of(device))


class device:  # noqa: N801 - the name that PyTorch's device modules give it
    """Makes a device the current one within a ``with`` statement; ``None`` changes nothing."""

    def __init__(self, device: DeviceLike) -> None:
        self._index = index_of(device)

    def __enter__(self) -> None:
        self._before = _C.tt.exchange_device(self._index)

    def __exit__(self, *exception: object) -> None:
        _C.tt.exchange_device(self._before)


class device_of(device):  # noqa: N801 - likewise
    """Makes the device of a tensor or storage the current one; one that is not on tt changes nothing."""

    def __init__(self, obj: torch.Tensor | torch.UntypedStorage | torch.TypedStorage) -> None:
        super().__init__(obj.device if obj.device.type == "tt" else None)


def init() -> None:
    """Open the current device now instead of at its first use."""
    _C.tt.open(current_device())


def _lazy_init() -> None:
    """Check that devices can be used; PyTorch calls this before it makes a tensor on one. Opens none.

    Raises:
        RuntimeError: no device can be reached, or this process was forked from one that had opened a device.
    """
    _C.tt.check_usable()


def is_initialized() -> bool:
    """Return whether this process has opened a device."""
    return any(_C.tt.is_open(index) for index in range(device_count()))


def _is_in_bad_fork() -> bool:
    """Return whether this process was forked from one that had opened a device."""
    return _C.tt.in_bad_fork()


def get_amp_supported_dtype() -> list[torch.dtype]:
    """Return the dtypes that ``torch.autocast("tt", dtype)`` takes; ``torch.utils.checkpoint`` asks for them too."""
    return [torch.bfloat16, torch.float16]


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Return whether tensors may be bfloat16: they may."""
    return True


def synchronize(device: DeviceLike = None) -> None:
    """Wait until a device has done all that was enqueued.

    Raises:
        IndexError: an operator that ran since the last wait found an expert id out of range.
        RuntimeError: a launch since the last wait failed.
        KeyboardInterrupt: Ctrl-C, in Python's main thread; likewise what the handler of another signal raises. The
            device goes on, and may be waited for again.
    """
    # PyTorch's own function, which Dynamo puts into a graph.
    torch.accelerator.synchronize(index_of(device))


# Two counters for measuring, which other devices do not have.


def num_launches(device: DeviceLike = None) -> int:
    """Return how many kernel launches a device was given since it was opened."""
    return _C.tt.num_launches(index_of(device))


def dram_traffic(device: DeviceLike = None) -> tuple[int, int]:
    """Return how many bytes kernels have read from a device's DRAM and written to it since it was opened.

    Waits for what was launched, and opens the device.

    Raises:
        RuntimeError: the device does not count them; the emulated one does.
    """
    return _C.tt.dram_traffic(index_of(device))


DeviceProperties: TypeAlias = _C.tt.DeviceProperties
"""What a device is: ``help(torch.tt.DeviceProperties)`` describes its fields."""


def get_device_properties(device: DeviceLike = None) -> DeviceProperties:
    """Return what a device is. Opens it."""
    return _C.tt.properties(index_of(device))


def get_device_name(device: DeviceLike = None) -> str:
    """Return a device's name, for people. Opens it."""
    return get_device_properties(device).name


def get_device_capability(device: DeviceLike = None) -> dict[str, Any]:
    """Return what a device is capable of, by name, as ``torch.xpu`` does. Opens it.

    Tenstorrent's chips have no version numbers such as CUDA's.

    Returns:
        ``supported_dtypes``, as ``torch.accelerator.get_device_capability`` has it, and the fields of
        ``get_device_properties``.
    """
    properties = get_device_properties(device)
    fields = {name: getattr(properties, name) for name in dir(properties) if not name.startswith("_")}
    return torch.accelerator.get_device_capability(torch.device("tt", index_of(device))) | fields
