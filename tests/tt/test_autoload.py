"""`import torch` loads the device, cheaply, and whatever goes wrong."""

import textwrap
from pathlib import Path

import pytest
import torch

import torch_moe_ttnn
from support import processes

pytestmark = pytest.mark.any_runtime

USE = "print(torch.ones(2).to('tt').device)"
IS_LOADED = "import sys, torch; print(hasattr(torch, 'tt'), 'torch_moe_ttnn' in sys.modules)"

# Nothing that asks for a device.
NO_DEVICE = {"TORCH_TT_RUNTIME": None, "TT_METAL_SIMULATOR": None}


def runtime() -> dict[str, str]:
    """Name the runtime that this process has, as a user does who wants it."""
    return {"TORCH_TT_RUNTIME": torch.tt.get_device_properties().runtime}


@pytest.mark.parametrize("imports", ["import torch", "import torch; import torch.tt"])
def test_a_runtime_is_named(imports):
    assert processes.output(f"{imports}; {USE}", **runtime()) == "tt:0"


@pytest.mark.parametrize("autoload", ["0", "1"])
@pytest.mark.parametrize(
    "imports", ["import torch, torch_moe_ttnn", "import torch_moe_ttnn, torch", "import torch_moe_ttnn.tt, torch"]
)
def test_the_package_always_has_the_device(imports, autoload):
    assert processes.output(f"{imports}; {USE}", TORCH_DEVICE_BACKEND_AUTOLOAD=autoload) == "tt:0"


def test_autoload_can_be_turned_off():
    assert processes.output(IS_LOADED, **runtime(), TORCH_DEVICE_BACKEND_AUTOLOAD="0") == "False False"


@processes.no_card
def test_nothing_is_loaded_where_there_is_no_device():
    assert processes.output(IS_LOADED, **NO_DEVICE) == "False False"


@processes.no_card
def test_a_simulator_is_a_device_where_its_runtime_was_built():
    built = Path(torch_moe_ttnn._C.tt.metal_library()).exists()
    code = "import sys, torch; print('torch_moe_ttnn' in sys.modules)"
    assert processes.output(code, **NO_DEVICE | {"TT_METAL_SIMULATOR": "/no/libttsim.so"}) == str(built)


def test_the_operators_come_with_it():
    code = "import torch; print(torch.ops.moe.prepare_mapping.default)"
    assert processes.output(code, **runtime()) == "moe.prepare_mapping.default"


def test_nothing_is_opened():
    code = "import torch, threading; print(torch.tt.is_initialized(), threading.active_count())"
    assert processes.output(code, **runtime()) == "False 1"


@pytest.mark.parametrize("filters", [None, "error"])
def test_a_broken_package_does_not_break_torch(tmp_path, filters):
    (tmp_path / "torch_moe_ttnn.py").write_text("raise ImportError('libsomething.so: cannot open')")
    code = "import torch; print((torch.ones(2) + 1).tolist(), hasattr(torch, 'tt'))"
    process = processes.run(code, PYTHONPATH=str(tmp_path), PYTHONWARNINGS=filters, **runtime())
    assert (process.returncode, process.stdout.strip()) == (0, "[2.0, 2.0] False"), process.stderr
    assert 'The device "tt" is not available' in process.stderr
    assert "ImportError: libsomething.so: cannot open" in process.stderr
    assert ("RuntimeWarning" in process.stderr) == (filters is None)


def test_the_cause_shows_again_on_import(tmp_path):
    (tmp_path / "torch_moe_ttnn.py").write_text("raise ImportError('libsomething.so: cannot open')")
    code = "import warnings; warnings.simplefilter('ignore'); import torch; import torch_moe_ttnn"
    assert processes.error(code, PYTHONPATH=str(tmp_path), **runtime()) == "ImportError: libsomething.so: cannot open"


@processes.no_card
def test_another_backend_has_the_place():
    """It takes it after `import torch`, which left it free. The operators still work on the CPU."""
    code = textwrap.dedent(
        """
        import warnings, torch
        torch.utils.rename_privateuse1_backend("npu")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import torch_moe_ttnn
        print(*[warning.message for warning in caught])
        print(torch.ops.moe.prepare_mapping(torch.tensor([[1]]), torch.ones(1, 1), 2).tolist())
        """
    )
    message, result = processes.output(code, **NO_DEVICE).splitlines()
    assert message == (
        'PyTorch has room for one device from outside, and "npu" has taken it: "tt" cannot be used in the same process'
    )
    assert result == "[[0.0, 1.0]]"


@pytest.fixture
def npu(tmp_path) -> str:
    """Install another device, which `import torch` loads."""
    (tmp_path / "npu-1.0.dist-info").mkdir()
    (tmp_path / "npu-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: npu\nVersion: 1.0\n")
    (tmp_path / "npu-1.0.dist-info" / "entry_points.txt").write_text("[torch.backends]\nnpu = npu:autoload\n")
    (tmp_path / "npu.py").write_text(
        "import torch\ndef autoload():\n    torch.utils.rename_privateuse1_backend('npu')\n"
    )
    return str(tmp_path)


def test_another_backend_is_loaded_with_torch(npu):
    """It gets the place, whichever of the two comes first."""
    process = processes.run(f"{IS_LOADED}; print(torch.device('npu'))", PYTHONPATH=npu, **runtime())
    assert (process.returncode, process.stdout.split()) == (0, ["False", "False", "npu"]), process.stderr
    assert (
        '"tt" is left to `import torch_moe_ttnn`: `import torch` also loads npu, and PyTorch has room for one device '
        "from outside." in process.stderr
    )


def test_the_package_is_imported_where_another_backend_is(npu):
    code = "import torch_moe_ttnn, torch; print(torch.device('npu'), torch.ops.moe.prepare_mapping.default)"
    process = processes.run(code, PYTHONPATH=npu, **runtime())
    assert (process.returncode, process.stdout) == (0, "npu moe.prepare_mapping.default\n"), process.stderr
    assert '"npu" has taken it' in process.stderr
    assert "is left to" not in process.stderr


def test_spawned_processes_have_the_device(tmp_path):
    code = """
    import torch, torch_moe_ttnn, torch.multiprocessing as mp

    def work(rank):
        assert (torch.ones(2, device="tt") + rank).tolist() == [1 + rank] * 2

    if __name__ == "__main__":
        torch.ones(1, device="tt")
        mp.spawn(work, nprocs=2)
        print("done")
    """
    assert processes.output_of_script(tmp_path, code) == "done"
