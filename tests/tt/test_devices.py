"""Devices: how many, which is current, what they are, which runtime they come from."""

import inspect
import os
import threading
from pathlib import Path

import pytest
import torch

import torch_moe_ttnn
from support import processes

pytestmark = pytest.mark.chip


def test_available():
    assert torch.tt.is_available()
    assert torch.tt.device_count() >= 1
    assert torch.get_device_module("tt") is torch.tt


# Of the chips as TT-Metalium gives them to programs: grid, L1, DRAM banks, GiB, alignment.
CHIPS = {
    "wormhole_b0": ((8, 9), 1_499_136, 12, 12, 32),
    "blackhole": ((13, 10), 1_572_864, 8, 32, 64),
}


FIELDS = [
    *("runtime", "name", "architecture", "grid"),
    *("l1_size", "l1_unreserved", "dram_size", "dram_banks", "dram_alignment"),
]


def test_properties():
    properties = torch.tt.get_device_properties()
    assert properties == torch.tt.get_device_properties("tt:0")
    assert properties.runtime in ("emulated", "metal")
    grid, l1_size, dram_banks, gib, dram_alignment = CHIPS[properties.architecture]
    assert properties.l1_size == l1_size
    assert properties.dram_banks == dram_banks
    assert properties.dram_alignment == dram_alignment
    assert 0 < properties.l1_unreserved < properties.l1_size
    assert properties.total_memory == properties.dram_size
    if properties.runtime == "emulated":
        assert properties.grid == grid
        assert properties.dram_size == gib * 2**30
    else:
        # A board may have fewer cores than the chip, and firmware keeps a little of the memory. Of several simulated
        # chips, each keeps its command queue there.
        queues = dram_banks / 4 if torch.tt.device_count() > 1 and os.environ.get("TT_METAL_SIMULATOR") else 0
        assert 0.9 * gib - queues < properties.dram_size / 2**30 <= gib
    assert torch.tt.get_device_name("tt") == properties.name != ""


def test_properties_are_values():
    properties, same = torch.tt.get_device_properties(), torch.tt.get_device_properties()
    assert isinstance(properties, torch.tt.DeviceProperties)
    assert len({properties, same}) == 1
    assert properties != properties.name
    with pytest.raises(AttributeError):
        properties.name = "another"


def test_properties_print_every_field():
    properties = torch.tt.get_device_properties()
    fields = {name: getattr(properties, name) for name in FIELDS}
    assert repr(properties) == f"DeviceProperties({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def test_fields_of_properties_are_documented():
    public = {name for name in dir(torch.tt.DeviceProperties) if not name.startswith("_")}
    assert public == {*FIELDS, "total_memory"}
    assert all(getattr(torch.tt.DeviceProperties, name).__doc__ for name in public)


def test_the_other_architecture():
    code = (
        "from torch_moe_ttnn import tt\n"
        "p = tt.get_device_properties(); print(p.architecture, p.grid, p.l1_size, p.dram_banks)"
    )
    assert (
        processes.output(code, TORCH_TT_RUNTIME="emulated", TORCH_TT_EMULATED_ARCH="blackhole")
        == "blackhole (13, 10) 1572864 8"
    )


@pytest.mark.parametrize("architecture", CHIPS)
def test_a_part_of_the_grid(architecture):
    """The cores beside it do not take part, and the bits are the same."""
    code = (
        "import torch, torch_moe_ttnn\n"
        "from torch_moe_ttnn.testing import make_choices\n"
        "inputs = make_choices(100, 4, 64)\n"
        "on_tt = torch_moe_ttnn.prepare_routing(*(tensor.to('tt') for tensor in inputs), 64)\n"
        "on_cpu = torch_moe_ttnn.prepare_routing(*inputs, 64)\n"
        "same = [torch.equal(a.cpu().view(torch.uint8), b.view(torch.uint8)) for a, b in zip(on_tt, on_cpu)]\n"
        "print(torch.tt.get_device_properties().grid, all(same))"
    )
    environment = {"TORCH_TT_RUNTIME": "emulated", "TORCH_TT_EMULATED_ARCH": architecture}
    assert processes.output(code, TORCH_TT_GRID="3x2", **environment) == "(3, 2) True"
    assert processes.output(code, TORCH_TT_GRID="1x1", **environment) == "(1, 1) True"


