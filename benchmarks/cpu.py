"""``python benchmarks/cpu.py``: the operators on the CPU, beside what the memory allows.

The limit is what ATen needs only to move the bytes: to allocate and fill the same outputs and, where they have 256 KiB
or more, to read the inputs once, as a copy into memory that is there. Samples of both are taken beside each other. Time
over the limit is the median of their ratios on one thread, of processor time; on more threads, by the clock, it is the
ratio of the best samples, for a thread waits for one that was interrupted.
"""

import argparse
import ctypes
import itertools
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from _measure import alternately, duration, machine, median_ratio, size
from _plain import plain_mapping, plain_routing
from torch_moe_ttnn import PADDING_TOKEN, padded_num_experts
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import MODELS, make_choices

# Every size once: both models of Qwen3 route alike.
DEFAULT_MODELS = tuple(name for name in MODELS if name != "qwen3-235b-a22b")
DEFAULT_TOKENS = (1, 32, 1000, 4096, 32768)

# Outputs from which on the limit reads the inputs. Below, most of a copy's time is the way through PyTorch.
READ_FROM = 256 << 10

# Outputs that are not made, for a machine with little memory.
MAX_BYTES = 1 << 30


class Case(NamedTuple):
    """One operator at one size, and what it is measured against."""

    output_bytes: int
    operator: Callable[[], object]
    limit: Callable[[], object]
    plain: Callable[[], object]
    """Plain PyTorch that gives the same outputs; without checks and without "no expert"."""


def limit(fill: Callable[[], object], ids: Tensor, weights: Tensor, output_bytes: int) -> Callable[[], object]:
    """Return what moves an operator's bytes and does nothing else."""
    if output_bytes < READ_FROM:
        return fill
    ids_read, weights_read = torch.empty_like(ids), torch.empty_like(weights)
    return lambda: (fill(), ids_read.copy_(ids), weights_read.copy_(weights))


def mapping_case(ids: Tensor, weights: Tensor, num_experts: int) -> Case:
    """Return ``prepare_mapping`` of these choices."""
    tokens, dtype = len(ids), weights.dtype
    output_bytes = tokens * num_experts * weights.element_size()
    operator = torch.ops.moe.prepare_mapping.default
    return Case(
        output_bytes,
        lambda: operator(ids, weights, num_experts),
        # Sizes rather than a tuple of them: PyTorch takes those faster.
        limit(lambda: torch.zeros(tokens, num_experts, dtype=dtype), ids, weights, output_bytes),
        lambda: plain_mapping(ids, weights, num_experts),
    )


def routing_case(ids: Tensor, weights: Tensor, num_experts: int) -> Case:
    """Return ``prepare_routing`` of these choices."""
    rows, width, dtype = padded_num_experts(num_experts), ids.numel(), weights.dtype
    output_bytes = rows * (4 + width * (4 + weights.element_size()))
    operator = torch.ops.moe.prepare_routing.default

    def fill() -> tuple[Tensor, Tensor, Tensor]:
        return (
            torch.zeros(1, rows, dtype=torch.uint32),
            torch.full((rows, width), PADDING_TOKEN, dtype=torch.uint32),
            torch.zeros(rows, width, dtype=dtype),
        )

    return Case(
        output_bytes,
        lambda: operator(ids, weights, num_experts),
        limit(fill, ids, weights, output_bytes),
        lambda: plain_routing(ids, weights, num_experts),
    )


CASES = {"prepare_mapping": mapping_case, "prepare_routing": routing_case}


class Measured(NamedTuple):
    """What one case took."""

    name: str
    model: str
    tokens: int
    output_bytes: int
    time: float
    limit: float
    over_the_limit: float
    """Of the best samples, by the clock."""
    over_the_limit_on_one_thread: float
    """Of processor time."""
    scaling: float
    """The time on one thread over the time on all, of the best samples."""
    plain: float
    """The time of plain PyTorch over the operator's."""

    @property
    def goal(self) -> float:
        """What the time over the limit is to be at most."""
        return 1.1 if self.output_bytes >= READ_FROM else 1.3


