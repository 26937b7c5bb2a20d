"""The table of docs/fallback.md: it names every operator registered for tt, and each does what its row says."""

import re

import pytest
import torch

import torch_moe_ttnn
from support.documents import ROOT
from torch_moe_ttnn.testing import make_choices

pytestmark = pytest.mark.any_runtime

NAME = re.compile(r"`(\w+::[\w.]+)`")
ROWS = [
    NAME.findall(line.split("|")[2])
    for line in (ROOT / "docs/fallback.md").read_text().splitlines()
    if line.startswith("| ") and NAME.search(line)
]
KERNEL, NOTHING_MOVES, COPY, HOST, OWN_ON_HOST, OTHERS_ON_HOST, REFUSED = ROWS


def registered(key, namespaces):
    names = torch._C._dispatch_get_registrations_for_dispatch_key(key)
    return sorted(name for name in names if name.partition("::")[0] in namespaces)


def is_structured(name):
    """Return whether PyTorch makes the outputs and has the operator's other variant fall back."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeExplicitAutogradNonFunctional")


def test_every_registered_operator_is_there():
    overrideable = [name for name in OWN_ON_HOST if "overrideable" in name]
    named = {*KERNEL, *NOTHING_MOVES, *COPY, *HOST, *REFUSED, *overrideable}
    actual = set(registered("PrivateUse1", ("aten", "moe")))
    assert named <= actual
    assert [name for name in actual - named if not is_structured(name)] == []


def test_every_kernel_for_the_host_is_there():
    assert sorted(name.replace("aten", "tt_host") for name in OWN_ON_HOST) == registered("CPU", ("tt_host",))


def ones(*shape):
    return torch.ones(shape).to("tt")


def ids():
    return torch.zeros(3, dtype=torch.int64).to("tt")


def choices():
    return [t.to("tt") for t in make_choices(5, 2, 4)]


def grouping():
    return torch_moe_ttnn.prepare_grouping(*choices(), 4)


def weights_gradient(operator, weights_of):
    ids, weights = choices()
    weights_of(operator(ids, weights.requires_grad_(), 4)).sum().backward()


def permute_gradient():
    hidden = ones(5, 8).requires_grad_()
    torch_moe_ttnn.permute(hidden, grouping().grouped_tokens).sum().backward()


def grouped_linear(gradients=False):
    groups = grouping()
    weight = ones(4, 3, 8).requires_grad_(gradients)
    output = torch_moe_ttnn.grouped_linear(
        ones(5, 8), weight, groups.group_offsets, grouped_tokens=groups.grouped_tokens
    )
    if gradients:
        output.sum().backward()


def unpermute(gradients=False):
    groups = grouping()
    rows = ones(groups.grouped_tokens.numel(), 8).requires_grad_(gradients)
    weights = choices()[1].requires_grad_(gradients)
    output = torch_moe_ttnn.unpermute(rows, weights, groups.positions)
    if gradients:
        output.sum().backward()


def lstm_gradient():
    torch.nn.LSTMCell(3, 4).to("tt")(ones(2, 3))[0].sum().backward()


def gru_gradient():
    torch.nn.GRUCell(3, 4).to("tt")(ones(2, 3)).sum().backward()


def convolve(operator, *rest):
    return lambda: operator(ones(1, 1, 4), ones(1, 1, 2), *rest)


GEOMETRY = [1], [0], [1], False, [0], 1

# What calls each operator, directly or among others.
CALLS = {
    "moe::prepare_mapping": lambda: torch_moe_ttnn.prepare_mapping(*choices(), 4),
    "moe::prepare_routing": lambda: torch_moe_ttnn.prepare_routing(*choices(), 4),
    "moe::prepare_grouping": grouping,
    "moe::permute": lambda: torch_moe_ttnn.permute(ones(5, 8), grouping().grouped_tokens),
    "aten::empty.memory_format": lambda: torch.empty(3, device="tt"),
    "aten::empty_strided": lambda: torch.empty_strided((2, 2), (1, 2), device="tt"),
    "aten::as_strided": lambda: ones(4).as_strided((2,), (2,)),
    "aten::view": lambda: ones(4).view(2, 2),
    "aten::_reshape_alias": lambda: torch.ops.aten._reshape_alias(ones(4), (2, 2), (2, 1)),
    "aten::unfold": lambda: ones(4).unfold(0, 2, 1),
    "aten::view_as_real": lambda: torch.view_as_real(torch.ones(2, dtype=torch.complex64).to("tt")),
    "aten::view_as_complex": lambda: torch.view_as_complex(ones(3, 2)),
    "aten::set_": lambda: ones(4).set_(),
    "aten::set_.source_Storage": lambda: ones(4).set_(ones(2).untyped_storage()),
    "aten::set_.source_Storage_storage_offset": lambda: ones(4).set_(ones(2).untyped_storage(), 1, (1,), (1,)),
    "aten::set_.source_Tensor": lambda: ones(4).set_(ones(2)),
    "aten::is_set_to": lambda: ones(4).is_set_to(ones(4)),
    "aten::record_stream": lambda: ones(4).record_stream(torch.Stream("tt")),
    "aten::_has_compatible_shallow_copy_type": lambda: torch._has_compatible_shallow_copy_type(ones(4), torch.ones(4)),
    "aten::_nested_view_from_buffer": lambda: torch._nested_view_from_buffer(
        ones(2), torch.tensor([[2]]), torch.tensor([[1]]), torch.tensor([0])
    ),
    "aten::_copy_from": lambda: ones(4).copy_(torch.ones(4)),
    "aten::_copy_from_and_resize": lambda: torch.ops.aten._copy_from_and_resize(torch.ones(2), ones(4)),
    "aten::_local_scalar_dense": lambda: ones(1).item(),
    "aten::fill_.Scalar": lambda: ones(4).fill_(2),
    "aten::fill_.Tensor": lambda: ones(4).fill_(torch.tensor(2.0)),
    "aten::zero_": lambda: ones(4).zero_(),
    "aten::resize_": lambda: ones(4).resize_(100),
    "aten::convolution": lambda: torch.nn.functional.conv1d(ones(1, 1, 4), ones(1, 1, 2)),
    "aten::convolution_backward": lambda: (
        torch.nn.functional.conv1d(ones(1, 1, 4), ones(1, 1, 2).requires_grad_()).sum().backward()
    ),
    "aten::_convolution": convolve(torch.ops.aten._convolution, None, *GEOMETRY, False, False, True, True),
    "aten::kaiser_window": lambda: torch.kaiser_window(4, device="tt"),
    "aten::kaiser_window.periodic": lambda: torch.kaiser_window(4, True, device="tt"),
    "aten::kaiser_window.beta": lambda: torch.kaiser_window(4, True, 2.0, device="tt"),
    "aten::_stack": lambda: torch._stack([ones(2), ones(2)]),
    "aten::_stack.out": lambda: torch._stack([ones(2), ones(2)], out=ones(2, 2)),
    "aten::addr": lambda: torch.addr(ones(2, 3), ones(2), ones(3)),
    "aten::addr.out": lambda: torch.addr(ones(2, 3), ones(2), ones(3), out=ones(2, 3)),
    "aten::all.dims": lambda: ones(2, 2).all((0, 1)),
    "aten::all.dims_out": lambda: torch.all(ones(2, 2), (0, 1), out=ones(1)[0] > 0),
    "aten::any.dims": lambda: ones(2, 2).any((0, 1)),
    "aten::any.dims_out": lambda: torch.any(ones(2, 2), (0, 1), out=ones(1)[0] > 0),
    "aten::conj_physical_": lambda: ones(2).to(torch.complex64).conj_physical_(),
    "aten::mse_loss": lambda: torch.nn.functional.mse_loss(ones(3), ones(3)),
    "aten::smooth_l1_loss": lambda: torch.nn.functional.smooth_l1_loss(ones(3), ones(3)),
    "aten::linalg__powsum": lambda: torch.ops.aten.linalg__powsum(ones(2), 2),
    "aten::native_group_norm": lambda: torch.nn.functional.group_norm(ones(1, 2, 3), 2),
    "aten::native_layer_norm": lambda: torch.nn.functional.layer_norm(ones(2, 3), (3,)),
    "moe::unpermute": unpermute,
    "moe::unpermute_backward_expert_outputs": lambda: unpermute(gradients=True),
    "moe::unpermute_backward_routing_weights": lambda: unpermute(gradients=True),
    "moe::permute_backward": permute_gradient,
    "moe::grouped_linear": grouped_linear,
    "moe::grouped_linear_backward_weight": lambda: grouped_linear(gradients=True),
    "moe::prepare_mapping_backward": lambda: weights_gradient(torch_moe_ttnn.prepare_mapping, lambda mapping: mapping),
    "moe::prepare_routing_backward": lambda: weights_gradient(
        torch_moe_ttnn.prepare_routing, lambda routing: routing[2]
    ),
    "aten::_thnn_fused_lstm_cell": lstm_gradient,
    "aten::_thnn_fused_lstm_cell_backward_impl": lstm_gradient,
    "aten::_thnn_fused_gru_cell": gru_gradient,
    "aten::_thnn_fused_gru_cell_backward": gru_gradient,
    "aten::convolution_overrideable": convolve(torch.ops.aten.convolution_overrideable, None, *GEOMETRY),
    "aten::convolution_backward_overrideable": lambda: torch.ops.aten.convolution_backward_overrideable(
        ones(1, 1, 3), ones(1, 1, 4), ones(1, 1, 2), *GEOMETRY, [True] * 3
    ),
    "aten::histc": lambda: torch.histc(ids(), 2),
    "aten::histc.out": lambda: torch.histc(ids(), 2, out=ids()),
    "aten::mm.out": lambda: ones(2, 2) @ ones(2, 2),
    "aten::add.out": lambda: ones(2) + 1,
    "aten::sort.values_stable": lambda: ones(2).sort(),
    "aten::_softmax.out": lambda: ones(2).softmax(0),
    "aten::index.Tensor_out": lambda: ones(2)[ids()],
}


def names_in(report):
    return {row.name for row in report.operators}


@pytest.mark.parametrize("name", [*NOTHING_MOVES, *COPY])
def test_no_kernel_of_the_cpu_runs(name):
    with torch.tt.fallback_report() as report:
        CALLS[name]()
    assert names_in(report) == set()


@pytest.mark.parametrize("name", KERNEL)
def test_kernels(name):
    launches = torch.tt.num_launches()
    with torch.tt.fallback_report() as report:
        CALLS[name]()
    assert names_in(report) == set()
    assert torch.tt.num_launches() > launches


@pytest.mark.parametrize("name", [*HOST, *OWN_ON_HOST, *OTHERS_ON_HOST])
def test_the_host(name):
    with torch.tt.fallback_report() as report:
        CALLS[name]()
    assert name in names_in(report)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    operator = torch.ops.aten
    for part in name.removeprefix("aten::").split("."):
        operator = getattr(operator, part)
    size = [(1, 1)] if name.endswith(("_size", "_unsafe")) else []
    with pytest.raises(NotImplementedError, match=f"^{re.escape(name)}: expected torch.strided tensors on tt"):
        operator(ids()[:2], ids()[:1], ones(1), *size, device="tt")


ROUNDED_ONCE = {
    "layer_norm": lambda t: torch.nn.functional.layer_norm(t, t.shape[1:]),
    "group_norm": lambda t: torch.nn.functional.group_norm(t, 2),
    "addr": lambda t: torch.addr(t[0], t[0, :, 0], t[0, 0], beta=0.3, alpha=1.7),
}


@pytest.mark.parametrize("function", ROUNDED_ONCE.values(), ids=ROUNDED_ONCE.keys())
def test_the_cpus_bits(function):
    """What PyTorch composes for other devices rounds to bfloat16 at every step."""
    values = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    assert torch.equal(function(values.to("tt")).cpu(), function(values))
