"""``python benchmarks/scaling.py``: what a layer's routing moves on 8 to 256 devices, by formula; counted on 2 to 8.

``_layouts.py`` has the formulas. The last table runs one process a rank, with gloo and an emulated device each, for
uniform, Zipf-skewed and recorded choices: what the calls of ``torch.distributed`` were given and what kernels wrote is
compared with the formulas of these choices, and the benchmark ends where they differ. Nothing is measured on links.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

import _layouts as layouts
import _layouts_counted as counting
from _measure import size
from device import traffic_of
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import MODELS, Model, make_choices

DEVICES = (8, 16, 32, 64, 128, 256)
TOKENS = {"decode": 32, "prefill": 4096}
"""A device has of its own."""
# Enough for the loads of experts.
SAMPLE_TOKENS = 16384


class Experts(NamedTuple):
    """What the weights of a model's experts take: three matrices of H by the intermediate size, for each."""

    intermediate: int
    layers: int
    """With experts that are routed to."""


# Of the published config.json.
EXPERTS = {
    "deepseek-v3": Experts(2048, 58),
    "qwen3-235b-a22b": Experts(1536, 94),
    "kimi-k2": Experts(2048, 60),
    "gpt-oss-120b": Experts(2880, 36),
}
MODELS_SHOWN = {name: MODELS[name] for name in EXPERTS}


def loads(model: Model, recorded: counting.Recorded | None) -> dict[str, Tensor]:
    """Return the parts of all choices that experts have: uniform, Zipf, and recorded where it has as many."""
    zipf, _ = make_choices(SAMPLE_TOKENS, model.top_k, model.num_experts, distribution="zipf")
    found = {
        "uniform": layouts.uniform_loads(model.num_experts),
        "zipf": layouts.loads_of(zipf, model.num_experts),
    }
    if recorded is not None and (recorded.num_experts, recorded.ids.shape[1]) == (model.num_experts, model.top_k):
        found["recorded"] = layouts.loads_of(recorded.ids, model.num_experts)
    return found


def header(names: Sequence[str], devices: Sequence[int]) -> tuple[str, ...]:
    """Return the names and a column for each number of devices."""
    return (*names, *(f"R = {count}" for count in devices))


def weights_table(devices: Sequence[int]) -> str:
    """Return what experts' weights take of each device's memory."""
    lines = []
    for name, model in MODELS_SHOWN.items():
        experts = EXPERTS[name]
        an_expert = 3 * model.hidden_size * experts.intermediate * experts.layers * layouts.ELEMENT_BYTES
        held = [max(map(len, layouts.consecutive(model.num_experts, count))) for count in devices]
        cells = (f"{an_expert * number / 2**30:,.1f}" for number in (model.num_experts, *held))
        lines.append((name, *cells))
    return markdown(header(("model", "all"), devices), lines)


def exchanged_rows(model: Model, load: Tensor, placement: layouts.Placement) -> float:
    """Return the rows through the busiest device for one of its tokens, in dispatch and combine."""
    return 2 * layouts.busiest_device(layouts.expected_rows(model, 1, load, placement))


def once_rows(model: Model, placement: layouts.Placement) -> float:
    """Return the mean device's where a token travels to a device once, with uniform choices."""
    there = layouts.expected_distinct_rows(model, 1, placement)
    back = layouts.expected_rows(model, 1, layouts.uniform_loads(model.num_experts), placement)
    return layouts.without_own(there + back).sum().item() / len(placement)


def rows_table(devices: Sequence[int], recorded: counting.Recorded) -> str:
    """Return rows that move for a token of the device's own, through the busiest device, there and back."""
    lines = []
    for name, model in MODELS_SHOWN.items():
        experts = model.num_experts
        for choices, load in loads(model, recorded).items():
            cells = (exchanged_rows(model, load, layouts.consecutive(experts, count)) for count in devices)
            lines.append((name, "exchanged", choices, *(f"{cell:.1f}" for cell in cells)))
            if choices != "uniform":
                cells = (exchanged_rows(model, load, layouts.dealt(experts, count)) for count in devices)
                lines.append((name, "exchanged, dealt", choices, *(f"{cell:.1f}" for cell in cells)))
        cells = (once_rows(model, layouts.consecutive(experts, count)) for count in devices)
        lines.append((name, "once a device", "uniform", *(f"{cell:.1f}" for cell in cells)))
    lines.append(("any", "replicated", "any", *(f"{2 * (count - 1):.1f}" for count in devices)))
    return markdown(header(("model", "layout", "choices"), devices), lines)


