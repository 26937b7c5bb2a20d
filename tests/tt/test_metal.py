"""What can go wrong with TT-Metalium: each an ordinary error that says what happened, after which the process exits."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import torch_moe_ttnn
from support import metalium, processes
from support.metalium import LIBRARY, needs_simulator

pytestmark = [pytest.mark.chip, pytest.mark.dispatch]

PACKAGE = Path(torch_moe_ttnn.__file__).parent
CHECKOUT = Path(__file__).parents[2]
SIMULATOR = os.environ.get("TT_METAL_SIMULATOR", "")

needs_library = pytest.mark.skipif(not LIBRARY.exists(), reason="built without TT-Metalium")

USE = "import torch, torch_moe_ttnn; torch.ones(2).to('tt')"


@needs_library
def test_no_such_simulator():
    message = processes.error(USE, TORCH_TT_RUNTIME="metal", TT_METAL_SIMULATOR="/no/libttsim.so")
    assert message.startswith("RuntimeError: TT_METAL_SIMULATOR: expected Tenstorrent's simulator")
    assert message.endswith("(there is no /no/libttsim.so), got '/no/libttsim.so'; correct it or unset it")


@needs_library
def test_a_simulator_without_the_description_of_its_chip(tmp_path):
    simulator = tmp_path / "libttsim.so"
    simulator.write_bytes(b"")
    message = processes.error(USE, TORCH_TT_RUNTIME="metal", TT_METAL_SIMULATOR=str(simulator))
    assert f"(there is no {tmp_path / 'soc_descriptor.yaml'}), got '{simulator}'" in message


@needs_simulator
def test_a_file_that_is_no_simulator(tmp_path):
    """What TT-Metalium throws, without its backtrace."""
    simulator = tmp_path / "libttsim.so"
    simulator.write_text("none")
    shutil.copy(Path(SIMULATOR).with_name("soc_descriptor.yaml"), tmp_path)
    message = processes.error(USE, TORCH_TT_RUNTIME="metal", TT_METAL_SIMULATOR=str(simulator))
    assert message == (
        "RuntimeError: cannot open 1 Tenstorrent device(s) through TT-Metalium: "
        f"Failed to dlopen simulator library: {simulator}: file too short"
    )


@needs_simulator
def test_no_such_runtime_root():
    message = processes.error(USE, TT_METAL_RUNTIME_ROOT="/no/root")
    assert message == (
        "RuntimeError: TT_METAL_RUNTIME_ROOT: expected the folder of TT-Metalium that holds tt_metal/hw, "
        "got '/no/root'; correct it or unset it"
    )


@pytest.fixture(scope="module")
def prefix() -> Path:
    if not LIBRARY.exists():
        pytest.skip("built without TT-Metalium")
    return metalium.prefix()


@pytest.fixture(scope="module")
def other_build(prefix, tmp_path_factory) -> Path:
    """Return a folder with the libraries of TT-Metalium, of which libtt_metal.so seems to be of another build."""
    folder = tmp_path_factory.mktemp("other") / "ttnn/build/lib"
    folder.mkdir(parents=True)
    for library in (prefix / "lib").iterdir():
        (folder / library.name).symlink_to(library.resolve())
    content = (prefix / "lib/libtt_metal.so").read_bytes()
    notes = subprocess.run(["readelf", "-n", prefix / "lib/libtt_metal.so"], capture_output=True, text=True).stdout
    build_id = bytes.fromhex(re.search(r"Build ID: (\w+)", notes)[1])
    assert content.count(build_id) == 1
    (folder / "libtt_metal.so").unlink()
    (folder / "libtt_metal.so").write_bytes(content.replace(build_id, bytes(20)))
    # The device's files are found from the libraries, where TT_METAL_RUNTIME_ROOT does not say where they are.
    for place in metalium.runtime_root().iterdir():
        if place.name != "build":
            (folder.parents[1] / place.name).symlink_to(place)
    # What the libraries need lies beside the package, as in a wheel.
    for place in (prefix / "lib").resolve().parents[2].glob("*.libs"):
        (folder.parents[2] / place.name).symlink_to(place)
    return folder


def use_beside(folder: Path) -> str:
    """Return code that uses the device in a process that has the TT-Metalium of a folder already."""
    return f"import ctypes; ctypes.CDLL('{folder}/libtt_metal.so', ctypes.RTLD_GLOBAL); {USE}"


@needs_simulator
@pytest.mark.parametrize("release", ["0.99.0", None])
def test_another_release(other_build, release):
    """A process has one libtt_metal.so: nothing of one that the runtime was not built with is called."""
    metadata = other_build.parents[2] / f"ttnn-{release}.dist-info"
    if release:
        metadata.mkdir()
    message = processes.error(use_beside(other_build))
    if release:
        metadata.rmdir()
    assert message.startswith("RuntimeError: the metal runtime of torch_moe_ttnn was built with TT-Metalium ")
    named = (
        f"{release or 'of an unknown release'} (build {'0' * 40}), from {other_build}: TT-Metalium was updated since"
    )
    assert f", but the one in this process is {named}" in message


@needs_simulator
def test_another_build_of_the_release(other_build):
    """As for another version of Python; where the prefix does not tell its release, only the same build is taken."""
    built = re.search(r"built with TT-Metalium (\S+) \(build (\w+)\)", processes.error(use_beside(other_build)))
    if built is None:
        pytest.skip("TT-Metalium was built from source and does not tell its release")
    metadata = other_build.parents[2] / f"ttnn-{built[1]}.dist-info"
    metadata.mkdir()
    assert processes.output(use_beside(other_build)) == ""
    metadata.rmdir()


# Both operators, one of which fails; the other one and the device go on.
AFTER_A_FAILURE = """
import torch, torch_moe_ttnn
from torch_moe_ttnn.testing import make_choices
choices = [tensor.to("tt") for tensor in make_choices(64, 4, 32)]
for _ in range(2):
    try:
        torch_moe_ttnn.prepare_mapping(*choices, 32)
    except RuntimeError as error:
        print("error:", repr(str(error)))
