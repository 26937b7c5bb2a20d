"""``python benchmarks/ttnn_tensors.py``: clocks of a launch on ttnn tensors, and the host's time for a call.

Runs on the simulated chip that TT-Metalium's variables name, in slow dispatch, with a Python that has ttnn. The clocks
of a launch are the difference between a process that makes it once more and one that does not; they stand beside those
on ``tt`` tensors in docs/performance.md, which ``device.py`` measures. The host's time is of a call whose program is in
ttnn's cache, without the launch: ``ttnn.generic_op`` is left out. It depends on the machine.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import torch
import ttnn

import torch_moe_ttnn.ttnn
from device import GOALS, Case
from torch_moe_ttnn._cli.report import markdown
from torch_moe_ttnn.testing import make_choices

_CLOCKS = re.compile(r"^\[(\d+)\] [\d.]+ seconds", re.MULTILINE)


def _launch(case: Case, launches: int) -> list[float]:
    """Launch, in this process; return the microseconds of each call's host side."""
    device = ttnn.open_device(device_id=0)
    ids, weights = make_choices(case.tokens, case.top_k, case.num_experts, id_dtype=torch.uint32)
    options = {"layout": ttnn.ROW_MAJOR_LAYOUT, "device": device}
    ids = ttnn.from_torch(ids, dtype=ttnn.uint32, **options)
    weights = ttnn.from_torch(weights, dtype=ttnn.bfloat16, **options)
    operator = getattr(torch_moe_ttnn.ttnn, case.operator)
    for _ in range(launches):
        operator(ids, weights, case.num_experts)
    enqueue, ttnn.generic_op = ttnn.generic_op, lambda *_: None
    times = []
    for _ in range(200):
        start = time.perf_counter()
        operator(ids, weights, case.num_experts)
        times.append((time.perf_counter() - start) * 1e6)
    ttnn.generic_op = enqueue
    ttnn.close_device(device)
    return times


def _clocks(case: Case, launches: int) -> tuple[int, float]:
    """Return the clocks of a process that launches so often, and the microseconds of a call's host side."""
    command = [sys.executable, __file__, "--process", json.dumps(case), str(launches)]
    result = subprocess.run(command, capture_output=True, text=True)
    clocks = _CLOCKS.findall(result.stdout + result.stderr)
    if result.returncode != 0 or not clocks:
        raise SystemExit(f"{case}: the simulator named no clocks\n{result.stdout}{result.stderr}")
    host = re.search(r"^host ([\d.]+)", result.stdout, re.MULTILINE)
    return max(map(int, clocks)), float(host.group(1)) if host else float("nan")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--process", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.process:
        case, launches = json.loads(options.process[0]), int(options.process[1])
        print(f"host {statistics.median(_launch(Case(*case), launches)):.1f}")
        return
    rows = []
    for case in GOALS:
        # The first launch builds the program.
        (before, _), (after, host) = _clocks(case, 2), _clocks(case, 3)
        rows.append((f"`{case.operator}`", *case[1:], f"{after - before:,}", f"{host:.0f} µs"))
    print(markdown(("operator", "T", "K", "E", "clocks", "host"), rows))


if __name__ == "__main__":
    main()
