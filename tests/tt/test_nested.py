"""Nested tensors: strided ones by way of the host, jagged ones as what they are made of."""

import pytest
import torch
from torch import nn

pytestmark = [
    pytest.mark.any_runtime,
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning"),
]

SHAPES = [(2, 4), (3, 4), (1, 4)]


def nested(device, requires_grad=False, layout=torch.strided):
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(shape, generator=generator).to(device) for shape in SHAPES]
    return torch.nested.nested_tensor(parts, layout=layout, requires_grad=requires_grad)


def close(actual, expected):
    if isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            close(a, e)
        return
    assert actual.is_tt
    assert actual.is_nested == expected.is_nested
    if expected.is_nested:
        close(actual.unbind(), expected.unbind())
    else:
        torch.testing.assert_close(actual.cpu(), expected)


# Each takes a nested tensor of parts (*, 4).
FUNCTIONS = {
    "unbind": lambda t: t.unbind(),
    "to_padded_tensor": lambda t: t.to_padded_tensor(-1.0),
    "relu": lambda t: t.relu(),
    "gelu": lambda t: torch.nn.functional.gelu(t),
    "times": lambda t: t * 2,
    "plus itself": lambda t: t + t,
    "softmax": lambda t: t.softmax(-1),
    "sum": lambda t: t.sum(-1, keepdim=True),
    "layer_norm": lambda t: torch.nn.functional.layer_norm(t, (4,), t[0][0].detach(), t[1][1].detach()),
    "linear": lambda t: torch.nn.functional.linear(t, torch.ones(3, 4, device=t.device)),
    "matmul": lambda t: t @ t.transpose(1, 2),
    "transpose": lambda t: t.transpose(1, 2),
    "select": lambda t: t[1],
    "chunk": lambda t: t.chunk(2, -1),
    "narrow": lambda t: t.narrow(0, 1, 2),
    "unsqueeze and back": lambda t: t.unsqueeze(1).squeeze(1),
    "view": lambda t: t.reshape(3, -1, 2, 2),
    "values": lambda t: t.values(),
    "clone": lambda t: t.clone(),
    "detach": lambda t: t.detach(),
    "zeros_like": lambda t: torch.zeros_like(t),
    "dtype": lambda t: t.to(torch.float64),
    "in place": lambda t: t.clone().relu_(),
    "times in place": lambda t: t.clone().mul_(3),
    "fill_": lambda t: t.clone().fill_(2),
    "copy_": lambda t: torch.empty_like(t).copy_(t),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_functions(function):
    close(function(nested("tt")), function(nested("cpu")))


def test_copies():
    tensor = nested("cpu")
    close(tensor.to("tt"), tensor)
    assert tensor.to("tt").size(0) == 3
    transposed = tensor.to("tt").transpose(1, 2)
    for actual, expected in zip(transposed.cpu().unbind(), tensor.unbind(), strict=True):
        torch.testing.assert_close(actual, expected.t())
    for actual, expected in zip(tensor.to("tt").cpu().unbind(), tensor.unbind(), strict=True):
        torch.testing.assert_close(actual, expected)


def test_a_view_shares_its_memory():
    tensor = nested("tt")
    tensor[0].fill_(7)
    assert tensor.unbind()[0].tolist() == [[7] * 4] * 2
    tensor.values().zero_()
    assert tensor.unbind()[2].tolist() == [[0] * 4]


def test_gradients():
    def gradient(device):
        leaves = [torch.arange(n * 4.0).reshape(n, 4).to(device).requires_grad_() for n in (2, 3)]
        tensor = torch.nested.as_nested_tensor(leaves)
        weight = torch.full((4, 4), 0.5, device=device, requires_grad=True)
        torch.nn.functional.linear(tensor, weight).relu().to_padded_tensor(0.0).square().sum().backward()
        return [leaf.grad.cpu() for leaf in (*leaves, weight)]

    torch.testing.assert_close(gradient("tt"), gradient("cpu"))


def test_jagged():
    function = torch.nn.functional.relu
    actual, expected = function(nested("tt", layout=torch.jagged)), function(nested("cpu", layout=torch.jagged))
    torch.testing.assert_close([part.cpu() for part in actual.unbind()], list(expected.unbind()))
    assert actual.to("cpu").layout == torch.jagged


PADDING = torch.tensor([[False, False, False, True], [False, False, False, False], [False, True, True, True]])


@pytest.mark.parametrize("norm_first", [False, True], ids=["norm last", "norm first"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True, but:UserWarning")
def test_an_encoder_in_eval(norm_first, activation):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first, activation=activation)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    inputs = torch.randn(3, 4, 8)
    with torch.no_grad():
        expected = encoder(inputs, src_key_padding_mask=PADDING)
        actual = encoder.to("tt")(inputs.to("tt"), src_key_padding_mask=PADDING.to("tt"))
    assert actual.is_tt
    torch.testing.assert_close(actual.cpu(), expected)


def test_an_encoder_takes_the_nested_way():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval().to("tt")
    with torch.no_grad(), torch.tt.fallback_report() as report:
        encoder(torch.ones(3, 4, 8, device="tt"), src_key_padding_mask=PADDING.to("tt"))
    assert "aten::_transformer_encoder_layer_fwd" in {row.name for row in report.operators}


def test_what_the_cpu_has_not_either():
    """One error, without the warning that it runs on the CPU."""
    tensor = nested("tt")
    torch.tt.set_fallback_mode("warn")
    with pytest.raises(NotImplementedError) as error:
        tensor.cumsum(1)
    assert str(error.value).splitlines() == [
        "aten::cumsum has no kernel for tt, and none for the CPU, where it would run instead: move its tensors to "
        "another device"
    ]
