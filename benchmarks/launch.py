"""``python benchmarks/launch.py``: the host's part of a launch on a device, beside ``torch.add`` on the CPU and ttnn's.

What the time from the call to its return is spent on: checking arguments, memory for the outputs from the cache,
looking up the program, enqueueing. The device is idle when a call begins, and the call returns while the launch runs:
on the emulated device, on hardware, and on a simulated chip in fast dispatch, whose clock stands still while commands
are only written to its queue. In slow dispatch a call also simulates a launch, and its time says nothing of the host's.

Where ttnn can be imported and there is a chip, ttnn opens it and ``tt`` borrows it: the same operators on ttnn's
tensors, and ``ttnn.generic_op`` alone, which enqueues the same launch with its outputs allocated and its descriptor
made, are timed in the same process.

A call from Python to the queue, without waking the queue's thread, is timed behind a longer launch: the processor time
of the calling thread, beside that of ``torch.empty`` for its outputs.
"""

import argparse
import contextlib
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from _measure import duration, machine
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

SHAPES = ((1, 8, 128), (32, 8, 128), (1024, 8, 128))
OPERATORS = ("prepare_mapping", "prepare_routing", "prepare_grouping")

# A launch that lasts for so many calls.
_LONG = (16384, 8, 512)
_CALLS_BEHIND = 40


def _call_times(call: Callable[[], object], wait: Callable[[], object], samples: int) -> list[float]:
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        outputs = call()
        times.append(time.perf_counter() - begin)
        wait()
        del outputs
    return times


def _times(call: Callable[[], object], wait: Callable[[], object], samples: int) -> list[str]:
    """Return the first call's time, the median of further ones and the best of them."""
    wait()
    first = _call_times(call, wait, 1)
    cached = _call_times(call, wait, samples)
    return [duration(seconds) for seconds in (first[0], statistics.median(cached), min(cached))]


def _processor_time(call: Callable[[], object], samples: int) -> str:
    """Return the median of this thread's time for a call while a launch is under way."""
    ids, weights = (choices.to("tt") for choices in make_choices(*_LONG, id_dtype=torch.int32))
    times: list[float] = []
    while len(times) < samples:
        kept = [torch.ops.moe.prepare_mapping(ids, weights, _LONG[2])]
        for _ in range(_CALLS_BEHIND):
            begin = time.thread_time()
            kept.append(call())
            times.append(time.thread_time() - begin)
        torch.tt.synchronize()
    # What the clock takes is no part of the call.
    clock = [-time.thread_time() + time.thread_time() for _ in range(_CALLS_BEHIND)]
    return duration(statistics.median(times) - statistics.median(clock))


def _empty_like(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> Callable[[], object]:
    """Return a function that allocates the outputs of a call."""
    tensors = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
    wanted = [(tensor.shape, tensor.dtype) for tensor in tensors]
    return lambda: [torch.empty(shape, dtype=dtype, device="tt") for shape, dtype in wanted]


def _open_with_ttnn() -> Any:
    """Return ttnn's device; None where there is no ttnn, or no chip that it could open."""
    has_chip = os.environ.get("TT_METAL_SIMULATOR") or os.path.exists("/dev/tenstorrent")
    if os.environ.get("TORCH_TT_RUNTIME") == "emulated" or not has_chip or importlib.util.find_spec("ttnn") is None:
        return None
    import ttnn

    return ttnn.open_device(device_id=0)


def _ttnn_rows(device: Any, name: str, ids: torch.Tensor, weights: torch.Tensor, num_experts: int, samples: int):
    """Yield the rows of an operator on ttnn's tensors, and of ttnn's part of it."""
    import ttnn

    import torch_moe_ttnn.ttnn

    options = {"layout": ttnn.ROW_MAJOR_LAYOUT, "device": device}
    choices = (
        ttnn.from_torch(ids, dtype=ttnn.uint32, **options),
        ttnn.from_torch(weights, dtype=ttnn.bfloat16, **options),
    )
    operator = getattr(torch_moe_ttnn.ttnn, name)

    def wait() -> None:
        ttnn.synchronize_device(device)

    times = _times(lambda: operator(*choices, num_experts), wait, samples)
    yield [f"`torch_moe_ttnn.ttnn.{name}`", *times, "", "", ""]
    launched = []
    generic_op, ttnn.generic_op = ttnn.generic_op, lambda *arguments: launched.append(arguments)
    outputs = operator(*choices, num_experts)
    ttnn.generic_op = generic_op
    (arguments,) = launched
    _, cached, best = _times(lambda: generic_op(*arguments), wait, samples)
    yield [f"`ttnn.generic_op` of `{name}`", "", cached, best, "", "", ""]
    del outputs


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/launch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300, help="calls that are timed (default: 300)")
    arguments = parser.parse_args(argv)
    torch.set_grad_enabled(False)
    with contextlib.ExitStack() as stack:
        device = _open_with_ttnn()
        if device is not None:
            import ttnn

            stack.callback(ttnn.close_device, device)
        torch.tt.init()
        print(f"{torch.tt.get_device_name()}; {machine()}. Ids int32, weights bfloat16.\n")
        rows = []
        for tokens, top_k, num_experts in progress(SHAPES):
            ids, weights = make_choices(tokens, top_k, num_experts, id_dtype=torch.int32)
            cells = [f"{tokens}", f"{top_k}", f"{num_experts}"]
            times = _times(lambda weights=weights: torch.add(weights, weights), lambda: None, arguments.samples)
            rows.append([*cells, "`torch.add` on CPU", "", *times[1:], "", "", ""])
            on_tt = ids.to("tt"), weights.to("tt")
            for name in OPERATORS:
                operator = getattr(torch.ops.moe, name).default

                def call(operator=operator, choices=on_tt, num_experts=num_experts):
                    return operator(*choices, num_experts)

                torch.tt.synchronize()
                first = _call_times(call, torch.tt.synchronize, 1)
                torch.tt.reset_accumulated_memory_stats()
                cached = _call_times(call, torch.tt.synchronize, arguments.samples)
                allocated = torch.tt.memory_stats()["num_device_alloc"]
                times = [first[0], statistics.median(cached), min(cached)]
                behind = [_processor_time(each, arguments.samples) for each in (call, _empty_like(call()))]
                rows.append([*cells, f"`{name}`", *map(duration, times), f"{allocated}", *behind])
                if device is not None:
                    shape = [device, name, ids, weights, num_experts, arguments.samples]
                    rows += [[*cells, *row] for row in _ttnn_rows(*shape)]
        header = ["T", "K", "E", "", "first call", "further calls", "the best of them", "device allocations in them"]
        print(markdown([*header, "behind a launch", "`torch.empty` for it"], rows))


if __name__ == "__main__":
    main()
