"""Runs the operators on a batch, checks them and shows where the tokens go."""

import argparse
import contextlib
import io
import platform
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only
from torch.utils.benchmark import Timer

import torch_moe_ttnn
from torch_moe_ttnn import tt
from torch_moe_ttnn._cli import report
from torch_moe_ttnn._cli.batch import (
    DEFAULT_DISTRIBUTION,
    DEFAULT_MODEL,
    DEFAULT_TOKENS,
    Batch,
    InputError,
    checked_seed,
    made_up_batch,
    one_of,
    recorded_batch,
)
from torch_moe_ttnn._cli.devices import available
from torch_moe_ttnn._cli.difference import difference
from torch_moe_ttnn._cli.verify import DEFAULT_PREFIX, verify
from torch_moe_ttnn.testing import DISTRIBUTIONS, MODELS, reference

_TIMING_SECONDS = 0.3

# The outputs' names, where an operator has only one.
_ONLY_OUTPUT = {"prepare_mapping": "mapping", "permute": "permuted", "unpermute": "sums"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")


class _Call(NamedTuple):
    """What an operator is called with; tensors on the CPU."""

    arguments: tuple[Tensor | int, ...]
    options: dict[str, Tensor | int | None]


class _Run(NamedTuple):
    """What one operator did on one device."""

    outputs: dict[str, Tensor]
    median_seconds: float
    difference: str | None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m torch_moe_ttnn",
        description="Route a batch through the operators, check every output against plain PyTorch and show the "
        "load of the experts. Exit status 1 where anything differs.",
    )
    parser.add_argument("--model", metavar="NAME", help=f"{', '.join(MODELS)} (default: {DEFAULT_MODEL})")
    parser.add_argument("--tokens", type=int, metavar="T", help=f"tokens in the batch (default: {DEFAULT_TOKENS})")
    parser.add_argument(
        "--distribution",
        metavar="NAME",
        help=f"how experts are chosen: {', '.join(DISTRIBUTIONS)} (default: {DEFAULT_DISTRIBUTION})",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the choices (default: 0)")
    parser.add_argument("--device", metavar="NAME", help=f"{' or '.join(available())} (default: all of them)")
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        help="recorded selected_experts and routing_weights, a .safetensors file, instead of made-up ones",
    )
    parser.add_argument(
        "--num-experts",
        metavar="E",
        help="experts of the recorded choices (default: --model's, else num_experts in the file's metadata)",
    )
    parser.add_argument(
        "--local-experts", metavar="IDS", help="the experts that this device holds, as in 0,5,7 (default: all)"
    )
    parser.add_argument(
        "--max-tokens", type=int, metavar="N", help="choices that an expert takes at most (default: no limit)"
    )
    parser.add_argument("--alignment", type=int, metavar="N", help="of the groups (default: 1)")
    parser.add_argument(
        "--verify",
        nargs="?",
        const="",
        metavar="PREFIX",
        help="check everything about the device tt instead, and write PREFIX.json and PREFIX.md, which you can send "
        f"(default: {DEFAULT_PREFIX})",
    )
    parser.add_argument("--full", action="store_true", help="with --verify: every size, for a card")
    return parser


