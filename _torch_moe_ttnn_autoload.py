"""What ``import torch`` calls through the entry point ``torch.backends``.

A program that never names the device must not notice that the package is installed: PyTorch takes a device from outside
for the machine's accelerator. So ``import torch`` registers it only where there is one, or where it was asked for;
``import torch_moe_ttnn`` always does.

This stands outside the package, for importing that may fail, and an exception here would break ``import torch`` for
everyone. An editable install has a copy of it in the environment: the clone may be gone.
"""

import importlib.util
import json
import os
import sys
import warnings
from importlib import metadata
from pathlib import Path


def autoload() -> None:
    """Import torch_moe_ttnn where the device is wanted; whatever is in the way becomes a warning that names it."""
    try:
        # Where it is the package that imports torch, it registers the device itself.
        if "torch_moe_ttnn" in sys.modules:
            return
        found = importlib.util.find_spec("torch_moe_ttnn")
        if found is None or found.origin is None:
            _warn(
                f"torch_moe_ttnn is installed, but {_source()} is gone: run `pip install -e .` where it is now, or "
                "`pip uninstall torch_moe_ttnn`."
            )
            return
        if not _is_wanted(Path(found.origin).parent):
            return
        others = _other_devices()
        if others:
            _warn(
                f'"tt" is left to `import torch_moe_ttnn`: `import torch` also loads {", ".join(others)}, and PyTorch '
                "has room for one device from outside."
            )
            return
        import torch_moe_ttnn  # noqa: F401
    except Exception as error:
        _warn(
            f'The device "tt" is not available: torch_moe_ttnn failed to load. {type(error).__name__}: {error}\n'
            "(TORCH_DEVICE_BACKEND_AUTOLOAD=0 keeps torch from loading it.)"
        )


def _source() -> str:
    """Return what an editable install refers to, as pip noted it."""
    noted = metadata.distribution("torch_moe_ttnn").read_text("direct_url.json")
    return str(json.loads(noted)["url"]).removeprefix("file://") if noted else "the clone that it was installed from"


def _is_wanted(package: Path) -> bool:
    """Return whether a runtime is named, or there is a device for the one that was built."""
    if os.environ.get("TORCH_TT_RUNTIME"):
        return True
    if not any(package.glob("_built/*/libmoe_tt_metal.so")):
        return False
    return bool(os.environ.get("TT_METAL_SIMULATOR")) or any(Path("/dev/tenstorrent").glob("[0-9]*"))


def _other_devices() -> list[str]:
    """Return the names of what else ``import torch`` loads through the entry point."""
    found = metadata.entry_points(group="torch.backends")
    return sorted({entry.name for entry in found if not entry.value.startswith(f"{__name__}:")})


def _warn(message: str) -> None:
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        # Warnings are errors here.
        print(message, file=sys.stderr)
