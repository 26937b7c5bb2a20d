"""Where the compiled files are; ``setup.py`` runs this file, so it imports nothing of the package."""

import importlib.machinery

PARENT = "_built"
"""A folder within the package, with a folder for each Python and each release of torch: they do not fit others."""


def minor_of(torch_version: str) -> str:
    """Return the release, 2.13 for 2.13.0+cpu: all builds of one, and its patches, fit alike."""
    return ".".join(torch_version.split(".")[:2])


def folder_name(torch_version: str) -> str:
    """Return the folder's name for a torch and for the Python that runs.

    It is an identifier, for setuptools takes the compiled files for modules.
    """
    python = importlib.machinery.EXTENSION_SUFFIXES[0].strip(".").removesuffix(".so")
    return f"torch_{minor_of(torch_version)}_{python}".replace(".", "_").replace("-", "_")
