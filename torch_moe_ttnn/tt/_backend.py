"""The backend ``torch_moe_ttnn`` of ``torch.compile``: ``tt`` is the name of tt-xla's."""

from collections.abc import Callable, Sequence

import torch

from torch_moe_ttnn.tt._checkpoint import keep_random_numbers


def run_as_captured(
    graph_module: torch.fx.GraphModule, example_inputs: Sequence[object], **options: object
) -> Callable[..., object]:
    """Run a graph as it was captured: Dynamo has its shapes by now, and the device generates no code.

    Nothing is rewritten but checkpoints, so that the current device, gradients, random numbers and what changes in
    place are what they are in eager.

    Raises:
        ValueError: ``torch.compile`` was given a mode or options.
    """
    if options:
        raise ValueError(
            f"expected no mode or options for the backend torch_moe_ttnn, which generates no code, got {options}"
        )
    keep_random_numbers(graph_module)
    return graph_module.forward
