"""Tensors on different devices: an operator refuses them, but for what CUDA's operators take from the CPU."""

import re
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

pytestmark = pytest.mark.any_runtime

SQUARE = torch.arange(1.0, 10).reshape(3, 3)
VECTOR = torch.tensor([0.5, 1.5, 2.5])
BATCH = torch.arange(12.0).reshape(2, 2, 3)
IDS = torch.tensor([2, 0, 1])
IDS_2D = torch.tensor([[2, 0, 1]])
MASK = torch.tensor([[True, False, True]] * 3)

# Operators of tensors on one device, and what they compute.
OPERATORS = {
    "add": (torch.add, SQUARE, SQUARE),
    "add_": (lambda a, b: a.clone().add_(b), SQUARE, SQUARE),
    "addcdiv": (torch.addcdiv, SQUARE, SQUARE, SQUARE),
    "addmm": (torch.addmm, SQUARE, SQUARE, SQUARE),
    "addmv": (torch.addmv, VECTOR, SQUARE, VECTOR),
    "baddbmm": (torch.baddbmm, BATCH[..., :2], BATCH, BATCH.mT),
    "binary_cross_entropy": (functional.binary_cross_entropy, MASK.float(), MASK.float()),
    "bmm": (torch.bmm, BATCH, BATCH.mT),
    "bucketize": (torch.bucketize, SQUARE, VECTOR),
    "cat": (lambda a, b: torch.cat([a, b]), SQUARE, SQUARE),
    "cdist": (torch.cdist, SQUARE, SQUARE),
    "clamp": (torch.clamp, SQUARE, VECTOR, VECTOR),
    "cross_entropy": (functional.cross_entropy, SQUARE, IDS, VECTOR),
    "dot": (torch.dot, VECTOR, VECTOR),
    "einsum": (lambda a, b: torch.einsum("ij,kj->ik", a, b), SQUARE, SQUARE),
    "embedding": (functional.embedding, IDS, SQUARE),
    "embedding_bag": (functional.embedding_bag, IDS_2D, SQUARE),
    "eq": (torch.eq, SQUARE, SQUARE),
    "gather": (torch.gather, SQUARE, 0, IDS_2D),
    "grid_sample": (
        lambda a, b: functional.grid_sample(a, b, align_corners=False),
        SQUARE[None, None],
        torch.zeros(1, 2, 2, 2),
    ),
    "group_norm": (lambda a, b, c: functional.group_norm(a, 1, b, c), BATCH.mT, VECTOR, VECTOR),
    "index_add": (torch.index_add, SQUARE, 0, IDS, SQUARE),
    "index_copy": (torch.index_copy, SQUARE, 0, IDS, SQUARE),
    "index_fill": (lambda a, b: a.index_fill(0, b, 2.0), SQUARE, IDS),
    "index_put": (lambda a, b: a.index_put((torch.tensor([0]),), b), SQUARE, VECTOR),
    "index_select": (torch.index_select, SQUARE, 0, IDS),
    "kl_div": (lambda a, b: functional.kl_div(a, b, reduction="sum"), SQUARE, SQUARE),
    "layer_norm": (lambda a, b, c: functional.layer_norm(a, (3,), b, c), SQUARE, VECTOR, VECTOR),
    "lerp": (torch.lerp, SQUARE, SQUARE, SQUARE),
    "linalg.solve": (torch.linalg.solve, torch.eye(3), SQUARE),
    "linear": (functional.linear, SQUARE, SQUARE, VECTOR),
    "lstsq": (lambda a, b: torch.linalg.lstsq(a, b).solution, torch.eye(3), SQUARE),
    "masked_fill": (lambda a, b: a.masked_fill(b, 0.0), SQUARE, MASK),
    "masked_scatter": (torch.masked_scatter, SQUARE, MASK, SQUARE),
    "masked_select": (torch.masked_select, SQUARE, MASK),
    "matmul": (torch.matmul, BATCH, SQUARE),
    "maximum": (torch.maximum, SQUARE, SQUARE),
    "mm": (torch.mm, SQUARE, SQUARE),
    "mse_loss": (functional.mse_loss, SQUARE, SQUARE),
    "mv": (torch.mv, SQUARE, VECTOR),
    "prelu": (functional.prelu, SQUARE, VECTOR),
    "put_": (lambda a, b, c: a.clone().put_(b, c), SQUARE, IDS, VECTOR),
    "repeat_interleave": (lambda a, b: torch.repeat_interleave(a, b, 0), SQUARE, IDS),
    "scaled_dot_product_attention": (functional.scaled_dot_product_attention, BATCH, BATCH, BATCH),
    "scatter": (torch.scatter, SQUARE, 0, IDS_2D, SQUARE),
    "scatter_add": (torch.scatter_add, SQUARE, 0, IDS_2D, SQUARE),
    "searchsorted": (torch.searchsorted, VECTOR, SQUARE),
    "solve_triangular": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), torch.eye(3), SQUARE),
    "stack": (lambda a, b: torch.stack([a, b]), SQUARE, SQUARE),
    "take": (torch.take, SQUARE, IDS),
    "take_along_dim": (torch.take_along_dim, SQUARE, IDS_2D, 0),
    "where": (torch.where, MASK, SQUARE, SQUARE),
}
tensors = {
    f"{name}, argument {i}": (function, arguments, i)
    for name, (function, *arguments) in OPERATORS.items()
    for i, argument in enumerate(arguments)
    if isinstance(argument, torch.Tensor)
}
one_elsewhere = pytest.mark.parametrize(("function", "arguments", "elsewhere"), tensors.values(), ids=tensors.keys())


