"""What PyTorch asks a device for in a graph: the operators of test_convolutions.py and their like, compiled."""

import copy

import pytest
import torch
from torch import nn

MODULES = {
    "convolution": (lambda: nn.Conv2d(2, 3, 3), (1, 2, 5, 5)),
    "transposed convolution": (lambda: nn.ConvTranspose1d(2, 3, 3), (1, 2, 5)),
    "LSTM cell": (lambda: nn.LSTMCell(2, 3), (4, 2)),
    "GRU cell": (lambda: nn.GRUCell(2, 3), (4, 2)),
    "layer norm": (lambda: nn.LayerNorm(6), (4, 6)),
}


@pytest.fixture(autouse=True)
def nothing_compiled(inductor):
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize(("make", "shape"), MODULES.values(), ids=MODULES.keys())
def test_modules(make, shape):
    torch.manual_seed(0)
    module = make()
    inputs = torch.randn(shape)

    def run(module, inputs):
        outputs = module(inputs)
        first = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        return [t.cpu() for t in (first.detach(), *torch.autograd.grad(first.square().sum(), module.parameters()))]

    compiled = torch.compile(copy.deepcopy(module).to("tt"), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(run(compiled, inputs.to("tt")), run(module, inputs))


def test_histc():
    compiled = torch.compile(lambda ids: torch.histc(ids, 3, 0, 2) + 1, backend="aot_eager", fullgraph=True)
    counts = compiled(torch.tensor([0, 1, 1], device="tt"))
    assert counts.dtype == torch.int64
    assert counts.tolist() == [2, 3, 1]


def test_factories():
    compiled = torch.compile(
        lambda: torch.tril_indices(3, 3, device="tt").sum() + torch.kaiser_window(3, device="tt"),
        backend="aot_eager",
        fullgraph=True,
    )
    torch.testing.assert_close(compiled().cpu(), torch.tril_indices(3, 3).sum() + torch.kaiser_window(3))
