"""Runs every operator on a batch, on each device, and compares what comes out with plain PyTorch."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only
from torch.utils.benchmark import Timer

import torch_moe_ttnn
from torch_moe_ttnn import tt
from torch_moe_ttnn._cli.batch import Batch
from torch_moe_ttnn._cli.difference import difference
from torch_moe_ttnn._cli.progress import progress
from torch_moe_ttnn.testing import reference

_TIMING_SECONDS = 0.3

# The outputs' names, where an operator has only one.
_ONLY_OUTPUT = {"prepare_mapping": "mapping", "permute": "permuted", "unpermute": "sums"}


class _Call(NamedTuple):
    """What an operator is called with; tensors on the CPU."""

    arguments: tuple[Tensor | int, ...]
    options: dict[str, Tensor | int | None]


class Run(NamedTuple):
    """What one operator did on one device."""

    operator: str
    device: str
    runs_on: str
    """``"cpu"`` where the device has no kernel, and the host's computes, with copies there and back."""
    outputs: dict[str, Tensor]
    """By name, on the CPU."""
    median_seconds: float
    difference: str | None
    """Where an output first differs from plain PyTorch's, in words."""


def _calls(batch: Batch) -> dict[str, _Call]:
    """Return what each operator is called with; those that move rows, with the grouping of the choices."""
    choices = batch.selected_experts, batch.routing_weights, batch.num_experts
    options = batch.options._asdict()
    grouping = torch_moe_ttnn.prepare_grouping(*choices, **options)
    generator = torch.Generator().manual_seed(0)
    shape = len(batch.selected_experts), batch.hidden_size
    hidden = torch.randn(shape, generator=generator).to(batch.routing_weights.dtype)
    expert_outputs = torch_moe_ttnn.permute(hidden, grouping.grouped_tokens)  # of experts that do nothing
    return {
        "prepare_mapping": _Call(choices, {"local_experts": options["local_experts"]}),
        "prepare_routing": _Call(choices, {name: options[name] for name in ("local_experts", "max_tokens")}),
        "prepare_grouping": _Call(choices, options),
        "permute": _Call((hidden, grouping.grouped_tokens), {}),
        "unpermute": _Call((expert_outputs, batch.routing_weights, grouping.positions), {}),
    }


def _clock_of(device: torch.device) -> Callable[[], float]:
    """Return a clock that waits for a device; PyTorch's own waits for the current one of an accelerator."""

    def clock() -> float:
        if device.type == "tt":
            tt.synchronize(device)
        return time.perf_counter()

    return clock


def _run(name: str, call: _Call, device: str) -> Run:
    operator = getattr(torch_moe_ttnn, name)

    def as_dict(outputs: Tensor | torch_moe_ttnn.Routing | torch_moe_ttnn.Grouping) -> dict[str, Tensor]:
        return {_ONLY_OUTPUT[name]: outputs} if isinstance(outputs, Tensor) else outputs._asdict()

    arguments, options = tree_map_only(Tensor, lambda tensor: tensor.to(device), (call.arguments, call.options))
    with tt.fallback_report() as fallbacks:
        outputs = as_dict(operator(*arguments, **options))
    expected = as_dict(getattr(reference, name)(*call.arguments, **call.options))
    differences = [difference(output, outputs[output], expected[output]) for output in expected]
    timer = Timer(
        "operator(*arguments, **options)",
        globals={"operator": operator, "arguments": arguments, "options": options},
        timer=_clock_of(torch.device(device)),
        num_threads=torch.get_num_threads(),
    )
    median = timer.blocked_autorange(min_run_time=_TIMING_SECONDS).median
    outputs = {name: output.cpu() for name, output in outputs.items()}
    runs_on = "cpu" if fallbacks.operators else torch.device(device).type
    return Run(name, device, runs_on, outputs, median, next(filter(None, differences), None))


@contextlib.contextmanager
def _with_silent_fallback() -> Iterator[None]:
    """Let operators run by way of the host without a word, whatever the environment says: the report has it."""
    mode = tt.get_fallback_mode()
    tt.set_fallback_mode("silent")
    try:
        yield
    finally:
        tt.set_fallback_mode(mode)


def route(batch: Batch, devices: Sequence[str]) -> list[Run]:
    """Run each operator on each of the devices."""
    # The CPU alone does not ask tt's environment, which may have a mistake.
    with contextlib.nullcontext() if set(devices) == {"cpu"} else _with_silent_fallback():
        runs = [(name, call, device) for name, call in _calls(batch).items() for device in devices]
        # The first call on a chip compiles its kernel, which takes seconds.
        return [_run(*run) for run in progress(runs, lambda run: f"{run[0]} on {run[2]}")]
