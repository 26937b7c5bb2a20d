"""The devices of this machine that run the operators, and what stands behind them."""

import os
from pathlib import Path
from typing import Any

import torch

from torch_moe_ttnn import _C, tt
from torch_moe_ttnn._build_info import METALIUM_PREFIX, METALIUM_RELEASE

Description = dict[str, Any]
"""What is known of a device, for ``--json`` and for people; ``docs/command-line.md`` has its names."""


def available() -> list[str]:
    """Return their names, as ``torch.device`` takes them. Opens none.

    Raises:
        RuntimeError: no tt device can be reached. Without a chip there is the emulated one, so that this is a mistake
            in the environment, which the message names.
    """
    _C.tt.check_usable()
    return ["cpu", "tt"]


def kind(device: str = "tt") -> str:
    """Return what a tt device is: ``"card"``, ``"simulated"`` or ``"emulated"``. Opens it."""
    if tt.get_device_properties(device).runtime == "emulated":
        return "emulated"
    return "simulated" if os.environ.get("TT_METAL_SIMULATOR") else "card"


def description(device: str) -> Description:
    """Return what a device is. Opens it.

    Raises:
        RuntimeError: it cannot be opened.
    """
    if device == "cpu":
        return {"name": device, "kind": "cpu", "threads": torch.get_num_threads()}
    properties = tt.get_device_properties(device)
    return {
        "name": device,
        "kind": kind(device),
        "runtime": properties.runtime,
        "chip": properties.name.partition(" ")[2],
        "grid": list(properties.grid),
        "devices": tt.device_count(),
    }


def in_words(device: Description) -> str:
    """Return what is behind the name of a tt device."""
    behind = {
        "emulated": "emulated in this process",
        "simulated": f"simulated by {os.environ.get('TT_METAL_SIMULATOR')}",
        "card": "a card",
    }
    columns, rows = device["grid"]
    several = f", one of {device['devices']}" if device["devices"] > 1 else ""
    return f"{device['chip']}, {behind[device['kind']]}, {columns}x{rows} cores{several}"


def metalium() -> Description:
    """Return whether the metal runtime was built, with which TT-Metalium, and why it answers or does not."""
    built = Path(_C.tt.metal_library()).exists()
    return {
        "built": built,
        "release": (METALIUM_RELEASE or None) if built else None,
        "prefix": METALIUM_PREFIX if built else None,
        "note": _note(built),
    }


def _note(built: bool) -> str:
    """Return what decides that tt is emulated, or which runtime it is; nothing where it is the chip that there is."""
    wanted = os.environ.get("TORCH_TT_RUNTIME")
    if wanted:
        return f"TORCH_TT_RUNTIME={wanted}"
    has_chip = bool(os.environ.get("TT_METAL_SIMULATOR")) or any(Path("/dev/tenstorrent").glob("[0-9]*"))
    if not built:
        return "not built in, so that no chip can be reached and tt is emulated" if has_chip else "tt is emulated"
    if not has_chip:
        return "no card in /dev/tenstorrent and no TT_METAL_SIMULATOR, so that tt is emulated"
    return ""


def metalium_in_words(metal: Description) -> str:
    """Return what is known of TT-Metalium in words."""
    if not metal["built"]:
        return f"TT-Metalium: not built in; {metal['note']}"
    built = f"TT-Metalium: {metal['release'] or 'an unknown release'}, from {metal['prefix']}"
    return f"{built}; {metal['note']}" if metal["note"] else built
