"""Operators without a kernel for tt: what becomes of them, and that they are right."""

import re
import warnings

import pytest
import torch

from support import processes

NO_KERNEL = "aten::cumsum.out has no kernel for tt"


def cumsum():
    return torch.arange(4).to("tt").cumsum(0).tolist()


def test_silent():
    assert torch.tt.get_fallback_mode() == "silent"
    assert cumsum() == [0, 1, 3, 6]


def test_warn_once():
    torch.tt.set_fallback_mode("warn")
    with pytest.warns(UserWarning, match=re.escape(NO_KERNEL)):
        assert cumsum() == [0, 1, 3, 6]
    cumsum()
    tensor = torch.arange(1, 4).to("tt")
    with pytest.warns(UserWarning, match=r"aten::prod\S* has no kernel for tt"):
        tensor.prod()


def test_warnings_start_anew():
    for _ in range(2):
        torch.tt.set_fallback_mode("warn")
        with pytest.warns(UserWarning, match=re.escape(NO_KERNEL)):
            cumsum()


def test_error():
    torch.tt.set_fallback_mode("error")
    with pytest.raises(NotImplementedError, match=re.escape(NO_KERNEL) + ", and the fallback to the CPU is off"):
        torch.arange(4).to("tt").cumsum(0)


def test_what_needs_no_fallback():
    torch.tt.set_fallback_mode("error")
    tensor = torch.ones(4, 4).to("tt")
    tensor.fill_(3).zero_()
    tensor[1:, ::2].copy_(torch.ones(3, 2))
    tensor.clone().to(torch.bfloat16).to("tt").contiguous()
    torch.empty_like(tensor).resize_(100)
    torch.zeros(3, device="tt")
    torch.full((3,), 2.0, device="tt")
    torch.tensor([1, 2], device="tt")
    repr(tensor)
    assert tensor[1, 0].item() == 1


@pytest.mark.parametrize("mode", ["loud", "", "WARN"])
def test_unknown_modes(mode):
    with pytest.raises(ValueError, match=f"expected the fallback mode to be silent, warn or error, got {mode}"):
        torch.tt.set_fallback_mode(mode)
    assert torch.tt.get_fallback_mode() == "silent"


@pytest.mark.parametrize(("value", "mode"), [(None, "warn"), ("error", "error")])
def test_the_environment_variable(value, mode):
    code = "import torch, torch_moe_ttnn; print(torch.tt.get_fallback_mode())"
    assert processes.output(code, TORCH_TT_FALLBACK=value) == mode


def test_a_wrong_environment_variable():
    assert processes.error("import torch, torch_moe_ttnn; torch.tt.get_fallback_mode()", TORCH_TT_FALLBACK="loud") == (
        "RuntimeError: TORCH_TT_FALLBACK: expected 'silent' or 'warn' or 'error', got 'loud'; correct it or unset it"
    )


