"""``python benchmarks/grouping.py``: the operators of a layer on the CPU, beside plain PyTorch.

``prepare_grouping`` is measured against PyTorch's operators that give the same outputs, ``permute`` against
``index_select`` of the same rows, ``unpermute`` against ``sum`` of the experts' outputs, which only reads them. Numbers
are medians of ratios of samples taken beside each other, on one thread of processor time, on more by the clock.
"""

import argparse
import itertools
import time
from collections.abc import Callable

import torch

import torch_moe_ttnn
from _measure import alternately, machine, median_ratio
from _plain import plain_grouping
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

TOP_K = 8
EXPERTS = (128, 256)
GROUPING_TOKENS = (1, 32, 1024, 4096, 32768)
ROWS_TOKENS = (1024, 4096)
HIDDEN_SIZES = (2048, 4096, 7168)
DTYPES = (torch.bfloat16, torch.float32)


def ratio(numerator: Callable[[], object], denominator: Callable[[], object], threads: int, seconds: float) -> float:
    """Return how many times as long the first takes as the second."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    samples = alternately({"numerator": numerator, "denominator": denominator}, seconds, clock)
    return median_ratio(samples["numerator"], samples["denominator"])


def grouping_speed(num_tokens: int, num_experts: int, threads: int, seconds: float) -> float:
    """Return how many times as fast as plain PyTorch ``prepare_grouping`` is."""
    ids, weights = make_choices(num_tokens, TOP_K, num_experts)
    operator = torch.ops.moe.prepare_grouping.default
    return ratio(
        lambda: plain_grouping(ids, weights, num_experts),
        lambda: operator(ids, weights, num_experts),
        threads,
        seconds,
    )


def rows_times(num_tokens: int, size: int, dtype: torch.dtype, threads: int, seconds: float) -> tuple[float, float]:
    """Return ``permute`` over ``index_select`` and ``unpermute`` over ``sum``."""
    ids, weights = make_choices(num_tokens, TOP_K, EXPERTS[0])
    grouping = torch_moe_ttnn.prepare_grouping(ids, weights, EXPERTS[0])
    tokens, positions = grouping.grouped_tokens, grouping.positions
    hidden, outputs = torch.randn(num_tokens, size).to(dtype), torch.randn(len(tokens), size).to(dtype)
    permute, unpermute = torch.ops.moe.permute.default, torch.ops.moe.unpermute.default
    return (
        ratio(lambda: permute(hidden, tokens), lambda: hidden.index_select(0, tokens), threads, seconds),
        ratio(lambda: unpermute(outputs, weights, positions), outputs.sum, threads, seconds),
    )


def marked(number: float, goal_is_met: bool, digits: int) -> str:
    """Return the number, in italics where it misses its goal."""
    return f"{number:.{digits}f}" if goal_is_met else f"*{number:.{digits}f}*"


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python benchmarks/grouping.py", description=__doc__)
    parser.add_argument("--tokens", nargs="+", type=int, metavar="T", help="in both tables (default: those published)")
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2), metavar="N")
    parser.add_argument("--hidden", nargs="+", type=int, default=HIDDEN_SIZES, metavar="H")
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring a case (default: 1)")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)

    print(f"{machine()}. Weights bfloat16, ids int64, choices uniform, K = {TOP_K}.", flush=True)
    tokens = arguments.tokens or GROUPING_TOKENS
    lines = []
    for threads, experts in itertools.product(arguments.threads, EXPERTS):
        speeds = [(count, grouping_speed(count, experts, threads, arguments.seconds)) for count in tokens]
        cells = [marked(speed, speed >= (8 if count >= 1024 else 6), 1) for count, speed in speeds]
        lines.append((threads, experts, *cells))
    print("\n`prepare_grouping`, times as fast as plain PyTorch:\n")
    print(markdown(("threads", "E", *(f"T = {count}" for count in tokens)), lines), flush=True)

    tokens = arguments.tokens or ROWS_TOKENS
    lines = []
    for threads, dtype, size in itertools.product(arguments.threads, DTYPES, arguments.hidden):
        times = [rows_times(count, size, dtype, threads, arguments.seconds) for count in tokens]
        cells = [marked(permute, permute <= 1.1, 2) for permute, _ in times]
        cells += [marked(unpermute, unpermute <= 1.2, 2) for _, unpermute in times]
        lines.append((threads, str(dtype).removeprefix("torch."), size, *cells))
    print("\n`permute`, over `index_select`, and `unpermute`, over `sum`:\n")
    header = [f"`{name}`, T = {count}" for name in ("permute", "unpermute") for count in tokens]
    print(markdown(("threads", "dtype", "H", *header), lines))


if __name__ == "__main__":
    main()
