"""LSTM, GRU and RNN. For the first two PyTorch calls fused operators on every device but the CPU."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

pytestmark = pytest.mark.any_runtime

KINDS = [nn.RNN, nn.LSTM, nn.GRU]
CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell]
OPTIONS = {
    "plain": {},
    "no bias": {"bias": False},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "batch first": {"batch_first": True},
    "all": {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.0, "bias": False},
}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)


def flat(outputs):
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, PackedSequence):
        return [outputs.data]
    return [tensor for output in outputs for tensor in flat(output)]


def run(module, *inputs):
    """All outputs, and the gradients of their squares' sum for the inputs and parameters; from tt or the CPU."""
    outputs = flat(module(*inputs))
    leaves = [tensor for tensor in flat(inputs) if tensor.requires_grad] + list(module.parameters())
    gradients = torch.autograd.grad(sum(output.square().sum() for output in outputs), leaves)
    device = leaves[0].device
    assert all(tensor.device == device for tensor in (*outputs, *gradients))
    return [tensor.detach().cpu() for tensor in (*outputs, *gradients)]


def leaf(*shape, dtype=torch.float32):
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def on_tt(tensor):
    return tensor.detach().to("tt").requires_grad_(tensor.requires_grad)


def close(module, *inputs):
    torch.testing.assert_close(
        run(copy.deepcopy(module).to("tt"), *(on_tt(tensor) for tensor in inputs)), run(module, *inputs)
    )


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


@each_kind
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_sequences(kind, options):
    close(kind(3, 5, **options), leaf(4, 2, 3))


@each_kind
def test_other_inputs(kind):
    module = kind(3, 5)
    close(module, leaf(4, 3))
    close(module, leaf(1, 1, 3))
    close(module.double(), leaf(4, 2, 3, dtype=torch.float64))


@pytest.mark.parametrize("mode", ["tanh", "relu"])
def test_nonlinearities(mode):
    close(nn.RNN(3, 5, nonlinearity=mode), leaf(4, 2, 3))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
def test_projections():
    close(nn.LSTM(3, 5, proj_size=2), leaf(4, 2, 3))


@each_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_small_dtypes(kind, dtype):
    module = kind(3, 5).to(dtype)
    inputs = torch.randn(4, 2, 3).to(dtype)
    with torch.no_grad():
        expected = flat(module(inputs))
        actual = [tensor.cpu() for tensor in flat(module.to("tt")(inputs.to("tt")))]
    torch.testing.assert_close(actual, expected, rtol=0.03, atol=0.01)


@each_kind
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "both directions"])
def test_packed_sequences(kind, bidirectional):
    module = kind(3, 5, bidirectional=bidirectional)
    lengths = torch.tensor([2, 4, 1])

    def packed(module, padded):
        output, state = module(pack_padded_sequence(padded, lengths, enforce_sorted=False))
        return pad_packed_sequence(output)[0], state

    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, padded):
            return packed(self.module, padded)

    close(Packed(), leaf(4, 3, 3))


@each_cell
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_cells(cell, bias):
    module = cell(3, 5, bias=bias)
    close(module, leaf(2, 3))
    close(module, leaf(3))


@each_cell
def test_cells_with_a_state(cell):
    """The gradient of the state too; that of an LSTM goes two ways, of which one may be unused."""
    module = cell(3, 5)
    inputs, state = leaf(2, 3), [leaf(2, 5) for _ in range(1 + (cell is nn.LSTMCell))]

    def gradients(module, inputs, state, used):
        outputs = flat(module(inputs, tuple(state) if len(state) > 1 else state[0]))
        return [g.cpu() for g in torch.autograd.grad(outputs[used].square().sum(), [inputs, *state])]

    for used in range(len(state)):
        actual = gradients(copy.deepcopy(module).to("tt"), on_tt(inputs), [on_tt(s) for s in state], used)
        torch.testing.assert_close(actual, gradients(module, inputs, state, used))


@each_cell
def test_second_derivatives(cell):
    module = cell(3, 5)

    def second(module, inputs):
        (gradient,) = torch.autograd.grad(flat(module(inputs))[0].square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), inputs)[0].cpu()

    inputs = leaf(2, 3)
    torch.testing.assert_close(second(copy.deepcopy(module).to("tt"), on_tt(inputs)), second(module, inputs))


@each_kind
def test_training(kind):
    module = kind(3, 5)
    inputs = torch.randn(4, 2, 3)

    def train(module, inputs):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            module(inputs)[0].square().mean().backward()
            optimizer.step()
        return [parameter.detach().cpu() for parameter in module.parameters()]

    on_device = copy.deepcopy(module).to("tt")
    torch.testing.assert_close(train(on_device, inputs.to("tt")), train(module, inputs))


def test_the_fused_operators_are_what_runs():
    """Else the tests above would say nothing of them."""
    with torch.tt.fallback_report() as report:
        run(nn.LSTM(3, 5).to("tt"), torch.randn(4, 2, 3).to("tt"))
        run(nn.GRU(3, 5).to("tt"), torch.randn(4, 2, 3).to("tt"))
    names = {row.name for row in report.operators}
    for cell in ("lstm_cell", "lstm_cell_backward_impl", "gru_cell", "gru_cell_backward"):
        assert f"aten::_thnn_fused_{cell}" in names
