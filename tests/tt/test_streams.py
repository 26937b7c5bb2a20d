"""``torch.tt``'s streams and events: a device's one queue, and places in it."""

import contextlib
import os
from collections.abc import Callable

import pytest
import torch

from support import processes

pytestmark = [pytest.mark.chip, pytest.mark.dispatch]


def test_a_device_has_one_stream(other_device):
    stream = torch.tt.current_stream()
    assert stream.device == torch.device("tt:0")
    assert isinstance(stream, torch.tt.Stream)
    assert isinstance(stream, torch.Stream)
    for same in (
        torch.tt.default_stream("tt"),
        torch.tt.Stream(),
        torch.tt.Stream(0, -1),
        torch.tt.Stream(device="tt:0", priority=1),
        torch.Stream(device="tt"),
        torch.accelerator.current_stream(),
    ):
        assert same == stream
        assert hash(same) == hash(stream)
    assert torch.tt.Stream(other_device) == torch.tt.current_stream(1) != stream
    with torch.tt.device(other_device):
        assert torch.tt.Stream() == torch.tt.current_stream(1)
    assert not isinstance(torch.Event(device="tt"), torch.tt.Stream)


@pytest.mark.parametrize("device", ["cpu", torch.device("cuda")], ids=str)
def test_no_stream_of_another_device(device):
    with pytest.raises(ValueError, match="expected a tt device"):
        torch.tt.Stream(device)


def test_a_stream_makes_its_device_current(other_device):
    other = torch.tt.Stream(other_device)
    with torch.tt.stream(other):
        assert torch.tt.current_device() == 1
        assert torch.tt.current_stream() == other
        with torch.tt.stream(torch.tt.Stream(0)), torch.tt.stream(other), torch.tt.stream(None):
            assert torch.tt.current_device() == 1
        assert torch.tt.current_device() == 1
    assert torch.tt.current_device() == 0
    try:
        torch.tt.set_stream(other)
        torch.tt.set_stream(None)
        assert torch.tt.current_device() == 1
    finally:
        torch.tt.set_device(0)


def test_streams_wait_for_each_other(other_device):
    first, second = torch.tt.Stream(0), torch.tt.Stream(other_device)
    tensor = torch.full((1000,), 3.0, device="tt")
    first.wait_stream(second)
    second.wait_stream(first)
    second.wait_event(first.record_event())
    assert torch.equal(tensor.to(other_device).cpu(), torch.full((1000,), 3.0))
    for stream in (first, second):
        stream.synchronize()
        assert stream.query()


def test_an_event():
    event = torch.tt.Event()
    assert isinstance(event, torch.tt.Event)
    assert isinstance(event, torch.Event)
    assert event.query()
    event.synchronize()
    event.record()
    event.record(torch.tt.current_stream())
    event.wait()
    event.wait(torch.tt.Stream())
    event.synchronize()
    assert event.query()
    assert torch.tt.current_stream().record_event(event) is event
    with pytest.raises(ValueError, match="interprocess"):
        torch.tt.Event(interprocess=True)


def launch(tokens: int = 64, expert: int = 0) -> torch.Tensor:
    ids = torch.full((tokens, 1), expert, device="tt")
    return torch.ops.moe.prepare_mapping(ids, torch.ones(tokens, 1, device="tt"), 16)


def test_an_event_raises_the_errors_before_it():
    launch(expert=16)
    event = torch.tt.current_stream().record_event()
    with pytest.raises(IndexError, match="got 16 at"):
        event.synchronize()
    event.synchronize()
    torch.tt.synchronize()


def test_an_event_leaves_errors_to_what_waits_for_launches_behind_it():
    launch(expert=16)
    event = torch.tt.current_stream().record_event()
    launch()
    event.synchronize()
    with pytest.raises(IndexError, match="got 16 at"):
        torch.tt.synchronize()


def test_query_raises_nothing():
    launch(expert=16)
    event = torch.tt.current_stream().record_event()
    while not event.query() or not torch.tt.current_stream().query():
        pass
    with pytest.raises(IndexError, match="got 16 at"):
        torch.tt.synchronize()