def placed(arguments, devices):
    return [a.to(d) if isinstance(a, torch.Tensor) else a for a, d in zip(arguments, devices, strict=True)]


@one_elsewhere
def test_a_tensor_on_the_cpu(function, arguments, elsewhere):
    devices = ["tt"] * len(arguments)
    actual = function(*placed(arguments, devices))
    assert actual.is_tt
    torch.testing.assert_close(actual.cpu(), function(*arguments))
    devices[elsewhere] = "cpu"
    with pytest.raises(RuntimeError) as raised:
        function(*placed(arguments, devices))
    assert "device" in str(raised.value).lower()
    assert "cpu" in str(raised.value)
    assert "tt:0" in str(raised.value)
    assert "INTERNAL ASSERT" not in str(raised.value)


@one_elsewhere
def test_a_tensor_on_a_second_device(function, arguments, elsewhere, other_device):
    devices = ["tt:0"] * len(arguments)
    devices[elsewhere] = other_device
    with pytest.raises(RuntimeError, match=r"(?s)tt:0.*tt:1|tt:1.*tt:0"):
        function(*placed(arguments, devices))


def test_numbers_that_pytorch_itself_refuses():
    """As it does on CUDA; its words leave out the operator."""
    square, number = SQUARE.to("tt"), torch.tensor(1.0)
    with pytest.raises(RuntimeError, match=r"^aten::clamp.*: Expected all tensors to be on the same device"):
        square.clamp(min=number)
    with pytest.raises(RuntimeError, match=r"^aten::addcdiv.*: Expected all tensors to be on the same device"):
        torch.addcdiv(square, number, number)


def test_the_words():
    square = SQUARE.to("tt")
    for call, operator, argument in (
        (lambda: torch.mm(square, SQUARE), "aten::mm", "mat2"),
        (lambda: torch.mm(SQUARE, square), "aten::mm", "self"),
        (lambda: functional.linear(square, SQUARE), "aten::mm", "mat2"),
        (lambda: torch.cat([square, square, SQUARE]), "aten::cat", "tensors[2]"),
        (lambda: torch.gather(square, 0, IDS_2D), "aten::gather", "index"),
        (lambda: functional.embedding(IDS, square), "aten::index_select", "index"),
        (lambda: torch.where(MASK, square, square), "aten::where", "condition"),
        (lambda: torch.mm(square, square, out=torch.empty(3, 3)), "aten::mm", "out"),
        (lambda: square + SQUARE, "aten::add", "other"),
        (lambda: SQUARE + square, "aten::add", "self"),
        (lambda: square.clone().add_(SQUARE), "aten::add_", "other"),
        (lambda: functional.layer_norm(square, (3,), VECTOR), "aten::native_layer_norm", "weight"),
        (lambda: torch.linalg.solve(torch.eye(3), square), "aten::_linalg_solve_ex", "A"),
    ):
        with pytest.raises(RuntimeError) as raised:
            call()
        assert str(raised.value).startswith(
            f"{operator}: Expected all tensors to be on the same device, but got {argument} on cpu, different from "
            'other tensors on tt:0. Move them to one device, with .to("tt:0") for instance'
        )


