"""Counted launches: the clocks of each on a simulated chip, and the bytes that each moves on the emulated device.

A process launches cases as JSON has them, ``[[operator, T, K, E, A, H, distribution], ...]``, and prints as JSON what
the device is, and of each case the clocks where a chip is simulated, and what kernels read from DRAM and wrote to it
where the device counts that. Clocks are those of slow dispatch: in fast dispatch they depend on the host's timing.
"""

import ctypes
import json
import mmap
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from torch_moe_ttnn import padded_num_experts, tt
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn.testing import make_choices

# Bytes a clock between DRAM and the cores: 288 and 512 GB/s, at 1 GHz.
DRAM_BYTES_A_CLOCK = {"wormhole_b0": 288, "blackhole": 512}

# Bytes of memory that can only be a simulated chip's DRAM.
_LARGE = 2**30

_CLOCKS = re.compile(r"^\[(\d+)\] [\d.]+ seconds", re.MULTILINE)


class Case(NamedTuple):
    """One launch: uint32 ids, bfloat16 weights and rows."""

    operator: str
    tokens: int
    top_k: int
    num_experts: int
    alignment: int = 1
    """Of a grouping's groups."""
    hidden: int = 0
    """Elements of the rows that ``permute`` moves."""
    distribution: str = "uniform"
    """Of the choices, as ``make_choices`` takes it."""

    @property
    def num_choices(self) -> int:
        """T·K."""
        return self.tokens * self.top_k

    @property
    def num_rows(self) -> int:
        """N, the rows of a grouping."""
        padding = min(self.num_choices, self.num_experts) * (self.alignment - 1)
        return -(-(self.num_choices + padding) // self.alignment) * self.alignment

    @property
    def input_bytes(self) -> int:
        """The bytes of the ids and weights, or of the rows and their tokens."""
        if self.operator == "permute":
            return self.tokens * self.hidden * 2 + self.num_rows * 4
        return self.num_choices * (4 + 2)

    @property
    def output_bytes(self) -> int:
        """The bytes of all outputs."""
        match self.operator:
            case "prepare_mapping":
                return self.tokens * self.num_experts * 2
            case "prepare_routing":
                return padded_num_experts(self.num_experts) * (4 + self.num_choices * (4 + 2))
            case "prepare_grouping":
                return (2 * self.num_experts + 1 + self.num_choices) * 4 + self.num_rows * (4 + 2)
            case "permute":
                return self.num_rows * self.hidden * 2
        raise ValueError(f"expected an operator that is measured, got {self.operator}")

    @property
    def options(self) -> str:
        """What the case has beside T, K and E, in words."""
        words = {
            "A": f"A = {self.alignment}" if self.alignment > 1 else "",
            "H": f"H = {self.hidden}" if self.hidden else "",
            "distribution": "all to the same" if self.distribution == "same" else "",
        }
        return ", ".join(word for word in words.values() if word)


class Launches(NamedTuple):
    """What a process that launched said."""

    name: str
    architecture: str
    grid: list[int]
    traffic: list[list[int]]
    """Bytes read and written, for each case; none where the device does not count them."""
    clocks: list[int]
    """Of each case; none where there is no simulator."""


def simulated_clocks() -> int:
    """Return how many clocks this process's simulated chip has run.

    The simulator says so where it ends, so a forked child ends its copy of it.

    Raises:
        RuntimeError: no chip is simulated, or it does not say so.
    """
    library = os.environ.get("TT_METAL_SIMULATOR")
    if not library:
        raise RuntimeError("expected a simulated chip: set TT_METAL_SIMULATOR, and what else TT-Metalium wants for it")
    libc = ctypes.CDLL(None)
    # The chip's DRAM may be more than this machine has twice, and the child needs none of it.
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(address, 16) for address in line.split()[0].split("-"))
        if end - begin >= _LARGE:
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTFORK)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writing, 1)
            ctypes.CDLL(library).libttsim_exit()
            libc.fflush(ctypes.c_void_p.in_dll(libc, "stdout"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    found = _CLOCKS.search(said)
    if found is None:
        raise RuntimeError(f"expected {library} to say its clocks where it ends, got {said!r}")
    return int(found[1])


def clocks_of_call(call: Callable[[], object], wait: Callable[[], object] = tt.synchronize) -> int:
    """Return the clocks that a launch takes: those of two more calls less those of one, with the waits after them."""
    call()
    wait()
    counted = [simulated_clocks()]
    for calls in (1, 2):
        for _ in range(calls):
            call()
        wait()
        counted.append(simulated_clocks())
    before, after_one, after_two = counted
    return (after_two - after_one) - (after_one - before)


def _run(cases: Sequence[Case], **environment: str | None) -> Launches:
    argument = json.dumps(cases)
    variables = {**os.environ, **environment}
    process = subprocess.run(
        [sys.executable, "-m", __name__, argument],
        env={name: value for name, value in variables.items() if value is not None},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=1800,
    )
    report = next((line for line in process.stdout.splitlines() if line.startswith("{")), None)
    if process.returncode != 0 or report is None:
        raise RuntimeError(f"{cases}: the process that launches them failed\n{process.stdout}")
    return Launches(**json.loads(report))


def clocks_of(cases: Iterable[Case], grid: str | None = None) -> tuple[dict[Case, int], Launches]:
    """Return the clocks of each launch, on a grid such as ``"8x1"`` or on all cores, and what the chip is.

    In slow dispatch, whatever the environment says.

    Raises:
        RuntimeError: a process failed, or there is no simulated chip.
    """
    cases = list(dict.fromkeys(cases))
    chip = _run(cases, TORCH_TT_RUNTIME="metal", TORCH_TT_GRID=grid, TT_METAL_SLOW_DISPATCH_MODE="1")
    return dict(zip(cases, chip.clocks, strict=True)), chip


def traffic_of(cases: Iterable[Case], architecture: str) -> dict[Case, tuple[int, int]]:
    """Return the bytes that each launch reads from DRAM and writes to it, on all cores."""
    cases = list(dict.fromkeys(cases))
    counted = _run(cases, TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_ARCH=architecture)
    return {case: (read, written) for case, (read, written) in zip(cases, counted.traffic, strict=True)}


def call_of(case: Case) -> Callable[[], object]:
    """Return a function that launches a case, its arguments on the device."""
    ids, weights = make_choices(
        case.tokens, case.top_k, case.num_experts, distribution=case.distribution, id_dtype=torch.uint32
    )
    if case.operator == "permute":
        grouped_tokens = torch.ops.moe.prepare_grouping(ids, weights, case.num_experts, alignment=case.alignment)[2]
        rows = torch.zeros(case.tokens, case.hidden, dtype=torch.bfloat16).to("tt"), grouped_tokens.to("tt")
        return lambda: torch.ops.moe.permute(*rows)
    choices = ids.to("tt"), weights.to("tt")
    operator = getattr(torch.ops.moe, case.operator)
    options = {"alignment": case.alignment} if case.operator == "prepare_grouping" else {}
    return lambda: operator(*choices, case.num_experts, **options)


def main() -> None:
    """Launch, as the module says."""
    properties = tt.get_device_properties()
    is_emulated = properties.runtime == "emulated"
    traffic, clocks = [], []
    for case in progress([Case(*fields) for fields in json.loads(sys.argv[1])]):
        call = call_of(case)
        launches = tt.num_launches()
        counted = tt.dram_traffic() if is_emulated else (0, 0)
        call()
        if tt.num_launches() - launches != 1:
            raise SystemExit(f"{case.operator}: expected one launch a call, got {tt.num_launches() - launches}")
        if is_emulated:
            traffic.append([after - before for after, before in zip(tt.dram_traffic(), counted, strict=True)])
        else:
            clocks.append(clocks_of_call(call))
    tt.synchronize()
    report = {"name": properties.name, "architecture": properties.architecture, "grid": properties.grid}
    print(json.dumps(report | {"traffic": traffic, "clocks": clocks}))


if __name__ == "__main__":
    main()
