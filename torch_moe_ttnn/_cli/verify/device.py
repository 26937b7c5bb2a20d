"""The device beside its operators: opening, copies, errors, order, threads, memory."""

import gc
import itertools
import threading
import time
from collections.abc import Callable

import torch
from torch import Tensor

from torch_moe_ttnn import tt
from torch_moe_ttnn._cli.devices import kind, metalium
from torch_moe_ttnn._cli.difference import difference
from torch_moe_ttnn._cli.verify.check import Check, Details, FailedError, Setting, message_of, require
from torch_moe_ttnn.testing import make_choices

_DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.int64,
    torch.float8_e4m3fn,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)
_FEW_SIZES = (1, 33, 1025)
_SIZES = (0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 65, 255, 1023, 1025, 4095, 4097, 10_001)
_LARGE = (1 << 20) + 13
_VERY_LARGE = (256 << 20) + 13


def _open(setting: Setting) -> Details:
    begin = time.perf_counter()
    tt.init()
    seconds = time.perf_counter() - begin
    properties = tt.get_device_properties()
    fields = ("name", "runtime", "architecture", "grid", "l1_size", "l1_unreserved", "dram_size", "dram_banks")
    return {
        "kind": kind(),
        **{field: getattr(properties, field) for field in fields},
        "dram_alignment": properties.dram_alignment,
        "devices": tt.device_count(),
        "seconds to open": round(seconds, 2),
        # The metal runtime refuses another release than the one it was built with.
        **({"TT-Metalium": metalium()["release"]} if properties.runtime == "metal" else {}),
    }