def test_other_errors_keep_their_words():
    for call in (torch.add, torch.mm, torch.gather, torch.cat):
        messages = []
        for device in ("cpu", "tt"):
            a, b = torch.ones(2, 3, device=device), torch.ones(4, 5, device=device)
            with pytest.raises((RuntimeError, TypeError)) as raised:
                call([a, b]) if call is torch.cat else call(a, 0, b) if call is torch.gather else call(a, b)
            messages.append(str(raised.value))
        assert messages[0] == messages[1]


def test_the_words_for_two_devices(other_device):
    expected = "aten::mm: Expected all tensors to be on the same device, but got mat2 on tt:1, different from other"
    with pytest.raises(RuntimeError, match=re.escape(expected) + " tensors on tt:0"):
        torch.mm(SQUARE.to("tt:0"), SQUARE.to(other_device))


@pytest.mark.parametrize("mode", ["warn", "error"])
def test_it_is_said_before_anything_of_the_fallback(mode):
    torch.tt.set_fallback_mode(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError, match="aten::mm: Expected all tensors"):
            torch.mm(SQUARE.to("tt"), SQUARE)


IN_PLACE = {
    "add_": lambda t: t.add_(SQUARE),
    "index_add_": lambda t: t.index_add_(0, IDS.to("tt"), SQUARE),
    "index_put_": lambda t: t.index_put_((torch.tensor([0]),), VECTOR),
    "masked_fill_": lambda t: t.masked_fill_(MASK, 0.0),
    "scatter_": lambda t: t.scatter_(0, IDS_2D, 0.0),
    "setitem": lambda t: t.__setitem__(IDS, SQUARE),
}


@pytest.mark.parametrize("change", IN_PLACE.values(), ids=IN_PLACE.keys())
def test_a_refused_operator_writes_nothing(change):
    tensor = SQUARE.to("tt")
    with pytest.raises(RuntimeError, match="device"):
        change(tensor)
    assert torch.equal(tensor.cpu(), SQUARE)


# What a tensor on the CPU may be written to with one on tt, or be asked with: nothing.
INTO_THE_CPU = {
    "add_": lambda host, tensor: host.add_(tensor),
    "add_ of a number": lambda host, tensor: host.add_(tensor[0, 0]),
    "add of a number": lambda host, tensor: host + tensor[0, 0],
    "a number's add_": lambda host, tensor: host[0, 0].add_(tensor[0, 0]),
    "a number's out": lambda host, tensor: torch.add(tensor[0, 0], 1, out=torch.empty(())),
    "index": lambda host, tensor: host[tensor[0].long() - 1],
    "index_put_ with indices": lambda host, tensor: host.index_put_((tensor[0].long() - 1,), VECTOR),
    "index_put_ of values": lambda host, tensor: host.index_put_((IDS,), tensor),
    "masked_fill_": lambda host, tensor: host.masked_fill_(tensor > 0, 0.0),
    "mm": lambda host, tensor: host.mm(tensor),
    "out": lambda host, tensor: torch.exp(tensor, out=host),
}


@pytest.mark.parametrize("change", INTO_THE_CPU.values(), ids=INTO_THE_CPU.keys())
def test_a_tensor_on_the_cpu_is_not_written_to(change):
    host = SQUARE.clone()
    with pytest.raises(RuntimeError, match="device"):
        change(host, SQUARE.to("tt"))
    assert torch.equal(host, SQUARE)


