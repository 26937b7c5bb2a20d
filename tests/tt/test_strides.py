"""Sizes, strides and offsets that a storage cannot have: the CPU's words refuse them, and what it takes is taken."""

import io

import pytest
import torch
from torch._utils import _rebuild_tensor, _rebuild_tensor_v2

pytestmark = pytest.mark.any_runtime

HUGE = 2**62

# Offset, size and stride in a storage of ten float32.
REFUSED = {
    "a negative stride": (0, (3,), (-1,)),
    "a negative stride of two elements": (0, (2,), (-1,)),
    "a negative stride within bounds": (9, (3,), (-2,)),
    "a negative stride beside others": (0, (2, 3), (5, -1)),
    "a negative stride first": (0, (3, 2), (-1, 1)),
    "negative strides": (9, (2, 2), (-1, -1)),
    "a large negative stride": (0, (3,), (-HUGE,)),
    "a negative offset": (-1, (3,), (1,)),
    "a negative offset of no elements": (-1, (0,), (1,)),
    "a negative size": (0, (-3,), (1,)),
    "negative sizes": (0, (-3, -3), (1, 1)),
    "too few strides": (0, (3, 2), (1,)),
    "too many strides": (0, (3,), (1, 1)),
    "an offset that overflows": (HUGE, (3,), (1,)),
    "a stride that overflows": (0, (3,), (HUGE,)),
    "a size that overflows": (0, (2**40, 2**40), (1, 1)),
}
TAKEN = {
    "contiguous": (0, (2, 5), (5, 1)),
    "an offset": (4, (6,), (1,)),
    "strided": (1, (3, 2), (3, 2)),
    "transposed": (0, (2, 5), (1, 2)),
    "repeated": (2, (3, 4), (0, 1)),
    "a number": (9, (), ()),
    "no elements": (3, (0,), (1,)),
    "no elements beyond the end": (100, (0,), (1,)),
    "no elements and a negative stride": (0, (0, 3), (-1, -1)),
    "one element and a negative stride": (5, (1,), (-1,)),
}
REBUILDERS = {
    "set_": lambda storage, *layout: torch.empty(0, device=storage.device).set_(storage, *layout),
    "set_ of another tensor": lambda storage, *layout: torch.ones(4, device=storage.device).set_(storage, *layout),
    "set_ of a typed storage": lambda storage, *layout: torch.empty(0, device=storage.device).set_(
        typed(storage), *layout
    ),
    "_rebuild_tensor": lambda storage, *layout: _rebuild_tensor(typed(storage), *layout),
    "_rebuild_tensor_v2": lambda storage, *layout: _rebuild_tensor_v2(typed(storage), *layout, False, {}),
}
rebuilders = pytest.mark.parametrize("rebuild", REBUILDERS.values(), ids=REBUILDERS.keys())


def typed(storage):
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)


def ten(device):
    return torch.arange(10.0, device=device).untyped_storage()


def layout_of(tensor):
    return tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.untyped_storage().nbytes()


@rebuilders
@pytest.mark.parametrize("layout", REFUSED.values(), ids=REFUSED.keys())
def test_what_the_cpu_refuses(layout, rebuild):
    with pytest.raises(RuntimeError) as on_cpu:
        rebuild(ten("cpu"), *layout)
    storage = ten("tt")
    with pytest.raises(RuntimeError) as on_device:
        rebuild(storage, *layout)
    assert str(on_device.value) == str(on_cpu.value)
    assert storage.nbytes() == 40
    assert storage.tolist() == ten("cpu").tolist()


@rebuilders
@pytest.mark.parametrize("layout", TAKEN.values(), ids=TAKEN.keys())
def test_what_the_cpu_takes(layout, rebuild):
    actual, expected = rebuild(ten("tt"), *layout), rebuild(ten("cpu"), *layout)
    assert actual.is_tt
    assert layout_of(actual) == layout_of(expected)
    assert torch.equal(actual.cpu(), expected)


def test_a_refused_stride_leaves_the_tensor_alone():
    tensor = torch.arange(100.0, device="tt")
    with pytest.raises(RuntimeError, match="overflow"):
        tensor.set_(ten("tt"), 0, (3,), (-1,))
    assert torch.equal(tensor.cpu(), torch.arange(100.0))


def test_loading_a_file_with_a_negative_stride():
    tensor = torch.arange(10.0)

    class Reversed:
        def __reduce__(self):
            return _rebuild_tensor_v2, (tensor.storage(), 9, (10,), (-1,), False, {})

    file = io.BytesIO()
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        torch.save(Reversed(), file)
    for device in ("cpu", "tt"):
        file.seek(0)
        with pytest.raises(RuntimeError, match=r"strides=\[-1\]"):
            torch.load(file, map_location=device)


# What else makes a tensor or a storage of a size that is given.
MAKERS = {
    "as_strided": lambda device: torch.ones(4, device=device).as_strided((3,), (-1,)),
    "as_strided_": lambda device: torch.ones(4, device=device).as_strided_((3,), (-1,)),
    "as_strided beyond the end": lambda device: torch.ones(4, device=device).as_strided((3,), (1,), 2),
    "as_strided before the start": lambda device: torch.ones(4, device=device).as_strided((3,), (1,), -1),
    "empty": lambda device: torch.empty(-3, device=device),
    "empty_strided": lambda device: torch.empty_strided((3,), (-1,), device=device),
    "empty_strided of a negative size": lambda device: torch.empty_strided((-3,), (1,), device=device),
    "new_empty_strided": lambda device: torch.ones(4, device=device).new_empty_strided((3,), (-1,)),
    "resize_": lambda device: torch.ones(4, device=device).resize_(-3),
    "resize_ that overflows": lambda device: torch.ones(4, device=device).resize_(HUGE, HUGE),
    "a storage": lambda device: torch.UntypedStorage(-4, device=device),
    "a storage's resize_": lambda device: ten(device).resize_(-4),
    "set_ to another dtype": lambda device: torch.empty(0, device=device).set_(
        torch.ones(3, dtype=torch.int64, device=device)
    ),
    "unfold": lambda device: torch.ones(4, device=device).unfold(0, -1, 1),
    "view": lambda device: torch.ones(3, device=device).view(torch.float64),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("device", ["cpu", "tt"])
def test_other_ways_to_a_size(make, device):
    with pytest.raises(RuntimeError):
        make(device)


def test_a_refused_size_leaves_the_storage_alone():
    tensor = torch.arange(10.0, device="tt")
    allocated = torch.tt.memory_allocated()
    for size, match in ((-4, "expected to allocate 0 bytes or more on tt, got -4"), (HUGE, "out of memory")):
        with pytest.raises(RuntimeError, match=match):
            tensor.untyped_storage().resize_(size)
        assert torch.equal(tensor.cpu(), torch.arange(10.0))
    assert torch.tt.memory_allocated() == allocated
