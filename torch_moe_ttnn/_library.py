"""Loads the compiled extension, which registers the operators, and explains itself where it cannot."""

import importlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import torch

_DISTRIBUTION = "torch_moe_ttnn"


def load() -> ModuleType:
    """Import ``torch_moe_ttnn._C``.

    Raises:
        ImportError: the extension is missing or does not load; the message names likely causes.
    """
    try:
        return importlib.import_module("torch_moe_ttnn._C")
    except ImportError as error:
        raise ImportError(_explain(error), name="torch_moe_ttnn._C") from error


def _explain(error: ImportError) -> str:
    package = Path(__file__).resolve().parent
    built = sorted(file.name for file in package.glob("_C.*"))
    lines = [f"torch_moe_ttnn could not load its compiled extension: {error}", "", "Likely causes:"]
    if not built and (package.parent / "setup.py").exists():
        lines.append(
            f"- {package} is a source tree in which nothing was built. "
            "Run `pip install -e .` in it, or start Python in another folder to use an installed package."
        )
    elif not built:
        lines.append(f"- {package} holds no compiled extension. Reinstall torch_moe_ttnn.")
    lines += [
        f"- The torch that it was built against is not the one that runs. Built against: {_built_against()}; "
        f"running: torch {torch.__version__}. Install that torch, or reinstall torch_moe_ttnn beside this one.",
        f"- The platform is another. Built for: {', '.join(built) or 'nothing'}; "
        f"running: {sys.implementation.cache_tag} on {platform.system()} {platform.machine()}, "
        f"{' '.join(platform.libc_ver()) or 'unknown libc'}.",
    ]
    return "\n".join(lines)


def _built_against() -> str:
    """Return the torch that the distribution pins, at build and at run time alike."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return "unknown (torch_moe_ttnn is not installed)"
    return next((r.replace("==", " ") for r in requirements if r.startswith("torch==")), "unknown")