# Functions of a tensor of shape (3, 3) on the device, with other tensors on the CPU.
TAKEN = {
    # Numbers: tensors of no dimensions.
    "add": lambda t: t + torch.tensor(2.0),
    "add of itself": lambda t: torch.tensor(2.0) + t,
    "add_": lambda t: t.add_(torch.tensor(2)),
    "addcmul": lambda t: torch.addcmul(t, t, torch.tensor(2.0)),
    "atan2": lambda t: torch.atan2(t, torch.tensor(2.0)),
    "bitwise_left_shift": lambda t: t.int() << torch.tensor(1),
    "copysign": lambda t: torch.copysign(t, torch.tensor(-1.0)),
    "div": lambda t: torch.tensor(1.0) / t,
    "eq": lambda t: t == torch.tensor(5.0),
    "fill_": lambda t: t.fill_(torch.tensor(5.0)),
    "floor_divide": lambda t: t // torch.tensor(2.0),
    "floor_divide_": lambda t: t.floor_divide_(torch.tensor(2.0)),
    "foreach": lambda t: torch._foreach_mul([t], torch.tensor(2.0))[0],
    "index_fill": lambda t: t.index_fill(0, torch.tensor([0], device=t.device), torch.tensor(7.0)),
    "index_put": lambda t: t.index_put((IDS[:2],), torch.tensor(7.0)),
    "lerp": lambda t: torch.lerp(t, t * 2, torch.tensor(0.25)),
    "masked_fill": lambda t: t.masked_fill(t > 3, torch.tensor(7.0)),
    "maximum": lambda t: torch.maximum(t, torch.tensor(4.0)),
    "mul": lambda t: torch.tensor(2.0) * t,
    "pow": lambda t: torch.tensor(2.0) ** t,
    "remainder": lambda t: t % torch.tensor(2.0),
    "rsub": lambda t: torch.rsub(t, torch.tensor(2.0)),
    "setitem": lambda t: t.clone().__setitem__(0, torch.tensor(2.0)),
    "setitem of a mask": lambda t: t.__setitem__(t > 3, torch.tensor(2.0)) or t,
    "two numbers": lambda t: t[0, 0] + torch.tensor(2.0),
    "where": lambda t: torch.where(t > 3, torch.tensor(1.0), t),
    "xlogy": lambda t: torch.xlogy(torch.tensor(2.0), t),
    # Indices.
    "index": lambda t: t[IDS],
    "index with two": lambda t: t[IDS, IDS],
    "index with a mask": lambda t: t[MASK],
    "index with a slice and a mask": lambda t: t[1:, VECTOR > 1],
    "index_put with indices": lambda t: t.index_put((IDS, IDS), t[0]),
    "index_put with a mask": lambda t: t.index_put((MASK,), t[0, 0]),
    "setitem with indices": lambda t: t.__setitem__(IDS[:2], t[:2] * 1) or t,
    "accumulate": lambda t: t.index_put_((IDS,), t * 1, accumulate=True),
    # Copies.
    "copy_": lambda t: t.copy_(SQUARE * 2),
    "setitem of a slice": lambda t: t.__setitem__(slice(0, 2), SQUARE[1:]) or t,
    "foreach_copy_": lambda t: torch._foreach_copy_([t], [SQUARE * 2]) and t,
    "select_scatter": lambda t: torch.select_scatter(t, VECTOR, 0, 1),
    # What is read on the host.
    "bernoulli_": lambda t: t.bernoulli_(torch.ones(3, 3)),
    "ctc_loss": lambda t: functional.ctc_loss(
        t[:, None].log_softmax(2), torch.tensor([[1, 2]]), torch.tensor([3]), torch.tensor([2])
    ),
    "foreach scalars": lambda t: torch._foreach_addcmul([t], [t], [t], torch.tensor([2.0]))[0],
    "pack_padded_sequence": lambda t: nn.utils.rnn.pack_padded_sequence(t[None], torch.tensor([2]), True).data,
    "pad_packed_sequence": lambda t: nn.utils.rnn.pad_packed_sequence(
        nn.utils.rnn.pack_padded_sequence(torch.stack([t, t]), torch.tensor([3, 2]), True), batch_first=True
    )[0],
    "unpad_sequence": lambda t: nn.utils.rnn.unpad_sequence(t[None], torch.tensor([2]), batch_first=True)[0],
    "tensor_split": lambda t: torch.tensor_split(t, torch.tensor([1]))[1],
    # Shapes and dtypes alone.
    "expand_as": lambda t: t[:1].expand_as(SQUARE),
    "resize_as_": lambda t: t.resize_as_(SQUARE[:2]),
    "view_as": lambda t: t.view_as(SQUARE.flatten()),
}


@pytest.mark.parametrize("function", TAKEN.values(), ids=TAKEN.keys())
def test_what_is_taken_from_the_cpu(function):
    actual, expected = function(SQUARE.to("tt")), function(SQUARE.clone())
    if expected is not None:
        assert actual.is_tt
        torch.testing.assert_close(actual.cpu(), expected)


# A tensor of no dimensions is no number where an operator looks something up.
NO_NUMBERS = {
    "bucketize": lambda t: torch.bucketize(torch.tensor(2.0), t[0]),
    "take": lambda t: torch.take(t, torch.tensor(2)),
    "gather": lambda t: torch.gather(t[0], 0, torch.tensor(2)),
    "index_select": lambda t: torch.index_select(t, 0, torch.tensor(2)),
    "addmm": lambda t: torch.addmm(torch.tensor(1.0), t, t),
    "masked_select": lambda t: torch.masked_select(t, torch.tensor(True)),
    "masked_fill": lambda t: t.masked_fill(torch.tensor(True), 1.0),
}


