"""What the benchmarks share: timing, and words for the machine, times and sizes."""

import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

import torch_moe_ttnn
from torch_moe_ttnn._cli import report

# Calls in a row that are timed as one, so that the clock's own time does not show.
_SAMPLE_SECONDS = 2e-4

# Samples of each function at least, however long one takes.
_MIN_SAMPLES = 5


def alternately(
    functions: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time functions one after another, again and again, so that what disturbs the machine disturbs all of them.

    Args:
        functions: By name.
        seconds: How long to go on.
        clock: What the samples are taken with. ``time.process_time`` leaves out what other processes took, where the
            functions run on one thread.

    Returns:
        The seconds of one call, for each sample; samples of the same position were taken beside each other.
    """
    calls = {}
    for name, function in functions.items():
        function()
        begin = time.perf_counter()
        function()
        calls[name] = max(1, math.ceil(_SAMPLE_SECONDS / max(time.perf_counter() - begin, 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(samples.values()))) < _MIN_SAMPLES:
        for name, function in functions.items():
            begin = clock()
            for _ in range(calls[name]):
                function()
            samples[name].append((clock() - begin) / calls[name])
    return samples


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios of samples that were taken beside each other."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def machine() -> str:
    """Return what the times were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (name := re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE)):
        cpu = name[1]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cpu}, {cores} cores, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the start, "
        f"torch {torch.__version__}, torch_moe_ttnn {torch_moe_ttnn.__version__}"
    )


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it, to three digits."""
    return report.duration(seconds, ".3g")


def size(num_bytes: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if num_bytes >= scale:
            return f"{num_bytes / scale:.3g} {unit}"
    return f"{num_bytes:.0f} B"
