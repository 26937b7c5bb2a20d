"""``python benchmarks/routing_plans.py``: what steps of the routing take on a simulated chip, and how plans are chosen.

A call of ``prepare_routing`` has several plans: two kernels, and several sizes of teams for one of them. The one is
launched that should take the fewest clocks, by a sum over the kernel's steps. This launches every plan of random shapes
on the chip that TT-Metalium's own variables name, in slow dispatch, and prints

- the clocks of a step as the sources have them (``csrc/tt/launch/prepare_routing_few.h`` and ``..._many.h``), and as
  they fit the measured clocks best: the least squares of the relative errors, none of them negative;
- by how much the sums are off;
- how many clocks the chosen plan takes more than the best one.
"""

import argparse
import json
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from torch_moe_ttnn import _C, tt
from torch_moe_ttnn._cli.launches import clocks_of_call
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

# Those of the contract's models.
_EXPERTS = (8, 16, 32, 64, 128, 160, 256, 384, 512, 896)
_TOP_K = (1, 2, 4, 8, 10, 16)
_MOST_TOKENS = 4096
# Larger outputs than this take the simulator minutes.
_MOST_BYTES = 100e6

# What uniform choices do not tell apart from other steps, or do not take: these keep the clocks of the sources, which
# are what a profile has.
_KEPT = ("read a page", "unpack a choice", "put a choice of the core")

Clocks = Mapping[tuple[str, str], float]
"""Of a step, by the names of its kernel and its own."""


class Plan(NamedTuple):
    """A plan that was launched."""

    kernel: str
    steps: dict[str, float]
    """How often the slowest worker takes each."""
    clocks: int
    """That the launches took."""

    def expected(self, clocks: Clocks) -> float:
        """Return the clocks that the launches should take."""
        return sum(count * clocks[self.kernel, name] for name, count in self.steps.items())


class Shape(NamedTuple):
    """T, K and E."""

    tokens: int
    top_k: int
    num_experts: int


Measured = dict[Shape, list[Plan]]


def shapes(count: int, seed: int) -> list[Shape]:
    """Return different random shapes; as many have up to 2 as 2 to 4 tokens, and so on."""
    generator = random.Random(seed)
    found: dict[Shape, None] = {}
    while len(found) < count:
        num_experts = generator.choice(_EXPERTS)
        top_k = min(generator.choice(_TOP_K), num_experts)
        tokens = round(2 ** generator.uniform(0, np.log2(_MOST_TOKENS)))
        if tokens * top_k * num_experts * 6 <= _MOST_BYTES:
            found[Shape(tokens, top_k, num_experts)] = None
    return list(found)


def measure(shape: Shape) -> tuple[list[Plan], Clocks]:
    """Return all plans of a shape, launched, and the clocks of their steps that the sources have."""
    ids, weights = make_choices(*shape, id_dtype=torch.uint32)
    arguments = ids.to("tt"), weights.to("tt"), shape.num_experts
    plans, clocks = [], {}
    for number, (kernel, steps) in enumerate(_C.tt.routing_costs(*arguments)):
        taken = clocks_of_call(lambda plan=number: _C.tt.prepare_routing_by_plan(*arguments, plan))
        plans.append(Plan(kernel, {name: count for name, count, _ in steps}, taken))
        clocks |= {(kernel, name): each for name, _, each in steps}
    return plans, clocks


def fit(plans: Iterable[Plan], sources: Clocks) -> Clocks:
    """Return the clocks of the steps that fit best; those that are kept are the sources'."""
    fitted = dict(sources)
    by_kernel: dict[str, list[Plan]] = {}
    for plan in plans:
        by_kernel.setdefault(plan.kernel, []).append(plan)
    for kernel, launched in by_kernel.items():
        names = [name for name in launched[0].steps if name not in _KEPT]
        taken = np.array([plan.clocks for plan in launched], dtype=float)
        kept = np.array(
            [sum(plan.steps[n] * sources[kernel, n] for n in plan.steps if n in _KEPT) for plan in launched]
        )
        counts = np.array([[plan.steps[name] for name in names] for plan in launched])
        fitted |= {(kernel, name): 0.0 for name in names}
        # Without those that come out negative, one after the other.
        columns = list(range(len(names)))
        while True:
            least = np.linalg.lstsq(counts[:, columns] / taken[:, None], (taken - kept) / taken, rcond=None)[0]
            if least.min() >= 0:
                break
            columns.pop(int(least.argmin()))
        fitted |= {(kernel, names[column]): float(each) for column, each in zip(columns, least, strict=True)}
    return fitted


def steps_table(sources: Clocks, fitted: Clocks) -> str:
    """Return the clocks of each step."""
    rows = []
    for (kernel, name), clocks in sources.items():
        rows.append([f"`{kernel}`", name, f"{clocks:.4g}", "" if name in _KEPT else f"{fitted[kernel, name]:.4g}"])
    return markdown(("kernel", "step", "clocks in the sources", "fitted"), rows)


def errors_table(plans: Sequence[Plan], models: Mapping[str, Clocks]) -> str:
    """Return by how much the sums of each model are off."""
    rows = []
    for kernel in dict.fromkeys(plan.kernel for plan in plans):
        launched = [plan for plan in plans if plan.kernel == kernel]
        cells = [f"`{kernel}`", f"{len(launched)}"]
        for clocks in models.values():
            errors = [abs(plan.expected(clocks) / plan.clocks - 1) for plan in launched]
            cells += [f"{statistics.mean(errors):.1%}", f"{max(errors):.0%}"]
        rows.append(cells)
    header = [f"{error}, {name}" for name in models for error in ("mean error", "worst")]
    return markdown(("kernel", "plans", *header), rows)


def choices_table(measured: Measured, models: Mapping[str, Clocks]) -> str:
    """Return how many clocks the plan takes that each model chooses, as a multiple of the best plan's."""
    rows = []
    for name, clocks in models.items():
        ratios = {}
        for shape, plans in measured.items():
            chosen = min(plans, key=lambda plan: plan.expected(clocks))
            ratios[shape] = chosen.clocks / min(plan.clocks for plan in plans)
        worst = max(ratios, key=lambda shape: ratios[shape])
        within = sum(ratio <= 1.1 for ratio in ratios.values())
        cells = (f"{statistics.mean(ratios.values()):.3f}", f"{ratios[worst]:.2f}", ", ".join(map(str, worst)))
        rows.append([name, f"{len(ratios)}", f"{sum(ratio == 1 for ratio in ratios.values())}", f"{within}", *cells])
    return markdown(("clocks", "shapes", "the best", "within 10 %", "mean / best", "worst / best", "of T, K, E"), rows)


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/routing_plans.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shapes", type=int, default=100, help="how many are measured (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of their choice (default: 0)")
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="write what was measured, shape by shape")
    arguments = parser.parse_args(argv)
    properties = tt.get_device_properties()
    measured: Measured = {}
    sources: dict[tuple[str, str], float] = {}
    for shape in progress(shapes(arguments.shapes, arguments.seed)):
        measured[shape], clocks = measure(shape)
        sources |= clocks
        if arguments.save:
            arguments.save.write_text(json.dumps([[shape, plans] for shape, plans in measured.items()]))
    plans = [plan for launched in measured.values() for plan in launched]
    models = {"sources": sources, "fitted": fit(plans, sources)}
    print(f"{properties.name}, {'x'.join(map(str, properties.grid))} cores. Ids uint32, weights bfloat16, uniform.")
    for text in (steps_table(*models.values()), errors_table(plans, models), choices_table(measured, models)):
        print(f"\n{text}")


if __name__ == "__main__":
    main()
