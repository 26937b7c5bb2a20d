"""Copies between hosts and devices, of whole tensors and of views."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from support.checks import bits

pytestmark = [pytest.mark.chip, pytest.mark.dispatch]

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.uint64,
    torch.int64,
    torch.float8_e4m3fn,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]

# How a tensor of shape (6, 8, 10) is looked at.
VIEWS = {
    "whole": lambda t: t,
    "offset": lambda t: t[2:],
    "columns": lambda t: t[:, :, 3:7],
    "steps": lambda t: t[::2, 1::3, ::4],
    "transposed": lambda t: t.transpose(0, 2),
    "permuted, offset": lambda t: t.permute(2, 0, 1)[1:, 2:],
    "one element": lambda t: t[5, 7, 9],
    "none": lambda t: t[:, 4:4],
    "diagonal": lambda t: t.diagonal(0, 1, 2),
    "flat": lambda t: t.view(-1)[7:-5],
}
views = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())


def sample(dtype=torch.float32, shape=(6, 8, 10), seed=0) -> torch.Tensor:
    """Return values of random bits."""
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    bytes_ = torch.randint(0, 256, (*shape[:-1], shape[-1] * dtype.itemsize), dtype=torch.uint8, generator=generator)
    return bytes_.view(dtype)


def assert_same(actual: torch.Tensor, expected: torch.Tensor) -> None:
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    torch.testing.assert_close(bits(actual), bits(expected), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@views
def test_every_bit_arrives(dtype, view):
    tensor = sample(dtype)
    assert_same(view(tensor.to("tt")).cpu(), view(tensor))
    assert_same(view(tensor).to("tt").cpu(), view(tensor))


@views
@pytest.mark.parametrize("non_blocking", [False, True])
def test_into_a_view(view, non_blocking):
    """What the view leaves out stays what it was."""
    expected = sample()
    tensor = expected.to("tt")
    values = sample(shape=tuple(view(expected).shape) or (1,), seed=1).reshape(view(expected).shape)
    view(tensor).copy_(values, non_blocking=non_blocking)
    view(expected).copy_(values)
    assert_same(tensor, expected)


@views
def test_within_a_device(view):
    expected, other = sample(), sample(seed=1)
    tensor = expected.to("tt")
    view(tensor).copy_(view(other.to("tt")))
    view(expected).copy_(view(other))
    assert_same(tensor, expected)


@views
def test_from_a_view_into_a_view_on_the_host(view):
    expected, other = sample(), sample(seed=1)
    actual = expected.clone()
    view(actual).copy_(view(other.to("tt")))
    view(expected).copy_(view(other))
    assert_same(actual, expected)


@views
def test_between_devices(view, other_device):
    tensor = sample()
    there = view(tensor.to("tt:0")).to(other_device)
    assert there.device == other_device
    assert_same(there, view(tensor))
    target = torch.zeros_like(view(tensor), device="tt:0")
    target.copy_(there)
    assert_same(target, view(tensor))


@views
def test_strides_are_kept(view):
    tensor = view(sample())
    assert tensor.to("tt").stride() == tensor.clone().stride()
    assert view(sample().to("tt")).stride() == tensor.stride()
    assert view(sample().to("tt")).cpu().stride() == tensor.clone().stride()


def test_channels_last():
    tensor = sample(shape=(2, 3, 4, 5)).to(memory_format=torch.channels_last)
    assert tensor.to("tt").is_contiguous(memory_format=torch.channels_last)
    assert tensor.to("tt").contiguous().is_contiguous()
    assert_same(tensor.to("tt").contiguous(), tensor)


@pytest.mark.parametrize("source", ["cpu", "tt"])
def test_broadcast(source):
    tensor = torch.zeros(4, 3, device="tt")
    row = torch.arange(3.0)
    tensor.copy_(row.to(source))
    assert_same(tensor, row.expand(4, 3).contiguous())
    with pytest.raises(RuntimeError, match="must match the size of tensor"):
        tensor.copy_(torch.arange(4.0).to(source))


def test_expanded():
    row = torch.arange(3.0)
    assert_same(row.to("tt").expand(4, 3).cpu(), row.expand(4, 3))
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        row.to("tt").expand(4, 3).copy_(torch.zeros(4, 3))


def test_overlapping_halves_of_one_tensor():
    tensor = torch.arange(10, device="tt")
    tensor[1:].copy_(tensor[:-1])
    assert tensor.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_the_source_may_change_when_the_copy_has_returned():
    source = sample(shape=(100_000,))
    expected = source.clone()
    tensor = source.to("tt", non_blocking=True)
    source.zero_()
    assert_same(tensor, expected)


def test_to_the_host_is_done_when_it_returns():
    expected = sample(shape=(100_000,))
    tensor = expected.to("tt")
    host = torch.zeros(100_000)
    host.copy_(tensor, non_blocking=True)
    assert_same(host, expected)


@pytest.mark.parametrize("source_bits", ["conj", "neg", "conj and neg", "none"])
@pytest.mark.parametrize("target_bits", ["conj", "neg", "none"])
@pytest.mark.parametrize(("source", "target"), [("cpu", "tt"), ("tt", "cpu"), ("tt", "tt")])
def test_conjugate_and_negative_views(source, target, source_bits, target_bits):
    def look(tensor, bits):
        tensor = tensor.conj() if "conj" in bits else tensor
        return torch._neg_view(tensor) if "neg" in bits else tensor

    values = torch.randn(4, 2, dtype=torch.complex64)
    expected = torch.zeros(4, 2, dtype=torch.complex64)
    actual = expected.to(target, copy=True)
    look(expected, target_bits).copy_(look(values, source_bits))
    look(actual, target_bits).copy_(look(values.to(source), source_bits))
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=0)


@views
@pytest.mark.parametrize("value", [2.5, torch.tensor(2.5), "tt"], ids=["number", "tensor", "tt tensor"])
def test_fill(view, value):
    value = torch.tensor(2.5, device="tt") if value == "tt" else value
    expected = sample()
    tensor = expected.to("tt")
    view(tensor).fill_(value)
    view(expected).fill_(2.5)
    assert_same(tensor, expected)


@views
def test_zero(view):
    expected = sample()
    tensor = expected.to("tt")
    view(tensor).zero_()
    view(expected).zero_()
    assert_same(tensor, expected)


def test_fill_expanded():
    row = torch.zeros(3, device="tt")
    row.expand(4, 3).fill_(2)
    assert row.tolist() == [2, 2, 2]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_item(dtype):
    tensor = torch.tensor([0, 1, 1, 0]).to(dtype)
    assert [element.item() for element in tensor.to("tt")] == [element.item() for element in tensor]
    assert tensor.to("tt").tolist() == tensor.tolist()


def test_item_of_more_elements():
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        torch.ones(2, device="tt").item()


def test_numpy_is_refused():
    with pytest.raises(TypeError, match="can't convert tt:0 device type tensor to numpy"):
        torch.ones(2, device="tt").numpy()


@pytest.mark.parametrize("seed", range(3))
def test_many_threads(seed):
    """Each thread's copies are its own."""

    def round_trip(number):
        tensor = sample(shape=(1000,), seed=seed * 100 + number)
        return torch.equal(bits(tensor.to("tt").clone().cpu()), bits(tensor))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(round_trip, range(64)))
