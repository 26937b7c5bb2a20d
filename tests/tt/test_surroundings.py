"""What is around a process that uses TT-Metalium: paths, HOME, the working directory, ports, /dev/shm."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import metalium, processes

pytestmark = metalium.needs_simulator

# A launch, so that a kernel is compiled.
USE = """
import torch, torch_moe_ttnn
ids, weights = torch.tensor([[2, 0], [1, 2]]).to("tt"), torch.tensor([[0.75, 0.25], [0.5, 0.5]]).to("tt")
result = torch_moe_ttnn.prepare_mapping(ids, weights, 3).cpu().tolist()
"""
RESULT = "[[0.25, 0.0, 0.75], [0.0, 0.5, 0.5]]"
# In a shell the first two would create files where the process runs.
NAMES = ["$(touch made)", "a;touch made;b", "with space", "a'b\"c&d|e\\f*", "größe"]


def use_in(folder: Path, **environment: str | None) -> str:
    return processes.output(f"import os; os.chdir({str(folder)!r})\n{USE}\nprint(result)", **environment)


def temporary(folder: Path) -> dict[str, str]:
    """Return where the process may make links and logs, which no other one has."""
    folder.mkdir()
    return {"TMPDIR": str(folder), "TT_METAL_LOGS_PATH": None}


@pytest.mark.parametrize("name", NAMES)
def test_a_cache_of_any_name(tmp_path, name):
    work, cache = tmp_path / "work", tmp_path / name
    work.mkdir()
    assert use_in(work, TT_METAL_CACHE=str(cache), **temporary(tmp_path / "tmp")) == RESULT
    assert list(cache.glob("*/kernels/prepare_mapping/*/*/*.elf"))
    assert list(work.iterdir()) == []


def test_a_home_of_any_name(tmp_path):
    home = tmp_path / "my home"
    home.mkdir()
    assert use_in(tmp_path, HOME=str(home), TT_METAL_CACHE=None, **temporary(tmp_path / "tmp")) == RESULT
    assert list(home.glob(".cache/*/kernels/prepare_mapping"))


@pytest.mark.dispatch
def test_no_home(tmp_path):
    """Open MPI, which TT-Metalium starts, would end the process."""
    assert use_in(tmp_path, HOME=None) == RESULT


def test_a_runtime_root_of_any_name(tmp_path):
    root = tmp_path / "my root"
    root.symlink_to(metalium.runtime_root())
    assert use_in(tmp_path, TT_METAL_RUNTIME_ROOT=str(root), TT_METAL_CACHE=str(tmp_path / "cache")) == RESULT


def test_a_package_in_a_folder_of_any_name(tmp_path):
    """As a virtual environment may be: the kernels are in it."""
    package = Path(processes.output("import torch_moe_ttnn; print(torch_moe_ttnn.__file__)")).parent
    site = tmp_path / "my environment"
    site.mkdir()
    # The library, by whose place the kernels are found, is no link.
    processes.output(
        f"import shutil; shutil.copytree({str(package)!r}, {str(site / package.name)!r})\n"
        f"shutil.copytree({str(package.parent / 'csrc')!r}, {str(site / 'csrc')!r})"
    )
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{USE}\nprint(torch_moe_ttnn.__file__, result)"
    cache = str(tmp_path / "cache")
    assert processes.output(code, TT_METAL_CACHE=cache) == f"{site / package.name / '__init__.py'} {RESULT}"


def test_a_working_directory_that_cannot_be_written_to(tmp_path):
    assert use_in(Path("/proc"), **temporary(tmp_path / "tmp")) == RESULT


@pytest.mark.dispatch
def test_the_working_directory_is_left_alone(tmp_path):
    """TT-Metalium would follow a link that lies there."""
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    work.mkdir()
    elsewhere.mkdir()
    (work / "generated").symlink_to(elsewhere)
    assert use_in(work, **temporary(tmp_path / "tmp")) == RESULT
    assert [entry.name for entry in work.iterdir()] == ["generated"]
    assert list(elsewhere.iterdir()) == []
    assert list((tmp_path / "tmp").glob("torch_moe_ttnn-*/logs/generated"))


def test_logs_go_where_the_user_says(tmp_path):
    assert use_in(tmp_path, TT_METAL_LOGS_PATH=str(tmp_path / "logs")) == RESULT
    assert list(tmp_path.glob("logs/generated"))


@pytest.mark.parametrize("planted", ["link", "file", "open"])
def test_a_planted_folder_is_not_used(tmp_path, planted):
    folder = tmp_path / "tmp" / f"torch_moe_ttnn-{os.geteuid()}"
    environment = temporary(tmp_path / "tmp")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if planted == "link":
        folder.symlink_to(elsewhere)
    elif planted == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777)
    message = processes.error(USE, **environment)
    assert message.startswith(f"RuntimeError: expected {folder} to be a folder that this user alone can write to")
    assert list(elsewhere.iterdir()) == []


# Uses the device, after which there is room where there was none.
FULL = f"""
{USE.splitlines()[1]}
def use():
    {USE.splitlines()[2]}
    return {USE.splitlines()[3].removeprefix("result = ")}
