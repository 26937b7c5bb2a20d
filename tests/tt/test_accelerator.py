"""``torch.accelerator``, streams and events."""

import pytest
import torch


def test_the_accelerator():
    assert torch.accelerator.current_accelerator() == torch.device("tt")
    assert torch.accelerator.is_available()
    assert torch.accelerator.device_count() == torch.tt.device_count()
    assert torch.float32 in torch.accelerator.get_device_capability()["supported_dtypes"]


def test_current_device(other_device):
    with torch.accelerator.device_index(1):
        assert torch.accelerator.current_device_index() == torch.tt.current_device() == 1
    try:
        torch.accelerator.set_device_index(other_device)
        assert torch.tt.current_device() == 1
    finally:
        torch.accelerator.set_device_index(0)


@pytest.mark.parametrize("device", [None, 0, "tt:0"])
@pytest.mark.parametrize("module", [torch.accelerator, torch.tt], ids=["accelerator", "tt"])
def test_synchronize(module, device):
    """It waits, and raises what was found meanwhile."""
    ids = torch.full((1, 1), 16, device="tt")
    torch.ops.moe.prepare_mapping(ids, torch.ones(1, 1, device="tt"), 16)
    with pytest.raises(IndexError, match="got 16 at"):
        module.synchronize(device)
    module.synchronize(device)


def test_memory():
    tensor = torch.empty(1000, device="tt")
    assert torch.accelerator.memory_allocated() == torch.tt.memory_allocated() >= tensor.nbytes
    assert torch.accelerator.max_memory_allocated() == torch.tt.max_memory_allocated()
    assert torch.accelerator.memory_reserved() == torch.tt.memory_reserved()
    assert torch.accelerator.get_memory_info() == torch.tt.mem_get_info()
    del tensor
    torch.accelerator.empty_cache()
    assert torch.accelerator.memory_reserved() == torch.tt.memory_reserved()


def test_one_stream_a_device(other_device):
    stream = torch.accelerator.current_stream()
    assert stream.device == torch.device("tt:0")
    assert torch.Stream(device="tt:0") == stream
    assert torch.Stream(device=other_device) != stream
    assert torch.accelerator.current_stream(1).device == other_device


def test_using_streams():
    stream = torch.Stream(device="tt")
    tensor = torch.ones(2, device="tt")
    with stream:
        tensor = tensor + 1
        tensor.record_stream(stream)
    torch.accelerator.set_stream(stream)
    stream.wait_stream(torch.accelerator.current_stream())
    stream.synchronize()
    assert stream.query()
    assert tensor.tolist() == [2, 2]


def test_events(other_device):
    event = torch.Event(device="tt")
    assert event.query()
    event.record()
    torch.accelerator.current_stream().wait_event(event)
    torch.accelerator.current_stream(other_device).wait_event(event)
    event.synchronize()
    assert event.query()
    with pytest.raises(RuntimeError, match=r"whose stream is to record it|does not match"):
        event.record(torch.accelerator.current_stream(other_device))


def test_time_between_events():
    start, end = (torch.Event(device="tt", enable_timing=True) for _ in range(2))
    with pytest.raises(ValueError, match="Both events must be recorded"):
        start.elapsed_time(end)
    start.record()
    torch.ones(1000, device="tt").cpu()
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) > 0
    assert end.elapsed_time(start) == -start.elapsed_time(end)


def test_time_between_events_that_measure_none():
    start, end = (torch.Event(device="tt") for _ in range(2))
    start.record()
    end.record()
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed_time(end)


def test_nothing_is_pinned():
    """A DataLoader asks for pinned memory wherever there is an accelerator, and gets a plain copy."""
    tensor = torch.arange(4)
    assert not tensor.is_pinned()
    assert not torch.ones(2, device="tt").is_pinned()
    pinned = tensor.pin_memory()
    assert torch.equal(pinned, tensor)
    assert not pinned.is_pinned()
    with pytest.raises(RuntimeError, match="pin"):
        torch.ones(2, device="tt").pin_memory()


@pytest.mark.parametrize(("workers", "pin_memory"), [(0, False), (0, True), (1, True)])
def test_data_loader(workers, pin_memory):
    data = torch.utils.data.TensorDataset(torch.arange(10.0), torch.arange(10))
    loader = torch.utils.data.DataLoader(
        data,
        batch_size=4,
        pin_memory=pin_memory,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    batches = [tuple(tensor.to("tt", non_blocking=True) for tensor in batch) for batch in loader]
    assert torch.cat([values for values, _ in batches]).tolist() == list(range(10))
    assert all(ids.dtype == torch.int64 and ids.is_tt for _, ids in batches)
