"""The backend ``torch_moe_ttnn`` of ``torch.compile``: ``tt`` is the name of tt-xla's."""

from collections.abc import Callable, Sequence

import torch

from torch_moe_ttnn.tt._checkpoint import keep_random_numbers
from torch_moe_ttnn.tt._replayed import Replayed, holds_only_launches


def run_as_captured(
    graph_module: torch.fx.GraphModule, example_inputs: Sequence[object], mode: str | None = None, **options: object
) -> Callable[..., object]:
    """Run a graph as it was captured: Dynamo has its shapes by now, and the device generates no code.

    Nothing is rewritten but checkpoints, so that the current device, gradients, random numbers and what changes in
    place are what they are in eager.

    Args:
        graph_module: Dynamo's graph.
        example_inputs: what it was captured with.
        mode: ``"reduce-overhead"`` replays a graph that holds launches alone, as ``torch.tt.graph`` captures them,
            where a call has the tensors of one before; another graph runs as without.
        **options: none.

    Raises:
        ValueError: ``torch.compile`` was given another mode, or options.
    """
    if options or mode not in (None, "reduce-overhead"):
        given = options if mode is None else {"mode": mode, **options}
        raise ValueError(
            'expected no mode but "reduce-overhead" and no options for the backend torch_moe_ttnn, which generates no '
            f"code, got {given}"
        )
    keep_random_numbers(graph_module)
    if mode == "reduce-overhead" and holds_only_launches(graph_module):
        return Replayed(graph_module.forward)
    return graph_module.forward
