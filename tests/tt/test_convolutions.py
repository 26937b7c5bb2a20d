"""Convolutions, for which PyTorch calls an operator that only devices from outside have: by way of the host."""

import copy
import itertools

import pytest
import torch
from torch.nn import functional

pytestmark = pytest.mark.any_runtime

# Options of a convolution with 4 channels in and 6 out.
OPTIONS = {
    "plain": {},
    "padded": {"padding": 2},
    "strided": {"stride": 2},
    "dilated": {"dilation": 2, "padding": 1},
    "grouped": {"groups": 2},
    "all": {"stride": 2, "padding": 2, "dilation": 2, "groups": 2},
}
each_kind = pytest.mark.parametrize(
    ("dims", "transposed", "options"),
    [
        pytest.param(dims, transposed, options, id=f"{'transposed ' * transposed}{dims}d {name}")
        for dims, transposed, (name, options) in itertools.product((1, 2, 3), (False, True), OPTIONS.items())
    ],
)


def convolution(dims, transposed):
    return getattr(functional, f"conv{'_transpose' * transposed}{dims}d")


def arguments(dims, transposed, groups=1, dtype=torch.float32, batch=(2,)):
    generator = torch.Generator().manual_seed(dims)
    channels = (4, 6 // groups) if transposed else (6, 4 // groups)
    shapes = (*batch, 4, *range(7, 7 + dims)), (*channels, *[3] * dims), (6,)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def with_gradients(function, tensors, device):
    """The result, its gradients, and the gradients of these."""
    leaves = [tensor.to(device).requires_grad_() for tensor in tensors]
    result = function(*leaves)
    first = torch.autograd.grad(result.square().sum(), leaves, create_graph=True)
    second = torch.autograd.grad(sum(gradient.square().sum() for gradient in first), leaves)
    assert {tensor.device.type for tensor in (result, *first, *second)} == {device}
    return [tensor.cpu() for tensor in (result, *first, *second)]


@each_kind
def test_values_and_gradients(dims, transposed, options):
    def function(*tensors):
        return convolution(dims, transposed)(*tensors, **options)

    tensors = arguments(dims, transposed, options.get("groups", 1), torch.float64)
    torch.testing.assert_close(with_gradients(function, tensors, "tt"), with_gradients(function, tensors, "cpu"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64], ids=str)
def test_dtypes(dtype):
    tensors = arguments(2, False, dtype=dtype)
    actual = functional.conv2d(*(tensor.to("tt") for tensor in tensors))
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.cpu(), functional.conv2d(*tensors))


def test_without_a_batch_and_a_bias():
    image, weight, _ = arguments(2, False, batch=())
    torch.testing.assert_close(
        functional.conv2d(image.to("tt"), weight.to("tt")).cpu(), functional.conv2d(image, weight)
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding):
    tensors = arguments(2, False)
    actual = functional.conv2d(*(tensor.to("tt") for tensor in tensors), padding=padding)
    torch.testing.assert_close(actual.cpu(), functional.conv2d(*tensors, padding=padding))


def test_output_padding():
    tensors = arguments(2, True)
    options = {"stride": 3, "output_padding": (1, 2)}
    actual = functional.conv_transpose2d(*(tensor.to("tt") for tensor in tensors), **options)
    torch.testing.assert_close(actual.cpu(), functional.conv_transpose2d(*tensors, **options))


def test_an_empty_batch():
    tensors = arguments(2, False, batch=(0,))
    assert functional.conv2d(*(tensor.to("tt") for tensor in tensors)).shape == functional.conv2d(*tensors).shape


def test_channels_last():
    image, weight, bias = arguments(2, False)
    image = image.to(memory_format=torch.channels_last)
    actual = functional.conv2d(image.to("tt"), weight.to("tt"), bias.to("tt"))
    expected = functional.conv2d(image, weight, bias)
    assert actual.stride() == expected.stride()
    torch.testing.assert_close(actual.cpu(), expected)


@pytest.mark.parametrize(
    "name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
)
def test_modules_train(name):
    torch.manual_seed(0)
    module = getattr(torch.nn, name)(3, 4, 3)
    image = torch.randn(2, 3, *[6] * module.weight[0, 0].dim())

    def train(module, image):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            module(image).square().mean().backward()
            optimizer.step()
        return [parameter.detach().cpu() for parameter in module.parameters()]

    on_device = copy.deepcopy(module).to("tt")
    torch.testing.assert_close(train(on_device, image.to("tt")), train(module, image))


# PyTorch's own first use of its decompositions.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_forward_mode():
    tensors = arguments(2, False)

    def derivative(device):
        image, *rest = (tensor.to(device) for tensor in tensors)
        return torch.func.jvp(lambda x: functional.conv2d(x, *rest), (image,), (torch.ones_like(image),))[1].cpu()

    torch.testing.assert_close(derivative("tt"), derivative("cpu"))


def test_what_scripts_call():
    """TorchScript records aten::_convolution; the operators for devices from outside are there as well."""
    tensors = arguments(2, False)
    on_tt = [tensor.to("tt") for tensor in tensors]
    geometry = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    expected = functional.conv2d(*tensors)
    for operator, flags in (
        (torch.ops.aten._convolution.default, (False, False, True, True)),
        (torch.ops.aten.convolution_overrideable, ()),
    ):
        torch.testing.assert_close(operator(*on_tt, *geometry, *flags).cpu(), expected)
    ones = torch.ones_like(expected)
    actual = torch.ops.aten.convolution_backward_overrideable(ones.to("tt"), *on_tt[:2], *geometry, [True] * 3)
    wanted = torch.ops.aten.convolution_backward(ones, *tensors[:2], [6], *geometry, [True] * 3)
    torch.testing.assert_close([tensor.cpu() for tensor in actual], list(wanted))


def test_the_fallbacks_mode():
    torch.tt.set_fallback_mode("error")
    with pytest.raises(
        NotImplementedError, match="aten::convolution has no kernel for tt, and the fallback to the CPU"
    ):
        functional.conv1d(torch.ones(1, 1, 4, device="tt"), torch.ones(1, 1, 2, device="tt"))


def test_errors_are_pytorchs():
    with pytest.raises(RuntimeError, match=r"expected input\[1, 3, 4, 4\] to have 2 channels, but got 3 channels"):
        functional.conv2d(torch.ones(1, 3, 4, 4, device="tt"), torch.ones(1, 2, 3, 3, device="tt"))
