"""``python benchmarks/device.py``: clocks of one launch on a simulated chip, and the bytes it moves.

Runs on the chip that TT-Metalium's own variables name (TT_METAL_SIMULATOR and what goes with it). The clocks of a
launch are the difference between a process that makes it once more and one that does not. The simulator counts
instructions and waiting; it knows no bandwidth. So the bytes between DRAM and the cores are counted on the emulated
device, which runs the same kernels, and turned into the clocks that the chip's DRAM needs for them at least: a launch
takes about as long as the larger number of the two.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch_moe_ttnn import padded_num_experts
from torch_moe_ttnn._cli.report import markdown

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


def _permuted(tokens: int, hidden: int) -> dict[Case, int]:
    """Return a case whose goal is the time that DRAM needs for its inputs and outputs."""
    case = Case("permute", tokens, 8, 128, hidden=hidden)
    return {case: (case.input_bytes + case.output_bytes) // DRAM_BYTES_A_CLOCK["wormhole_b0"]}


# Clocks that a launch may take on Wormhole.
GOALS = {
    Case("prepare_mapping", 32, 4, 128): 1_200,
    Case("prepare_mapping", 1024, 8, 128): 2_000,
    Case("prepare_mapping", 4096, 8, 128): 5_000,
    Case("prepare_routing", 32, 4, 16): 2_000,
    Case("prepare_routing", 32, 8, 128): 2_500,
    Case("prepare_routing", 128, 8, 128): 5_000,
    Case("prepare_routing", 1024, 8, 128): 21_000,
    Case("prepare_routing", 4096, 8, 128): 87_000,
    Case("prepare_grouping", 32, 8, 128, 32): 2_600,
    Case("prepare_grouping", 1024, 8, 128, 32): 6_500,
    Case("prepare_grouping", 4096, 8, 128, 32): 15_000,
    Case("prepare_grouping", 32, 8, 128, 32, distribution="same"): 3_900,
    Case("prepare_grouping", 1024, 8, 128, 32, distribution="same"): 9_750,
    Case("prepare_grouping", 4096, 8, 128, 32, distribution="same"): 22_500,
    **_permuted(32, 2048),
    **_permuted(32, 7168),
    **_permuted(1024, 2048),
    **_permuted(1024, 7168),
}

# Those of the other tables.
_OPERATORS = ("prepare_mapping", "prepare_routing")
_BASE = (1024, 8, 128)
# Beside the base: T, K and E, one at a time.
_GROWTH = {
    "T": [(tokens, 8, 128) for tokens in (32, 128, 512, 1024, 4096)],
    "K": [(1024, top_k, 128) for top_k in (1, 4, 8, 16)],
    "E": [(1024, 8, num_experts) for num_experts in (32, 128, 512)],
}


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
    script = Path(__file__).with_name("_launches.py")
    argument = json.dumps([[*case, count] for case, count in zip(cases, launches, strict=True)])
    variables = os.environ | environment
    with tempfile.TemporaryDirectory() as folder:  # TT-Metalium writes into the folder that it is started in
        process = subprocess.run(
            [sys.executable, str(script), argument],
            env={name: value for name, value in variables.items() if value is not None},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
    report = next((line for line in process.stdout.splitlines() if line.startswith("{")), None)
    if process.returncode != 0 or report is None:
        sys.exit(f"{cases}: the process that launches them failed\n{process.stdout}{process.stderr}")
    clocks = _CLOCKS.search(process.stdout)
    return Launches(**json.loads(report), clocks=int(clocks[1]) if clocks else None)


def clocks_of(cases: Iterable[Case], grid: str | None = None) -> tuple[dict[Case, int], Launches]:
    """Return the clocks of each launch, on a grid such as ``"8x1"`` or on all cores, and what the chip is."""
    clocks = {}
    cases = list(dict.fromkeys(cases))
    for first in range(0, len(cases), _CASES_A_PROCESS):
        group = cases[first : first + _CASES_A_PROCESS]
        once = _run(group, [1] * len(group), TORCH_TT_RUNTIME="metal", TORCH_TT_GRID=grid)
        if once.clocks is None:
            sys.exit("expected a simulated chip: set TT_METAL_SIMULATOR, and what else TT-Metalium wants for it")
        for case in group:
            launches = [1 + (case == other) for other in group]
            more = _run(group, launches, TORCH_TT_RUNTIME="metal", TORCH_TT_GRID=grid)
            clocks[case] = more.clocks - once.clocks
    return clocks, once


def traffic_of(cases: Iterable[Case], architecture: str) -> dict[Case, tuple[int, int]]:
    """Return the bytes that each launch reads from DRAM and writes to it, on all cores."""
    cases = list(dict.fromkeys(cases))
    counted = _run(cases, [1] * len(cases), TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_ARCH=architecture)
    return {case: tuple(moved) for case, moved in zip(cases, counted.traffic, strict=True)}


def _cells(case: Case) -> list[str]:
    return [f"`{case.operator}`", *(f"{number}" for number in (case.tokens, case.top_k, case.num_experts))]


def shapes_table(clocks: dict[Case, int], traffic: dict[Case, tuple[int, int]], architecture: str) -> str:
    """Return clocks and bytes of the shapes with a goal that were measured."""
    rows = []
    for case, goal in GOALS.items():
        if case not in traffic:
            continue
        read, written = traffic[case]
        at_bandwidth = (read + written) / DRAM_BYTES_A_CLOCK[architecture]
        rows.append(
            [
                *_cells(case),
                case.options,
                f"{clocks[case]:,}",
                f"{goal:,}",
                f"{read:,}",
                f"{written:,}",
                f"{(read + written) / (case.input_bytes + case.output_bytes):.2f}",
                f"{at_bandwidth:,.0f}",
                "instructions" if clocks[case] > at_bandwidth else "bytes",
            ]
        )
    header = ("operator", "T", "K", "E", "with", "clocks", "goal", "bytes read", "bytes written", "of in- and outputs")
    return markdown([*header, "clocks at DRAM bandwidth", "bound"], rows)


def growth_table(clocks: dict[Case, int]) -> str:
    """Return how clocks grow with T, K and E."""
    rows = []
    for operator, (growing, shapes) in itertools.product(_OPERATORS, _GROWTH.items()):
        for shape in shapes:
            rows.append([growing, *_cells(Case(operator, *shape)), f"{clocks[Case(operator, *shape)]:,}"])
    return markdown(("with", "operator", "T", "K", "E", "clocks"), rows)


def _grids(whole: Sequence[int]) -> dict[str, int]:
    """Return grids of 1, 8, 36 and all cores."""
    columns, rows = whole
    return {"1x1": 1, "8x1": 8, "6x6": 36, f"{columns}x{rows}": columns * rows}


def cores_table(clocks: dict[int, dict[Case, int]]) -> str:
    """Return how clocks fall with the number of cores."""
    rows = [
        [*_cells(case), *(f"{clocks[cores][case]:,}" for cores in clocks)]
        for case in (Case(operator, *_BASE) for operator in _OPERATORS)
    ]
    return markdown(("operator", "T", "K", "E", *(f"{cores} cores" for cores in clocks)), rows)


def plot(file: Path, chip: Launches, clocks: dict[Case, int], cores: dict[int, dict[Case, int]]) -> None:
    """Draw the growth with T and the fall with the number of cores."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "torch_moe_ttnn", "font.size": 9})
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for operator, colour in zip(_OPERATORS, ("tab:blue", "tab:orange"), strict=True):
        cases = [Case(operator, *shape) for shape in _GROWTH["T"]]
        tokens = [case.tokens for case in cases]
        left.plot(tokens, [clocks[case] for case in cases], "o-", color=colour, label=operator)
        bandwidth = DRAM_BYTES_A_CLOCK[chip.architecture]
        left.plot(tokens, [case.output_bytes / bandwidth for case in cases], ":", color=colour)
        right.plot(list(cores), [cores[count][Case(operator, *_BASE)] for count in cores], "o-", color=colour)
    left.plot([], [], ":", color="gray", label="DRAM's time for the outputs")
    left.set(xlabel="tokens (K = 8, E = 128)", ylabel="clocks of a launch", title=chip.name)
    right.set(xlabel="cores (T = 1024, K = 8, E = 128)", ylabel="clocks of a launch")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    right.set_xticks(list(cores), list(cores))
    right.minorticks_off()
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(file, metadata={"Date": None})


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/device.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tables = ("shapes", "growth", "cores")
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    operators = tuple(dict.fromkeys(case.operator for case in GOALS))
    parser.add_argument("--operators", nargs="+", choices=operators, default=operators, help="of the table shapes")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw growth and cores; needs matplotlib")
    arguments = parser.parse_args(argv)
    if arguments.plot and not {"growth", "cores"} <= set(arguments.tables):
        parser.error("--plot draws the tables growth and cores")

    shapes = [case for case in GOALS if case.operator in arguments.operators]
    base = [Case(operator, *_BASE) for operator in _OPERATORS]
    wanted = {
        "shapes": shapes,
        "growth": [Case(operator, *shape) for operator in _OPERATORS for shape in itertools.chain(*_GROWTH.values())],
        "cores": base,
    }
    clocks, chip = clocks_of(itertools.chain.from_iterable(wanted[table] for table in arguments.tables))
    columns, rows = chip.grid
    print(f"{chip.name}, {columns}x{rows} cores. Ids uint32, weights and rows bfloat16.")
    if "shapes" in arguments.tables:
        traffic = traffic_of(shapes, chip.architecture)
        print(f"\n{shapes_table(clocks, traffic, chip.architecture)}", flush=True)
    if "growth" in arguments.tables:
        print(f"\n{growth_table(clocks)}", flush=True)
    if "cores" in arguments.tables:
        cores = {
            count: clocks if count == columns * rows else clocks_of(base, grid)[0]
            for grid, count in _grids(chip.grid).items()
        }
        print(f"\n{cores_table(cores)}", flush=True)
    if arguments.plot:
        plot(arguments.plot, chip, clocks, cores)


if __name__ == "__main__":
    main()