def bytes_table(devices: Sequence[int]) -> str:
    """Return the bytes through the busiest device, a layer, with uniform choices."""
    lines = []
    for name, model in MODELS_SHOWN.items():
        load = layouts.uniform_loads(model.num_experts)
        for phase, tokens in TOKENS.items():
            cells = []
            for count in devices:
                rows = layouts.expected_rows(model, tokens, load, layouts.consecutive(model.num_experts, count))
                numbers = (
                    layouts.busiest_exchanged_bytes(model, rows),
                    layouts.replicated_bytes(model, tokens, count),
                )
                cells.append(", ".join(map(size, numbers)))
            lines.append((name, phase, *cells))
    return markdown(header(("model", "tokens"), devices), lines)


TOPOLOGIES: dict[str, Callable[[int], Sequence[int] | None]] = {
    "switch": lambda _: None,
    "torus": layouts.torus_sides,
    "ring": lambda count: (count,),
}


def winner(model: Model, load: Tensor, count: int, sides: Sequence[int] | None) -> str:
    """Return exchanged over replicated, bold where it is less."""
    tokens = TOKENS["decode"]
    rows = layouts.expected_rows(model, tokens, load, layouts.consecutive(model.num_experts, count))
    ratio = layouts.busiest_exchanged_bytes(model, rows, sides) / layouts.replicated_bytes(model, tokens, count, sides)
    return f"**{ratio:.2f}**" if round(ratio, 2) < 1 else f"{ratio:.2f}"


def winners_table(devices: Sequence[int], recorded: counting.Recorded | None) -> str:
    """Return exchanged over replicated, by bytes through the busiest device or link, for each kind of choices."""
    lines = []
    for name, model in MODELS_SHOWN.items():
        found = loads(model, recorded)
        for topology, sides_of in TOPOLOGIES.items():
            cells = [
                ", ".join(winner(model, load, count, sides_of(count)) for load in found.values()) for count in devices
            ]
            lines.append((name, topology, ", ".join(found), *cells))
    return markdown(header(("model", "links", "choices"), devices), lines)


