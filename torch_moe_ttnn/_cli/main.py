"""Runs the operators on a batch, checks them and shows where the tokens go."""

import argparse
import io
import json
import os
import secrets
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import torch

import torch_moe_ttnn
from torch_moe_ttnn import tt
from torch_moe_ttnn._build_info import TORCH_VERSION
from torch_moe_ttnn._cli import devices, doctor, document, report
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
from torch_moe_ttnn._cli.plot import draw_batch
from torch_moe_ttnn._cli.route import Run, route
from torch_moe_ttnn._cli.verify import DEFAULT_PREFIX, verify
from torch_moe_ttnn.testing import DISTRIBUTIONS, MODELS

CRASHED = 3
"""The exit status where this program has failed; 1 says that an output differs."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")


def _version() -> str:
    metal = devices.metalium_in_words(devices.metalium()).partition(";")[0]
    return f"torch_moe_ttnn {torch_moe_ttnn.__version__}, built with torch {TORCH_VERSION}; {metal}"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=doctor.PROGRAM,
        description="Route a batch through the operators, check every output against plain PyTorch and show the "
        "load of the experts. Exit status 1 where anything differs.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["doctor"],
        help="doctor: say what is installed, which devices there are and why others are not, instead",
    )
    parser.add_argument("--version", action="store_true", help="print versions, of what it was built with too")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, which docs/command-line.md describes"
    )
    parser.add_argument("--model", metavar="NAME", help=f"{', '.join(MODELS)} (default: {DEFAULT_MODEL})")
    parser.add_argument("--tokens", type=int, metavar="T", help=f"tokens in the batch (default: {DEFAULT_TOKENS})")
    parser.add_argument(
        "--distribution",
        metavar="NAME",
        help=f"how experts are chosen: {', '.join(DISTRIBUTIONS)} (default: {DEFAULT_DISTRIBUTION})",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the choices (default: 0)")
    parser.add_argument("--device", metavar="NAME", help="cpu, tt or one of several, as tt:1 (default: cpu and tt)")
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
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.svg",
        help="draw the load of the experts, the map and the grouped rows; needs matplotlib",
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


def _refuse_other_options(
    arguments: argparse.Namespace, parser: argparse.ArgumentParser, own: set[str], why: str
) -> None:
    """Refuse options beside those that a way to run this program has."""
    for option, default in vars(parser.parse_args([])).items():
        if option not in own and getattr(arguments, option) != default:
            raise InputError(f"--{option.replace('_', '-')} {why}")


def _doctor(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Do what ``doctor`` asks for and return the exit status."""
    _refuse_other_options(arguments, parser, {"command", "json"}, "is of a batch, and doctor makes up its own")
    examined = doctor.examine()
    print(json.dumps(examined, indent=2) if arguments.json else doctor.in_words(examined))
    return 0 if examined["tt"]["works"] else 1


def _chosen_devices(name: str | None) -> list[str]:
    """Return the devices that ``--device`` names, or all; the library's words tell of mistakes in the environment."""
    if name == "cpu":
        return [name]
    try:
        all_of_them = devices.available()
        tt.get_fallback_mode()
    except RuntimeError as error:
        raise InputError(str(error).splitlines()[0]) from error
    if name is None:
        return all_of_them
    names = [*all_of_them, *(f"tt:{index}" for index in range(tt.device_count()))]
    return [one_of("--device", name, names)]


def _described(names: list[str]) -> list[devices.Description]:
    try:
        return [devices.description(name) for name in names]
    except RuntimeError as error:
        raise InputError(str(error).splitlines()[0]) from error