def _verify(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Do what ``--verify`` asks for and return the exit status."""
    for option, default in vars(parser.parse_args([])).items():
        if option not in ("device", "seed", "verify", "full") and getattr(arguments, option) != default:
            raise InputError(f"--{option.replace('_', '-')} is of a batch, and --verify makes up its own")
    if arguments.device == "cpu":
        raise InputError("--device: expected tt, whose outputs --verify compares with the CPU's; got cpu")
    one_of("--device", "tt", available())
    seed = secrets.randbelow(10**6) if arguments.seed is None else checked_seed(arguments.seed)
    prefix = Path(arguments.verify or DEFAULT_PREFIX)
    if prefix.is_dir():
        prefix /= DEFAULT_PREFIX
    try:
        return verify(prefix, seed=seed, full=arguments.full)
    except OSError as error:
        raise InputError(f"--verify {prefix}: {error}") from error


def _calls(batch: Batch) -> dict[str, _Call]:
    """Return what each operator is called with; those that move rows, with the grouping of the choices."""
    choices = batch.selected_experts, batch.routing_weights, batch.num_experts
    options = batch.options._asdict()
    grouping = torch_moe_ttnn.prepare_grouping(*choices, **options)
    generator = torch.Generator().manual_seed(0)
    shape = len(batch.selected_experts), batch.hidden_size
    hidden = torch.randn(shape, generator=generator).to(batch.routing_weights.dtype)
    expert_outputs = torch_moe_ttnn.permute(hidden, grouping.grouped_tokens)  # of experts that do nothing
    return {
        "prepare_mapping": _Call(choices, {"local_experts": options["local_experts"]}),
        "prepare_routing": _Call(choices, {name: options[name] for name in ("local_experts", "max_tokens")}),
        "prepare_grouping": _Call(choices, options),
        "permute": _Call((hidden, grouping.grouped_tokens), {}),
        "unpermute": _Call((expert_outputs, batch.routing_weights, grouping.positions), {}),
    }


def _run(name: str, call: _Call, device: torch.device) -> _Run:
    operator = getattr(torch_moe_ttnn, name)

    def as_dict(outputs: Tensor | torch_moe_ttnn.Routing | torch_moe_ttnn.Grouping) -> dict[str, Tensor]:
        return {_ONLY_OUTPUT[name]: outputs} if isinstance(outputs, Tensor) else outputs._asdict()

    arguments, options = tree_map_only(Tensor, lambda tensor: tensor.to(device), (call.arguments, call.options))
    outputs = as_dict(operator(*arguments, **options))
    expected = as_dict(getattr(reference, name)(*call.arguments, **call.options))
    differences = [difference(output, outputs[output], expected[output]) for output in expected]
    timer = Timer(
        "operator(*arguments, **options)",
        globals={"operator": operator, "arguments": arguments, "options": options},
        num_threads=torch.get_num_threads(),
    )
    median = timer.blocked_autorange(min_run_time=_TIMING_SECONDS).median
    outputs = {name: output.cpu() for name, output in outputs.items()}
    return _Run(outputs, median, next(filter(None, differences), None))


@contextlib.contextmanager
def _without_fallback_warnings() -> Iterator[None]:
    """Leave out the warning that an operator runs by way of the host; the documents and the times say so."""
    mode = tt.get_fallback_mode()
    if mode == "warn":
        tt.set_fallback_mode("silent")
    try:
        yield
    finally:
        tt.set_fallback_mode(mode)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.verify is not None:
            return _verify(arguments, parser)
        if arguments.full:
            raise InputError("--full goes with --verify")
        devices = available()
        if arguments.device is not None:
            devices = [one_of("--device", arguments.device, devices)]
        batch = (made_up_batch if arguments.input is None else recorded_batch)(arguments)
    except InputError as error:
        parser.error(str(error))
    # A path may have characters that the terminal's encoding has not.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")

    print(
        f"torch_moe_ttnn {torch_moe_ttnn.__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads"
    )
    print(f"devices: {', '.join(available())}\n\n{batch.description}\n")
    with _without_fallback_warnings():
        runs = {
            (name, device): _run(name, call, torch.device(device))
            for name, call in _calls(batch).items()
            for device in devices
        }

    rows = [
        (
            name,
            device,
            ", ".join(report.shape_and_dtype(output) for output in run.outputs.values()),
            f"{sum(output.nbytes for output in run.outputs.values()):,}",
            report.duration(run.median_seconds),
            "no" if run.difference else "yes",
        )
        for (name, device), run in runs.items()
    ]
    print(report.table(("operator", "device", "outputs", "bytes", "median time", "equal"), rows))
    counts = runs["prepare_grouping", devices[0]].outputs["group_sizes"].tolist()
    local = batch.options.local_experts
    experts = range(batch.num_experts) if local is None else local.tolist()
    print(f"\n{report.load(counts, experts, sys.stdout.encoding)}")

    differing = [f"{name} on {device}: {run.difference}" for (name, device), run in runs.items() if run.difference]
    for line in differing:
        print(line, file=sys.stderr)
    return 1 if differing else 0