# Functions of a tensor of shape (4, 6).
FUNCTIONS = {
    "elementwise": lambda t: t * 2 + 1,
    "with a scalar tensor": lambda t: torch.tensor(3.0) - t,
    "where with a scalar": lambda t: torch.where(t > 3, t, torch.tensor(0.5)),
    "comparison": lambda t: t.eq(3),
    "reduction": lambda t: t.sum(1, keepdim=True),
    "several outputs": lambda t: torch.topk(t, 2),
    "list of inputs": lambda t: torch.cat([t, t[1:]], 0),
    "stack": lambda t: torch.stack([t, t + 1]),
    "list of outputs": lambda t: torch.unbind(t.sort(descending=True).values),
    "optional list": lambda t: t[torch.tensor([0, 2], device=t.device), :, None],
    "mask": lambda t: t[t > 5],
    "host indices": lambda t: t[torch.tensor([3, 0])],
    "matrix product": lambda t: t @ t.t(),
    "linear": lambda t: torch.nn.functional.linear(t, t),
    "softmax": lambda t: t.softmax(-1),
    "to bool": lambda t: torch.tensor(bool((t == t).all())),
    "strided input": lambda t: t.t()[1::2].exp(),
    "scatter": lambda t: torch.zeros_like(t).scatter_(1, torch.zeros(4, 1, dtype=torch.int64, device=t.device), 5.0),
    "nonzero": lambda t: t.nonzero(),
    "one_hot": lambda t: torch.nn.functional.one_hot(t.long().flatten()),
    "foreach": lambda t: torch._foreach_add([t, t], 1),
    "arange": lambda t: torch.arange(5, device=t.device) + t[0, :5].long(),
    "eye": lambda t: torch.eye(4, device=t.device) @ t,
    "tril_indices": lambda t: torch.tril_indices(3, 3, device=t.device),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_functions(function):
    tensor = torch.arange(24.0).reshape(4, 6)
    actual, expected = function(tensor.to("tt")), function(tensor)
    if isinstance(expected, torch.Tensor):
        actual, expected = [actual], [expected]
    for a, e in zip(actual, expected, strict=True):
        assert a.is_tt or e.dim() == 0
        torch.testing.assert_close(a.cpu(), e)


# What changes a tensor of shape (4, 6) in place.
MUTATIONS = {
    "in place": lambda t: t.add_(1),
    "in place into a view": lambda t: t[:, ::2].mul_(3),
    "in place into a transposed view": lambda t: t.t()[1:3].sub_(2),
    "index_put": lambda t: t.__setitem__((torch.tensor([0, 1], device=t.device), 2), 9.0),
    "masked": lambda t: t.masked_fill_(t > 7, -1),
    "setitem with a mask": lambda t: t.__setitem__(t > 7, -1.0),
    "scatter_add": lambda t: t.scatter_add_(
        1, torch.zeros(4, 6, dtype=torch.int64, device=t.device), torch.ones(4, 6, device=t.device)
    ),
    "out": lambda t: torch.exp(t + 0, out=t),
    "out into a view": lambda t: torch.exp(t[:, 3:], out=t[:, :3]),
    "several outs": lambda t: torch.max(t + 1, 1, out=(t[:, 0], torch.empty(4, dtype=torch.int64, device=t.device))),
    "list": lambda t: torch._foreach_mul_([t[0], t[2]], 4),
    "clamp": lambda t: t[1:3].clamp_(8, 10),
    "relu": lambda t: torch.nn.functional.relu_(t.sub_(5)),
}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_mutations(mutate):
    expected = torch.arange(24.0).reshape(4, 6)
    tensor = expected.to("tt")
    address = tensor.data_ptr()
    mutate(tensor)
    mutate(expected)
    assert tensor.data_ptr() == address
    torch.testing.assert_close(tensor.cpu(), expected)


def test_out_of_another_size():
    out = torch.empty(0, device="tt")
    assert torch.add(torch.ones(2, 3, device="tt"), 1, out=out) is out
    assert out.tolist() == [[2, 2, 2], [2, 2, 2]]
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.mm(torch.ones(2, 3, device="tt"), torch.ones(3, 2, device="tt"), out=out)
    assert out.tolist() == [[3, 3], [3, 3]]


def test_a_conjugate_in_place():
    tensor = torch.tensor([1 + 2j, 3 - 1j], device="tt")
    assert tensor.conj_physical_() is tensor
    assert tensor.tolist() == [1 - 2j, 3 + 1j]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", [torch.nn.functional.mse_loss, torch.nn.functional.smooth_l1_loss])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses(loss, reduction):
    a, b = torch.arange(6.0).reshape(2, 3), torch.ones(2, 3)
    inputs = a.to("tt").requires_grad_()
    actual = loss(inputs, b.to("tt"), reduction=reduction)
    torch.testing.assert_close(actual.detach().cpu(), loss(a, b, reduction=reduction))
    actual.sum().backward()
    a.requires_grad_()
    loss(a, b, reduction=reduction).sum().backward()
    torch.testing.assert_close(inputs.grad.cpu(), a.grad)


def test_out_on_another_device(other_device):
    ones = torch.ones(2, 2, device="tt")
    for out in (torch.empty(2, 2), torch.empty(2, 2, device=other_device)):
        with pytest.raises(RuntimeError, match=r"same (tt )?device"):
            torch.mm(ones, ones, out=out)


def test_in_place_returns_the_tensor():
    tensor = torch.ones(2, device="tt")
    assert tensor.add_(1) is tensor


@pytest.mark.filterwarnings("error")
def test_autograd():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.GELU(), torch.nn.Linear(8, 2))
    inputs = torch.randn(5, 4)
    model(inputs).square().mean().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model.to("tt")
    model(inputs.to("tt")).square().mean().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert parameter.grad.is_tt
        torch.testing.assert_close(parameter.grad.cpu(), gradient)


def test_autograd_across_devices():
    leaf = torch.arange(3.0, requires_grad=True)
    (leaf.to("tt") * 2).cpu().sum().backward()
    assert leaf.grad.tolist() == [2, 2, 2]
    on_device = torch.arange(4.0, device="tt", requires_grad=True)
    on_device[1:3].to(torch.float64).cpu().square().sum().backward()
    assert on_device.grad.tolist() == [0, 2, 4, 0]


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW], ids=lambda optimizer: optimizer.__name__)
def test_optimizers(optimizer):
    def trained(device):
        parameter = torch.nn.Parameter(torch.arange(4.0).to(device))
        stepper = optimizer([parameter], lr=0.1)
        for _ in range(3):
            stepper.zero_grad()
            parameter.square().sum().backward()
            stepper.step()
        return parameter.detach().cpu()

    torch.testing.assert_close(trained("tt"), trained("cpu"))


def test_silence_is_silent():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cumsum()
    assert caught == []
