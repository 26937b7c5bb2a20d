"""``python benchmarks/replay.py``: the host's time for a graph's replay, beside the calls that it was captured from.

The device is idle when the calls or the replay begin, and waited for when they have returned, outside the time that is
taken. Samples of both are taken in turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from _measure import duration, machine, median_ratio
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices


def _sample(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    outputs = call()
    end = time.perf_counter()
    torch.tt.synchronize()
    del outputs
    return end - begin


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/replay.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=100, help="calls that are timed (default: 100)")
    parser.add_argument("--launches", type=int, nargs="+", default=[1, 8, 32], help="of a graph (default: 1 8 32)")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)
    torch.tt.init()
    print(f"{torch.tt.get_device_name()}; {machine()}. T = 32, K = 8, E = 128, ids int32, weights bfloat16.\n")
    ids, weights = (tensor.to("tt") for tensor in make_choices(32, 8, 128, id_dtype=torch.int32))
    rows = []
    for name in ("prepare_mapping", "prepare_grouping"):
        operator = getattr(torch.ops.moe, name).default
        for launches in arguments.launches:

            def calls(operator=operator, launches=launches) -> list[object]:
                return [operator(ids, weights, 128) for _ in range(launches)]

            calls()
            graph = torch.tt.Graph()
            with torch.tt.graph(graph):
                outputs = calls()
            pairs = [(_sample(calls), _sample(graph.replay)) for _ in range(arguments.samples)]
            called, replayed = ([pair[side] for pair in pairs] for side in (0, 1))
            ratio = median_ratio(called, replayed)
            times = (statistics.median(called), statistics.median(replayed), min(called), min(replayed))
            rows.append([f"`{name}`", f"{launches}", *map(duration, times), f"{ratio:.1f}"])
            del outputs
    header = ("launches of", "number", "calls", "replay", "calls, best", "replay, best", "calls / replay")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
