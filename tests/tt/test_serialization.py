"""Saving, loading, pickling and copying tensors of the device."""

import copy
import io
import pickle

import pytest
import torch
from safetensors import torch as safetensors_torch

from support import processes


def saved(what) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(what, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.bfloat16, torch.float16, torch.int64], ids=str)
def test_save_and_load(dtype):
    tensor = torch.arange(12).to(dtype).reshape(3, 4)
    loaded = torch.load(saved(tensor.to("tt")))
    assert loaded.device == torch.device("tt:0")
    assert torch.equal(loaded.cpu(), tensor)


@pytest.mark.parametrize("source", ["cpu", "tt"])
@pytest.mark.parametrize("target", ["cpu", "tt", "tt:0", "tt:1", torch.device("tt:1")], ids=str)
def test_map_location(source, target, other_device):
    tensor = torch.arange(12.0).reshape(3, 4)
    loaded = torch.load(saved({"whole": tensor.to(source)}), map_location=target)["whole"]
    target = torch.device(target)
    assert (loaded.device.type, loaded.device.index) == (target.type, target.index or (0 if loaded.is_tt else None))
    assert torch.equal(loaded.cpu(), tensor)


@pytest.mark.parametrize("map_location", [{"tt:0": "cpu"}, lambda storage, location: storage], ids=["dict", "function"])
def test_other_map_locations(map_location):
    loaded = torch.load(saved(torch.arange(3, device="tt")), map_location=map_location)
    assert loaded.tolist() == [0, 1, 2]
    assert loaded.device.type == "cpu"


def test_the_device_is_saved(other_device):
    assert torch.load(saved(torch.ones(2, device=other_device))).device == other_device


def test_a_saved_device_that_is_missing(tmp_path, other_device):
    torch.save(torch.ones(2, device=other_device), tmp_path / "tensor.pt")
    message = processes.error(
        f"import torch, torch_moe_ttnn; torch.load({str(tmp_path / 'tensor.pt')!r})",
        TORCH_TT_RUNTIME="emulated",
        TORCH_TT_EMULATED_DEVICES="1",
    )
    assert "map_location" in message


def test_views_share_their_storage_afterwards():
    base = torch.arange(6.0, device="tt")
    loaded = torch.load(saved([base, base[2:4]]))
    loaded[0].fill_(7)
    assert loaded[1].tolist() == [7, 7]


def test_deepcopy(other_device):
    base = torch.arange(6.0, device=other_device)
    copied, view = copy.deepcopy([base, base[::2]])
    assert copied.device == view.device == other_device
    view.zero_()
    assert copied.tolist() == [0, 1, 0, 3, 0, 5]
    assert base.tolist() == [0, 1, 2, 3, 4, 5]


def test_pickle(other_device):
    base = torch.arange(6.0, device=other_device)
    unpickled = pickle.loads(pickle.dumps(base[::2]))
    assert (unpickled.device, unpickled.tolist()) == (other_device, [0, 2, 4])


def test_parameters():
    parameter = copy.deepcopy(torch.nn.Parameter(torch.ones(2, device="tt")))
    assert isinstance(parameter, torch.nn.Parameter)
    assert parameter.is_tt
    assert parameter.requires_grad


def test_state_dict():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    on_device = copy.deepcopy(model).to("tt")
    state = torch.load(saved(on_device.state_dict()), weights_only=True)
    assert all(tensor.is_tt for tensor in state.values())
    fresh = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    fresh.load_state_dict(state)
    for name, tensor in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor)
    on_device.load_state_dict(model.state_dict())
    assert on_device[0].weight.is_tt


def test_load_into_a_process_that_has_not_used_the_device(tmp_path):
    torch.save(torch.arange(3, device="tt"), tmp_path / "tensor.pt")
    path = str(tmp_path / "tensor.pt")
    assert processes.output(f"import torch, torch_moe_ttnn; print(torch.load({path!r}).tolist())") == "[0, 1, 2]"


def test_safetensors(tmp_path):
    tensors = {"ids": torch.arange(6, device="tt").reshape(2, 3), "weights": torch.rand(4, device="tt").bfloat16()}
    safetensors_torch.save_file(tensors, tmp_path / "file.safetensors")
    loaded = safetensors_torch.load_file(tmp_path / "file.safetensors")
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor.cpu())
