"""``python benchmarks/device.py``: clocks of one launch on a simulated chip, and the bytes it moves.

Runs on the chip that TT-Metalium's own variables name (TT_METAL_SIMULATOR and what goes with it). The clocks of a
launch are those of two calls less those of one. The simulator counts instructions and waiting; it knows no bandwidth.
So the bytes between DRAM and the cores are counted on the emulated device, which runs the same kernels, and turned
into the clocks that the DRAM of the chip needs for them at least; a launch takes about as long as the larger of both.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from torch_moe_ttnn._cli.launches import DRAM_BYTES_A_CLOCK, Case, Launches, clocks_of, traffic_of
from torch_moe_ttnn._cli.plot import drawing
from torch_moe_ttnn._cli.report import markdown


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
# Routings of other choices than uniform ones: their distributions, as ``make_choices`` takes them, and what they are.
_DISTRIBUTIONS = {"uniform": "uniform", "zipf": "1 / rank", "same": "the same 8"}
_SKEWED = [(tokens, 8, 128) for tokens in (32, 128, 512, 1024, 4096)]


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


def _skewed(shape: tuple[int, int, int]) -> list[Case]:
    """Return the routings of a shape, one for each distribution."""
    return [Case("prepare_routing", *shape, distribution=distribution) for distribution in _DISTRIBUTIONS]


def skew_table(clocks: dict[Case, int]) -> str:
    """Return the clocks of routings by where their choices go."""
    rows = []
    for shape in _SKEWED:
        uniform, *skewed = (clocks[case] for case in _skewed(shape))
        worst = max(skewed) / uniform
        rows.append([*_cells(Case("prepare_routing", *shape)), *(f"{n:,}" for n in (uniform, *skewed)), f"{worst:.2f}"])
    return markdown(("operator", "T", "K", "E", *_DISTRIBUTIONS.values(), "worst / uniform"), rows)


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
    with drawing(file, 2, (8, 3.2)) as (figure, (left, right)):
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


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/device.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tables = ("shapes", "growth", "skew", "cores")
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
        "skew": [case for shape in _SKEWED for case in _skewed(shape)],
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
    if "skew" in arguments.tables:
        print(f"\n{skew_table(clocks)}", flush=True)
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