def _verify(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Do what ``--verify`` asks for and return the exit status."""
    own = {"device", "seed", "verify", "full"}
    _refuse_other_options(arguments, parser, own, "is of a batch, and --verify makes up its own")
    if arguments.device not in (None, "tt"):
        wanted = "tt, whose outputs --verify compares with the CPU's"
        raise InputError(f"--device: expected {wanted}; got {arguments.device}")
    _chosen_devices("tt")
    seed = secrets.randbelow(10**6) if arguments.seed is None else checked_seed(arguments.seed)
    prefix = Path(arguments.verify or DEFAULT_PREFIX)
    if prefix.is_dir():
        prefix /= DEFAULT_PREFIX
    try:
        return verify(prefix, seed=seed, full=arguments.full)
    except OSError as error:
        raise InputError(f"--verify {prefix}: {error}") from error


def _print(batch: Batch, runs: list[Run], counts: list[int]) -> None:
    """Print what a batch's runs have come to."""
    rows = [
        (
            run.operator,
            run.device,
            run.runs_on,
            ", ".join(report.shape_and_dtype(output) for output in run.outputs.values()),
            f"{sum(output.nbytes for output in run.outputs.values()):,}",
            report.duration(run.median_seconds),
            "no" if run.difference else "yes",
        )
        for run in runs
    ]
    header = ("operator", "device", "runs on", "outputs", "bytes", "median time", "equal")
    print(report.table(header, rows))
    local = batch.options.local_experts
    experts = range(batch.num_experts) if local is None else local.tolist()
    print(f"\n{report.load(counts, experts, sys.stdout.encoding)}")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        print(_version())
        return 0
    # A path may have characters that the terminal's encoding has not.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if arguments.command == "doctor":
            return _doctor(arguments, parser)
        if arguments.verify is not None:
            return _verify(arguments, parser)
        if arguments.full:
            raise InputError("--full goes with --verify")
        if arguments.plot is not None and arguments.plot.suffix != ".svg":
            raise InputError(f"--plot: expected a name that ends in .svg, got {arguments.plot}")
        names = _chosen_devices(arguments.device)
        batch = (made_up_batch if arguments.input is None else recorded_batch)(arguments)
        described = _described(names)
    except InputError as error:
        parser.error(str(error))
    metal = devices.metalium()
    if not arguments.json:
        software = ", ".join(f"{name} {version}" for name, version in document.software().items() if name != "system")
        print(f"{software}, {document.software()['system']}, {torch.get_num_threads()} threads")
        each = (f"{d['name']}: {devices.in_words(d)}" if d["kind"] != "cpu" else "cpu" for d in described)
        print(f"devices: {'; '.join(each)}\n{devices.metalium_in_words(metal)}")
        print(f"\n{batch.description}\n", flush=True)
    runs = route(batch, names)
    (grouping, *_) = (run for run in runs if run.operator == "prepare_grouping")
    counts = grouping.outputs["group_sizes"].tolist()
    if arguments.json:
        print(json.dumps(document.routed(batch, described, metal, runs, counts), indent=2))
    else:
        _print(batch, runs, counts)
    if arguments.plot is not None:
        try:
            draw_batch(arguments.plot, batch, runs)
        except ModuleNotFoundError as error:
            parser.error(f"--plot: {error}; pip install matplotlib")
        except OSError as error:
            parser.error(f"--plot {arguments.plot}: {error.strerror}")
    differing = [f"{run.operator} on {run.device}: {run.difference}" for run in runs if run.difference]
    for line in differing:
        print(line, file=sys.stderr)
    return 1 if differing else 0


def _keep_stdout() -> None:
    """Keep standard output for what this program prints: TT-Metalium and its simulator, which log there, get stderr."""
    sys.stdout.flush()
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = io.TextIOWrapper(open(kept, "wb"), sys.stdout.encoding, line_buffering=os.isatty(kept))  # noqa: SIM115


def program() -> int:
    """Run the command line as a program does: what goes wrong has an exit status of its own.

    Returns:
        ``main``'s, or 3 where this program has failed, 130 where the user interrupted it, 141 where nobody reads what
        it prints.
    """
    _keep_stdout()
    try:
        status = main()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Python flushes once more, when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception:
        traceback.print_exc()
        return CRASHED
