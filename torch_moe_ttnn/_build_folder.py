"""Where the compiled files are; ``setup.py`` runs this file, so it imports nothing of the package."""

import importlib.machinery

PARENT = "_built"
"""A folder within the package, with a folder for each Python and each release of torch: they do not fit others."""


def folder_name(torch_version: str) -> str:
    """Return the folder's name for a torch and for the Python that runs.

    2.13.0 and 2.13.0+cpu share one, for builds of one release fit alike. The name is an identifier, for setuptools
    takes the compiled files for modules.
    """
    python = importlib.machinery.EXTENSION_SUFFIXES[0].strip(".").removesuffix(".so")
    release = torch_version.partition("+")[0]
    return f"torch_{release}_{python}".replace(".", "_").replace("-", "_")
