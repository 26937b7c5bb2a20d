"""Operators that make a tensor of a device and of no tensor, with device="tt" without an index and in other ways."""

import tempfile

import pytest
import torch

pytestmark = pytest.mark.any_runtime

# Each takes the device, and gives the same values on every device.
FACTORIES = {
    "zeros": lambda **device: torch.zeros(2, 3, **device),
    "ones": lambda **device: torch.ones(2, 3, **device),
    "full": lambda **device: torch.full((2, 3), 4.0, **device),
    "scalar_tensor": lambda **device: torch.scalar_tensor(3.5, **device),
    "tensor": lambda **device: torch.tensor([[1, 2], [3, 4]], **device),
    "as_tensor": lambda **device: torch.as_tensor([1.5, 2.5], **device),
    "asarray": lambda **device: torch.asarray([1.5, 2.5], **device),
    "arange": lambda **device: torch.arange(1, 9, 2, **device),
    "linspace": lambda **device: torch.linspace(-1, 1, 7, **device),
    "linspace of complex": lambda **device: torch.linspace(0, 1j, 7, **device),
    "logspace": lambda **device: torch.logspace(0, 2, 5, base=3, **device),
    "eye": lambda **device: torch.eye(3, 5, **device),
    "complex": lambda **device: torch.full((2,), 1 + 2j, **device),
    "tril_indices": lambda **device: torch.tril_indices(4, 3, -1, **device),
    "triu_indices": lambda **device: torch.triu_indices(4, 3, 1, dtype=torch.int32, **device),
    "fftfreq": lambda **device: torch.fft.fftfreq(7, 0.5, **device),
    "rfftfreq": lambda **device: torch.fft.rfftfreq(8, **device),
    "vander": lambda **device: torch.vander(torch.arange(3, **device)),
    "bartlett_window": lambda **device: torch.bartlett_window(9, **device),
    "blackman_window": lambda **device: torch.blackman_window(9, periodic=False, **device),
    "hamming_window": lambda **device: torch.hamming_window(9, True, 0.5, **device),
    "hann_window": lambda **device: torch.hann_window(9, **device),
    "kaiser_window": lambda **device: torch.kaiser_window(9, **device),
    "kaiser_window, symmetric": lambda **device: torch.kaiser_window(9, False, **device),
    "kaiser_window with beta": lambda **device: torch.kaiser_window(9, True, 3.5, **device),
    "kaiser_window of float64": lambda **device: torch.kaiser_window(9, dtype=torch.float64, **device),
    "kaiser_window of one": lambda **device: torch.kaiser_window(1, **device),
    "kaiser_window of none": lambda **device: torch.kaiser_window(0, **device),
    "signal.windows.general_cosine": lambda **device: torch.signal.windows.general_cosine(8, a=[0.5, 0.3], **device),
    **{
        f"signal.windows.{name}": lambda name=name, **device: getattr(torch.signal.windows, name)(8, **device)
        for name in torch.signal.windows.__all__
        if name != "general_cosine"
    },
}
# Their values depend on the generator, or are undefined.
SHAPES = {
    "empty": lambda **device: torch.empty(2, 3, **device),
    "empty_strided": lambda **device: torch.empty_strided((2, 3), (1, 2), **device),
    "empty_permuted": lambda **device: torch.empty_permuted((2, 3), (1, 0), **device),
    "rand": lambda **device: torch.rand(2, 3, **device),
    "randn": lambda **device: torch.randn(2, 3, **device),
    "randint": lambda **device: torch.randint(3, 9, (5,), **device),
    "randperm": lambda **device: torch.randperm(6, **device),
}


def by_argument(factory):
    return factory(device="tt")


def by_device_object(factory):
    return factory(device=torch.device("tt"))


def by_index(factory):
    return factory(device="tt:0")


def by_context(factory):
    with torch.device("tt"):
        return factory()


def by_default(factory):
    torch.set_default_device("tt")
    try:
        return factory()
    finally:
        torch.set_default_device(None)


each_way = pytest.mark.parametrize("way", [by_argument, by_device_object, by_index, by_context, by_default])


@each_way
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_values(factory, way):
    actual, expected = way(factory), factory(device="cpu")
    assert actual.device == torch.device("tt:0")
    assert actual.dtype == expected.dtype
    torch.testing.assert_close(actual.cpu(), expected)


@each_way
@pytest.mark.parametrize("factory", SHAPES.values(), ids=SHAPES.keys())
def test_shapes(factory, way):
    actual, expected = way(factory), factory(device="cpu")
    assert actual.device == torch.device("tt:0")
    assert (actual.dtype, actual.shape, actual.stride()) == (expected.dtype, expected.shape, expected.stride())


@pytest.mark.parametrize("way", [by_argument, by_device_object, by_index])
def test_what_pytorch_leaves_out_of_default_devices(way):
    assert way(lambda **device: torch.normal(2.0, 0.0, (3,), **device)).tolist() == [2, 2, 2]
    assert way(lambda **device: torch._efficientzerotensor(3, **device) + 1).tolist() == [1, 1, 1]


@pytest.mark.filterwarnings("ignore:torch.range is deprecated:UserWarning")
@each_way
def test_range(way):
    assert way(lambda **device: torch.range(1, 4, **device)).tolist() == [1, 2, 3, 4]


def test_from_file():
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes([1, 2, 3, 4]))
        file.flush()
        assert torch.from_file(file.name, size=4, dtype=torch.uint8).to("tt").tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["tril_indices", "triu_indices"])
def test_the_current_device(name, other_device):
    with torch.tt.device(other_device):
        assert getattr(torch, name)(3, 3, device="tt").device == other_device
    assert getattr(torch, name)(3, 3, device=other_device).device == other_device


@pytest.mark.parametrize("name", ["kaiser_window", "hann_window"])
def test_windows_on_the_other_device(name, other_device):
    window = getattr(torch, name)(5, device=other_device)
    assert window.device == other_device
    torch.testing.assert_close(window.cpu(), getattr(torch, name)(5))


def test_an_unknown_index():
    with pytest.raises(RuntimeError, match=r"expected the index of a tt device, from 0 to \d+, got 77"):
        torch.tril_indices(3, 3, device="tt:77")


def test_a_windows_errors_are_pytorchs():
    with pytest.raises(RuntimeError, match="kaiser_window requires non-negative window_length, got window_length=-1"):
        torch.kaiser_window(-1, device="tt")
