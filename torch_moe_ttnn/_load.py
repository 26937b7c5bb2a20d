"""Loads the two compiled files, which register the operators, and explains itself where they do not load."""

import importlib
import platform
import sys
from pathlib import Path
from types import ModuleType

import torch

from torch_moe_ttnn import _build_folder

_PACKAGE = Path(__file__).resolve().parent
_FOLDER = _PACKAGE / _build_folder.PARENT / _build_folder.folder_name(torch.__version__)
_LIBRARY = "libtorch_moe_ttnn.so"


def library_path() -> str:
    """Return the path of ``libtorch_moe_ttnn.so``, which holds the operators.

    For C++: the operators are registered as soon as a program loads the library, by linking it or by ``dlopen``. It
    needs PyTorch's C++ libraries and no Python. ``examples/aot_inductor.py`` shows such a program.
    """
    return str(_FOLDER / _LIBRARY)


def load() -> ModuleType:
    """Import ``torch_moe_ttnn._C``, the bindings, and with it the library that they link.

    Raises:
        ImportError: one of the two is missing, or does not load; the message names likely causes. Files that were built
            for another Python or torch are not loaded.
    """
    # First: a clone may still have files in the package's own folder, where they once were.
    sys.modules["torch_moe_ttnn"].__path__.insert(0, str(_FOLDER))
    try:
        if not _FOLDER.is_dir():
            raise ImportError(f"there is no {_FOLDER}")
        return importlib.import_module("torch_moe_ttnn._C")
    except ImportError as error:
        raise ImportError(_explain(error), name="torch_moe_ttnn._C") from error


def _explain(error: ImportError) -> str:
    bindings = sorted(file.name for file in _FOLDER.glob("_C.*"))
    library = [_LIBRARY] if (_FOLDER / _LIBRARY).exists() else []
    built = [*bindings, *library]
    others = sorted(folder.name for folder in _FOLDER.parent.glob("torch_*") if folder != _FOLDER)
    is_clone = (_PACKAGE.parent / "setup.py").exists()
    again = f"run `pip install -e .` in {_PACKAGE.parent}" if is_clone else "reinstall torch_moe_ttnn"
    if others and not built:
        cause = (
            f"it was built for another torch or Python than those that run: {again} with these, or start those that "
            "it was built for"
        )
    elif not built and is_clone:
        cause = (
            f"{_PACKAGE} is a source tree in which nothing was built: {again}, or start Python in another folder to "
            "use an installed package"
        )
    elif not built:
        cause = f"{_PACKAGE} holds no compiled extension: {again}"
    elif not library:
        cause = f"{_FOLDER} holds no {_LIBRARY}, which {bindings[0]} links: {again}"
    elif not bindings:
        cause = f"{_FOLDER} holds {_LIBRARY} but not _C, its bindings for Python: {again}"
    else:
        cause = (
            f"a file is damaged, or built on a system with a newer C or C++ library: {again}, from source if need be"
        )
    return "\n".join(
        [
            f"torch_moe_ttnn could not load its compiled extension: {error}",
            f"Likely cause: {cause}.",
            f"Built: {', '.join([*built, *others]) or 'nothing'}.",
            f"Running: torch {torch.__version__}, {sys.implementation.cache_tag} on {platform.system()} "
            f"{platform.machine()}, {' '.join(platform.libc_ver()) or 'unknown libc'}.",
        ]
    )