def local_table(devices: Sequence[int]) -> str:
    """Return the bytes of in- and outputs of a device's groupings and permutations, a layer."""
    tokens = TOKENS["prefill"]
    lines = []
    for name, model in MODELS_SHOWN.items():
        cells = []
        for count in devices:
            held = max(1, model.num_experts // count)
            everyones = count * tokens
            # As many rows as were sent are expected to arrive.
            arrived = layouts.arrived_cases(model, tokens * model.top_k, held)
            numbers = (
                layouts.moved([*layouts.exchanged_cases(model, tokens), *arrived]),
                layouts.moved(layouts.replicated_cases(model, everyones, held)) + layouts.ID_BYTES * held,
                layouts.replicated_bytes_in_use(model, everyones, count, held),
            )
            cells.append(", ".join(f"{number / 2**30:.3g}" for number in numbers))
        lines.append((name, *cells))
    return markdown(header(("model",), devices), lines)


def kernels_table(tokens: Sequence[int]) -> str:
    """Return in- and outputs before rows travel beside the bytes that the emulated Wormhole's kernels move."""
    cases = [case for model in MODELS_SHOWN.values() for t in tokens for case in layouts.exchanged_cases(model, t)]
    names = [name for name in MODELS_SHOWN for _ in tokens for _ in range(2)]
    traffic = traffic_of(cases, "wormhole_b0")
    lines = []
    for name, case in zip(names, cases, strict=True):
        read, written = traffic[case]
        ratio = (read + written) / layouts.moved([case])
        numbers = case.input_bytes, case.output_bytes, read, written
        lines.append((name, f"`{case.operator}`", case.tokens, *(f"{n:,}" for n in numbers), f"{ratio:.2f}"))
    return markdown(("model", "operator", "t", "inputs", "outputs", "bytes read", "bytes written", "ratio"), lines)


def counted_table(files: dict[str, Path], rank_counts: Sequence[int]) -> str:
    """Return what was counted, which is what the formulas say, or the benchmark ends."""
    lines = []
    for num_ranks in rank_counts:
        for choices, counted in counting.count(files, num_ranks).items():
            for name, (number, formula) in counted.differences().items():
                sys.exit(f"{num_ranks} ranks, {choices}, bytes {name}: counted {number}, by formula {formula}")
            lines.append(
                (
                    num_ranks,
                    choices,
                    f"{sum(counted.sent['exchanged']) / num_ranks:,.0f}",
                    f"{counted.sent_if_uniform:,.0f}",
                    f"{counted.busiest:,}",
                    f"{counted.sent['replicated'][0]:,}",
                    f"{counted.ranks_a_token:.2f}",
                    f"{counted.ranks_if_uniform:.2f}",
                    *(f"{counted.written[layout][0]:,}" for layout in ("exchanged", "replicated")),
                )
            )
    columns = "R", "choices", "exchanged, mean", "if uniform", "busiest", "replicated", "ranks a token", "if uniform"
    return markdown((*columns, "kernels write, exchanged", "replicated"), lines)


TABLES = ("weights", "rows", "bytes", "winners", "local", "kernels", "counted")


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python benchmarks/scaling.py", description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--devices", nargs="+", type=int, default=DEVICES, metavar="R", help="powers of two")
    parser.add_argument("--ranks", nargs="+", type=int, default=(2, 4, 8), metavar="R", help="that are run")
    parser.add_argument(
        "--tokens", nargs="+", type=int, default=(TOKENS["prefill"],), metavar="T", help="of the kernels' table"
    )
    parser.add_argument(
        "--input", type=Path, metavar="FILE", help="recorded choices (default: those of a small Qwen3-MoE)"
    )
    arguments = parser.parse_args(argv)
    if any(count < 2 or count & (count - 1) for count in arguments.devices):
        parser.error(f"--devices: expected powers of two from 2 on, got {arguments.devices}")
    with tempfile.TemporaryDirectory() as folder:
        files = {choices: Path(folder, f"{choices}.safetensors") for choices in ("uniform", "zipf")}
        tokens = counting.TOKENS * max(arguments.ranks)
        for choices, file in files.items():
            counting.make(file, tokens, choices)
        recorded = None
        if {"rows", "winners", "counted"} & {*arguments.tables}:
            files["recorded"] = arguments.input or Path(folder, "recorded.safetensors")
            if arguments.input is None:
                counting.record(files["recorded"], max(tokens, 512))
            recorded = counting.read(files["recorded"])
        tables = {
            "weights": ("Weights of the experts on a device, all layers, bfloat16, GiB", weights_table),
            "rows": (
                "Rows of H that move through the busiest device for one of its tokens, there and back",
                lambda devices: rows_table(devices, recorded),
            ),
            "bytes": (
                "Bytes that the busiest device sends, and receives, a layer, uniform choices: exchanged, replicated",
                bytes_table,
            ),
            "winners": (
                "Exchanged over replicated, of the bytes through the busiest device or link, 32 tokens a device",
                lambda devices: winners_table(devices, recorded),
            ),
            "local": (
                "In- and outputs on a device, 4096 tokens of its own, GiB: exchanged, replicated, with rows in use",
                local_table,
            ),
            "kernels": (
                "Before rows travel: in- and outputs, and what kernels move on an emulated Wormhole",
                lambda _: kernels_table(arguments.tokens),
            ),
            "counted": (
                "Bytes a rank, counted and equal to the formulas, 64 tokens a rank, H = 64, 8 of 128 experts",
                lambda _: counted_table(files, arguments.ranks),
            ),
        }
        for name in arguments.tables:
            title, table = tables[name]
            print(f"{title}:\n\n{table(arguments.devices)}\n", flush=True)


if __name__ == "__main__":
    main()