@pytest.mark.parametrize("function", NO_NUMBERS.values(), ids=NO_NUMBERS.keys())
def test_numbers_in_other_operators(function):
    with pytest.raises(RuntimeError, match=r"Expected all tensors to be on the same device, but got \w+ on cpu"):
        function(SQUARE.to("tt"))


def test_numbers_of_a_second_device(other_device):
    """Only the CPU has numbers for others."""
    with pytest.raises(RuntimeError, match="device"):
        SQUARE.to("tt:0") + torch.tensor(2.0, device=other_device)
    with pytest.raises(RuntimeError, match="device"):
        SQUARE.to("tt:0")[IDS.to(other_device)]


def test_fill_takes_a_number_from_anywhere(other_device):
    for device in ("cpu", "tt:0", other_device):
        for tensor in (torch.ones(3, device=d) for d in ("cpu", "tt:0", other_device)):
            assert tensor.fill_(torch.tensor(2.0, device=device)).tolist() == [2, 2, 2]
    for device in ("cpu", "tt:0"):
        with pytest.raises(RuntimeError, match="only supports 0-dimension value tensor"):
            torch.ones(3, device=device).fill_(torch.ones(3, device="tt:0"))


@pytest.mark.parametrize("elsewhere", [1, 2])
def test_our_operators_by_way_of_the_host_keep_their_words(elsewhere):
    name = ("expert_outputs", "routing_weights", "positions")[elsewhere]
    arguments = [torch.ones(2, 4), torch.ones(2, 1), torch.zeros(2, 1, dtype=torch.int32)]
    devices = ["tt"] * 3
    devices[elsewhere] = "cpu"
    with pytest.raises(RuntimeError) as raised:
        torch.ops.moe.unpermute(*placed(arguments, devices))
    assert str(raised.value) == (
        f"moe::unpermute: expected expert_outputs and {name} on the same device, got tt:0 and cpu"
    )


def test_lists_of_tensors_on_different_devices():
    """PyTorch takes them one by one."""
    results = torch._foreach_add([SQUARE, SQUARE.to("tt")], 1)
    assert [result.device.type for result in results] == ["cpu", "tt"]
    for result in results:
        assert torch.equal(result.cpu(), SQUARE + 1)
    with pytest.raises(RuntimeError, match="device"):
        torch._foreach_add([SQUARE], [SQUARE.to("tt")])


def test_gradients_across_devices():
    weight = SQUARE.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="aten::mm"):
        SQUARE.to("tt") @ weight
    (SQUARE.to("tt") @ weight.to("tt")).sum().backward()
    assert weight.grad.device.type == "cpu"


def test_a_module_that_was_left_behind():
    inputs = SQUARE.to("tt")
    for module in (nn.Linear(3, 3), nn.LayerNorm(3), nn.BatchNorm1d(3), nn.PReLU(3), nn.Bilinear(3, 3, 2)):
        with pytest.raises(RuntimeError, match="device"):
            module(inputs, inputs) if isinstance(module, nn.Bilinear) else module(inputs)
    with pytest.raises(RuntimeError, match="aten::index_select"):
        nn.Embedding(3, 3)(IDS.to("tt"))


@pytest.mark.parametrize("fused", [False, True])
def test_a_learning_rate_on_the_cpu(fused):
    parameter = nn.Parameter(SQUARE.to("tt"))
    optimizer = torch.optim.Adam([parameter], lr=torch.tensor(0.1), fused=fused, foreach=False)
    parameter.sum().backward()
    optimizer.step()
    torch.testing.assert_close(parameter.detach().cpu(), SQUARE - 0.1)


def test_an_operator_of_the_users():
    """One that has a kernel for the CPU alone runs there for tt, but not with tensors of both."""
    with torch.library._scoped_library("moe_test_mixed", "DEF") as library:
        library.define("scaled(Tensor values, Tensor[] others) -> Tensor")
        library.impl("scaled", lambda values, others: values * others[0], "CPU")
        scaled = torch.ops.moe_test_mixed.scaled
        assert torch.equal(scaled(SQUARE.to("tt"), [VECTOR.to("tt")]).cpu(), SQUARE * VECTOR)
        with pytest.raises(RuntimeError, match=re.escape("moe_test_mixed::scaled: Expected all tensors")) as raised:
            scaled(SQUARE.to("tt"), [VECTOR])
        assert "others[0] on cpu" in str(raised.value)
