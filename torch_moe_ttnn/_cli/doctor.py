"""``python -m torch_moe_ttnn doctor``: what is installed, which devices there are, and why others are not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch_moe_ttnn
from torch_moe_ttnn import _C
from torch_moe_ttnn._build_info import TORCH_VERSION
from torch_moe_ttnn._cli import devices
from torch_moe_ttnn._cli.document import VERSION, software, version_of

PROGRAM = "python -m torch_moe_ttnn"

RUNTIMES = ("metal", "emulated")

VARIABLES = (
    "TORCH_TT_EMULATED_ARCH",
    "TORCH_TT_EMULATED_CHECKS",
    "TORCH_TT_EMULATED_DEVICES",
    "TORCH_TT_EMULATED_DRAM_SIZE",
    "TORCH_TT_EMULATED_KERNELS",
    "TORCH_TT_EMULATED_TIMEOUT",
    "TORCH_TT_FALLBACK",
    "TORCH_TT_GRID",
    "TORCH_TT_RUNTIME",
)
"""This package's own, with which it is used."""

_BESIDE = ("numpy", "transformers", "ttnn", "safetensors")

_SECONDS = 600.0
"""That a runtime has to open and to run a batch; a simulator compiles kernels and takes its time."""


def _versions() -> dict[str, str]:
    beside = {package: version_of(package) for package in _BESIDE}
    return software() | {"built with torch": TORCH_VERSION} | beside


def _variables() -> dict[str, str]:
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(("TORCH_TT_", "TT_METAL"))}


def _reason(process: subprocess.CompletedProcess[str]) -> str:
    """Return why a process that was to run a batch did not."""
    if process.returncode < 0:
        return f"the process ended by {signal.Signals(-process.returncode).name}"
    lines = process.stderr.strip().splitlines()
    return lines[-1].removeprefix(f"{PROGRAM}: ") if lines else f"the process ended with status {process.returncode}"


def _tried(**variables: str) -> dict[str, Any]:
    """Run a small batch on tt, in a process of its own: a chip is open in one at a time, and may take it along."""
    tried: dict[str, Any] = {"works": False, "reason": "", "device": None, "by_way_of_the_host": []}
    command = [sys.executable, "-m", "torch_moe_ttnn", "--device", "tt", "--tokens", "16", "--json"]
    try:
        process = subprocess.run(
            command,
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return tried | {"reason": f"nothing came of it within {_SECONDS:g} seconds"}
    try:
        document = json.loads(process.stdout)
    except json.JSONDecodeError:
        return tried | {"reason": _reason(process)}
    wrong = [f"{run['operator']}: {run['difference']}" for run in document["runs"] if run["difference"]]
    return {
        "works": document["equal"],
        "reason": "; ".join(wrong),
        "device": document["devices"][0],
        "by_way_of_the_host": [run["operator"] for run in document["runs"] if run["runs_on"] == "cpu"],
    }


def examine() -> dict[str, Any]:
    """Return what there is, as a document; ``docs/command-line.md`` has its names. Opens no device in this process."""
    used = _tried()
    runtime = used["device"] and used["device"]["runtime"]
    library = Path(_C.tt.metal_library())
    variables = _variables()
    return {
        "format": "torch_moe_ttnn-doctor",
        "version": VERSION,
        "versions": _versions(),
        "files": {
            "bindings": _C.__file__,
            "library": torch_moe_ttnn.library_path(),
            "metal runtime": str(library) if library.exists() else None,
        },
        "metalium": devices.metalium(),
        "cards": sorted(str(node) for node in Path("/dev/tenstorrent").glob("[0-9]*")),
        "variables": variables,
        "unknown_variables": [name for name in variables if name.startswith("TORCH_TT_") and name not in VARIABLES],
        "tt": used,
        "runtimes": {name: used if name == runtime else _tried(TORCH_TT_RUNTIME=name) for name in RUNTIMES},
    }


def _lines(tried: dict[str, Any]) -> list[str]:
    """Return what came of trying a device."""
    lines = [tried["reason"]] if tried["reason"] else []
    if tried["device"] is not None:
        lines = [devices.in_words(tried["device"]), *lines]
        lines.append(f"by way of the host: {', '.join(tried['by_way_of_the_host']) or 'nothing'}")
    return lines


def in_words(document: dict[str, Any]) -> str:
    """Return what ``examine`` found, for people."""
    lines = ["versions"]
    lines += [f"  {name}: {version}" for name, version in document["versions"].items()]
    lines += ["files"]
    lines += [f"  {name}: {file or 'not built'}" for name, file in document["files"].items()]
    lines += [devices.metalium_in_words(document["metalium"])]
    lines += [f"cards: {', '.join(document['cards']) or 'none in /dev/tenstorrent'}"]
    lines += ["variables" if document["variables"] else "variables: none of TORCH_TT_ and TT_METAL"]
    for name, value in document["variables"].items():
        unknown = " (unknown, and does nothing)" if name in document["unknown_variables"] else ""
        lines.append(f"  {name}={value}{unknown}")
    for name, tried in document["runtimes"].items():
        lines += [
            f"runtime {name} {'works' if tried['works'] else 'does not work'}",
            *(f"  {line}" for line in _lines(tried)),
        ]
    used = document["tt"]
    lines.append(f"tt {'works' if used['works'] else 'does not work'}: {_lines(used)[0]}")
    return "\n".join(lines)
