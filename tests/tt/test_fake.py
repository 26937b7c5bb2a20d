"""Fake tensors on the device: everything but the memory."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from support import processes


def test_fake_tensors():
    before = torch.tt.memory_stats().get("allocation.all.allocated", 0)
    with FakeTensorMode():
        tensor = torch.empty(3, 4, device="tt")
        results = [tensor, tensor + 1, tensor @ tensor.t(), tensor[1:], torch.ones(3, 4).to("tt"), tensor.cpu().tt()]
        assert {result.device for result in results} == {torch.device("tt:0")}
        assert tensor.cpu().device.type == "cpu"
        assert (tensor @ tensor.t()).shape == (3, 3)
    assert torch.tt.memory_stats().get("allocation.all.allocated", 0) == before


def test_from_real_tensors(other_device):
    tensor = torch.ones(2, 3, device=other_device)[:, ::2]
    fake = FakeTensorMode().from_tensor(tensor)
    assert (fake.device, fake.shape, fake.stride()) == (tensor.device, tensor.shape, tensor.stride())


def test_no_device_is_opened():
    code = (
        "import torch, torch_moe_ttnn\n"
        "from torch._subclasses.fake_tensor import FakeTensorMode\n"
        "with FakeTensorMode(): print((torch.empty(2, device='tt') + 1).device)\n"
        "print(torch.tt.is_initialized())"
    )
    assert processes.output(code).splitlines() == ["tt:0", "False"]


def test_meta():
    tensor = torch.ones(2, 3, device="tt").to("meta")
    assert tensor.shape == (2, 3)
    module = torch.nn.Linear(2, 3, device="meta").to_empty(device="tt")
    assert module.weight.is_tt