counts = torch_moe_ttnn.prepare_routing(*choices, 32).num_routed_tokens.cpu()
print(int(counts.sum(dtype=torch.int64)), (choices[1] + 1).device)
"""


def errors_in(output: str) -> list[str]:
    """Return the errors that were printed, among what TT-Metalium logs."""
    return [
        ast.literal_eval(line.removeprefix("error: ")) for line in output.splitlines() if line.startswith("error: ")
    ]


@needs_simulator
def test_a_kernel_that_does_not_compile(tmp_path):
    """The compiler's message; also, the kernels are found in the package's folder, wherever that is."""
    package = tmp_path / "torch_moe_ttnn"
    shutil.copytree(PACKAGE, package)
    shutil.copy(CHECKOUT / "_torch_moe_ttnn_autoload.py", tmp_path)
    shutil.copytree(CHECKOUT / "csrc", package / "csrc")
    kernel = package / "csrc/tt/kernels/prepare_mapping.cpp"
    kernel.write_text(kernel.read_text() + "int broken = no_such_name;\n")
    process = processes.run(AFTER_A_FAILURE, PYTHONPATH=str(tmp_path), TT_METAL_CACHE=str(tmp_path / "cache"))
    assert process.returncode == 0, process.stderr
    errors = errors_in(process.stdout)
    assert len(errors) == 2
    for error in errors:
        assert error.startswith("program 'prepare_mapping', kernel 'prepare_mapping': ")
        assert f"{kernel}:{len(kernel.read_text().splitlines())}:14: error: 'no_such_name' was not declared" in error
        assert "A kernel does not compile for the chip: check that TT_METAL_RUNTIME_ROOT" in error.splitlines()[-1]
        assert "backtrace" not in error
    assert "256 tt:0" in process.stdout.splitlines()


def test_a_chip_that_another_process_uses(prefix, tmp_path):
    """On hardware TT-Metalium would wait for that process to end."""
    program = tmp_path / "in_use"
    sources = [CHECKOUT / "tests/support/in_use.cpp", CHECKOUT / "csrc/tt/runtime/metal/chip_lock.cpp"]
    flags = ["-std=c++20", "-DFMT_HEADER_ONLY", f"-I{CHECKOUT / 'csrc'}", "-isystem", str(prefix / "include")]
    link = [f"-L{prefix / 'lib'}", f"-Wl,-rpath,{prefix / 'lib'}", "-ltt-umd", "-Wl,--allow-shlib-undefined"]
    subprocess.run(["g++", *flags, *sources, *link, "-o", program], check=True)
    lines = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    before, process, meanwhile, after, same = lines
    assert before == "before: not in use"
    assert meanwhile.startswith(
        f"meanwhile: Tenstorrent chip 9999 (/dev/tenstorrent/9999) is in use by process {process}. Wait for that"
    )
    assert after == "after its death: not in use"
    assert same == "in the same process: not in use"
