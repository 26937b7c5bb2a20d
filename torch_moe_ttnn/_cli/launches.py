"""Counted launches: the clocks of each on a simulated chip, and the bytes that each moves on the emulated device.

A process launches cases as JSON has them, ``[[operator, T, K, E, A, H, distribution, launches], ...]``, and prints as
JSON what the device is and what kernels read from its DRAM and wrote to it, where it counts that. A simulator says at
the end of the process how many clocks passed: those of a launch are the difference between a process that makes it once
more and one that does not, in slow dispatch. In fast dispatch they depend on the host's timing.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch

from torch_moe_ttnn import padded_num_experts, tt
from torch_moe_ttnn.testing import make_choices

# Bytes a clock between DRAM and the cores: 288 and 512 GB/s, at 1 GHz.
DRAM_BYTES_A_CLOCK = {"wormhole_b0": 288, "blackhole": 512}

# Cases that one process launches. Each further process launches one of them once more.
_CASES_A_PROCESS = 8

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
    clocks: int | None
    """Of the whole process; None where there is no simulator."""


def _run(cases: Sequence[Case], launches: Sequence[int], **environment: str | None) -> Launches:
    argument = json.dumps([[*case, count] for case, count in zip(cases, launches, strict=True)])
    variables = {**os.environ, **environment}
    process = subprocess.run(
        [sys.executable, "-m", __name__, argument],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    report = next((line for line in process.stdout.splitlines() if line.startswith("{")), None)
    if process.returncode != 0 or report is None:
        raise RuntimeError(f"{cases}: the process that launches them failed\n{process.stdout}{process.stderr}")
    clocks = _CLOCKS.search(process.stdout)
    return Launches(**json.loads(report), clocks=int(clocks[1]) if clocks else None)


def clocks_of(cases: Iterable[Case], grid: str | None = None) -> tuple[dict[Case, int], Launches]:
    """Return the clocks of each launch, on a grid such as ``"8x1"`` or on all cores, and what the chip is.

    Raises:
        RuntimeError: a process failed, or there is no simulated chip.
    """

    def run(group: Sequence[Case], launches: Sequence[int]) -> tuple[int, Launches]:
        chip = _run(group, launches, TORCH_TT_RUNTIME="metal", TORCH_TT_GRID=grid)
        if chip.clocks is None:
            raise RuntimeError(
                "expected a simulated chip: set TT_METAL_SIMULATOR, and what else TT-Metalium wants for it"
            )
        return chip.clocks, chip

    clocks = {}
    cases = list(dict.fromkeys(cases))
    for first in range(0, len(cases), _CASES_A_PROCESS):
        group = cases[first : first + _CASES_A_PROCESS]
        once, chip = run(group, [1] * len(group))
        for case in group:
            more, _ = run(group, [1 + (case == other) for other in group])
            clocks[case] = more - once
    return clocks, chip


def traffic_of(cases: Iterable[Case], architecture: str) -> dict[Case, tuple[int, int]]:
    """Return the bytes that each launch reads from DRAM and writes to it, on all cores."""
    cases = list(dict.fromkeys(cases))
    counted = _run(cases, [1] * len(cases), TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_ARCH=architecture)
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
    cases = [(Case(*fields), launches) for *fields, launches in json.loads(sys.argv[1])]
    calls = [call_of(case) for case, _ in cases]
    properties = tt.get_device_properties()
    traffic = []
    for (case, launches), call in zip(cases, calls, strict=True):
        before = tt.num_launches()
        counted = tt.dram_traffic() if properties.runtime == "emulated" else None
        for _ in range(launches):
            call()
        if tt.num_launches() - before != launches:
            raise SystemExit(f"{case.operator}: expected one launch a call, got {tt.num_launches() - before}")
        if counted is not None:
            traffic.append([after - at for after, at in zip(tt.dram_traffic(), counted, strict=True)])
    tt.synchronize()
    report = {"name": properties.name, "architecture": properties.architecture, "grid": properties.grid}
    print(json.dumps(report | {"traffic": traffic}))


if __name__ == "__main__":
    main()
