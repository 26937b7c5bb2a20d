"""Runs both operators on a batch, checks them and shows where the tokens go."""

import argparse
import io
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

import torch_moe_ttnn
from torch_moe_ttnn._cli import report
from torch_moe_ttnn._cli.batch import (
    DEFAULT_DISTRIBUTION,
    DEFAULT_MODEL,
    DEFAULT_TOKENS,
    Batch,
    InputError,
    made_up_batch,
    one_of,
    recorded_batch,
)
from torch_moe_ttnn._cli.devices import available
from torch_moe_ttnn.testing import DISTRIBUTIONS, MODELS, reference

_TIMING_SECONDS = 0.3

_Operator = Callable[[Tensor, Tensor, int], Tensor | torch_moe_ttnn.Routing]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")


class _Run(NamedTuple):
    """What one operator did on one device."""

    outputs: dict[str, Tensor]
    median_seconds: float
    difference: str | None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m torch_moe_ttnn",
        description="Route a batch through both operators, check every output against plain PyTorch and show the "
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
    return parser


def _difference(name: str, actual: Tensor, expected: Tensor) -> str | None:
    """Return where two tensors' bits first differ, or None."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{name}: {report.shape_and_dtype(actual)} instead of {report.shape_and_dtype(expected)}"
    bits = {2: torch.int16, 4: torch.int32}[actual.element_size()]
    differs = torch.nonzero(actual.cpu().view(bits) != expected.view(bits))
    if len(differs) == 0:
        return None
    first = tuple(differs[0].tolist())
    return f"{name}: {len(differs)} elements differ, the first at {first}: {actual[first]} instead of {expected[first]}"


def _as_dict(outputs: Tensor | torch_moe_ttnn.Routing) -> dict[str, Tensor]:
    return {"mapping": outputs} if isinstance(outputs, Tensor) else outputs._asdict()


def _run(operator: _Operator, plain: _Operator, batch: Batch, device: torch.device) -> _Run:
    ids, weights = batch.selected_experts.to(device), batch.routing_weights.to(device)
    outputs = _as_dict(operator(ids, weights, batch.num_experts))
    expected = _as_dict(plain(batch.selected_experts, batch.routing_weights, batch.num_experts))
    differences = [_difference(name, outputs[name], expected[name]) for name in expected]
    timer = Timer(
        "operator(ids, weights, num_experts)",
        globals={"operator": operator, "ids": ids, "weights": weights, "num_experts": batch.num_experts},
        num_threads=torch.get_num_threads(),
    )
    median = timer.blocked_autorange(min_run_time=_TIMING_SECONDS).median
    outputs = {name: output.cpu() for name, output in outputs.items()}
    return _Run(outputs, median, next(filter(None, differences), None))


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
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
    runs = {
        (name, device): _run(getattr(torch_moe_ttnn, name), getattr(reference, name), batch, torch.device(device))
        for name in ("prepare_mapping", "prepare_routing")
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
    counts = runs["prepare_routing", devices[0]].outputs["num_routed_tokens"][0, : batch.num_experts]
    print(f"\n{report.load(counts.to(torch.int64).tolist(), sys.stdout.encoding)}")

    differences = [f"{name} on {device}: {run.difference}" for (name, device), run in runs.items() if run.difference]
    for difference in differences:
        print(difference, file=sys.stderr)
    return 1 if differences else 0
