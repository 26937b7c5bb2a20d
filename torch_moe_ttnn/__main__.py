"""``python -m torch_moe_ttnn``: run both operators on a batch, check them and show where the tokens go."""

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

import torch_moe_ttnn
from torch_moe_ttnn import _devices, _report, reference
from torch_moe_ttnn.choices import DISTRIBUTIONS, make_choices
from torch_moe_ttnn.models import MODELS

_DEFAULT_MODEL = "qwen3-30b-a3b"
_DEFAULT_TOKENS = 1024
_TIMING_SECONDS = 0.3


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        """Say what is wrong in one line, without the usage."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")


class _Batch(NamedTuple):
    description: str
    selected_experts: Tensor
    routing_weights: Tensor
    num_experts: int


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
    parser.add_argument("--model", metavar="NAME", help=f"{', '.join(MODELS)} (default: {_DEFAULT_MODEL})")
    parser.add_argument("--tokens", type=int, metavar="T", help=f"tokens in the batch (default: {_DEFAULT_TOKENS})")
    parser.add_argument(
        "--distribution", metavar="NAME", help=f"how experts are chosen: {', '.join(DISTRIBUTIONS)} (default: uniform)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the choices (default: 0)")
    parser.add_argument("--device", default="cpu", help=f"{', '.join(_devices.available())} (default: cpu)")
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        help="recorded selected_experts and routing_weights, a .safetensors file, instead of made-up ones",
    )
    parser.add_argument(
        "--num-experts",
        type=int,
        metavar="E",
        help="experts of the recorded choices (default: the file's metadata, else --model)",
    )
    return parser


def _one_of(parser: argparse.ArgumentParser, option: str, name: str, names) -> str:
    if name not in names:
        parser.error(f"{option}: expected one of {', '.join(names)}; got {name}")
    return name


def _made_up_batch(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> _Batch:
    if arguments.num_experts is not None:
        parser.error("--num-experts goes with --input; without it, --model names the number of experts")
    name = _one_of(parser, "--model", arguments.model or _DEFAULT_MODEL, MODELS)
    distribution = _one_of(parser, "--distribution", arguments.distribution or "uniform", DISTRIBUTIONS)
    tokens = _DEFAULT_TOKENS if arguments.tokens is None else arguments.tokens
    if not 0 <= tokens < 2**32:
        parser.error(f"--tokens: expected a number from 0 to 2^32 - 1, got {tokens}")
    seed = arguments.seed or 0
    if not -(2**63) <= seed < 2**63:
        parser.error(f"--seed: expected a number of 64 bits, got {seed}")
    model = MODELS[name]
    description = (
        f"{name}: {model.num_experts} experts, {model.top_k} a token; {tokens} tokens, {distribution}, seed {seed}"
    )
    try:
        choices = make_choices(tokens, model.top_k, model.num_experts, distribution=distribution, seed=seed)
    except RuntimeError as error:  # no memory for so many tokens
        parser.error(f"--tokens {tokens}: {str(error).splitlines()[0]}")
    return _Batch(description, *choices, model.num_experts)


def _recorded_batch(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> _Batch:
    # Only here: who passes no file does not wait for the import.
    from safetensors import SafetensorError, safe_open

    for option in ("tokens", "seed", "distribution"):
        if getattr(arguments, option) is not None:
            parser.error(f"--{option} makes up a batch and --input brings one: give one of the two")
    path = arguments.input
    try:
        with safe_open(path, framework="pt") as file:
            missing = {"selected_experts", "routing_weights"} - set(file.keys())
            if missing:
                parser.error(
                    f"--input {path}: expected tensors selected_experts and routing_weights, "
                    f"missing {' and '.join(sorted(missing))}"
                )
            ids, weights = file.get_tensor("selected_experts"), file.get_tensor("routing_weights")
            recorded = (file.metadata() or {}).get("num_experts")
    except (OSError, SafetensorError) as error:
        parser.error(f"--input {path}: {error}")

    if arguments.num_experts is not None:
        num_experts = arguments.num_experts
    elif arguments.model is not None:
        num_experts = MODELS[_one_of(parser, "--model", arguments.model, MODELS)].num_experts
    elif recorded is None:
        parser.error(f"--input {path}: the file's metadata has no num_experts; give --num-experts or --model")
    elif not recorded.isdecimal():
        parser.error(f"--input {path}: expected a number for num_experts in the metadata, got {recorded!r}")
    else:
        num_experts = int(recorded)
    return _Batch(f"{path}: {num_experts} experts, choices {tuple(ids.shape)}", ids, weights, num_experts)


def _difference(name: str, actual: Tensor, expected: Tensor) -> str | None:
    """Return where two tensors' bits first differ, or None."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{name}: {_report.shape_and_dtype(actual)} instead of {_report.shape_and_dtype(expected)}"
    bits = {2: torch.int16, 4: torch.int32}[actual.element_size()]
    differs = torch.nonzero(actual.cpu().view(bits) != expected.view(bits))
    if len(differs) == 0:
        return None
    first = tuple(differs[0].tolist())
    return f"{name}: {len(differs)} elements differ, the first at {first}: {actual[first]} instead of {expected[first]}"


def _as_dict(outputs: Tensor | torch_moe_ttnn.Routing) -> dict[str, Tensor]:
    return {"mapping": outputs} if isinstance(outputs, Tensor) else outputs._asdict()


def _run(operator: Callable, plain: Callable, batch: _Batch, device: torch.device) -> _Run:
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
    return _Run(outputs, median, next(filter(None, differences), None))


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    device = torch.device(_one_of(parser, "--device", arguments.device, _devices.available()))
    batch = (_made_up_batch if arguments.input is None else _recorded_batch)(parser, arguments)

    print(
        f"torch_moe_ttnn {torch_moe_ttnn.__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads"
    )
    print(f"devices: {', '.join(_devices.available())}\n\n{batch.description}\n")
    runs = {}
    for name in ("prepare_mapping", "prepare_routing"):
        try:
            runs[name] = _run(getattr(torch_moe_ttnn, name), getattr(reference, name), batch, device)
        except (IndexError, RuntimeError) as error:  # of the recorded choices, or no memory
            parser.error(str(error).splitlines()[0])

    rows = [
        (
            name,
            str(device),
            ", ".join(_report.shape_and_dtype(output) for output in run.outputs.values()),
            f"{sum(output.nbytes for output in run.outputs.values()):,}",
            _report.duration(run.median_seconds),
            "no" if run.difference else "yes",
        )
        for name, run in runs.items()
    ]
    print(_report.table(("operator", "device", "outputs", "bytes", "median time", "equal"), rows))
    counts = runs["prepare_routing"].outputs["num_routed_tokens"][0, : batch.num_experts]
    print(f"\n{_report.load(counts.to(torch.int64).tolist(), sys.stdout.encoding)}")

    differences = [f"{name}: {run.difference}" for name, run in runs.items() if run.difference]
    for difference in differences:
        print(difference, file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
