"""``python benchmarks/alternatives.py``: the operators on the CPU, beside what a user would pick instead.

``eager`` is PyTorch's operators that give the same outputs, ``compiled`` the same compiled by Inductor, both without
checks and without "no expert". ``transformers`` is what Hugging Face's ``grouped_mm`` experts do before their first
product: their own code, stopped there, on hidden states of one number. Medians of samples taken beside each other, on
one thread of processor time, on more by the clock.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

import torch
from torch import Tensor
from transformers.integrations import moe

from _measure import alternately, duration, machine, median_ratio
from _plain import plain_grouping, plain_mapping, plain_routing
from torch_moe_ttnn._cli.plot import drawing
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import MODELS, make_choices

PLAIN = {"prepare_mapping": plain_mapping, "prepare_routing": plain_routing, "prepare_grouping": plain_grouping}
WAYS = ("eager", "compiled", "transformers")
DEFAULT_MODELS = ("mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v3")
DEFAULT_TOKENS = (1, 32, 1000, 4096)


class _Prepared(Exception):  # noqa: N818
    """Raised in place of transformers' first product."""


def _stop(*_: object, **__: object) -> None:
    raise _Prepared


def transformers_preparation(ids: Tensor, weights: Tensor, num_experts: int) -> None:
    """Run transformers' ``grouped_mm`` experts up to their first product; :func:`_stop` stands in for that."""
    experts = SimpleNamespace(
        num_experts=num_experts,
        _is_expert_parallel=False,
        has_gate=True,
        gate_up_proj=None,
        has_bias=False,
        is_transposed=False,
    )
    try:
        moe.grouped_mm_experts_forward(experts, weights.new_zeros(len(ids), 1), ids, weights)
    except _Prepared:
        return
    raise RuntimeError(
        "expected transformers' grouped_mm_experts_forward to call its _grouped_linear, which it did not"
    )


def functions_of(operator: str, ways: Sequence[str]) -> dict[str, Callable[..., object]]:
    """Return what gives the outputs of an operator from its arguments, by name, the operator itself first."""
    others = {"eager": PLAIN[operator], "compiled": torch.compile(PLAIN[operator], dynamic=True)}
    if operator == "prepare_grouping":
        others["transformers"] = transformers_preparation
    ours = getattr(torch.ops.moe, operator).default
    return {"ours": ours, **{way: function for way, function in others.items() if way in ways}}


class Measured(NamedTuple):
    """What one operator took at one size."""

    operator: str
    model: str
    tokens: int
    time: float
    multiples: dict[str, float]
    """The time of each other way over the operator's."""


def measure(
    operator: str, model: str, tokens: int, functions: dict[str, Callable[..., object]], seconds: float
) -> Measured:
    """Time one operator and what stands beside it, for about so many seconds."""
    num_experts, top_k, _ = MODELS[model]
    arguments = (*make_choices(tokens, top_k, num_experts), num_experts)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    calls = {name: lambda function=function: function(*arguments) for name, function in functions.items()}
    samples = alternately(calls, seconds, clock)
    multiples = {name: median_ratio(samples[name], samples["ours"]) for name in functions if name != "ours"}
    return Measured(operator, model, tokens, statistics.median(samples["ours"]), multiples)


def table(measured: Sequence[Measured], ways: Sequence[str]) -> str:
    """Return our times, and the other ways' as multiples of them."""
    rows = [
        (
            f"`{each.operator}`",
            each.model,
            each.tokens,
            duration(each.time),
            *(f"{each.multiples[way]:.1f}" if way in each.multiples else "" for way in ways),
        )
        for each in measured
    ]
    return markdown(("operator", "model", "T", "ours", *ways), rows)


def plot(file: Path, measured: Sequence[Measured], ways: Sequence[str], title: str) -> None:
    """Draw the times of one model by the number of tokens."""
    operators = list(dict.fromkeys(each.operator for each in measured))
    colours = dict(zip(("ours", *ways), ("tab:blue", "tab:orange", "tab:green", "tab:red"), strict=False))
    with drawing(file, len(operators), (8, 3.2)) as (figure, panels):
        for axes, operator in zip(panels, operators, strict=True):
            cases = [each for each in measured if each.operator == operator]
            for way, colour in colours.items():
                times = [(each.tokens, each.time * each.multiples.get(way, 1)) for each in cases
                         if way == "ours" or way in each.multiples]  # fmt: skip
                if times:
                    axes.plot(*zip(*times, strict=True), "o-", color=colour)
            axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel="seconds", title=operator)
            axes.grid(alpha=0.3)
        for way, colour in colours.items():
            panels[0].plot([], [], "o-", color=colour, label=way)
        figure.suptitle(title)
        figure.legend(loc="outside lower center", ncols=len(colours))


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python benchmarks/alternatives.py", description=__doc__)
    parser.add_argument("--operators", nargs="+", choices=PLAIN, default=tuple(PLAIN), metavar="NAME")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, metavar="NAME")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=DEFAULT_MODELS, metavar="NAME")
    parser.add_argument("--tokens", nargs="+", type=int, default=DEFAULT_TOKENS, metavar="T")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring a case (default: 2)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the last model's times; needs matplotlib")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)
    torch.set_num_threads(arguments.threads)

    print(f"{machine()}. Weights bfloat16, ids int64, choices uniform.\n", flush=True)
    measured = []
    with mock.patch.object(moe, "_grouped_linear", _stop):
        for operator in arguments.operators:
            functions = functions_of(operator, arguments.ways)
            cases = list(itertools.product(arguments.models, arguments.tokens))
            for model, tokens in progress(cases, lambda case, operator=operator: f"{operator} {case[0]} {case[1]}"):
                measured.append(measure(operator, model, tokens, functions, arguments.seconds))
    print(table(measured, arguments.ways))
    if arguments.plot:
        last = arguments.models[-1]
        num_experts, top_k, _ = MODELS[last]
        title = f"{last}, E = {num_experts}, K = {top_k}, threads: {arguments.threads}"
        plot(arguments.plot, [each for each in measured if each.model == last], arguments.ways, title)


if __name__ == "__main__":
    main()