def _bits(num_elements: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Return values of random bits."""
    if dtype == torch.bool:
        return torch.randint(0, 2, (num_elements,), generator=generator).bool()
    num_bytes = num_elements * dtype.itemsize
    return torch.randint(0, 256, (num_bytes,), dtype=torch.uint8, generator=generator).view(dtype)


def _copies(setting: Setting) -> Details:
    generator = torch.Generator().manual_seed(setting.seed)
    count = 0

    def check(what: str, on_tt: Tensor, expected: Tensor) -> None:
        nonlocal count
        count += 1
        wrong = difference(what, on_tt, expected)
        require(wrong is None, str(wrong))

    of_all_dtypes = _SIZES if setting.full else _FEW_SIZES
    for dtype, size in (*itertools.product([torch.uint8], _SIZES), *itertools.product(_DTYPES, of_all_dtypes)):
        setting.at(f"{size} elements of {dtype}")
        host = _bits(size, dtype, generator)
        check(f"{size} elements of {dtype}, there and back", host.to("tt"), host)
    for size in (_LARGE, *([_VERY_LARGE] if setting.full else [])):
        setting.at(f"{size} bytes")
        host = _bits(size, torch.uint8, generator)
        on_tt = host.to("tt")
        check(f"{size} bytes", on_tt, host)
        check(f"{size} bytes, within the device", on_tt.clone(), host)
        del on_tt
    host = _bits(20_000, torch.uint8, generator)
    on_tt = host.to("tt")
    for _ in range(300 if setting.full else 25):
        first, second, length = (int(torch.randint(0, most, (), generator=generator)) for most in (9000, 9000, 9000))
        what = f"{length} bytes from {first} on and to {second} on"
        setting.at(what)
        check(f"{what}, to the host", on_tt[first : first + length], host[first : first + length])
        written = _bits(length, torch.uint8, generator)
        on_tt[second : second + length], host[second : second + length] = written, written
        within = host[first : first + length].clone()
        on_tt[second : second + length] = on_tt[first : first + length].clone()
        host[second : second + length] = within
        check(f"{what}, the whole", on_tt, host)
    matrix = _bits(6 * 8 * 10, torch.int32, generator).view(6, 8, 10)
    on_tt = matrix.to("tt")
    views: dict[str, Callable[[Tensor], Tensor]] = {
        "columns": lambda t: t[:, :, 3:7],
        "steps": lambda t: t[::2, 1::3, ::4],
        "transposed": lambda t: t.transpose(0, 2),
        "diagonal": lambda t: t.diagonal(0, 1, 2),
    }
    for what, view in views.items():
        check(f"{what} of a tensor", view(on_tt).contiguous(), view(matrix).contiguous())
    return {"copies compared": count}


_OPERATORS = ("prepare_mapping", "prepare_routing", "prepare_grouping")


def _outputs(name: str, *arguments: object, **options: object) -> tuple[Tensor, ...]:
    outputs = getattr(torch.ops.moe, name)(*arguments, **options)
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _require_same(what: str, actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for index, (output, wanted) in enumerate(zip(actual, expected, strict=True)):
        wrong = difference(f"{what}, output {index}", output, wanted)
        require(wrong is None, str(wrong))


def _faults(setting: Setting) -> Details:
    """Ids out of range are an IndexError of the next wait, in the CPU's words, and nothing else is affected."""
    right = make_choices(64, 4, 16, seed=setting.seed)
    on_tt = [tensor.to("tt") for tensor in right]
    messages = []
    ids_of = {torch.int64: (16, -2, 2**40), torch.int32: (16, -7), torch.uint32: (2**31 + 1,), torch.uint16: (99,)}
    for name, (dtype, wrong) in itertools.product(_OPERATORS, ids_of.items()):
        expected = _outputs(name, *right, 16)
        for expert in wrong:
            setting.at(f"{name}, the id {expert} of {dtype}")
            ids = right[0].clone()
            ids[5, 1] = expert
            ids = ids.to(dtype)
            message = message_of(IndexError, lambda: _outputs(name, ids, right[1], 16))  # noqa: B023 - called here
            _outputs(name, ids.to("tt"), on_tt[1], 16)
            beside = _outputs(name, *on_tt, 16)
            told = message_of(IndexError, tt.synchronize)
            require(told == message, f"expected '{message}' as on the CPU, got '{told}'")
            tt.synchronize()  # it is told once
            _require_same(f"{name} after the fault", beside, expected)
            messages.append(told)
    setting.at("permute, a token out of range")
    hidden, tokens = torch.ones(4, 8), torch.tensor([3, 7, -1], dtype=torch.int32)
    message = message_of(IndexError, lambda: torch.ops.moe.permute(hidden, tokens))
    torch.ops.moe.permute(hidden.to("tt"), tokens.to("tt"))
    told = message_of(IndexError, tt.synchronize)
    require(told == message, f"expected '{message}' as on the CPU, got '{told}'")
    setting.at("local_experts out of range")
    local = torch.tensor([3, 16])
    message = message_of(IndexError, lambda: _outputs("prepare_mapping", *right, 16, local_experts=local))
    _outputs("prepare_mapping", *on_tt, 16, local_experts=local.to("tt"))
    told = message_of(IndexError, tt.synchronize)
    require(told == message, f"expected '{message}' as on the CPU, got '{told}'")
    setting.at("wrong arguments")
    for name in _OPERATORS:
        refused = message_of(RuntimeError, lambda: _outputs(name, *right, 0))  # noqa: B023 - called here
        on_device = message_of(RuntimeError, lambda: _outputs(name, *on_tt, 0))  # noqa: B023 - called here
        require(refused == on_device, f"expected '{refused}' as on the CPU, got '{on_device}'")
    return {"faults": len(messages) + 2, "the last one": told}


def _order(setting: Setting) -> Details:
    """The queue is in order: launches, copies, memory that is used again, and events."""
    launches = tt.num_launches()
    setting.at("an operator on another's outputs, without a wait")
    ids, weights = make_choices(300, 8, 64, seed=setting.seed)
    hidden = torch.randn(300, 64, generator=torch.Generator().manual_seed(setting.seed)).bfloat16()
    grouping = _outputs("prepare_grouping", ids, weights, 64, alignment=16)
    expected = torch.ops.moe.permute(hidden, grouping[2])
    for _ in range(10):
        grouped = _outputs("prepare_grouping", ids.to("tt"), weights.to("tt"), 64, alignment=16)
        permuted = torch.ops.moe.permute(hidden.to("tt"), grouped[2])
        # Its memory goes to the next ones.
        del grouped
        torch.full((300, 8), -5, dtype=torch.int64, device="tt")
        _require_same("permute after prepare_grouping", (permuted,), (expected,))
    setting.at("copies over one another")
    target = torch.zeros(5000, dtype=torch.int32, device="tt")
    sources = [torch.full((5000,), value, dtype=torch.int32) for value in range(20)]
    for source in sources:
        target.copy_(source, non_blocking=True)
    _require_same("the last copy", (target,), (sources[-1],))
    setting.at("events")
    on_tt = [tensor.to("tt") for tensor in (ids, weights)]
    before, after = tt.Event(enable_timing=True), tt.Event(enable_timing=True)
    before.record()
    outputs = [_outputs("prepare_mapping", *on_tt, 64) for _ in range(20)]
    after.record()
    after.synchronize()
    require(after.query() and before.query(), "expected events to be done that were waited for")
    elapsed = before.elapsed_time(after)
    require(elapsed >= 0, f"expected a time between two events, got {elapsed} ms")
    mapping = _outputs("prepare_mapping", ids, weights, 64)
    for output in outputs:
        _require_same("prepare_mapping", output, mapping)
    tt.synchronize()
    return {"launches": tt.num_launches() - launches, "ms of 20 launches between two events": round(elapsed, 3)}


def _again_and_again(setting: Setting) -> Details:
    """The same launch gives the same bits each time."""
    choices = make_choices(257, 8, 128, distribution="zipf", seed=setting.seed)
    on_tt = [tensor.to("tt") for tensor in choices]
    times = 100 if setting.full else 10
    for name in _OPERATORS:
        setting.at(name)
        expected = _outputs(name, *choices, 128)
        for turn in range(times):
            _require_same(f"{name}, launch {turn}", _outputs(name, *on_tt, 128), expected)
    return {"launches of each operator": times}


def _threads(setting: Setting) -> Details:
    """Two threads launch at the same time: each has its outputs, and hears of its own faults alone."""
    rounds = 60 if setting.full else 12
    start = threading.Barrier(2)
    wrong: list[BaseException] = []

    def work(thread: int) -> None:
        choices = make_choices(64 + thread, 4, 16, seed=setting.seed ^ thread)
        expected = {name: _outputs(name, *choices, 16) for name in _OPERATORS}
        on_tt = [tensor.to("tt") for tensor in choices]
        bad = choices[0].clone()
        bad[0, 0] = 1000 + thread
        bad_on_tt = bad.to("tt")
        start.wait()
        for turn in range(rounds):
            name = _OPERATORS[turn % len(_OPERATORS)]
            outputs = _outputs(name, *on_tt, 16)
            if turn % 3 == thread:
                _outputs(name, bad_on_tt, on_tt[1], 16)
                told = message_of(IndexError, tt.synchronize)
                require(f"got {1000 + thread} at" in told, f"expected this thread's id, got '{told}'")
            _require_same(f"{name} in thread {thread}", outputs, expected[name])
            setting.at(f"{turn + 1} of {rounds} rounds")

    def caught(thread: int) -> None:
        try:
            work(thread)
        except BaseException as error:
            wrong.append(error)
            start.abort()

    threads = [threading.Thread(target=caught, args=(thread,), daemon=True) for thread in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise FailedError(f"{type(wrong[0]).__name__} in a thread: {wrong[0]}") from wrong[0]
    return {"rounds of each": rounds}


def _memory(setting: Setting) -> Details:
    """Memory comes back, and too much of it is PyTorch's error, after which the device goes on."""
    gc.collect()
    tt.synchronize()
    tt.empty_cache()
    before = tt.memory_allocated(), tt.memory_reserved()
    choices = [tensor.to("tt") for tensor in make_choices(128, 8, 128, seed=setting.seed)]

    def launch() -> None:
        for name in _OPERATORS:
            _outputs(name, *choices, 128)
        tt.synchronize()

    launch()
    reserved = tt.memory_reserved()
    for turn in range(10):
        setting.at(f"round {turn}")
        launch()
    require(
        tt.memory_reserved() == reserved,
        f"expected {reserved} bytes to do for every round, got {tt.memory_reserved()}",
    )
    setting.at("more memory than there is")
    free, total = tt.mem_get_info()
    require(0 < free <= total, f"expected free memory of at most {total} bytes, got {free}")
    told = message_of(torch.OutOfMemoryError, _allocating(2 * total))
    launch()
    choices.clear()
    gc.collect()
    tt.empty_cache()
    after = tt.memory_allocated(), tt.memory_reserved()
    require(after[0] == before[0], f"expected {before[0]} bytes allocated as before, got {after[0]}")
    return {
        "bytes free": free,
        "bytes in all": total,
        "bytes reserved before": before[1],
        "after": after[1],
        "error": told,
    }


def _allocating(num_bytes: int) -> Callable[[], Tensor]:
    return lambda: torch.empty(num_bytes, dtype=torch.uint8, device="tt")


CHECKS = [
    Check("open", "The device opens, and says what it is.", _open),
    Check("copies", "Bits of every dtype, of odd sizes and at odd places, to the device, in it and back.", _copies),
    Check("faults", "Ids out of range are reported as on the CPU, once, and leave the device usable.", _faults),
    Check("order", "Launches, copies and events keep the queue's order.", _order),
    Check("again and again", "The same launch gives the same bits each time.", _again_and_again),
    Check("threads", "Two threads launch at the same time.", _threads),
    Check("memory", "Memory comes back, and too much of it is an ordinary error.", _memory),
]