@pytest.fixture
def much() -> Callable[[], list[torch.Tensor]]:
    """Return what enqueues far more than the device can do meanwhile."""
    # A simulated chip takes seconds for its share.
    tokens, count = (16384, 20) if torch.tt.get_device_properties().runtime == "emulated" else (1024, 2)
    ids, weights = torch.zeros(tokens, 1, dtype=torch.int32, device="tt"), torch.ones(tokens, 1, device="tt")
    torch.ops.moe.prepare_mapping(ids, weights, 64)
    torch.tt.synchronize()
    return lambda: [torch.ops.moe.prepare_mapping(ids, weights, 64) for _ in range(count)]


def test_an_event_does_not_wait_for_the_queue(much):
    if "TT_METAL_SLOW_DISPATCH_MODE" in os.environ and torch.tt.get_device_properties().runtime == "metal":
        pytest.skip("without fast dispatch, TT-Metalium's queue marks no places")
    first = much()[:1]
    before = torch.tt.current_stream().record_event()
    maps = first + much()
    behind = torch.tt.current_stream().record_event()
    before.synchronize()
    assert not behind.query()
    assert not torch.tt.current_stream().query()
    behind.synchronize()
    assert torch.tt.current_stream().query()
    assert all(float(each.cpu().sum()) == len(each) for each in maps)


def test_elapsed_time():
    start, end = torch.tt.Event(enable_timing=True), torch.tt.Event(enable_timing=True)
    start.record()
    launch(tokens=4096)
    end.record()
    end.synchronize()
    whole = start.elapsed_time(end)
    assert whole > 0
    assert end.elapsed_time(start) == -whole
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed_time(torch.tt.Event())


def test_time_is_not_known_before_the_end(much):
    if torch.tt.get_device_properties().runtime != "emulated":
        pytest.skip("the metal runtime waits when it records an event that measures time")
    start, end = torch.tt.Event(enable_timing=True), torch.tt.Event(enable_timing=True)
    start.record()
    much()
    end.record()
    with pytest.raises(RuntimeError, match="completed"):
        start.elapsed_time(end)
    end.synchronize()
    assert start.elapsed_time(end) > 0


def test_an_event_of_a_device_that_is_not_open():
    code = (
        "import torch, torch_moe_ttnn\n"
        "first, second = (torch.tt.Event(enable_timing=True) for _ in range(2))\n"
        "first.record()\n"
        "assert first.query() and torch.tt.current_stream().query()\n"
        "first.synchronize()\n"
        "assert not torch.tt.is_initialized()\n"
        "torch.ones(3, device='tt').cpu()\n"
        "second.record()\n"
        "second.synchronize()\n"
        "assert first.elapsed_time(second) > 0\n"
    )
    process = processes.run(code)
    assert (process.returncode, process.stderr) == (0, "")


def test_device_of(other_device):
    with torch.tt.device_of(torch.ones(2, device=other_device)):
        assert torch.tt.current_device() == 1
        with torch.tt.device_of(torch.ones(2)):
            assert torch.tt.current_device() == 1
        with torch.tt.device_of(torch.ones(2, device="tt:0").untyped_storage()):
            assert torch.tt.current_device() == 0
    assert torch.tt.current_device() == 0


def test_capability():
    capability = torch.tt.get_device_capability()
    assert torch.bfloat16 in capability["supported_dtypes"]
    assert capability["architecture"] == torch.tt.get_device_properties("tt:0").architecture
    assert torch.tt.is_bf16_supported()
    assert torch.tt.is_bf16_supported(including_emulation=False)


def test_device_agnostic_code(other_device):
    """A training step as Hugging Face's and PyTorch's own loops write it."""
    module = torch.get_device_module(torch.accelerator.current_accelerator())
    assert module is torch.get_device_module("tt") is torch.tt
    model = torch.nn.Linear(4, 4).to("tt")
    copying = module.Stream(priority=-1)
    with module.stream(copying):
        batch = torch.ones(2, 4).to("tt", non_blocking=True)
    module.current_stream().wait_stream(copying)
    batch.record_stream(module.current_stream())
    start, end = module.Event(enable_timing=True), module.Event(enable_timing=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.accelerator.device_index(0))
        start.record()
        model(batch).sum().backward()
        end.record()
    torch.accelerator.synchronize()
    torch.accelerator.set_stream(torch.accelerator.current_stream())
    assert start.elapsed_time(end) > 0
    assert model.weight.grad.device == torch.device("tt:0")
