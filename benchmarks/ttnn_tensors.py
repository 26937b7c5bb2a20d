"""``python benchmarks/ttnn_tensors.py``: clocks of a launch on ttnn tensors, and the host's time for a call.

Runs on the simulated chip that TT-Metalium's variables name, in slow dispatch, with a Python that has ttnn. Beside the
clocks are those on ``tt`` tensors, whose pages are flat: ``tt`` borrows the chip that ttnn has open. The host's time is
of a call whose program is in ttnn's cache, without the launch: ``ttnn.generic_op`` is left out. It depends on the
machine.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import ttnn

import torch_moe_ttnn.ttnn
from device import GOALS
from torch_moe_ttnn._cli.launches import Case, call_of, clocks_of_call
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

_CASES = [case for case in GOALS if case.operator in ("prepare_mapping", "prepare_routing")]
_HOST_CALLS = 200


def _call_on(device: Any, case: Case) -> Callable[[], object]:
    """Return a function that launches a case on ttnn tensors."""
    ids, weights = make_choices(case.tokens, case.top_k, case.num_experts, id_dtype=torch.uint32)
    options = {"layout": ttnn.ROW_MAJOR_LAYOUT, "device": device}
    choices = (
        ttnn.from_torch(ids, dtype=ttnn.uint32, **options),
        ttnn.from_torch(weights, dtype=ttnn.bfloat16, **options),
    )
    operator = getattr(torch_moe_ttnn.ttnn, case.operator)
    return lambda: operator(*choices, case.num_experts)


def _host_seconds(call: Callable[[], object]) -> float:
    """Return the median time of a call that launches nothing."""
    enqueue, ttnn.generic_op = ttnn.generic_op, lambda *_: None
    times = []
    for _ in range(_HOST_CALLS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    ttnn.generic_op = enqueue
    return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    device = ttnn.open_device(device_id=0)
    rows = []
    for case in _CASES:
        call = _call_on(device, case)
        clocks = clocks_of_call(call, lambda: ttnn.synchronize_device(device))
        flat = clocks_of_call(call_of(case))
        shape = f"`{case.operator}`", case.tokens, case.top_k, case.num_experts
        host = f"{_host_seconds(call) * 1e6:.0f} µs"
        rows.append((*shape, f"{clocks:,}", f"{flat:,}", f"{clocks / flat:.2f}", host))
    ttnn.close_device(device)
    print(markdown(("operator", "T", "K", "E", "clocks", "on flat pages", "ratio", "host"), rows))


if __name__ == "__main__":
    main()