def measure(name: str, model: str, tokens: int, case: Case, seconds: float) -> Measured:
    """Time one case, for about so many seconds."""
    threads = torch.get_num_threads()
    both = {"operator": case.operator, "limit": case.limit}
    on_all = alternately(both, seconds / 2)
    # On its own: what it leaves in the caches and in the allocator is more than the others would.
    plain = alternately({"operator": case.operator, "plain": case.plain}, seconds / 4)
    torch.set_num_threads(1)
    on_one = alternately(both, seconds / 4, time.process_time)
    torch.set_num_threads(threads)
    return Measured(
        name,
        model,
        tokens,
        case.output_bytes,
        statistics.median(on_all["operator"]),
        statistics.median(on_all["limit"]),
        min(on_all["operator"]) / min(on_all["limit"]),
        median_ratio(on_one["operator"], on_one["limit"]),
        min(on_one["operator"]) / min(on_all["operator"]),
        median_ratio(plain["plain"], plain["operator"]),
    )


_STATUS = Path("/proc/self/status")


def _resident(field: str) -> int:
    return int(re.search(rf"^{field}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)[1]) * 1024


def peak_memory(case: Case) -> int:
    """Return the bytes that a call adds to this process's memory at its peak, its outputs among them (Linux only)."""
    case.operator()  # what a first call leaves for good
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back, so that it counts again where it is taken again
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = _resident("VmRSS")
    case.operator()
    return _resident("VmHWM") - before


def matrix(measured: Sequence[Measured], ratio: Callable[[Measured], float]) -> str:
    """Return a ratio of every case, tokens from left to right; one that misses its goal is set in italics."""
    cells = {
        (each.name, each.model, each.tokens): f"{ratio(each):.2f}"
        if ratio(each) <= each.goal
        else f"*{ratio(each):.2f}*"
        for each in measured
    }
    tokens = sorted({each.tokens for each in measured})
    rows = [
        (f"`{name}`", model, *(cells.get((name, model, count), "") for count in tokens))
        for name, model in dict.fromkeys((each.name, each.model) for each in measured)
    ]
    return markdown(("operator", "model", *(f"T = {count}" for count in tokens)), rows)


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python benchmarks/cpu.py", description=__doc__)
    parser.add_argument("--operators", nargs="+", choices=CASES, default=tuple(CASES), metavar="NAME")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=DEFAULT_MODELS, metavar="NAME")
    parser.add_argument("--tokens", nargs="+", type=int, default=DEFAULT_TOKENS, metavar="T")
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring a case (default: 2)")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)

    print(f"{machine()}. Weights bfloat16, ids int64, choices uniform.", flush=True)
    measured, memory = [], []
    cases = itertools.product(arguments.operators, arguments.models, arguments.tokens)
    for name, model, tokens in progress(list(cases)):
        num_experts, top_k, _ = MODELS[model]
        case = CASES[name](*make_choices(tokens, top_k, num_experts), num_experts)
        if case.output_bytes > MAX_BYTES:
            continue
        measured.append(measure(name, model, tokens, case, arguments.seconds))
        if case.output_bytes >= 1 << 20:
            memory.append((f"`{name}`", model, tokens, case.output_bytes, peak_memory(case)))

    threads = torch.get_num_threads()
    print(f"\nTime over the limit, of the best samples by the clock, on {threads} threads:\n")
    print(matrix(measured, lambda each: each.over_the_limit))
    print("\nTime over the limit, of the processor, on one thread:\n")
    print(matrix(measured, lambda each: each.over_the_limit_on_one_thread))
    print("\nIn full:\n")
    header = ("operator", "model", "T", "outputs", "time", "limit", f"1 to {threads} threads", "plain PyTorch")
    lines = [
        (
            f"`{each.name}`",
            each.model,
            each.tokens,
            size(each.output_bytes),
            duration(each.time),
            duration(each.limit),
            f"{each.scaling:.1f}x",
            f"{each.plain:.1f}x",
        )
        for each in measured
    ]
    print(markdown(header, lines))
    print("\nPeak memory of a call:\n")
    header = ("operator", "model", "T", "outputs", "peak", "beside the outputs")
    lines = [(*case, size(outputs), size(peak), size(max(0, peak - outputs))) for *case, outputs, peak in memory]
    print(markdown(header, lines))


if __name__ == "__main__":
    main()
