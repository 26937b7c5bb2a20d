"""What ``--json`` prints: all that the text says, as one object, whose names ``docs/command-line.md`` has."""

import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any

import torch

import torch_moe_ttnn
from torch_moe_ttnn._cli.batch import Batch
from torch_moe_ttnn._cli.devices import Description
from torch_moe_ttnn._cli.route import Run

VERSION = 1
"""Goes up where a reader of an earlier version would misunderstand; what is merely new does not change it."""


def version_of(package: str) -> str:
    """Return an installed package's version, or that there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def software() -> dict[str, str]:
    """Return what runs, by name."""
    return {
        "torch_moe_ttnn": torch_moe_ttnn.__version__,
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def routed(
    batch: Batch, devices: Sequence[Description], metalium: Description, runs: Sequence[Run], counts: Sequence[int]
) -> dict[str, Any]:
    """Return the document of a batch that was routed; ``counts`` are the choices of each expert."""
    num_tokens, top_k = batch.selected_experts.shape
    local = batch.options.local_experts
    return {
        "format": "torch_moe_ttnn-batch",
        "version": VERSION,
        "software": software(),
        "devices": list(devices),
        "metalium": metalium,
        "batch": {
            "description": batch.description,
            "tokens": num_tokens,
            "top_k": top_k,
            "num_experts": batch.num_experts,
            "hidden_size": batch.hidden_size,
            "local_experts": None if local is None else local.tolist(),
            "max_tokens": batch.options.max_tokens,
            "alignment": batch.options.alignment,
        },
        "runs": [
            {
                "operator": run.operator,
                "device": run.device,
                "runs_on": run.runs_on,
                "outputs": [
                    {
                        "name": name,
                        "dtype": str(output.dtype).removeprefix("torch."),
                        "shape": list(output.shape),
                        "bytes": output.nbytes,
                    }
                    for name, output in run.outputs.items()
                ],
                "median_seconds": run.median_seconds,
                "difference": run.difference,
            }
            for run in runs
        ],
        "choices_of_experts": list(counts),
        "equal": not any(run.difference for run in runs),
    }