torch.tt.init()
fill()
try:
    print(use())
except RuntimeError as error:
    print(error)
make_room()
print(use())
"""


def full_in(cache: Path, code: str) -> str:
    """Run code beside a cache of compiled kernels that cannot be written to; return the error of a launch.

    The process goes on, and so does the next one: nothing that was half written is taken for a kernel.
    """
    process = processes.run(f"{code}\n{FULL}", TT_METAL_CACHE=str(cache), TT_METAL_LOGGER_LEVEL="off")
    assert process.returncode == 0, process.stderr
    error, result = process.stdout.splitlines()
    assert result == RESULT
    assert use_in(cache.parent, TT_METAL_CACHE=str(cache)) == RESULT
    start = f"program 'prepare_mapping', kernel 'prepare_mapping': cannot write to {cache}, where TT-Metalium keeps "
    assert error.startswith(start)
    assert error.endswith(". Make room there, or set TT_METAL_CACHE to another folder")
    return error


def test_a_limit_of_the_size_of_files(tmp_path):
    error = full_in(
        tmp_path / "cache",
        "import resource\n"
        "fill = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))\n"
        "make_room = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (resource.RLIM_INFINITY,))",
    )
    assert "compiled kernels: File too large. " in error


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Return a folder with a file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


# At various steps of a compilation.
@pytest.mark.parametrize("kilobytes", [0, 100])
def test_a_full_disk(small_disk, kilobytes):
    error = full_in(
        small_disk / "cache",
        f"""
import os
def fill():
    with open({str(small_disk / "ballast")!r}, "wb") as file:
        status = os.statvfs({str(small_disk)!r})
        file.write(bytes(status.f_bavail * status.f_frsize - 1024 * {kilobytes}))
make_room = lambda: os.remove({str(small_disk / "ballast")!r})
""",
    )
    assert "compiled kernels: No space left on device. " in error


def test_a_full_disk_for_logs(small_disk):
    """They are not written, and nothing else changes."""
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))
    assert use_in(small_disk.parent, TT_METAL_LOGS_PATH=str(small_disk / "logs"), TT_METAL_LOGGER_LEVEL="off") == RESULT


@pytest.mark.parametrize("slow", [None, "1"], ids=["fast", "slow"])
def test_either_dispatch_opens(slow):
    """Fast dispatch is what TT-Metalium takes where nothing is said."""
    assert processes.output(f"{USE}\nprint(result)", TT_METAL_SLOW_DISPATCH_MODE=slow) == RESULT


LISTENING = """
import os
from pathlib import Path

def listening():
    sockets = {os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]
"""


@pytest.mark.dispatch
def test_what_listens():
    """TT-Metalium's inspector on the loopback interface; nothing that other machines reach."""
    addresses = processes.output(f"{LISTENING}\n{USE}\nprint(*listening())").split()
    assert [address for address in addresses if not address.startswith("0100007F:")] == []


@pytest.mark.dispatch
def test_what_is_left_in_shared_memory():
    """The driver's locks and the simulator's memory have names that the next process takes; Open MPI's have not."""
    # What the process itself has mapped: others may come and go meanwhile.
    mapped = processes.output(f"{USE}\nfor line in open('/proc/self/maps'): print(line.split()[-1])").splitlines()
    assert [name for name in mapped if name.startswith("/dev/shm/sm_segment")] == []
