"""What the operators keep of each device."""

from typing import ClassVar

import torch
import ttnn

from torch_moe_ttnn import _C
from torch_moe_ttnn.ttnn._programs import Programs

__all__ = ["Device", "Rows", "rows_of"]

Rows = tuple[int, int, int]
"""A tensor's address, the bytes of a row, and those from one page to the next in its bank."""

# Of each core's L1. Tensors that live in L1 take theirs from its other end, and ttnn refuses a program that would reach
# them: few choices and experts do with little.
_FEW = 4096
_L1_BYTES_FOR_FEW = 256 * 1024
_L1_BYTES = 1024 * 1024


def rows_of(tensor: ttnn.Tensor) -> Rows:
    """Return where a tensor is, whose pages are its rows."""
    return tensor.buffer_address(), tensor.buffer_page_size(), tensor.buffer_aligned_page_size()


class Device:
    """A device that ttnn has open: its cores, its programs, and the records of invalid ids in its DRAM."""

    # By ttnn's number, which no other device of the process ever gets.
    _devices: ClassVar[dict[int, "Device"]] = {}

    @classmethod
    def of(cls, device: ttnn.MeshDevice) -> "Device":
        """Return what is kept of a device; it is made at the first call, which writes zeros to the device."""
        found = cls._devices.get(device.id())
        if found is None:
            found = cls._devices[device.id()] = cls(device)
        return found

    @classmethod
    def find(cls, device: ttnn.MeshDevice) -> "Device | None":
        """Return what is kept of a device, if there was a call on it."""
        return cls._devices.get(device.id())

    def __init__(self, device: ttnn.MeshDevice) -> None:
        grid = device.compute_with_storage_grid_size()
        noc = []
        for y in range(grid.y):
            for x in range(grid.x):
                core = device.worker_core_from_logical_core(ttnn.CoreCoord(x, y))
                noc.append((core.x, core.y))
        self._target_for_few, self._target = (
            _C.launch.Target(
                architecture=device.arch().name.lower(), columns=grid.x, l1_bytes=size, noc_coordinates=noc
            )
            for size in (_L1_BYTES_FOR_FEW, _L1_BYTES)
        )
        self.programs = Programs(grid.x)
        self.log = _C.launch.InvalidIdLog()
        words = _C.launch.RECORD_SIZE // 4
        self._zeros = ttnn.from_torch(
            torch.zeros(len(noc) * _C.launch.RECORDS_A_CORE, words, dtype=torch.int32),
            dtype=ttnn.int32,
            layout=ttnn.ROW_MAJOR_LAYOUT,
        )
        self.records = ttnn.to_device(self._zeros, device, memory_config=ttnn.DRAM_MEMORY_CONFIG)

    def target(self, size: int) -> _C.launch.Target:
        """Return what plans for so many choices or experts may use."""
        return self._target_for_few if size <= _FEW else self._target

    def take_invalid_id(self) -> str | None:
        """Return the error of the first invalid id since the last time, once everything launched has ended."""
        message = self.log.message(ttnn.to_torch(self.records).numpy().tobytes())
        if message is not None:
            ttnn.copy_host_to_device_tensor(self._zeros, self.records)
        return message
