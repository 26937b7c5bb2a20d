"""What ``csrc/python`` binds; ``tests/test_stub.py`` compares the two."""

from typing import Literal

import torch
from torch._C._distributed_c10d import Backend

EXPERT_ALIGNMENT: int
PADDING_TOKEN: int

def check_same_device(
    op: str, first: str, first_device: torch.device, other: str, other_device: torch.device
) -> None: ...

# Submodules, which one stub file can only write as classes.
class launch:
    RECORD_SIZE: int
    RECORDS_A_CORE: int

    @staticmethod
    def kernels_folder() -> str: ...

    class Target:
        def __init__(
            self, architecture: str, columns: int, l1_bytes: int, noc_coordinates: list[tuple[int, int]]
        ) -> None: ...

    class InvalidIdLog:
        def __init__(self) -> None: ...
        def message(self, records: bytes) -> str | None: ...

    class ChoicesShape:
        def __init__(
            self,
            num_tokens: int,
            top_k: int,
            num_experts: int,
            id_size: int,
            ids_signed: bool,
            weight_size: int,
            # Their number, bytes of an id, and whether ids are signed.
            local: tuple[int, int, bool] | None = None,
        ) -> None: ...

    class Kernel:
        @property
        def name(self) -> str: ...
        @property
        def processor(self) -> int: ...
        @property
        def compile_args(self) -> list[int]: ...
        @property
        def runtime_args(self) -> list[list[int]]: ...

    class Program:
        @property
        def num_cores(self) -> int: ...
        @property
        def circular_buffers(self) -> list[int]: ...
        @property
        def semaphores(self) -> list[int]: ...
        @property
        def kernels(self) -> list[launch.Kernel]: ...

    class Launch:
        @property
        def key(self) -> tuple[str, int, int, int, int, tuple[int, ...]]: ...
        @property
        def common_args(self) -> list[int]: ...
        def describe(self, accessor_args: list[int]) -> launch.Program: ...

    # A tensor with a page for each row is its address, the bytes of a row, and those from one page to the next in its
    # bank.
    @staticmethod
    def prepare_mapping(
        target: Target,
        log: InvalidIdLog,
        shape: ChoicesShape,
        ids: tuple[int, int, int],
        weights: tuple[int, int, int],
        records: tuple[int, int, int],
        local_experts: tuple[int, int, int] | None,
        mapping: tuple[int, int, int],
    ) -> list[Launch]: ...
    @staticmethod
    def prepare_routing(
        target: Target,
        log: InvalidIdLog,
        shape: ChoicesShape,
        ids: tuple[int, int, int],
        weights: tuple[int, int, int],
        records: tuple[int, int, int],
        local_experts: tuple[int, int, int] | None,
        counts: tuple[int, int, int],
        tokens: tuple[int, int, int],
        token_weights: tuple[int, int, int],
        max_tokens: int | None = None,
    ) -> list[Launch]: ...
    @staticmethod
    def prepare_grouping(
        target: Target,
        log: InvalidIdLog,
        shape: ChoicesShape,
        ids: tuple[int, int, int],
        weights: tuple[int, int, int],
        records: tuple[int, int, int],
        local_experts: tuple[int, int, int] | None,
        sizes: tuple[int, int, int],
        offsets: tuple[int, int, int],
        tokens: tuple[int, int, int],
        grouped_weights: tuple[int, int, int],
        positions: tuple[int, int, int],
        alignment: int = 1,
        max_tokens: int | None = None,
    ) -> list[Launch]: ...
    @staticmethod
    def permute(
        target: Target,
        log: InvalidIdLog,
        num_tokens: int,
        num_rows: int,
        grouped_tokens: tuple[int, int, int],
        hidden: tuple[int, int, int],
        records: tuple[int, int, int],
        permuted: tuple[int, int, int],
    ) -> list[Launch]: ...

class tt:
    class DeviceProperties:
        @property
        def runtime(self) -> str: ...
        @property
        def name(self) -> str: ...
        @property
        def architecture(self) -> str: ...
        @property
        def grid(self) -> tuple[int, int]: ...
        @property
        def l1_size(self) -> int: ...
        @property
        def l1_unreserved(self) -> int: ...
        @property
        def dram_size(self) -> int: ...
        @property
        def dram_banks(self) -> int: ...
        @property
        def dram_alignment(self) -> int: ...
        @property
        def total_memory(self) -> int: ...

    @staticmethod
    def register() -> None: ...
    @staticmethod
    def close_at_exit() -> None: ...
    @staticmethod
    def device_count() -> int: ...
    @staticmethod
    def current_device() -> int: ...
    @staticmethod
    def exchange_device(index: int) -> int: ...
    @staticmethod
    def check_usable() -> None: ...
    @staticmethod
    def open(index: int) -> None: ...
    @staticmethod
    def is_open(index: int) -> bool: ...
    @staticmethod
    def in_bad_fork() -> bool: ...
    @staticmethod
    def host_backend(host: Backend) -> Backend: ...
    @staticmethod
    def borrow_memory(
        index: int, address: int, page_size: int, sizes: list[int], dtype: torch.dtype, lender: object
    ) -> torch.Tensor: ...
    @staticmethod
    def return_borrowed_memory() -> None: ...
    @staticmethod
    def lender_of(tensor: torch.Tensor) -> object: ...
    @staticmethod
    def uses_chip(index: int) -> bool: ...
    @staticmethod
    def begin_opening_elsewhere() -> None: ...
    @staticmethod
    def end_opening_elsewhere() -> None: ...
    @staticmethod
    def is_capturing(index: int) -> bool: ...
    @staticmethod
    def num_launches(index: int) -> int: ...
    @staticmethod
    def dram_traffic(index: int) -> tuple[int, int]: ...
    @staticmethod
    def properties(index: int) -> DeviceProperties: ...
    @staticmethod
    def default_generator(index: int) -> torch.Generator: ...
    @staticmethod
    def fallback_mode() -> Literal["silent", "warn", "error"]: ...
    @staticmethod
    def set_fallback_mode(mode: Literal["silent", "warn", "error"]) -> None: ...
    # Each operator's name, calls, and bytes from and to the device, since the process began.
    @staticmethod
    def fallback_totals() -> list[tuple[str, int, int, int]]: ...
    @staticmethod
    def metal_library() -> str: ...
    # Of each plan the kernel and its steps: their names, how often, and the clocks of one.
    @staticmethod
    def routing_costs(
        selected_experts: torch.Tensor, routing_weights: torch.Tensor, num_experts: int
    ) -> list[tuple[str, list[tuple[str, float, float]]]]: ...
    @staticmethod
    def prepare_routing_by_plan(
        selected_experts: torch.Tensor, routing_weights: torch.Tensor, num_experts: int, plan: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]: ...
