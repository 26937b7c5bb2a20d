"""Turns launches into ttnn's programs."""

import threading
from pathlib import Path

import ttnn

from torch_moe_ttnn import _C

__all__ = ["Programs"]

_PROCESSORS = (
    (ttnn.DataMovementProcessor.RISCV_0, ttnn.NOC.RISCV_0_default),
    (ttnn.DataMovementProcessor.RISCV_1, ttnn.NOC.RISCV_1_default),
)


class Programs:
    """The programs of one device, each described at its first launch.

    ttnn has a cache of its own behind this one: it hashes a descriptor without its run-time arguments, builds the
    program once, and gives it those of each call.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lock = threading.Lock()  # a descriptor has the arguments of one launch at a time
        self._descriptors: dict[tuple[object, ...], ttnn.ProgramDescriptor] = {}

    def launch(self, launches: list[_C.launch.Launch], tensors: list[ttnn.Tensor]) -> None:
        """Enqueue launches.

        Args:
            launches: What to launch.
            tensors: Their tensors, in the order in which the kernels number them: inputs, records, outputs.
        """
        with self._lock:
            for launch in launches:
                self._launch(launch, tensors)

    def _launch(self, launch: _C.launch.Launch, tensors: list[ttnn.Tensor]) -> None:
        key = (launch.key, *(tensor.memory_config().buffer_type for tensor in tensors))
        descriptor = self._descriptors.get(key)
        if descriptor is None:
            descriptor = self._descriptors[key] = self._describe(launch, tensors)
        common_args = launch.common_args
        for kernel in descriptor.kernels:
            kernel.common_runtime_args = common_args
        ttnn.generic_op(tensors, descriptor)

    def _describe(self, launch: _C.launch.Launch, tensors: list[ttnn.Tensor]) -> ttnn.ProgramDescriptor:
        accessor_args: list[int] = []
        for tensor in tensors:
            # Where the tensor is, and its page size. Kernels take the latter at run time: one program for all.
            where, _ = ttnn.TensorAccessorArgs(tensor).get_compile_time_args()
            accessor_args += [where, 0]
        program = launch.describe(accessor_args)
        cores = self._rectangle(program.num_cores)
        circular_buffers = [
            ttnn.CBDescriptor(
                total_size=size,
                core_ranges=cores,
                format_descriptors=[
                    ttnn.CBFormatDescriptor(buffer_index=index, data_format=ttnn.uint32, page_size=size)
                ],
            )
            for index, size in enumerate(program.circular_buffers)
        ]
        semaphores = [
            ttnn.SemaphoreDescriptor(index, ttnn.CoreType.WORKER, cores, value)
            for index, value in enumerate(program.semaphores)
        ]
        kernels = [self._kernel(kernel, cores) for kernel in program.kernels]
        return ttnn.ProgramDescriptor(kernels=kernels, semaphores=semaphores, cbs=circular_buffers)

    def _kernel(self, kernel: _C.launch.Kernel, cores: ttnn.CoreRangeSet) -> ttnn.KernelDescriptor:
        runtime_args = ttnn.RuntimeArgs()
        for core, args in enumerate(kernel.runtime_args):
            runtime_args[core % self._columns][core // self._columns] = args
        processor, noc = _PROCESSORS[kernel.processor]
        return ttnn.KernelDescriptor(
            kernel_source=str(Path(_C.launch.kernels_folder()) / f"{kernel.name}.cpp"),
            source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
            core_ranges=cores,
            compile_time_args=kernel.compile_args,
            runtime_args=runtime_args,
            config=ttnn.DataMovementConfigDescriptor(processor, noc),
        )

    def _rectangle(self, num_cores: int) -> ttnn.CoreRangeSet:
        """Return the cores [0, num_cores): the beginning of a row, or whole rows."""
        columns = min(num_cores, self._columns)
        last = ttnn.CoreCoord(columns - 1, num_cores // columns - 1)
        return ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), last)])
