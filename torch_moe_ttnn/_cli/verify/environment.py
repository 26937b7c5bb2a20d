"""What the checks ran on: versions, machine, cards. Opens no device; nothing of a card's serial number."""

import os
import platform
import re
from pathlib import Path

import torch

import torch_moe_ttnn
from torch_moe_ttnn import _C
from torch_moe_ttnn._cli.document import version_of
from torch_moe_ttnn._cli.verify.check import Check, Details, Setting, SkippedError, table

# Of those that tt-kmd has for each chip, what does not tell one card from another of its kind.
_OF_A_CHIP = (
    "tt_card_type",
    "tt_fw_bundle_ver",
    "tt_arc_fw_ver",
    "tt_eth_fw_ver",
    "tt_m3app_fw_ver",
    "tt_m3bl_fw_ver",
    "tt_ttflash_ver",
    "tt_aiclk",
    "tt_axiclk",
    "tt_arcclk",
    "tt_therm_trip_count",
)
_OF_ITS_PCI = ("device", "subsystem_device", "current_link_speed", "current_link_width", "numa_node")

# Where the kernel shows the cards and their driver.
_NODES = Path("/dev/tenstorrent")
_CLASS = Path("/sys/class/tenstorrent")
_DRIVER = Path("/sys/module/tenstorrent/version")

_VARIABLES = re.compile(r"(TT|TORCH|OMP|OMPI|MKL)_\w+")


def _read(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None


def _found(pattern: str, file: str) -> str | None:
    found = re.search(pattern, _read(Path(file)) or "", re.MULTILINE)
    return found[1] if found else None


def _software(setting: Setting) -> Details:
    return {
        "torch_moe_ttnn": torch_moe_ttnn.__version__,
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "ttnn": version_of("ttnn"),
        "NumPy": version_of("numpy"),
        "metal runtime": "built" if Path(_C.tt.metal_library()).exists() else "not built",
        "system": _found(r'^PRETTY_NAME="?([^"\n]*)', "/etc/os-release") or platform.system(),
        "kernel": platform.release(),
        "C library": " ".join(platform.libc_ver()),
    }


def _machine(setting: Setting) -> Details:
    pages = [
        f"{place.name}: {_read(place / 'free_hugepages')} of {_read(place / 'nr_hugepages')} free"
        for place in sorted(Path("/sys/kernel/mm/hugepages").glob("*"))
    ]
    mounts = re.findall(r"^\S+ (\S+) hugetlbfs (\S+)", _read(Path("/proc/mounts")) or "", re.MULTILINE)
    return {
        "processor": _found(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.machine(),
        "cores of this process": len(os.sched_getaffinity(0)),
        "threads of torch": torch.get_num_threads(),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB",
        "load": round(os.getloadavg()[0], 1),
        "hugepages": pages,
        "hugetlbfs": [f"{place} ({options})" for place, options in mounts],
        "IOMMU groups": len(list(Path("/sys/kernel/iommu_groups").glob("*"))),
    }


def _variables(setting: Setting) -> Details:
    return {name: value for name, value in sorted(os.environ.items()) if _VARIABLES.fullmatch(name)} | {
        "dispatch": "slow" if "TT_METAL_SLOW_DISPATCH_MODE" in os.environ else "fast"
    }


def _place(node: Path) -> Path:
    """Return where the driver tells about a chip; the name is that of its node, with the kernel's "!" for a slash."""
    return _CLASS / f"tenstorrent!{node.name}"


def _cards(setting: Setting) -> Details:
    nodes = sorted(_NODES.glob("[0-9]*"))
    driver = _read(_DRIVER)
    if not nodes and driver is None:
        raise SkippedError(f"there is no {_NODES}, and its kernel driver is not loaded")
    rows = []
    for node in nodes:
        usable = "yes" if os.access(node, os.R_OK | os.W_OK) else "no"
        attributes = [(name, _read(_place(node) / name)) for name in _OF_A_CHIP]
        attributes += [(f"PCI {name}", _read(_place(node) / "device" / name)) for name in _OF_ITS_PCI]
        known = [(name, value) for name, value in attributes if value is not None]
        rows += [(node.name, *attribute) for attribute in [("readable and writable", usable), *known]]
    return {"kernel driver": driver or "unknown", "chips": table(("chip", "attribute", "value"), rows)}


def clocks_of_cards() -> list[str]:
    """Return the clock of each card's cores at this moment, in MHz, as the driver tells it."""
    clocks = (_read(_place(node) / "tt_aiclk") for node in sorted(_NODES.glob("[0-9]*")))
    return [clock for clock in clocks if clock is not None]


CHECKS = [
    Check("software", "Versions.", _software),
    Check("machine", "Processor, memory, huge pages.", _machine),
    Check("variables", "Environment variables of TT-Metalium and PyTorch.", _variables),
    Check("cards", "Kernel driver, firmware and clocks, as the driver tells them.", _cards),
]