def test_current_device(other_device):
    assert torch.tt.current_device() == 0
    assert torch.ones(1, device="tt").device == torch.device("tt:0")
    with torch.tt.device(other_device):
        assert torch.tt.current_device() == 1
        assert torch.ones(1, device="tt").device == other_device
        assert torch.ones(1).tt().device == other_device
        with torch.tt.device(None):
            assert torch.tt.current_device() == 1
    assert torch.tt.current_device() == 0


@pytest.mark.parametrize("name", [1, "tt:1", torch.device("tt:1")], ids=repr)
def test_set_device(other_device, name):
    try:
        torch.tt.set_device(name)
        assert torch.tt.current_device() == 1
        torch.tt.set_device("tt")
        assert torch.tt.current_device() == 1
    finally:
        torch.tt.set_device(0)


def test_a_thread_has_a_current_device_of_its_own(other_device):
    seen = []
    with torch.tt.device(other_device):
        thread = threading.Thread(target=lambda: seen.append(torch.tt.current_device()))
        thread.start()
        thread.join()
    assert seen == [0]


def test_an_exception_restores_the_device(other_device):
    with pytest.raises(KeyError), torch.tt.device(other_device):
        raise KeyError
    assert torch.tt.current_device() == 0


@pytest.mark.parametrize("index", [99, -2])
def test_no_such_device(index):
    with pytest.raises(RuntimeError, match=rf"expected the index of a tt device, from 0 to \d+, got {index} with"):
        torch.tt.set_device(index)


def test_a_tensor_for_no_such_device():
    with pytest.raises(RuntimeError, match=r"expected the index of a tt device, from 0 to \d+, got 99 with"):
        torch.ones(1, device="tt:99")


@pytest.mark.parametrize("name", ["cpu", torch.device("meta")], ids=str)
def test_another_kind_of_device(name):
    with pytest.raises(ValueError, match=f"expected a tt device, got {name}"):
        torch.tt.synchronize(name)


def test_results_are_where_the_tensors_are(other_device):
    tensor = torch.ones(2, 2, device=other_device)
    for result in (tensor + 1, tensor @ tensor, tensor.clone(), tensor.sum(), torch.zeros_like(tensor), tensor.long()):
        assert result.device == other_device


def test_tensors_on_two_devices(other_device):
    here, there = torch.ones(2, 2, device="tt:0"), torch.ones(2, 2, device=other_device)
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        here + there
    with pytest.raises(RuntimeError, match="aten::mm: Expected all tensors to be on the same device, but got mat2"):
        here @ there


def test_methods_of_tensors_and_modules():
    tensor = torch.ones(2).tt()
    assert tensor.is_tt
    assert not torch.ones(2).is_tt
    assert tensor.untyped_storage().is_tt
    assert torch.nn.Linear(2, 2).tt().weight.is_tt
    assert torch.nn.Linear(2, 2).to("tt").cpu().weight.device.type == "cpu"


def test_first_use_opens_a_device_and_nothing_else_does():
    code = (
        "import torch, torch_moe_ttnn\n"
        "def opened(): return [torch._C._accelerator_isAllocatorInitialized(), torch.tt.is_initialized()]\n"
        "torch.manual_seed(0); torch.tt.device_count(); torch.tt.set_device(0); torch.tt.memory_allocated()\n"
        "torch.tt.synchronize(); torch.accelerator.synchronize(); torch.tt.empty_cache(); torch.tt.get_rng_state()\n"
        "torch.ones(2, requires_grad=True).sum().backward(); torch.accelerator.current_accelerator()\n"
        "torch.tt.num_launches()\n"
        "print(opened())\n"
        "torch.ones(2, device='tt')\n"
        "print(opened())"
    )
    assert processes.output(code).splitlines() == ["[False, False]", "[True, True]"]


def test_init_opens_the_current_device():
    assert processes.output("import torch, torch_moe_ttnn; torch.tt.init(); print(torch.tt.is_initialized())") == "True"


