"""``python benchmarks/launch.py``: the host's part of a launch on a device, beside ``torch.add`` on the CPU.

What the time from the call to its return is spent on: checking arguments, memory for the outputs from the cache,
looking up the program, enqueueing. The device is idle when a call begins. On the emulated device, and on hardware, the
call returns while the launch runs; a simulated chip is driven without a dispatcher, so there the call also simulates
the launch, and its time says nothing of the host's.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from _measure import duration, machine
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

SHAPES = ((1, 8, 128), (32, 8, 128), (1024, 8, 128))


def _call_times(call: Callable[[], object], wait: Callable[[], object], samples: int) -> list[float]:
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        outputs = call()
        times.append(time.perf_counter() - begin)
        wait()
        del outputs
    return times


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/launch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300, help="calls that are timed (default: 300)")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)
    torch.tt.init()
    print(f"{torch.tt.get_device_name()}; {machine()}. Ids int32, weights bfloat16.\n")
    rows = []
    for tokens, top_k, num_experts in SHAPES:
        ids, weights = make_choices(tokens, top_k, num_experts, id_dtype=torch.int32)
        cells = [f"{tokens}", f"{top_k}", f"{num_experts}"]
        add = _call_times(lambda weights=weights: torch.add(weights, weights), lambda: None, arguments.samples)
        rows.append([*cells, "`torch.add` on CPU", "", duration(statistics.median(add)), duration(min(add)), ""])
        ids, weights = ids.to("tt"), weights.to("tt")
        for name in ("prepare_mapping", "prepare_routing"):
            operator = getattr(torch.ops.moe, name).default

            def call(operator=operator, ids=ids, weights=weights, num_experts=num_experts):
                return operator(ids, weights, num_experts)

            torch.tt.synchronize()
            first = _call_times(call, torch.tt.synchronize, 1)
            torch.tt.reset_accumulated_memory_stats()
            cached = _call_times(call, torch.tt.synchronize, arguments.samples)
            allocated = torch.tt.memory_stats()["num_device_alloc"]
            times = [first[0], statistics.median(cached), min(cached)]
            rows.append([*cells, f"`{name}`", *map(duration, times), f"{allocated}"])
    header = ("T", "K", "E", "", "first call", "further calls", "the best of them", "device allocations in them")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
