"""Printing tensors."""

import pytest
import torch

TENSORS = {
    "float": torch.tensor([[1.5, -2.0], [float("nan"), float("inf")]]),
    "int": torch.arange(5),
    "uint16": torch.arange(5).to(torch.uint16),
    "uint32": torch.tensor([0, 0xFFFFFFFF]).to(torch.uint32),
    "bfloat16": torch.tensor([0.5, 3.0]).bfloat16(),
    "bool": torch.tensor([True, False]),
    "complex": torch.tensor([1 + 2j]),
    "scalar": torch.tensor(3.25),
    "empty": torch.empty(0, 3),
    "long": torch.arange(5000.0),
    "view": torch.arange(24.0).reshape(4, 6)[1:, ::2].t(),
}


@pytest.mark.parametrize("show", [repr, str, "{}".format], ids=["repr", "str", "format"])
@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS.keys())
def test_as_on_the_cpu(tensor, show):
    torch.tt.set_fallback_mode("error")
    shown = show(tensor.to("tt"))
    if tensor.dim() == 0 and show == "{}".format:
        assert shown == show(tensor)
    else:
        assert "device='tt:0'" in shown
        without = shown.replace("device='tt:0', ", "").replace(", device='tt:0'", "")
        assert without.split() == show(tensor).split()


def test_gradients():
    torch.tt.set_fallback_mode("error")
    assert repr(torch.ones(1, device="tt").requires_grad_()) == "tensor([1.], device='tt:0', requires_grad=True)"
    assert repr(torch.nn.Parameter(torch.ones(1).to("tt"))) == (
        "Parameter containing:\ntensor([1.], device='tt:0', requires_grad=True)"
    )


def test_storage():
    assert "device=tt:0" in repr(torch.ones(1, device="tt").untyped_storage())
