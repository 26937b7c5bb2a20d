"""Copies that convert: the CPU's numbers, whichever side converts."""

import itertools

import pytest
import torch

from support.checks import bits

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]
pairs = pytest.mark.parametrize(("source", "target"), list(itertools.product(DTYPES, DTYPES)), ids=str)


def sample(dtype):
    # Values whose conversion to any of the dtypes is defined, beside ties for rounding.
    values = torch.tensor([0, 1, 2, 3, 100, 127, 255], dtype=torch.float64)
    if dtype.is_floating_point:
        values = torch.cat([values, torch.tensor([0.5, 1.00390625, 1.01171875, 2.0**-20, 200.25], dtype=torch.float64)])
    return values.to(dtype)


@pytest.mark.parametrize("way", ["to the device", "to the host", "on the device"])
@pairs
def test_converting_copies(way, source, target):
    values = sample(source)
    expected = values.to(target)
    if way == "to the device":
        actual = torch.empty(values.shape, dtype=target, device="tt").copy_(values)
    elif way == "to the host":
        actual = torch.empty(values.shape, dtype=target).copy_(values.to("tt"))
    else:
        actual = values.to("tt").to(target)
        assert actual.device.type == "tt"
    torch.testing.assert_close(bits(actual), bits(expected), rtol=0, atol=0)


@pairs
def test_device_and_dtype_in_one_call(source, target):
    values = sample(source)
    actual = values.to("tt", target)
    assert (actual.device.type, actual.dtype) == ("tt", target)
    torch.testing.assert_close(bits(actual.cpu()), bits(values.to(target)), rtol=0, atol=0)
    torch.testing.assert_close(bits(values.to("tt").to("cpu", target)), bits(values.to(target)), rtol=0, atol=0)


def test_into_a_view_of_another_dtype():
    expected = torch.arange(24, dtype=torch.int32).reshape(4, 6)
    tensor = expected.to("tt")
    values = torch.tensor([[1.5], [2.5], [-3.5], [4.0]])
    tensor[:, 1::2].copy_(values)
    expected[:, 1::2].copy_(values)
    assert torch.equal(tensor.cpu(), expected)
