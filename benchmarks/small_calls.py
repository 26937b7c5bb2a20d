"""``python benchmarks/small_calls.py``: whole calls for few tokens on the CPU, beside what PyTorch needs for any call.

A map is measured against ``torch.ops.aten.neg`` of its weights, an operator of one output that does next to nothing;
the others against ``torch.empty`` for each of their outputs. Medians of ratios of samples taken beside each other, of
processor time on one thread.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from _measure import alternately, duration, machine, median_ratio
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import MODELS, make_choices

# What a call over the other may take.
GOALS = {"prepare_mapping": 1.25, "prepare_routing": 1.5, "prepare_grouping": 1.5}
DEFAULT_MODELS = ("mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3")
DEFAULT_TOKENS = (1, 32)


def yardstick(operator: str, ids: Tensor, weights: Tensor, num_experts: int) -> Callable[[], object]:
    """Return what a call of the operator is measured against."""
    if operator == "prepare_mapping":
        return partial(torch.ops.aten.neg.default, weights)
    outputs = getattr(torch.ops.moe, operator)(ids, weights, num_experts)
    allocations = [partial(torch.empty, *output.shape, dtype=output.dtype) for output in outputs]

    def allocate() -> None:
        for allocation in allocations:
            allocation()

    return allocate


def row(operator: str, model: str, tokens: int, seconds: float) -> tuple[object, ...]:
    """Return one operator at one size as cells."""
    num_experts, top_k, _ = MODELS[model]
    ids, weights = make_choices(tokens, top_k, num_experts)
    call = getattr(torch.ops.moe, operator).default
    functions = {
        "call": lambda: call(ids, weights, num_experts),
        "yardstick": yardstick(operator, ids, weights, num_experts),
    }
    samples = alternately(functions, seconds, time.process_time)
    ratio = median_ratio(samples["call"], samples["yardstick"])
    times = [duration(statistics.median(samples[name])) for name in functions]
    return (f"`{operator}`", model, tokens, *times, f"{ratio:.2f}" if ratio <= GOALS[operator] else f"*{ratio:.2f}*")


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python benchmarks/small_calls.py", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=DEFAULT_MODELS, metavar="NAME")
    parser.add_argument("--tokens", nargs="+", type=int, default=DEFAULT_TOKENS, metavar="T")
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring a case (default: 1)")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)

    print(f"{machine()}. Weights bfloat16, ids int64, choices uniform.\n", flush=True)
    rows = [
        row(*case, arguments.seconds)
        for case in progress(list(itertools.product(GOALS, arguments.models, arguments.tokens)))
    ]
    print(markdown(("operator", "model", "T", "call", "`neg` or `empty`", "ratio"), rows))


if __name__ == "__main__":
    main()
