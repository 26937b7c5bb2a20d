"""Times: of a call on the host, of a launch among many, of copies."""

import statistics
import time
from collections.abc import Callable

import torch

from torch_moe_ttnn import tt
from torch_moe_ttnn._cli.devices import kind
from torch_moe_ttnn._cli.launches import DRAM_BYTES_A_CLOCK, Case, call_of
from torch_moe_ttnn._cli.verify.check import Check, Details, Setting, table
from torch_moe_ttnn._cli.verify.environment import clocks_of_cards

# GB/s, at the clock of 1 GHz that the number is of.
_DRAM_GIGABYTES_A_SECOND = DRAM_BYTES_A_CLOCK

_TOKENS = (1, 32, 1024)
_ALL_TOKENS = (1, 32, 1024, 4096, 32768)

_SAMPLE_SECONDS = 0.05
"""Of launches in a row, so that neither the first nor the last one shows."""

_MOST_LAUNCHES = 1000
"""In a row."""


def _cases(setting: Setting) -> list[Case]:
    return [
        case
        for tokens in (_ALL_TOKENS if setting.full else _TOKENS)
        for case in (
            Case("prepare_mapping", tokens, 8, 128),
            Case("prepare_routing", tokens, 8, 128),
            Case("prepare_grouping", tokens, 8, 128, 32),
            Case("permute", tokens, 8, 128, hidden=2048),
        )
    ]


def _samples() -> int:
    """Return how often something is timed; what is simulated takes long, and its times matter little."""
    return 15 if kind() == "card" else 3


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _three_digits(number: float) -> float:
    return float(f"{number:.3g}")


def _microseconds(seconds: float) -> float:
    return _three_digits(seconds * 1e6)


def _times_anyway() -> Details:
    return {} if kind() == "card" else {"of a card": "these times say nothing"}


def _calls(setting: Setting) -> Details:
    """Time a call to its return; the device is idle when it begins."""
    samples = _samples() * (20 if kind() == "card" else 3)
    rows = []
    for case in _cases(setting):
        setting.at(f"{case.operator}, T = {case.tokens}")
        call = call_of(case)
        first = _seconds(call)
        tt.synchronize()
        times = []
        for _ in range(samples):
            times.append(_seconds(call))
            tt.synchronize()
        median, best = statistics.median(times), min(times)
        rows.append((case.operator, case.tokens, *map(_microseconds, (first, median, best))))
    header = ("operator", "T", "first call, us", "further calls, us (median)", "the best of them, us")
    return {"K": 8, "E": 128, "samples": samples, "calls": table(header, rows), **_times_anyway()}


def _launches(setting: Setting) -> Details:
    """Time launches in a row, with one wait at the end."""
    bandwidth = _DRAM_GIGABYTES_A_SECOND.get(tt.get_device_properties().architecture)
    rows, clocks = [], set()
    for case in _cases(setting):
        setting.at(f"{case.operator}, T = {case.tokens}")
        call = call_of(case)

        def in_a_row(count: int, call: Callable[[], object] = call) -> float:
            begin = time.perf_counter()
            for _ in range(count):
                call()
            tt.synchronize()
            return time.perf_counter() - begin

        in_a_row(1)
        count = max(1, min(_MOST_LAUNCHES, int(_SAMPLE_SECONDS / in_a_row(1))))
        seconds = statistics.median(in_a_row(count) / count for _ in range(_samples()))
        clocks.add(", ".join(clocks_of_cards()))
        gigabytes = (case.input_bytes + case.output_bytes) / seconds / 1e9
        share = f"{gigabytes / bandwidth:.3%}" if bandwidth else "unknown"
        rows.append((case.operator, case.tokens, count, _microseconds(seconds), _three_digits(gigabytes), share))
    header = ("operator", "T", "launches in a row", "us a launch", "GB/s in and out", "of DRAM's")
    dram = {"GB/s of DRAM": bandwidth} if bandwidth else {}
    megahertz = {"MHz of the chips, right after": sorted(clocks)} if clocks != {""} else {}
    return {"K": 8, "E": 128, "rows of": 2048, **dram, **megahertz, "launches": table(header, rows), **_times_anyway()}


def _copies(setting: Setting) -> Details:
    """Time copies: each is waited for."""
    sizes = (4, 4 << 10, 1 << 20, *([16 << 20, 256 << 20] if setting.full or kind() == "card" else []))
    rows = []
    for size in sizes:
        host = torch.zeros(size, dtype=torch.uint8)
        on_tt = host.to("tt")
        ways: dict[str, Callable[[], object]] = {
            "to the device": lambda host=host, on_tt=on_tt: on_tt.copy_(host),  # type: ignore[misc]
            "to the host": lambda host=host, on_tt=on_tt: host.copy_(on_tt),  # type: ignore[misc]
            "within the device": lambda on_tt=on_tt: on_tt.clone(),  # type: ignore[misc]
        }
        for way, copy in ways.items():
            setting.at(f"{size} bytes {way}")

            def waited_for(copy: Callable[[], object] = copy) -> None:
                copy()
                tt.synchronize()

            waited_for()
            seconds = statistics.median(_seconds(waited_for) for _ in range(_samples()))
            rows.append((way, size, _microseconds(seconds), _three_digits(size / seconds / 1e9)))
    return {"copies": table(("copy", "bytes", "us", "GB/s"), rows), **_times_anyway()}


CHECKS = [
    Check("calls", "From a call to its return: what the host has to do for a launch.", _calls),
    Check(
        "launches", "A launch among many: what the device takes for it, or the host if that takes longer.", _launches
    ),
    Check("copies", "Bytes between host and device, and within it.", _copies),
]
