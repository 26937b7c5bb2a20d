"""`import torch` loads the device, cheaply, and whatever goes wrong."""

import textwrap

import pytest

from support import processes

USE = "print(torch.ones(2).to('tt').device)"


@pytest.mark.parametrize(
    "imports",
    [
        "import torch",
        "import torch_moe_ttnn, torch",
        "import torch_moe_ttnn.tt, torch",
        "import torch; import torch.tt",
    ],
)
def test_any_order(imports):
    assert processes.output(f"{imports}; {USE}") == "tt:0"


@pytest.mark.parametrize("imports", ["import torch, torch_moe_ttnn", "import torch_moe_ttnn, torch"])
def test_without_autoload(imports):
    assert processes.output(f"{imports}; {USE}", TORCH_DEVICE_BACKEND_AUTOLOAD="0") == "tt:0"


def test_autoload_can_be_turned_off():
    code = "import sys, torch; print(hasattr(torch, 'tt'), 'torch_moe_ttnn' in sys.modules)"
    assert processes.output(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0") == "False False"


def test_the_operators_come_with_it():
    code = "import torch; print(torch.ops.moe.prepare_mapping.default)"
    assert processes.output(code) == "moe.prepare_mapping.default"


def test_nothing_is_opened():
    code = "import torch, threading; print(torch.tt.is_initialized(), threading.active_count())"
    assert processes.output(code) == "False 1"


@pytest.mark.parametrize("filters", [None, "error"])
def test_a_broken_package_does_not_break_torch(tmp_path, filters):
    (tmp_path / "torch_moe_ttnn.py").write_text("raise ImportError('libsomething.so: cannot open')")
    code = "import torch; print((torch.ones(2) + 1).tolist(), hasattr(torch, 'tt'))"
    process = processes.run(code, PYTHONPATH=str(tmp_path), PYTHONWARNINGS=filters)
    assert (process.returncode, process.stdout.strip()) == (0, "[2.0, 2.0] False"), process.stderr
    assert 'The device "tt" is not available' in process.stderr
    assert "ImportError: libsomething.so: cannot open" in process.stderr
    assert ("RuntimeWarning" in process.stderr) == (filters is None)


def test_the_cause_shows_again_on_import(tmp_path):
    (tmp_path / "torch_moe_ttnn.py").write_text("raise ImportError('libsomething.so: cannot open')")
    code = "import warnings; warnings.simplefilter('ignore'); import torch; import torch_moe_ttnn"
    assert processes.error(code, PYTHONPATH=str(tmp_path)) == "ImportError: libsomething.so: cannot open"


def test_another_backend_has_the_place():
    """The operators still work on the CPU."""
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
    message, result = processes.output(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0").splitlines()
    assert message == (
        'PyTorch has room for one device from outside, and "npu" has taken it: "tt" cannot be used in the same process'
    )
    assert result == "[[0.0, 1.0]]"


def test_spawned_processes_have_the_device(tmp_path):
    code = """
    import torch, torch.multiprocessing as mp

    def work(rank):
        assert (torch.ones(2, device="tt") + rank).tolist() == [1 + rank] * 2

    if __name__ == "__main__":
        torch.ones(1, device="tt")
        mp.spawn(work, nprocs=2)
        print("done")
    """
    assert processes.output_of_script(tmp_path, code) == "done"