def test_no_launches_yet():
    before = torch.tt.num_launches()
    torch.ones(2, device="tt").cpu()
    assert torch.tt.num_launches() == before


@pytest.mark.parametrize("value", ["emulated", None])
def test_the_runtime_is_chosen(value):
    code = "import torch, torch_moe_ttnn; torch.ones(2).to('tt'); print(torch.tt.get_device_properties().runtime)"
    assert processes.output(code, TORCH_TT_RUNTIME=value, TT_METAL_SIMULATOR=None) == "emulated"


def test_metal_without_a_chip():
    """What is wrong depends on the build; both messages say what to do."""
    if Path("/dev/tenstorrent").exists():
        pytest.skip("there is a Tenstorrent device")
    code = (
        "import torch, torch_moe_ttnn; print(torch.tt.device_count())\n"
        "try: torch.ones(2).to('tt')\n"
        "except RuntimeError as error: print(error)"
    )
    count, message = processes.output(code, TORCH_TT_RUNTIME="metal", TT_METAL_SIMULATOR=None).splitlines()[:2]
    assert count == "0"
    built = Path(torch_moe_ttnn._C.tt.metal_library()).exists()
    assert ("finds no Tenstorrent device" if built else "was built without TT-Metalium") in message
    assert "set TORCH_TT_RUNTIME=emulated" in message


WRONG = {
    (
        "TORCH_TT_RUNTIME",
        "cuda",
    ): "TORCH_TT_RUNTIME: expected 'metal' or 'emulated', got 'cuda'; correct it",
    ("TORCH_TT_EMULATED_DEVICES", "many"): "TORCH_TT_EMULATED_DEVICES",
    ("TORCH_TT_EMULATED_ARCH", "z80"): "TORCH_TT_EMULATED_ARCH",
    ("TORCH_TT_GRID", "8"): "TORCH_TT_GRID: expected columns and rows of worker cores from 1x1 to 8x9",
    ("TORCH_TT_GRID", "0x1"): "TORCH_TT_GRID",
    ("TORCH_TT_GRID", "8x10"): "TORCH_TT_GRID",
    ("TORCH_TT_GRID", "8x9x"): "TORCH_TT_GRID",
}


@pytest.mark.parametrize(("variable", "message"), WRONG.items(), ids=[str(variable) for variable in WRONG])
def test_wrong_environment_variables(variable, message):
    """Counting devices never raises; using one says what is wrong."""
    code = (
        "import torch, torch_moe_ttnn\n"
        "print(torch.tt.device_count(), torch.tt.is_available(), torch.accelerator.is_available())\n"
        "print((torch.ones(2) + 1).tolist())\n"
        "try: torch.ones(2).to('tt')\n"
        "except RuntimeError as error: print(error)"
    )
    name, value = variable
    lines = processes.output(code, **{"TORCH_TT_RUNTIME": "emulated", name: value}).splitlines()
    assert lines[:2] == ["0 False False", "[2.0, 2.0]"]
    assert message in lines[2]
    assert value in lines[2]


def takes_a_device(function) -> bool:
    # Compiled classes, which have no signature, are of another module.
    return (
        callable(function)
        and getattr(function, "__module__", "").startswith("torch_moe_ttnn.tt.")
        and ("device" in inspect.signature(function).parameters)
    )


OF_A_DEVICE = {name: function for name, function in vars(torch.tt).items() if takes_a_device(function)}


@pytest.mark.parametrize("function", OF_A_DEVICE.values(), ids=OF_A_DEVICE.keys())
def test_odd_devices_are_refused(function):
    """Whether a device is open or not; -1, PyTorch's word for the current one, is no device here."""
    others = {"new_state": torch.zeros(1)} if function is torch.tt.set_rng_state else {}
    for index in (-1, -2, 64, 1 << 40, torch.device("tt:64")):
        with pytest.raises(RuntimeError, match="expected the index of a tt device, from 0 to"):
            function(device=index, **others)
    for other in (True, 1.5, "cpu", torch.device("cpu"), [0], b"tt"):
        with pytest.raises(ValueError, match="expected a tt device"):
            function(device=other, **others)
